// Eight places of a carry chain: O = S ^ carry in, carry out = S ? carry in : DI.
// Our model of the primitive's public function as one chain; synthesis knows the primitive itself.
module CARRY8 #(parameter CARRY_TYPE = "SINGLE_CY8") (
    output [7:0] CO, output [7:0] O, input CI, input CI_TOP, input [7:0] DI, input [7:0] S
);
    wire c1 = S[0] ? CI : DI[0];
    wire c2 = S[1] ? c1 : DI[1];
    wire c3 = S[2] ? c2 : DI[2];
    wire c4 = S[3] ? c3 : DI[3];
    wire c5 = S[4] ? c4 : DI[4];
    wire c6 = S[5] ? c5 : DI[5];
    wire c7 = S[6] ? c6 : DI[6];
    wire c8 = S[7] ? c7 : DI[7];
    assign CO = {c8, c7, c6, c5, c4, c3, c2, c1};
    assign O = S ^ {c7, c6, c5, c4, c3, c2, c1, CI};
endmodule
