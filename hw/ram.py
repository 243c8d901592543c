"""Block RAM with one write and one read port."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Member, Out, Signature

from hw.shared import Shared


def ram_members(width: int, depth: int) -> dict[str, Member]:
    """The memory's ports."""
    return {
        "write_address": In(range(depth)),
        "write_data": In(width),
        "write_enable": In(1),
        "read_address": In(range(depth)),
        "read_enable": In(1),
        "read_data": Out(width),
    }


class Ram(wiring.Component):
    """`depth` words of `width` bits.

    A read shows its word in the next cycle and holds it while `read_enable` is low. Not defined:
    a word that is read in the cycle in which it is written, and contents before the first write.
    A register that alone takes `read_data`, without a reset, becomes the output register of an
    ECP5's block RAM (flows/synth/output_registers.py).

    The attribute `no_rw_check` says so to yosys, which else builds the old word out of LUTs and
    flip-flops behind every block RAM of an ECP5. sim_tests/collisions.py tests that nothing
    depends on it.

    Members
    -------
    write_address, write_data, write_enable : In
    read_address : In, read_enable : In(1), read_data : Out(width)
    """

    write_address: Signal
    write_data: Signal
    write_enable: Signal
    read_address: Signal
    read_enable: Signal
    read_data: Signal

    def __init__(self, *, width: int, depth: int) -> None:
        self.width, self.depth = width, depth
        super().__init__(ram_members(width, depth))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        attributes: Any = {"no_rw_check": 1}  # the stubs know texts alone
        m.submodules.words = words = memory.Memory(
            shape=self.width, depth=self.depth, init=[], attrs=attributes
        )
        write, read = words.write_port(), words.read_port()
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write_enable),
            read.addr.eq(self.read_address),
            read.en.eq(self.read_enable),
            self.read_data.eq(read.data),
        ]
        return m


class SharedRam(Shared):
    """A memory that is emitted once for all of its size. Parameters and members as in Ram."""

    write_address: Signal
    write_data: Signal
    write_enable: Signal
    read_address: Signal
    read_enable: Signal
    read_data: Signal

    def __init__(self, *, width: int, depth: int) -> None:
        super().__init__(
            lambda: Ram(width=width, depth=depth),
            signature=Signature(ram_members(width, depth)),
            name=f"ram_{width}x{depth}",
        )
