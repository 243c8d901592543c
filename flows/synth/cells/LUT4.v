// A table of four inputs, as ECP5 and others have it: one shift instead of a tree of choices, which
// simulators compile many times faster.
// Our model of the primitive's public function; synthesis knows the primitive itself.
module LUT4 #(parameter [15:0] INIT = 16'd0) (input A, input B, input C, input D, output Z);
    assign Z = INIT[{D, C, B, A}];
endmodule
