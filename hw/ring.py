"""The result ring: bits are merged here until they are whole bus words."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.ram import SharedRam

ELEMENT_BITS = 32


def write_bits(config: OverlayConfig) -> int:
    """Widest ring write: the rows of a tile and the padding up to a byte, or a 32-bit element."""
    return max(config.dm * config.q + 8 - config.write_unit, ELEMENT_BITS)


def units_per_word(config: OverlayConfig) -> int:
    """Write units of a bus word."""
    return config.memory_bits // config.write_unit


def element_units(config: OverlayConfig) -> int:
    """Units of a 32-bit element."""
    return ELEMENT_BITS // config.write_unit


def plane_units(config: OverlayConfig) -> int:
    """Units of the widest write of a tile's rows in a plane."""
    padded = config.dm * config.q + 8 - config.write_unit
    return min(padded // config.write_unit, units_per_word(config))


def most_units(config: OverlayConfig) -> int:
    """Units of the widest ring write."""
    return max(plane_units(config), element_units(config))


def ring_layout(config: OverlayConfig) -> data.StructLayout:
    """A write to the ring.

    valid   there is one
    place   position of the first unit, in units from the ring's begin (wraps)
    element it is a 32-bit element, at a multiple of 32 bits
    units   how many are written, if it is none
    bits    their bits
    """
    return data.StructLayout(
        {
            "valid": 1,
            "place": range(config.ring_depth * units_per_word(config)),
            "element": 1,
            "units": range(plane_units(config) + 1),
            "bits": write_bits(config),
        }
    )


class Ring(wiring.Component):
    """`ring_depth` bus words: written in runs of units at any unit, read as whole words.

    One narrow RAM for each unit of a bus word, so that a run may cross into the next word: units
    below the first one's place take the next address. A write is registered, with the units that it
    reaches, and before the RAMs, which lie apart, once more: it stands in them three cycles later.
    A read returns its word in the next cycle and holds it while `read_enable` is low.

    Members
    -------
    write : In(ring_layout)
    read_address : In, read_enable : In(1), word : Out(F)
    """

    write: data.View
    read_address: Signal
    read_enable: Signal
    word: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "write": In(ring_layout(config)),
                "read_address": In(range(config.ring_depth)),
                "read_enable": In(1),
                "word": Out(config.memory_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, per_word = self.config.write_unit, units_per_word(self.config)
        place_bits = (per_word - 1).bit_length()
        write = Signal.like(self.write, name="standing")
        first, word = self.write.place[:place_bits], self.write.place[place_bits:]
        here, beyond = Signal(len(word)), Signal(len(word))  # the run's first word, and the next
        m.d.sync += [write.eq(self.write), here.eq(word), beyond.eq(word + 1)]
        end = Signal(place_bits + 1)  # the run's, in units from its first word's begin
        units = Mux(self.write.element, element_units(self.config), self.write.units)
        m.d.comb += end.eq(first + units)
        for index in range(per_word):
            unit = SharedRam(width=width, depth=self.config.ring_depth)
            m.submodules[f"unit_{index}"] = unit
            turn = Signal(place_bits, name=f"turn_{index}")
            reached, wraps = Signal(name=f"reached_{index}"), Signal(name=f"wraps_{index}")
            m.d.sync += [
                unit.write_enable.eq(reached),
                unit.write_address.eq(Mux(wraps, beyond, here)),
                unit.write_data.eq(self._pick(write, index, turn)),
            ]
            m.d.comb += [
                unit.read_address.eq(self.read_address),
                unit.read_enable.eq(self.read_enable),
                self.word.word_select(index, width).eq(unit.read_data),
            ]
            below = first > index
            is_reached = Mux(below, end > index + per_word, end > index)
            m.d.sync += [
                turn.eq(Const(index, place_bits) - first),
                wraps.eq(below),
                reached.eq(self.write.valid & is_reached),
            ]
        return m

    def _pick(self, write: data.View, index: int, turn: Value) -> Value:
        """What unit `index` of a bus word takes: unit number `turn` of the bits to write.

        The units of an element keep their places, so they need no choice.
        """
        bits, width = write.bits, self.config.write_unit
        choice: Value = bits[:width]
        for number in range(1, plane_units(self.config)):
            choice = Mux(turn == number, bits.word_select(number, width), choice)
        place = index % element_units(self.config)
        return Mux(write.element, bits.word_select(place, width), choice)
