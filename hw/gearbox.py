"""From bus words to pieces of any length."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


def shifted(value: Value, amount: Value, *, width: int, left: bool, grain: int = 1) -> Value:
    """`value` shifted by amount * grain, cut to `width` bits: a logarithmic shifter."""
    value = Cat(value, Const(0, max(0, width - len(value))))
    for bit in range(len(amount)):
        step = grain << bit
        if step >= width:
            moved: Value = Const(0, width)
        else:
            moved = Cat(Const(0, step), value)[:width] if left else value[step:]
        value = Mux(amount[bit], moved, value)[:width]
    return value


class Gearbox(wiring.Component):
    """Cuts a string of bits that arrives in bus words into pieces, one a cycle.

    A word is taken in exactly the cycle in which the next piece needs it, and the piece leaves in
    that cycle when it is whole: a piece longer than the bus takes several cycles, words that hold
    several pieces stay for as many.

    Parameters
    ----------
    memory_bits : F
    piece_bits : length of the longest piece
    grain : pieces are multiples of it, apart from pieces that divide the bus width; 1 or 8

    Members
    -------
    word : In(F), word_valid : In(1), word_ready : Out(1)     the bus
    enable : In(1)            a piece is wanted
    length : In               its bits
    flush : In(1)             with the piece: drop what is left of the word
    piece : Out(piece_bits)   low bits are the piece, the rest zeros
    emit : Out(1)             a piece leaves in this cycle
    """

    word: Signal
    word_valid: Signal
    word_ready: Signal
    enable: Signal
    length: Signal
    flush: Signal
    piece: Signal
    emit: Signal

    def __init__(self, *, memory_bits: int, piece_bits: int, grain: int) -> None:
        self.memory_bits, self.piece_bits, self.grain = memory_bits, piece_bits, grain
        super().__init__(
            {
                "word": In(memory_bits),
                "word_valid": In(1),
                "word_ready": Out(1),
                "enable": In(1),
                "length": In(range(piece_bits + 1)),
                "flush": In(1),
                "piece": Out(piece_bits),
                "emit": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.memory_bits + self.piece_bits
        held = Signal(width)
        have = Signal(range(width + 1))
        enough = Signal()
        m.d.comb += [enough.eq(have >= self.length), self.word_ready.eq(self.enable & ~enough)]
        take = Signal()
        m.d.comb += take.eq(self.word_ready & self.word_valid)
        bits, count = Signal(width), Signal(range(width + 1))
        m.d.comb += [bits.eq(held), count.eq(have)]
        with m.If(take):
            m.d.comb += [
                bits.eq(held | self._up(self.word, have, width)),
                count.eq(have + self.memory_bits),
            ]
        m.d.comb += self.emit.eq(self.enable & (count >= self.length))
        for index in range(self.piece_bits):  # what follows the piece in the string is cut off
            begin = index if index < 8 or self.grain == 1 else index - index % self.grain
            m.d.comb += self.piece[index].eq(bits[index] & (self.length > begin))
        with m.If(self.emit):
            m.d.sync += [
                held.eq(self._down(bits, self.length, width)),
                have.eq(count - self.length),
            ]
            with m.If(self.flush):
                m.d.sync += [held.eq(0), have.eq(0)]
        with m.Elif(take):
            m.d.sync += [held.eq(bits), have.eq(count)]
        return m

    def _up(self, word: Value, amount: Value, width: int) -> Value:
        """The word moved above what is held. With grain 8 that is a whole number of bytes."""
        return shifted(
            word, amount[self.grain.bit_length() - 1 :], width=width, left=True, grain=self.grain
        )

    def _down(self, bits: Value, amount: Value, width: int) -> Value:
        """What is left after the piece: whole bytes gone, or one of the short pieces 1, 2, 4."""
        if self.grain == 1:
            return shifted(bits, amount, width=width, left=False)
        whole = shifted(bits, amount[3:], width=width, left=False, grain=8)
        short = Mux(amount[0], bits >> 1, Mux(amount[1], bits >> 2, bits >> 4))
        return Mux(amount[:3].any(), short, whole)
