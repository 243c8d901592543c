"""What Vivado needs: the overlay as an IP core, a design around a Zynq, and a PYNQ driver."""
