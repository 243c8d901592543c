// Remembers, in order, when each of up to DEPTH things falls due: `due` is high in every cycle
// whose edge is at or after (edge of its put) + latency. latency >= 1.
module due_times #(
    parameter int DEPTH = 16
) (
    input  logic        aclk,
    input  logic        aresetn,
    input  logic [63:0] now,
    input  logic [15:0] latency,
    input  logic        put,
    input  logic        take,
    output logic        due
);
    localparam int POINTER = $clog2(DEPTH);

    logic [63:0]        times [DEPTH];
    logic [POINTER-1:0] first;
    logic [POINTER:0]   count;

    assign due = count != 0 && now >= times[first];

    always_ff @(posedge aclk) begin
        if (put) times[first + POINTER'(count)] <= now + 64'(latency);
        if (!aresetn) begin
            first <= '0;
            count <= '0;
        end else begin
            if (take) first <= first + 1'b1;
            count <= count + (POINTER + 1)'(put) - (POINTER + 1)'(take);
        end
    end
endmodule
