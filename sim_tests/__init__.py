"""The emitted Verilog in Verilator, under cocotb, against the golden model."""
