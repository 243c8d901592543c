// First-in first-out queue without latency: what enters an empty queue can leave in the same cycle.
// DEPTH must be a power of two. in_ready does not depend on out_ready.
module fall_through #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 16
) (
    input  logic             aclk,
    input  logic             aresetn,
    input  logic             in_valid,
    output logic             in_ready,
    input  logic [WIDTH-1:0] in_data,
    output logic             out_valid,
    input  logic             out_ready,
    output logic [WIDTH-1:0] out_data
);
    localparam int POINTER = $clog2(DEPTH);

    logic [WIDTH-1:0]   store [DEPTH];
    logic [POINTER-1:0] first;
    logic [POINTER:0]   count;

    wire empty = count == 0;
    wire put = in_valid && in_ready;
    wire take = out_valid && out_ready;

    assign in_ready = count != (POINTER + 1)'(DEPTH);
    assign out_valid = !empty || in_valid;
    assign out_data = empty ? in_data : store[first];

    always_ff @(posedge aclk) begin
        if (put && !(empty && take)) store[first + POINTER'(count)] <= in_data;
        if (!aresetn) begin
            first <= '0;
            count <= '0;
        end else begin
            if (take && !empty) first <= first + 1'b1;
            count <= count + (POINTER + 1)'(put) - (POINTER + 1)'(take);
        end
    end
endmodule
