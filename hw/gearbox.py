"""From bus words to pieces of any length."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


def shifted_down(
    m: Module, value: Value, amount: Value, *, width: int, name: str, grain: int = 1
) -> Value:
    """`width` bits of `value` from amount * grain on, zeros beyond its end: a logarithmic shifter.

    Large steps come first, so that each multiplexer is only as wide as what can still be seen.
    """
    for bit in reversed(range(len(amount))):
        moved = Signal(width + grain * ((1 << bit) - 1), name=f"{name}_{bit}")
        m.d.comb += moved.eq(Mux(amount[bit], value[grain << bit :], value))
        value = moved
    return value


class Gearbox(wiring.Component):
    """Cuts a string of bits that arrives in bus words into pieces, one a cycle.

    A word is taken in exactly the cycle in which the next piece needs it, and the piece leaves in
    that cycle when it is whole: a piece longer than the bus takes several cycles, words that hold
    several pieces stay for as many.

    Nothing that is held moves. A word stays whole in its place until the last piece in it is cut,
    and pieces are cut at an offset that grows. When a piece leaves, all words but the last are used
    up, so the last word alone is kept, in the first place.

    Parameters
    ----------
    memory_bits : F, a power of two
    piece_bits : length of the longest piece
    grain : pieces are multiples of it, apart from pieces that divide the bus width; 1 or 8

    Members
    -------
    word : In(F), word_valid : In(1), word_ready : Out(1)     the bus
    enable : In(1)            a piece is wanted
    length : In               its bits; they do not change while words for it arrive
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
        log_bits = self.memory_bits.bit_length() - 1
        words = [
            Signal(self.memory_bits, name=f"word_{index}")
            for index in range(-(-self.piece_bits // self.memory_bits))
        ]
        offset = Signal(log_bits)
        end = Signal(range(self.memory_bits + self.piece_bits))
        count = Signal(range(len(words) + 2))
        whole, take, there, next_to_come = end[log_bits:], Signal(), Signal(), Signal()
        ends_inside = end[:log_bits].any()  # of a word, which is the last of whole + 1
        m.d.comb += [
            end.eq(offset + self.length),
            # never more words are held than the piece needs
            there.eq(Mux(ends_inside, count == whole + 1, count == whole)),
            next_to_come.eq(Mux(ends_inside, count == whole, count + 1 == whole)),
            self.word_ready.eq(self.enable & ~there),
            take.eq(self.word_ready & self.word_valid),
            self.emit.eq(self.enable & (there | (next_to_come & self.word_valid))),
        ]
        with m.If(self.emit):
            m.d.sync += [offset.eq(end), count.eq(ends_inside)]
            with m.If(self.flush):
                m.d.sync += [offset.eq(0), count.eq(0)]
        with m.Elif(take):
            m.d.sync += count.eq(count + 1)
        for index, held in enumerate(words):
            enters = take & ((count == index) | self.emit if index == 0 else count == index)
            with m.If(enters):
                m.d.sync += held.eq(self.word)
        # the places above `count` hold old words: the piece ends below them
        string = Signal(self.memory_bits * (len(words) + 1))
        places = [Mux(count == index, self.word, held) for index, held in enumerate(words)]
        m.d.comb += string.eq(Cat(*places, self.word))
        self._cut(m, string, offset)
        return m

    def _cut(self, m: Module, string: Signal, offset: Signal) -> None:
        """The piece at `offset`; what follows it in the string is cut off.

        With grain 8 the offset is whole bytes, or inside a byte that holds the whole piece.
        """
        width = self.piece_bits
        if self.grain == 1:
            bits = shifted_down(m, string, offset, width=width, name="moved")
        else:
            whole = shifted_down(m, string, offset[3:], width=width, name="moved", grain=8)
            short = shifted_down(m, whole[:8], offset[:3], width=8, name="short")
            bits = Cat(short, whole[8:])
        for index in range(width):
            begin = index if index < 8 or self.grain == 1 else index - index % self.grain
            m.d.comb += self.piece[index].eq(bits[index] & (self.length > begin))
