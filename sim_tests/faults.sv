// A memory port that misbehaves on demand, between the overlay (o_) and its memory (x_).
//
//   arm             counts begin anew; the settings below hold from then on
//   bad_read        number of the R beat that carries `response`, from 1; 0: none
//   bad_write       number of the B that carries it
//   hung            channel that stops after `hung_after` transfers: 1 AR, 2 R, 3 AW, 4 W, 5 B;
//                   0: none
// A channel that hangs shows neither VALID nor READY to either side.
module faults (
    input  logic        aclk,
    input  logic        aresetn,
    input  logic        arm,
    input  logic [31:0] bad_read,
    input  logic [31:0] bad_write,
    input  logic [1:0]  response,
    input  logic [2:0]  hung,
    input  logic [31:0] hung_after,

    input  logic        o_arvalid,
    output logic        o_arready,
    output logic        o_rvalid,
    input  logic        o_rready,
    output logic [1:0]  o_rresp,
    input  logic        o_awvalid,
    output logic        o_awready,
    input  logic        o_wvalid,
    output logic        o_wready,
    output logic        o_bvalid,
    input  logic        o_bready,
    output logic [1:0]  o_bresp,

    output logic        x_arvalid,
    input  logic        x_arready,
    input  logic        x_rvalid,
    output logic        x_rready,
    input  logic [1:0]  x_rresp,
    output logic        x_awvalid,
    input  logic        x_awready,
    output logic        x_wvalid,
    input  logic        x_wready,
    input  logic        x_bvalid,
    output logic        x_bready,
    input  logic [1:0]  x_bresp
);
    logic [31:0] count [5];  // transfers of each channel since arm
    logic [4:0] taken, open;
    assign taken = {
        o_bvalid && o_bready, o_wvalid && o_wready, o_awvalid && o_awready,
        o_rvalid && o_rready, o_arvalid && o_arready
    };
    always_ff @(posedge aclk)
        for (int c = 0; c < 5; c++)
            count[c] <= !aresetn || arm ? '0 : count[c] + 32'(taken[c]);
    always_comb
        for (int c = 0; c < 5; c++) open[c] = hung != 3'(c + 1) || count[c] < hung_after;

    assign {x_arvalid, o_arready} = {o_arvalid, x_arready} & {2{open[0]}};
    assign {o_rvalid, x_rready} = {x_rvalid, o_rready} & {2{open[1]}};
    assign {x_awvalid, o_awready} = {o_awvalid, x_awready} & {2{open[2]}};
    assign {x_wvalid, o_wready} = {o_wvalid, x_wready} & {2{open[3]}};
    assign {o_bvalid, x_bready} = {x_bvalid, o_bready} & {2{open[4]}};
    assign o_rresp = bad_read != 0 && count[1] + 1 == bad_read ? response : x_rresp;
    assign o_bresp = bad_write != 0 && count[4] + 1 == bad_write ? response : x_bresp;
endmodule
