// A six-input lookup table with a second output: O6 = INIT[{I5..I0}], O5 = INIT[{0, I4..I0}].
// Our model of the primitive's public function; synthesis knows the primitive itself.
module LUT6_2 #(parameter [63:0] INIT = 64'd0) (
    output O6, output O5, input I0, input I1, input I2, input I3, input I4, input I5
);
    wire [4:0] low = {I4, I3, I2, I1, I0};
    assign O6 = INIT[{I5, low}];
    assign O5 = INIT[{1'b0, low}];
endmodule
