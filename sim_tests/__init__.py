"""cocotb benches on the emitted Verilog, and the RTL and C++ that they and the harness share."""
