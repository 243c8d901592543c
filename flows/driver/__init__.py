"""One driver for every overlay that can be reached: simulated or on a board.

link.py     what a driver needs of a device     device.py   the driver itself
live.py     a device in the harness or under cocotb
uart.py     a device behind a serial port       serial_port.py
board_sim.py   a whole simulated board with its serial line on a pseudo-terminal
"""
