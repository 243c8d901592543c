// Watches the overlay's AXI4 port and latches the first rule it breaks (error_code != 0):
//   1, 2, 3  AR, AW, W: VALID withdrawn, or payload changed, while it waited for READY
//   4, 5     read, write burst that is not INCR with full-width beats
//   6, 7     read, write burst that crosses 4 KiB
//   8        WLAST at another beat than AWLEN says
//   9        hazard: a read and a write of the same bus word under way together. A write is under
//            way from AW accepted to B taken; a read from AR accepted to the beat taken. An AR
//            accepted at the edge of the B is still too early (memory.md, "Order").
//   10, 11   memory behind mem_timing too slow in reading, in writing: cycle counts are void
//   12       more than RING bursts under way
//   13, 14   read, write burst beyond memory_end (bytes)
//   15       VALID high in the cycle after reset
// `hazards` high allows what rule 9 forbids.
// error_address is the burst's address (hazard: of the bytes both touch), error_edge the edge.
//
// It also lists the writes done: write_count steps at each B taken, with the edge and the address
// of its burst beside it, all registered. Everything counts in whole bus words of F bits.
module axi_rules #(
    parameter int F = 64,
    parameter int A_WIDTH = 48,
    parameter int RING = 32
) (
    input  logic               aclk,
    input  logic               aresetn,
    input  logic [63:0]        now,
    input  logic [32:0]        memory_end,
    input  logic               hazards,
    input  logic               read_late,
    input  logic               write_late,
    // Payload of AR and AW: {address, length, size, burst, whatever else must not change}.
    input  logic               arvalid,
    input  logic               arready,
    input  logic [A_WIDTH-1:0] ar,
    input  logic               rvalid,
    input  logic               rready,
    input  logic               rlast,
    input  logic               awvalid,
    input  logic               awready,
    input  logic [A_WIDTH-1:0] aw,
    input  logic               wvalid,
    input  logic               wready,
    input  logic [F+F/8:0]     w,  // {data, strobe, last}
    input  logic               bvalid,
    input  logic               bready,

    output logic [3:0]         error_code,
    output logic [31:0]        error_address,
    output logic [63:0]        error_edge,
    output logic [31:0]        write_count,
    output logic [63:0]        write_edge,
    output logic [31:0]        write_address
);
    localparam int POINTER = $clog2(RING);
    localparam int SHIFT = $clog2(F / 8);
    typedef logic [POINTER-1:0] place_t;
    typedef logic [32:0] bound_t;  // byte address, one past the end may be 2^32

    wire ar_take = arvalid && arready;
    wire aw_take = awvalid && awready;
    wire w_take = wvalid && wready;
    wire r_take = rvalid && rready;
    wire b_take = bvalid && bready;

    // One burst as bytes [low, high), widened to whole bus words.
    function automatic bound_t low_of(input logic [A_WIDTH-1:0] burst);
        return {1'b0, burst[A_WIDTH-1-:32] >> SHIFT << SHIFT};
    endfunction
    function automatic bound_t high_of(input logic [A_WIDTH-1:0] burst);
        return low_of(burst) + ((33'(burst[A_WIDTH-33-:8]) + 33'd1) << SHIFT);
    endfunction
    function automatic logic wrong_shape(input logic [A_WIDTH-1:0] burst);
        return burst[A_WIDTH-41-:3] != 3'(SHIFT) || burst[A_WIDTH-44-:2] != 2'b01;
    endfunction
    function automatic logic crosses_4k(input logic [A_WIDTH-1:0] burst);
        bound_t last = high_of(burst) - 33'd1;
        return burst[A_WIDTH-1-:20] != last[31:12] || last[32];
    endfunction

    // Bursts under way, in order of acceptance.
    bound_t read_low [RING], read_high [RING], write_low [RING], write_high [RING];
    logic [RING-1:0] read_live, write_live;
    place_t read_first, read_next, write_first, write_next;
    always_ff @(posedge aclk) begin
        if (!aresetn) begin
            {read_live, write_live} <= '0;
            {read_first, read_next, write_first, write_next} <= '0;
        end else begin
            if (r_take) read_low[read_first] <= read_low[read_first] + 33'(F / 8);
            if (r_take && rlast) begin
                read_live[read_first] <= 1'b0;
                read_first <= read_first + 1'b1;
            end
            if (b_take) begin
                write_live[write_first] <= 1'b0;
                write_first <= write_first + 1'b1;
            end
            if (ar_take) begin
                {read_low[read_next], read_high[read_next]} <= {low_of(ar), high_of(ar)};
                read_live[read_next] <= 1'b1;
                read_next <= read_next + 1'b1;
            end
            if (aw_take) begin
                {write_low[write_next], write_high[write_next]} <= {low_of(aw), high_of(aw)};
                write_live[write_next] <= 1'b1;
                write_next <= write_next + 1'b1;
            end
        end
    end

    // WLAST against AWLEN. W may run ahead of its AW, so both sides are kept until they meet.
    logic [8:0] aw_beats [RING], w_beats [RING];
    place_t w_burst;     // the burst that the next W beat belongs to; AW's is write_next
    logic [8:0] w_beat;  // beats of it already taken
    logic w_ahead;       // every AW accepted so far has all its beats: W leads or is level
    wire [8:0] aw_length = {1'b0, aw[A_WIDTH-33-:8]} + 9'd1;
    wire [8:0] owed = w_burst == write_next ? aw_length : aw_beats[w_burst];
    wire aw_known = w_burst != write_next ? !w_ahead : aw_take;
    wire wrong_last = (w_take && aw_known && w[0] != (w_beat + 9'd1 == owed))
        || (aw_take && w_ahead && w_burst != write_next && w_beats[write_next] != aw_length);
    always_ff @(posedge aclk) begin
        if (!aresetn) begin
            {w_burst, w_beat, w_ahead} <= '0;
        end else begin
            if (aw_take) aw_beats[write_next] <= aw_length;
            if (w_take) w_beat <= w[0] ? 9'd0 : w_beat + 9'd1;
            if (w_take && w[0]) begin
                w_beats[w_burst] <= w_beat + 9'd1;
                w_burst <= w_burst + 1'b1;
            end
            // Once level, whoever moves alone leads.
            if (w_burst == write_next) w_ahead <= w_take && w[0] && !aw_take;
        end
    end

    // Payload and VALID must hold while READY is low.
    logic ar_waits, aw_waits, w_waits;
    logic [A_WIDTH-1:0] ar_was, aw_was;
    logic [F+F/8:0] w_was;
    always_ff @(posedge aclk) begin
        ar_waits <= aresetn && arvalid && !arready;
        aw_waits <= aresetn && awvalid && !awready;
        w_waits <= aresetn && wvalid && !wready;
        if (arvalid && !arready) ar_was <= ar;
        if (awvalid && !awready) aw_was <= aw;
        if (wvalid && !wready) w_was <= w;
    end
    wire ar_broken = ar_waits && (!arvalid || ar != ar_was);
    wire aw_broken = aw_waits && (!awvalid || aw != aw_was);
    wire w_broken = w_waits && (!wvalid || w != w_was);

    logic was_reset;
    always_ff @(posedge aclk) was_reset <= !aresetn;

    task automatic report(input logic [3:0] code, input logic [31:0] address);
        if (error_code == 0) begin
            error_code <= code;
            error_address <= address;
            error_edge <= now;
        end
    endtask

    function automatic bound_t larger(input bound_t a, input bound_t b);
        return a > b ? a : b;
    endfunction

    // An accepted read [low, high) against each write under way, and the one accepted with it.
    task automatic check_read(input bound_t low, input bound_t high);
        for (int i = 0; i < RING; i++)
            if (write_live[i] && low < write_high[i] && write_low[i] < high)
                report(4'd9, 32'(larger(low, write_low[i])));
        if (aw_take && low < high_of(aw) && low_of(aw) < high)
            report(4'd9, 32'(larger(low, low_of(aw))));
    endtask
    task automatic check_write(input bound_t low, input bound_t high);
        for (int i = 0; i < RING; i++)
            if (read_live[i] && low < read_high[i] && read_low[i] < high)
                report(4'd9, 32'(larger(low, read_low[i])));
    endtask

    wire [31:0] ar_address = ar[A_WIDTH-1-:32];
    wire [31:0] aw_address = aw[A_WIDTH-1-:32];
    always_ff @(posedge aclk) begin
        if (!aresetn) begin
            error_code <= '0;
            error_address <= '0;
            error_edge <= '0;
        end else if (error_code == 0) begin
            // Later reports of the same edge overwrite earlier ones: the plainest cause is last.
            if (ar_take && !hazards) check_read(low_of(ar), high_of(ar));
            if (aw_take && !hazards) check_write(low_of(aw), high_of(aw));
            if (read_late) report(4'd10, 32'(read_low[read_first]));
            if (write_late) report(4'd11, 32'(write_low[write_first]));
            if (wrong_last) report(4'd8, 32'(write_low[w_burst]));
            if (ar_take && &read_live || aw_take && &write_live) report(4'd12, ar_address);
            if (arvalid && high_of(ar) > memory_end) report(4'd13, ar_address);
            if (awvalid && high_of(aw) > memory_end) report(4'd14, aw_address);
            if (arvalid && crosses_4k(ar)) report(4'd6, ar_address);
            if (awvalid && crosses_4k(aw)) report(4'd7, aw_address);
            if (arvalid && wrong_shape(ar)) report(4'd4, ar_address);
            if (awvalid && wrong_shape(aw)) report(4'd5, aw_address);
            if (w_broken) report(4'd3, 32'(write_low[w_burst]));
            if (aw_broken) report(4'd2, aw_was[A_WIDTH-1-:32]);
            if (ar_broken) report(4'd1, ar_was[A_WIDTH-1-:32]);
            if (was_reset && (arvalid || awvalid || wvalid)) report(4'd15, ar_address);
        end
    end

    always_ff @(posedge aclk) begin
        if (!aresetn) begin
            write_count <= '0;
        end else if (b_take) begin
            write_count <= write_count + 1'b1;
            write_edge <= now;
            write_address <= 32'(write_low[write_first]);
        end
    end
endmodule
