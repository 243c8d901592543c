// Two places of an ECP5 carry chain. In each, p = INIT[{D, C, B, A}] and g = INIT[{0, 0, B, A}]:
// S = p ^ carry in, carry out = p ? carry in : g. INJECT1_* = "YES" cuts the carry off.
// Our model of the primitive's public function; synthesis knows the primitive itself.
module CCU2C #(
    parameter [15:0] INIT0 = 16'd0, parameter [15:0] INIT1 = 16'd0,
    parameter INJECT1_0 = "NO", parameter INJECT1_1 = "NO"
) (
    input CIN,
    input A0, input B0, input C0, input D0, input A1, input B1, input C1, input D1,
    output S0, output S1, output COUT
);
    localparam OPEN_0 = INJECT1_0 != "YES";
    localparam OPEN_1 = INJECT1_1 != "YES";
    wire p0 = INIT0[{D0, C0, B0, A0}];
    wire p1 = INIT1[{D1, C1, B1, A1}];
    wire g0 = INIT0[{2'b00, B0, A0}] & OPEN_0;
    wire g1 = INIT1[{2'b00, B1, A1}] & OPEN_1;
    wire c1 = p0 ? CIN : g0;
    assign S0 = p0 ^ (CIN & OPEN_0);
    assign S1 = p1 ^ (c1 & OPEN_1);
    assign COUT = p1 ? c1 : g1;
endmodule
