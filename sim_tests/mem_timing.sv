// The reference memory's timing (memory.md), between an overlay (s_) and any memory (m_).
//
// "Offered at edge e" means: VALID is sampled high at edge e. `now` is the number of the coming
// edge. L = latency (cycles), Q = bursts under way per direction.
//   read   ARREADY is high while fewer than Q bursts are accepted and not fully returned. A burst
//          accepted at edge t offers beat k at max(t + L + k, the edge after the previous beat was
//          taken), in order, without a gap between bursts. RREADY low holds everything behind it.
//   write  AWREADY is high while fewer than Q bursts are accepted and without their B taken.
//          WREADY is high whenever an accepted burst has beats to come, and at the edge of its AW.
//          B is offered at (edge at which WLAST was taken) + L, in order.
// The memory behind must be faster: what it returns early waits here. When it is too slow,
// read_late (data or B not there in time) or write_late (beats pile up) is high: the cycle counts
// are then wrong, and the bench must fail.
//
// Payloads are opaque vectors, except bit 0 of s_w, m_r: LAST. Both directions pass through
// without latency, so that a memory which answers in 2 cycles serves L = 2.
// Not guaranteed: anything about addresses and hazards; axi_rules.sv watches those.
module mem_timing #(
    parameter int Q = 16,
    parameter int A_WIDTH = 48,  // AR, AW payload
    parameter int W_WIDTH = 73,  // {data, strobe, last}
    parameter int R_WIDTH = 68,  // {data, id, resp, last}
    parameter int B_WIDTH = 3,   // {id, resp}
    parameter int AHEAD = 64     // beats read ahead, and beats the memory may lag in writing
) (
    input  logic               aclk,
    input  logic               aresetn,
    input  logic [63:0]        now,
    input  logic [15:0]        latency,
    output logic               read_late,
    output logic               write_late,

    input  logic               s_arvalid,
    output logic               s_arready,
    input  logic [A_WIDTH-1:0] s_ar,
    output logic               s_rvalid,
    input  logic               s_rready,
    output logic [R_WIDTH-1:0] s_r,
    input  logic               s_awvalid,
    output logic               s_awready,
    input  logic [A_WIDTH-1:0] s_aw,
    input  logic               s_wvalid,
    output logic               s_wready,
    input  logic [W_WIDTH-1:0] s_w,
    output logic               s_bvalid,
    input  logic               s_bready,
    output logic [B_WIDTH-1:0] s_b,

    output logic               m_arvalid,
    input  logic               m_arready,
    output logic [A_WIDTH-1:0] m_ar,
    input  logic               m_rvalid,
    output logic               m_rready,
    input  logic [R_WIDTH-1:0] m_r,
    output logic               m_awvalid,
    input  logic               m_awready,
    output logic [A_WIDTH-1:0] m_aw,
    output logic               m_wvalid,
    input  logic               m_wready,
    output logic [W_WIDTH-1:0] m_w,
    input  logic               m_bvalid,
    output logic               m_bready,
    input  logic [B_WIDTH-1:0] m_b
);
    localparam int COUNT = $clog2(Q) + 1;

    logic [COUNT-1:0] reads, writes;  // bursts under way
    logic [COUNT-1:0] owed;           // bursts accepted whose WLAST has not been taken

    wire ar_take = s_arvalid && s_arready;
    wire r_last_take = s_rvalid && s_rready && s_r[0];
    wire aw_take = s_awvalid && s_awready;
    wire w_take = s_wvalid && s_wready;
    wire w_last_take = w_take && s_w[0];
    wire b_take = s_bvalid && s_bready;

    assign s_arready = aresetn && reads != COUNT'(Q);
    assign s_awready = aresetn && writes != COUNT'(Q);
    assign s_wready = aresetn && (owed != 0 || aw_take);

    always_ff @(posedge aclk) begin
        if (!aresetn) begin
            reads <= '0;
            writes <= '0;
            owed <= '0;
        end else begin
            reads <= reads + COUNT'(ar_take) - COUNT'(r_last_take);
            writes <= writes + COUNT'(aw_take) - COUNT'(b_take);
            owed <= owed + COUNT'(aw_take) - COUNT'(w_last_take);
        end
    end

    // Requests go on at once; a memory that is busy finds them here, at most Q of each.
    logic ar_room, aw_room, w_room;
    fall_through #(.WIDTH(A_WIDTH), .DEPTH(Q)) ar_queue (
        .aclk, .aresetn, .in_valid(ar_take), .in_ready(ar_room), .in_data(s_ar),
        .out_valid(m_arvalid), .out_ready(m_arready), .out_data(m_ar)
    );
    fall_through #(.WIDTH(A_WIDTH), .DEPTH(Q)) aw_queue (
        .aclk, .aresetn, .in_valid(aw_take), .in_ready(aw_room), .in_data(s_aw),
        .out_valid(m_awvalid), .out_ready(m_awready), .out_data(m_aw)
    );
    fall_through #(.WIDTH(W_WIDTH), .DEPTH(AHEAD)) w_queue (
        .aclk, .aresetn, .in_valid(w_take), .in_ready(w_room), .in_data(s_w),
        .out_valid(m_wvalid), .out_ready(m_wready), .out_data(m_w)
    );

    // Answers wait until they are due. Beat k needs no time of its own: one beat per cycle from
    // beat 0 on is t + L + k.
    logic r_due, r_there, b_due, b_there;
    due_times #(.DEPTH(Q)) read_times (
        .aclk, .aresetn, .now, .latency, .put(ar_take), .take(r_last_take), .due(r_due)
    );
    due_times #(.DEPTH(Q)) write_times (
        .aclk, .aresetn, .now, .latency, .put(w_last_take), .take(b_take), .due(b_due)
    );
    fall_through #(.WIDTH(R_WIDTH), .DEPTH(AHEAD)) r_queue (
        .aclk, .aresetn, .in_valid(m_rvalid), .in_ready(m_rready), .in_data(m_r),
        .out_valid(r_there), .out_ready(r_due && s_rready), .out_data(s_r)
    );
    fall_through #(.WIDTH(B_WIDTH), .DEPTH(Q)) b_queue (
        .aclk, .aresetn, .in_valid(m_bvalid), .in_ready(m_bready), .in_data(m_b),
        .out_valid(b_there), .out_ready(b_due && s_bready), .out_data(s_b)
    );
    assign s_rvalid = r_due && r_there;
    assign s_bvalid = b_due && b_there;

    assign read_late = aresetn && r_due && !r_there;
    assign write_late = aresetn
        && ((b_due && !b_there) || (w_take && !w_room)
            || (ar_take && !ar_room) || (aw_take && !aw_room));
endmodule
