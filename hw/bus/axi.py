"""The AXI4 memory port and the AXI4-Lite control port: flat members with standard names."""

from __future__ import annotations

from amaranth.lib.wiring import In, Member, Out

MAX_BURST = 256
PAGE_BYTES = 4096
RESPONSE_BITS = 2
INCR = 1


def read_channels(memory_bits: int) -> dict[str, Member]:
    """AR and R of a master with `memory_bits` of data."""
    return {
        "arid": Out(1),
        "araddr": Out(32),
        "arlen": Out(8),
        "arsize": Out(3),
        "arburst": Out(2),
        "arlock": Out(1),
        "arcache": Out(4),
        "arprot": Out(3),
        "arvalid": Out(1),
        "arready": In(1),
        "rid": In(1),
        "rdata": In(memory_bits),
        "rresp": In(RESPONSE_BITS),
        "rlast": In(1),
        "rvalid": In(1),
        "rready": Out(1),
    }


def write_channels(memory_bits: int) -> dict[str, Member]:
    """AW, W and B of a master with `memory_bits` of data."""
    return {
        "awid": Out(1),
        "awaddr": Out(32),
        "awlen": Out(8),
        "awsize": Out(3),
        "awburst": Out(2),
        "awlock": Out(1),
        "awcache": Out(4),
        "awprot": Out(3),
        "awvalid": Out(1),
        "awready": In(1),
        "wdata": Out(memory_bits),
        "wstrb": Out(memory_bits // 8),
        "wlast": Out(1),
        "wvalid": Out(1),
        "wready": In(1),
        "bid": In(1),
        "bresp": In(RESPONSE_BITS),
        "bvalid": In(1),
        "bready": Out(1),
    }


def lite_channels(address_bits: int) -> dict[str, Member]:
    """A 32-bit AXI4-Lite slave."""
    return {
        "awaddr": In(address_bits),
        "awprot": In(3),
        "awvalid": In(1),
        "awready": Out(1),
        "wdata": In(32),
        "wstrb": In(4),
        "wvalid": In(1),
        "wready": Out(1),
        "bresp": Out(RESPONSE_BITS),
        "bvalid": Out(1),
        "bready": In(1),
        "araddr": In(address_bits),
        "arprot": In(3),
        "arvalid": In(1),
        "arready": Out(1),
        "rdata": Out(32),
        "rresp": Out(RESPONSE_BITS),
        "rvalid": Out(1),
        "rready": In(1),
    }
