// The top of both benches: overlay -> rules -> faults -> memory timing -> memory port, and a
// stopwatch.
//
//   s_axil_*   control port, driven by the bench (harness: C++; cocotb: AxiLiteMaster)
//   m_axi_*    memory port behind the timing; the bench puts an array or an AxiRam there
//   bypass     1: the overlay meets the memory itself (random stalls, function only). Constant.
//   latency    L of memory.md in cycles, >= 1. Constant.
//   memory_end bytes of memory; bursts beyond break a rule. Constant.
//   hazards    1: reads and writes of the same word may be under way together. Constant.
//   fault_*    what the memory does wrong (faults.sv)
// The stopwatch counts edges of aclk since power-up. All its outputs are registered: they show an
// event in the cycle after its edge.
//   csr_edge     the last edge at which the control port took a W: after the write of START
//                nothing else is written, so it stays at START
//   irq_edge     the edge at which irq was sampled high after low;  irq_seen: irq as sampled
//   write_*      the last write burst whose B was taken: number since reset, edge, address
// F must be the overlay's bus width in bits.
module bench_top #(
    parameter int F = 64
) (
    input  logic           aclk,
    input  logic           aresetn,
    input  logic           bypass,
    input  logic [15:0]    latency,
    input  logic [32:0]    memory_end,
    input  logic           hazards,
    input  logic           fault_arm,
    input  logic [31:0]    fault_read,
    input  logic [31:0]    fault_write,
    input  logic [1:0]     fault_response,
    input  logic [2:0]     fault_hung,
    input  logic [31:0]    fault_after,

    output logic [63:0]    now,
    output logic [63:0]    csr_edge,
    output logic [63:0]    irq_edge,
    output logic           irq_seen,
    output logic [31:0]    write_count,
    output logic [63:0]    write_edge,
    output logic [31:0]    write_address,
    output logic [3:0]     error_code,
    output logic [31:0]    error_address,
    output logic [63:0]    error_edge,

    input  logic [11:0]    s_axil_awaddr,
    input  logic [2:0]     s_axil_awprot,
    input  logic           s_axil_awvalid,
    output logic           s_axil_awready,
    input  logic [31:0]    s_axil_wdata,
    input  logic [3:0]     s_axil_wstrb,
    input  logic           s_axil_wvalid,
    output logic           s_axil_wready,
    output logic [1:0]     s_axil_bresp,
    output logic           s_axil_bvalid,
    input  logic           s_axil_bready,
    input  logic [11:0]    s_axil_araddr,
    input  logic [2:0]     s_axil_arprot,
    input  logic           s_axil_arvalid,
    output logic           s_axil_arready,
    output logic [31:0]    s_axil_rdata,
    output logic [1:0]     s_axil_rresp,
    output logic           s_axil_rvalid,
    input  logic           s_axil_rready,

    output logic [0:0]     m_axi_awid,
    output logic [31:0]    m_axi_awaddr,
    output logic [7:0]     m_axi_awlen,
    output logic [2:0]     m_axi_awsize,
    output logic [1:0]     m_axi_awburst,
    output logic           m_axi_awvalid,
    input  logic           m_axi_awready,
    output logic [F-1:0]   m_axi_wdata,
    output logic [F/8-1:0] m_axi_wstrb,
    output logic           m_axi_wlast,
    output logic           m_axi_wvalid,
    input  logic           m_axi_wready,
    input  logic [0:0]     m_axi_bid,
    input  logic [1:0]     m_axi_bresp,
    input  logic           m_axi_bvalid,
    output logic           m_axi_bready,
    output logic [0:0]     m_axi_arid,
    output logic [31:0]    m_axi_araddr,
    output logic [7:0]     m_axi_arlen,
    output logic [2:0]     m_axi_arsize,
    output logic [1:0]     m_axi_arburst,
    output logic           m_axi_arvalid,
    input  logic           m_axi_arready,
    input  logic [0:0]     m_axi_rid,
    input  logic [F-1:0]   m_axi_rdata,
    input  logic [1:0]     m_axi_rresp,
    input  logic           m_axi_rlast,
    input  logic           m_axi_rvalid,
    output logic           m_axi_rready
);
    // AR, AW: {addr, len, size, burst, lock, cache, prot, id}
    localparam int A_WIDTH = 32 + 8 + 3 + 2 + 1 + 4 + 3 + 1;
    localparam int W_WIDTH = F + F / 8 + 1;  // {data, strb, last}
    localparam int R_WIDTH = F + 4;          // {data, id, resp, last}
    localparam int B_WIDTH = 3;              // {id, resp}

    // o_: at the overlay. t_: between timing and memory.
    logic o_arvalid, o_arready, o_rvalid, o_rready, o_awvalid, o_awready;
    logic o_wvalid, o_wready, o_bvalid, o_bready, irq;
    logic [A_WIDTH-1:0] o_ar, o_aw, t_ar, t_aw;
    logic [W_WIDTH-1:0] o_w, t_w;
    logic [R_WIDTH-1:0] o_r, t_s_r;
    logic [B_WIDTH-1:0] o_b, t_s_b;
    // x_: between faults and timing (or memory, with bypass).
    logic x_arvalid, x_arready, x_rvalid, x_rready, x_awvalid, x_awready;
    logic x_wvalid, x_wready, x_bvalid, x_bready;
    logic [R_WIDTH-1:0] x_r;
    logic [B_WIDTH-1:0] x_b;
    logic t_arvalid, t_rready, t_awvalid, t_wvalid, t_bready;
    logic t_s_arready, t_s_rvalid, t_s_awready, t_s_wready, t_s_bvalid;
    logic read_late, write_late;

    wire [R_WIDTH-1:0] m_r = {m_axi_rdata, m_axi_rid, m_axi_rresp, m_axi_rlast};
    wire [B_WIDTH-1:0] m_b = {m_axi_bid, m_axi_bresp};

    bitwright_overlay overlay (
        .aclk, .aresetn, .irq,
        .s_axil_awaddr, .s_axil_awprot, .s_axil_awvalid, .s_axil_awready,
        .s_axil_wdata, .s_axil_wstrb, .s_axil_wvalid, .s_axil_wready,
        .s_axil_bresp, .s_axil_bvalid, .s_axil_bready,
        .s_axil_araddr, .s_axil_arprot, .s_axil_arvalid, .s_axil_arready,
        .s_axil_rdata, .s_axil_rresp, .s_axil_rvalid, .s_axil_rready,
        .m_axi_awaddr(o_aw[A_WIDTH-1-:32]), .m_axi_awlen(o_aw[A_WIDTH-33-:8]),
        .m_axi_awsize(o_aw[A_WIDTH-41-:3]), .m_axi_awburst(o_aw[A_WIDTH-44-:2]),
        .m_axi_awlock(o_aw[8]), .m_axi_awcache(o_aw[7:4]), .m_axi_awprot(o_aw[3:1]),
        .m_axi_awid(o_aw[0:0]), .m_axi_awvalid(o_awvalid), .m_axi_awready(o_awready),
        .m_axi_wdata(o_w[W_WIDTH-1-:F]), .m_axi_wstrb(o_w[F/8:1]), .m_axi_wlast(o_w[0]),
        .m_axi_wvalid(o_wvalid), .m_axi_wready(o_wready),
        .m_axi_bid(o_b[2]), .m_axi_bresp(o_b[1:0]),
        .m_axi_bvalid(o_bvalid), .m_axi_bready(o_bready),
        .m_axi_araddr(o_ar[A_WIDTH-1-:32]), .m_axi_arlen(o_ar[A_WIDTH-33-:8]),
        .m_axi_arsize(o_ar[A_WIDTH-41-:3]), .m_axi_arburst(o_ar[A_WIDTH-44-:2]),
        .m_axi_arlock(o_ar[8]), .m_axi_arcache(o_ar[7:4]), .m_axi_arprot(o_ar[3:1]),
        .m_axi_arid(o_ar[0:0]), .m_axi_arvalid(o_arvalid), .m_axi_arready(o_arready),
        .m_axi_rdata(o_r[R_WIDTH-1-:F]), .m_axi_rid(o_r[3]), .m_axi_rresp(o_r[2:1]),
        .m_axi_rlast(o_r[0]), .m_axi_rvalid(o_rvalid), .m_axi_rready(o_rready)
    );

    axi_rules #(.F(F), .A_WIDTH(A_WIDTH)) rules (
        .aclk, .aresetn, .now, .memory_end, .hazards, .read_late, .write_late,
        .arvalid(o_arvalid), .arready(o_arready), .ar(o_ar),
        .rvalid(o_rvalid), .rready(o_rready), .rlast(o_r[0]),
        .awvalid(o_awvalid), .awready(o_awready), .aw(o_aw),
        .wvalid(o_wvalid), .wready(o_wready), .w(o_w),
        .bvalid(o_bvalid), .bready(o_bready),
        .error_code, .error_address, .error_edge,
        .write_count, .write_edge, .write_address
    );

    faults misbehaviour (
        .aclk, .aresetn, .arm(fault_arm), .bad_read(fault_read), .bad_write(fault_write),
        .response(fault_response), .hung(fault_hung), .hung_after(fault_after),
        .o_arvalid, .o_arready, .o_rvalid, .o_rready, .o_rresp(o_r[2:1]),
        .o_awvalid, .o_awready, .o_wvalid, .o_wready, .o_bvalid, .o_bready, .o_bresp(o_b[1:0]),
        .x_arvalid, .x_arready, .x_rvalid, .x_rready, .x_rresp(x_r[2:1]),
        .x_awvalid, .x_awready, .x_wvalid, .x_wready, .x_bvalid, .x_bready, .x_bresp(x_b[1:0])
    );
    assign {o_r[R_WIDTH-1:3], o_r[0]} = {x_r[R_WIDTH-1:3], x_r[0]};
    assign o_b[2] = x_b[2];

    mem_timing #(
        .A_WIDTH(A_WIDTH), .W_WIDTH(W_WIDTH), .R_WIDTH(R_WIDTH), .B_WIDTH(B_WIDTH)
    ) timing (
        .aclk, .aresetn, .now, .latency, .read_late, .write_late,
        .s_arvalid(x_arvalid && !bypass), .s_arready(t_s_arready), .s_ar(o_ar),
        .s_rvalid(t_s_rvalid), .s_rready(x_rready), .s_r(t_s_r),
        .s_awvalid(x_awvalid && !bypass), .s_awready(t_s_awready), .s_aw(o_aw),
        .s_wvalid(x_wvalid && !bypass), .s_wready(t_s_wready), .s_w(o_w),
        .s_bvalid(t_s_bvalid), .s_bready(x_bready), .s_b(t_s_b),
        .m_arvalid(t_arvalid), .m_arready(m_axi_arready), .m_ar(t_ar),
        .m_rvalid(m_axi_rvalid && !bypass), .m_rready(t_rready), .m_r,
        .m_awvalid(t_awvalid), .m_awready(m_axi_awready), .m_aw(t_aw),
        .m_wvalid(t_wvalid), .m_wready(m_axi_wready), .m_w(t_w),
        .m_bvalid(m_axi_bvalid && !bypass), .m_bready(t_bready), .m_b
    );

    assign x_arready = bypass ? m_axi_arready : t_s_arready;
    assign x_awready = bypass ? m_axi_awready : t_s_awready;
    assign x_wready = bypass ? m_axi_wready : t_s_wready;
    assign {x_rvalid, x_r} = bypass ? {m_axi_rvalid, m_r} : {t_s_rvalid, t_s_r};
    assign {x_bvalid, x_b} = bypass ? {m_axi_bvalid, m_b} : {t_s_bvalid, t_s_b};

    wire [A_WIDTH-1:0] m_ar = bypass ? o_ar : t_ar;
    wire [A_WIDTH-1:0] m_aw = bypass ? o_aw : t_aw;
    assign m_axi_arvalid = bypass ? x_arvalid : t_arvalid;
    assign m_axi_awvalid = bypass ? x_awvalid : t_awvalid;
    assign m_axi_wvalid = bypass ? x_wvalid : t_wvalid;
    assign m_axi_rready = bypass ? x_rready : t_rready;
    assign m_axi_bready = bypass ? x_bready : t_bready;
    assign {m_axi_wdata, m_axi_wstrb, m_axi_wlast} = bypass ? o_w : t_w;
    assign {m_axi_araddr, m_axi_arlen, m_axi_arsize, m_axi_arburst} = m_ar[A_WIDTH-1:9];
    assign {m_axi_awaddr, m_axi_awlen, m_axi_awsize, m_axi_awburst} = m_aw[A_WIDTH-1:9];
    assign {m_axi_arid, m_axi_awid} = {m_ar[0], m_aw[0]};

    initial now = '0;
    always_ff @(posedge aclk) begin
        now <= now + 64'd1;
        if (s_axil_wvalid && s_axil_wready) csr_edge <= now;
        irq_seen <= aresetn && irq;
        if (irq && !irq_seen) irq_edge <= now;
    end
endmodule
