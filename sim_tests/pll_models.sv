// The PLLs of board tops, for simulation: the clock goes straight through, the lock comes after a
// few cycles. Parameters are not looked at: frequencies mean nothing to a cycle-based simulator.

module lock_counter (
    input  logic clock,
    output logic locked
);
    logic [3:0] count = '0;
    assign locked = &count;
    always_ff @(posedge clock) if (!locked) count <= count + 1;
endmodule

module EHXPLLL #(
    parameter CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 8, CLKOP_CPHASE = 0, CLKOP_FPHASE = 0,
    parameter CLKOP_ENABLE = "ENABLED", FEEDBK_PATH = "CLKOP", OUTDIVIDER_MUXA = "DIVA",
    parameter PLLRST_ENA = "DISABLED", INTFB_WAKE = "DISABLED", STDBY_ENABLE = "DISABLED",
    parameter DPHASE_SOURCE = "DISABLED"
) (
    input  logic CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG,
    input  logic PLLWAKESYNC, ENCLKOP,
    output logic CLKOP, LOCK
);
    assign CLKOP = CLKI;
    lock_counter lock (.clock(CLKI), .locked(LOCK));
endmodule

module SB_PLL40_CORE #(
    parameter FEEDBACK_PATH = "SIMPLE",
    parameter DIVR = 4'd0, DIVF = 7'd0, DIVQ = 3'd0, FILTER_RANGE = 3'd0
) (
    input  logic REFERENCECLK, RESETB, BYPASS,
    output logic PLLOUTGLOBAL, LOCK
);
    assign PLLOUTGLOBAL = REFERENCECLK;
    lock_counter lock (.clock(REFERENCECLK), .locked(LOCK));
endmodule

module SB_PLL40_PAD #(
    parameter FEEDBACK_PATH = "SIMPLE",
    parameter DIVR = 4'd0, DIVF = 7'd0, DIVQ = 3'd0, FILTER_RANGE = 3'd0
) (
    input  logic PACKAGEPIN, RESETB, BYPASS,
    output logic PLLOUTGLOBAL, LOCK
);
    assign PLLOUTGLOBAL = PACKAGEPIN;
    lock_counter lock (.clock(PACKAGEPIN), .locked(LOCK));
endmodule
