"""The operand buffers: weights, and activations with im2col by addressing."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.delay import delayed, delayed_view
from hw.fabric import find_fabric
from hw.ram import SharedRam
from hw.rhs_port import RhsPort
from hw.rotate import Absent
from hw.unpack import write_layout

READ_LATENCY = 5
"""Cycles from `READ` at a buffer's input to its words at the output."""


def read_layout(config: OverlayConfig) -> data.StructLayout:
    """What the sequencer asks of the buffers in one cycle.

    lhs     word of every weight bank
    rhs     word of the activation banks from `rotate` on
    far     of those below, which are one tile further
    valid   columns whose pixel lies inside the image, a cycle behind the others
    ones    the others see digits of one, not of zero
    """
    return data.StructLayout(
        {
            "lhs": unsigned((config.lhs_depth - 1).bit_length()),
            "rhs": unsigned((config.rhs_depth - 1).bit_length()),
            "far": unsigned((config.rhs_depth - 1).bit_length()),
            "rotate": unsigned(8),
            "valid": unsigned(config.dn),
            "ones": unsigned(1),
        }
    )


class Operands(wiring.Component):
    """Dm weight banks and Dn activation banks, a word of Dk digits each.

    The Dn neighbouring pixels that a column tile meets at a kernel position lie in Dn different
    banks, the first of them in bank `rotate`: so a rotator and a mask are the whole im2col, and
    each activation is stored once.

    A piece of weights fills lhs_rows neighbouring banks at once. An activation bank is rhs_ways
    block RAMs: word a is word a // rhs_ways of the (a mod rhs_ways)-th, so that a piece of that
    many words can be written at once, wherever it begins (see RhsPort).

    READ_LATENCY cycles: what is asked, each bank's address, a block RAM's word, that of each part,
    and the one that is chosen of them; weights, which need no choice, are read three cycles later,
    and written one cycle behind `write`, from registers of their own. Reading a word that is being
    written is not guarded: tokens order the two.

    Members
    -------
    write : In(write_layout)        read : In(read_layout)
    lhs, rhs : Out                  words of all rows and columns
    blank : Out(Dn)                 columns that see zeros, whatever their word is

    Source: the rotation replaces the im2col units of BISMO's and MVU's software, which store each
    pixel kh*kw times.
    """

    write: data.View
    read: data.View
    lhs: data.View
    rhs: data.View
    blank: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "write": In(write_layout(config)),
                "read": In(read_layout(config)),
                "lhs": Out(data.ArrayLayout(unsigned(config.lhs_bits), config.dm)),
                "rhs": Out(data.ArrayLayout(unsigned(config.rhs_bits), config.dn)),
                "blank": Out(config.dn),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, read = self.config, Signal.like(self.read)
        m.d.sync += read.eq(self.read)
        lhs = delayed(m, read.lhs, 3, name="lhs_address")
        write = delayed_view(m, self.write, 1, name="lhs_write")
        for row in range(config.dm):
            self._weights(m, row, write, lhs)
        m.submodules.port = port = RhsPort(config=config)
        m.d.comb += port.write.eq(self.write)
        words = []
        for bank in range(config.dn):
            address, is_far = Signal.like(read.rhs, name=f"rhs_address_{bank}"), Signal()
            m.d.sync += [
                is_far.eq(bank < self.read.rotate),
                address.eq(Mux(is_far, read.far, read.rhs)),
            ]
            words.append(self._activations(m, bank, port, address))
        self._rotate(m, read, words)
        return m

    def _weights(self, m: Module, row: int, write: data.View, address: Value) -> None:
        """A weight bank: one word of every piece that holds its row."""
        config = self.config
        piece, place = divmod(row, config.lhs_rows)
        bank = SharedRam(width=config.lhs_bits, depth=config.lhs_depth)
        m.submodules[f"lhs_{row}"] = bank
        m.d.comb += [
            bank.write_address.eq(write.address),
            bank.write_enable.eq(write.lhs[piece]),
            bank.write_data.eq(write.piece.word_select(place, config.lhs_word_bits)),
            bank.read_address.eq(address),
            bank.read_enable.eq(1),
            self.lhs[row].eq(bank.read_data),
        ]

    def _activations(self, m: Module, bank: int, port: RhsPort, address: Signal) -> Value:
        """The parts of an activation bank; returns the word that was asked for.

        Every part's word has a register of its own: a block RAM is slow enough without a choice.
        """
        ways, bits = self.config.rhs_ways, self.config.rhs_bits
        low = ways.bit_length() - 1
        word = Signal(bits, name=f"rhs_word_{bank}", reset_less=True)
        asked, chosen = (Signal(low, name=f"rhs_{name}_{bank}") for name in ("asked", "part"))
        m.d.sync += [asked.eq(address[:low]), chosen.eq(asked)]
        with m.Switch(chosen):
            for way in range(ways):
                part = SharedRam(width=bits, depth=self.config.rhs_depth // ways)
                m.submodules[f"rhs_{bank}_{way}"] = part
                m.d.comb += [
                    part.write_address.eq(port.address[way]),
                    part.write_enable.eq(port.enable[bank][way]),
                    part.write_data.eq(port.data[way]),
                    part.read_address.eq(address[low:]),
                    part.read_enable.eq(1),
                ]
                kept = Signal(bits, name=f"rhs_kept_{bank}_{way}", reset_less=True)
                m.d.sync += kept.eq(part.read_data)
                with m.Case(way) if low else m.Default():
                    m.d.sync += word.eq(kept)
        return word

    def _rotate(self, m: Module, read: data.View, words: list[Value]) -> None:
        """Column n sees bank (n + rotate) mod Dn, or what is outside where the image ends.

        Zeros are left to the reset of the array's operand registers, which is free.
        """
        columns = self.config.dn
        rotate, hidden, filled = Signal(range(columns)), Signal(columns), Signal(columns)
        rotated_by = delayed(m, read.rotate[: len(rotate)], 3, name="rotated_by")
        outside = delayed(m, ~read.valid, 2, name="outside")
        ones = delayed(m, read.ones, 3, name="ones")
        m.d.sync += [
            rotate.eq(rotated_by),
            hidden.eq(outside),
            filled.eq(outside & ones.replicate(columns)),
            self.blank.eq(outside & ~ones.replicate(columns)),
        ]
        absent = Absent(hidden=hidden, filled=filled, digit=self.config.q)
        rotated = find_fabric(self.config.fabric).rotate(m, words, rotate, absent)
        m.d.comb += [self.rhs[n].eq(word) for n, word in enumerate(rotated)]
