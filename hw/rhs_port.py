"""The activation banks' write port: neighbours packed into a word, words spread over the parts."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.unpack import PLANE_BITS, write_layout
from ir.isa import SLOT_BITS


class RhsPort(wiring.Component):
    """A piece of activations, one cycle after `write`, as every bank's parts want it.

    Word i of a piece goes to part (address + i) mod rhs_ways: a rotation by the address's low bits;
    parts that the rotation wraps to are written one word further.

    Packing: a piece with a slot is joined by its plane's history, which makes the word written:

        word = piece | (history[plane] & joins)        history[plane] = word << slot

    So the newest pixel has the lowest slot, with its left neighbours above it, and zeros left of
    the row's first and of the window's, which sums over all lanes must see.

    Members
    -------
    write : In(write_layout)
    enable : Out                    of each bank, of each of its parts
    address, data : Out             of each part, in all banks
    """

    write: data.View
    enable: data.View
    address: data.View
    data: data.View

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        ways, rows = config.rhs_ways, range(config.rhs_depth // config.rhs_ways)
        super().__init__(
            {
                "write": In(write_layout(config)),
                "enable": Out(data.ArrayLayout(unsigned(ways), config.dn)),
                "address": Out(data.ArrayLayout(unsigned((len(rows) - 1).bit_length()), ways)),
                "data": Out(data.ArrayLayout(unsigned(config.rhs_bits), ways)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ways, bits, write = self.config.rhs_ways, self.config.rhs_bits, self.write
        low = ways.bit_length() - 1
        words = [write.piece.word_select(index, bits) for index in range(ways)]
        words[0] = self._pack(m, words[0])
        holds = Signal(ways)
        m.d.sync += [
            self.enable[bank].eq(Mux(taken, holds, 0)) for bank, taken in enumerate(write.rhs)
        ]
        turn, row = write.address[:low], write.address[low:]
        with m.Switch(turn):
            for first in range(ways):
                with m.Case(first) if low else m.Default():
                    for way in range(ways):
                        index = (way - first) % ways
                        m.d.comb += holds[way].eq(write.words[index])
                        m.d.sync += [
                            self.data[way].eq(words[index]),
                            self.address[way].eq(row + 1 if way < first else row),
                        ]
        return m

    def _pack(self, m: Module, piece: Value) -> Value:
        """The word at the port: the piece, with its neighbours if it has a slot."""
        bits, write = self.config.rhs_bits, self.write
        m.submodules.history = history = memory.Memory(shape=bits, depth=1 << PLANE_BITS, init=[])
        before, after = history.read_port(domain="comb"), history.write_port()
        word, joins = Signal(bits), Cat(bit.replicate(SLOT_BITS[0]) for bit in write.joins)
        moved: Value = Const(0, bits)
        for index, slot in enumerate(SLOT_BITS):
            if slot < bits:
                moved = moved | Mux(write.slot[index], Cat(Const(0, slot), word)[:bits], 0)
        m.d.comb += [
            before.addr.eq(write.plane),
            word.eq(piece | (before.data & joins)),
            after.addr.eq(write.plane),
            after.data.eq(moved),
            after.en.eq(write.slot.any()),
        ]
        return word
