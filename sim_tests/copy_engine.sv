// A small AXI4 master with the overlay's ports, to test the benches without an overlay.
//
// START copies BURSTS bursts of BEATS bus words from SOURCE to TARGET, one read burst ahead of
// the write burst, then raises irq after the last B. Control registers (byte offsets):
//   0x04 CONTROL (1 = START)   0x08 STATUS (0 busy, 1 done)   0x0C IRQ_CLEAR
//   0x10 SOURCE  0x14 TARGET  0x18 BURSTS  0x1C BEATS  0x20 CYCLES (START to irq)
//   0x24 FAULT   makes it break a rule on purpose: 1 drops ARVALID once, 2 write under the read,
//                3 read burst of half-width beats, 4 never finishes, 5 read across 4 KiB,
//                6 WLAST one beat early
// Address steps are BEATS bus words. A burst must fit the buffer (256 beats).
module bitwright_overlay #(
    parameter int F = 64
) (
    input  logic           aclk,
    input  logic           aresetn,
    output logic           irq,
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
    output logic           m_axi_awlock,
    output logic [3:0]     m_axi_awcache,
    output logic [2:0]     m_axi_awprot,
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
    output logic           m_axi_arlock,
    output logic [3:0]     m_axi_arcache,
    output logic [2:0]     m_axi_arprot,
    output logic           m_axi_arvalid,
    input  logic           m_axi_arready,
    input  logic [0:0]     m_axi_rid,
    input  logic [F-1:0]   m_axi_rdata,
    input  logic [1:0]     m_axi_rresp,
    input  logic           m_axi_rlast,
    input  logic           m_axi_rvalid,
    output logic           m_axi_rready
);
    localparam int BYTES = F / 8;
    logic [31:0] source, target, bursts, beats, cycles, fault;
    logic busy, done;

    // Control port: a write takes AW and W together, then answers; so does a read.
    wire csr_write = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
    wire csr_read = s_axil_arvalid && !s_axil_rvalid;
    wire start = csr_write && s_axil_awaddr == 12'h004 && s_axil_wdata[0] && !busy;
    assign {s_axil_awready, s_axil_wready, s_axil_arready} = {csr_write, csr_write, csr_read};
    assign {s_axil_bresp, s_axil_rresp} = '0;
    always_ff @(posedge aclk) begin
        if (csr_write)
            case (s_axil_awaddr)
                12'h010: source <= s_axil_wdata;
                12'h014: target <= s_axil_wdata;
                12'h018: bursts <= s_axil_wdata;
                12'h01c: beats <= s_axil_wdata;
                12'h024: fault <= s_axil_wdata;
                default: ;
            endcase
        if (csr_read)
            case (s_axil_araddr)
                12'h008: s_axil_rdata <= {30'd0, done, busy};
                12'h010: s_axil_rdata <= source;
                12'h014: s_axil_rdata <= target;
                12'h018: s_axil_rdata <= bursts;
                12'h01c: s_axil_rdata <= beats;
                12'h020: s_axil_rdata <= cycles;
                default: s_axil_rdata <= '0;
            endcase
        s_axil_bvalid <= aresetn && (csr_write || (s_axil_bvalid && !s_axil_bready));
        s_axil_rvalid <= aresetn && (csr_read || (s_axil_rvalid && !s_axil_rready));
        if (!aresetn) fault <= '0;
    end

    // Read side runs ahead of the write side by what the two buffers hold.
    logic [F-1:0] buffer [512];
    logic [31:0] asked, put, taken, named, sent, confirmed;  // bursts, beats in, out, bursts, ...
    logic [31:0] beat_in_burst;
    wire half_width = fault == 3;
    wire room = asked * beats + beats <= taken + 32'd512;
    assign {m_axi_arid, m_axi_arlock, m_axi_arcache, m_axi_arprot} = '0;
    assign {m_axi_awid, m_axi_awlock, m_axi_awcache, m_axi_awprot} = '0;
    assign m_axi_arsize = 3'($clog2(BYTES)) - 3'(half_width);
    assign m_axi_awsize = 3'($clog2(BYTES));
    assign {m_axi_arburst, m_axi_awburst} = {2'b01, 2'b01};
    assign {m_axi_arlen, m_axi_awlen} = {8'(beats - 1), 8'(beats - 1)};
    assign m_axi_araddr = source + asked * beats * BYTES + (fault == 5 ? 32'hffc : 32'd0);
    assign m_axi_awaddr = (fault == 2 ? source : target) + named * beats * BYTES;
    assign m_axi_rready = busy;
    assign m_axi_bready = busy;
    assign m_axi_wdata = buffer[taken[8:0]];
    assign m_axi_wstrb = '1;
    assign m_axi_wlast = beat_in_burst + 1 == beats - 32'(fault == 6);
    assign m_axi_wvalid = busy && taken != put && sent < named + 32'(m_axi_awvalid);
    assign irq = done;

    always_ff @(posedge aclk) begin
        if (m_axi_rvalid && m_axi_rready) buffer[put[8:0]] <= m_axi_rdata;
        if (start) begin
            {asked, put, taken, named, sent, confirmed, beat_in_burst} <= '0;
            cycles <= 32'd1;
        end else begin
            if (busy) cycles <= cycles + 32'd1;
            if (m_axi_arvalid && m_axi_arready) asked <= asked + 1;
            if (m_axi_rvalid && m_axi_rready) put <= put + 1;
            if (m_axi_awvalid && m_axi_awready) named <= named + 1;
            if (m_axi_wvalid && m_axi_wready) begin
                taken <= taken + 1;
                beat_in_burst <= m_axi_wlast ? 0 : beat_in_burst + 1;
                sent <= sent + 32'(m_axi_wlast);
            end
            if (m_axi_bvalid && m_axi_bready) confirmed <= confirmed + 1;
        end
        if (csr_write && s_axil_awaddr == 12'h00c) done <= 1'b0;
        if (start) busy <= 1'b1;
        if (busy && confirmed + 32'(m_axi_bvalid) == bursts && fault != 4)
            {busy, done} <= 2'b01;
        if (!aresetn) {busy, done} <= '0;
    end

    // Requests hold VALID until taken; fault 1 withdraws one.
    logic ar_hold, aw_hold, withdrawn;
    assign m_axi_arvalid = ar_hold && !(fault == 1 && withdrawn);
    assign m_axi_awvalid = aw_hold;
    always_ff @(posedge aclk) begin
        ar_hold <= aresetn && busy
            && ((ar_hold && !m_axi_arready)
                || (!ar_hold && asked < bursts && room));
        aw_hold <= aresetn && busy
            && ((aw_hold && !m_axi_awready) || (!aw_hold && named * beats < put && named < bursts));
        withdrawn <= busy && ar_hold && !m_axi_arready && !withdrawn;
    end
endmodule
