"""The result ring: bits are merged here until they are whole bus words."""
from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig

ELEMENT_BITS = 32


def write_bits(config: OverlayConfig) -> int:
    """Widest ring write: the rows of a tile and the padding up to a byte, or a 32-bit element."""
    return max(config.dm + 8 - config.write_unit, ELEMENT_BITS)


class Ring(wiring.Component):
    """`ring_depth` bus words, written in runs of `write_unit` bits at any multiple of it, read as whole words.

    One narrow RAM for each unit of a bus word, so that a run may cross into the next word: units below the first
    one's place take the next address. A read returns its word in the next cycle and holds it while `read_enable` is low.

    Members
    -------
    place : In    position of the first unit, in units from the ring's begin (wraps)
    units : In    how many are written; 0 writes nothing
    bits : In     their bits
    read_address : In, read_enable : In(1), word : Out(F)
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        self.unit = config.write_unit
        self.per_word = config.memory_bits // self.unit
        self.most = min(write_bits(config) // self.unit, self.per_word)
        super().__init__({
            "place": In(range(config.ring_depth * self.per_word)),
            "units": In(range(self.most + 1)), "bits": In(write_bits(config)),
            "read_address": In(range(config.ring_depth)), "read_enable": In(1),
            "word": Out(config.memory_bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place_bits = (self.per_word - 1).bit_length()
        first, word = self.place[:place_bits], self.place[place_bits:]
        for index in range(self.per_word):
            m.submodules[f"unit_{index}"] = unit = memory.Memory(
                shape=self.unit, depth=self.config.ring_depth, init=[])
            write, read = unit.write_port(), unit.read_port()
            turn = Signal(place_bits, name=f"turn_{index}")
            m.d.comb += [
                turn.eq(Const(index, place_bits) - first),
                write.en.eq(turn < self.units),
                write.addr.eq(word + Mux(first > index, 1, 0)),
                write.data.eq(self._pick(turn)),
                read.addr.eq(self.read_address), read.en.eq(self.read_enable),
                self.word[index * self.unit:(index + 1) * self.unit].eq(read.data),
            ]
        return m

    def _pick(self, turn: Value) -> Value:
        """Unit number `turn` of the bits to write."""
        choice: Value = self.bits[:self.unit]
        for index in range(1, self.most):
            choice = Mux(turn == index, self.bits.word_select(index, self.unit), choice)
        return choice
