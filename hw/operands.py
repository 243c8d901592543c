"""The operand buffers: weights, and activations with im2col by addressing."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.ram import SharedRam
from hw.unpack import write_layout

READ_LATENCY = 2
"""Cycles from `READ` at a buffer's input to its words at the output."""


def read_layout(config: OverlayConfig) -> data.StructLayout:
    """What the sequencer asks of the buffers in one cycle.

    lhs     word of every weight bank
    rhs     word of the activation banks from `rotate` on; those below read one tile further
    valid   columns whose pixel lies inside the image
    """
    return data.StructLayout(
        {
            "lhs": unsigned((config.lhs_depth - 1).bit_length()),
            "rhs": unsigned((config.rhs_depth - 1).bit_length()),
            "carry": unsigned(24),
            "rotate": unsigned(8),
            "valid": unsigned(config.dn),
        }
    )


class Operands(wiring.Component):
    """Dm weight banks and Dn activation banks, a word of Dk digits each.

    The Dn neighbouring pixels that a column tile meets at a kernel position lie in Dn different
    banks, the first of them in bank `rotate`: so a rotator and a mask are the whole im2col, and
    each activation is stored once.

    READ_LATENCY cycles: one for the block RAM's address, one for its word. Reading a word that is
    being written is not guarded: tokens order the two.

    Source: the rotation replaces the im2col units of BISMO's and MVU's software, which store each
    pixel kh*kw times.
    """

    write: data.View
    read: data.View
    lhs: data.View
    rhs: data.View

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "write": In(write_layout(config)),
                "read": In(read_layout(config)),
                "lhs": Out(data.ArrayLayout(unsigned(config.dk), config.dm)),
                "rhs": Out(data.ArrayLayout(unsigned(config.dk), config.dn)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, read = self.config, Signal.like(self.read)
        m.d.sync += read.eq(self.read)
        for row in range(config.dm):
            word = self._bank(
                m,
                f"lhs_{row}",
                config.lhs_depth,
                self.write.lhs & (self.write.bank == row),
                read.lhs,
            )
            m.d.comb += self.lhs[row].eq(word)
        words = []
        for bank in range(config.dn):
            address = Signal(range(config.rhs_depth), name=f"rhs_address_{bank}")
            m.d.comb += address.eq(read.rhs + Mux(bank < read.rotate, read.carry, 0))
            words.append(
                self._bank(
                    m,
                    f"rhs_{bank}",
                    config.rhs_depth,
                    self.write.rhs & (self.write.bank == bank),
                    address,
                )
            )
        self._rotate(m, read, words)
        return m

    def _bank(self, m: Module, name: str, depth: int, enable: Value, address: Signal) -> Value:
        """A block RAM of `depth` words; returns its output."""
        m.submodules[name] = bank = SharedRam(width=self.config.dk, depth=depth)
        m.d.comb += [
            bank.write_address.eq(self.write.address),
            bank.write_enable.eq(enable),
            bank.write_data.eq(self.write.piece),
            bank.read_address.eq(address),
            bank.read_enable.eq(1),
        ]
        return bank.read_data

    def _rotate(self, m: Module, read: data.View, words: list[Value]) -> None:
        """Column n sees bank (n + rotate) mod Dn, or zeros where the image ends."""
        columns = self.config.dn
        rotate, valid = Signal.like(read.rotate), Signal(columns)
        m.d.sync += [rotate.eq(read.rotate), valid.eq(read.valid)]
        with m.Switch(rotate):
            for first in range(columns):
                with m.Case(first):
                    for n in range(columns):
                        word = words[(n + first) % columns]
                        m.d.comb += self.rhs[n].eq(Mux(valid[n], word, 0))
