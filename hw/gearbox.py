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

    Half of the way to its place a piece goes in the cycle in which it leaves, the other half in the
    next one.

    Whether a piece is there, or lacks a single word, is two registers, computed from its length
    while the piece ahead of it is under way. With `end` the place of a piece's last bit in its
    word, the next one of n bits takes (end + n) >> log2(F) words more, and ends at the rest.

    Parameters
    ----------
    memory_bits : F, a power of two
    piece_bits : length of the longest piece
    grain : pieces are multiples of it, apart from pieces that divide the bus width; 1 or 8

    Members
    -------
    word : In(F), word_valid : In(1), word_ready : Out(1)     the bus
    enable : In(1)            a piece is wanted; while none is, nothing is held
    ends, first : In          the piece is a string's last: nothing is held behind it; bits of the
                              first piece of the next one
    skip : In(1)              it is none: it leaves at once and takes nothing, the next stays next
    coming : In               bits of the piece behind the one that leaves
    flush : In(1)             with the piece: drop what is left of the word
    emit : Out(1)             a piece leaves in this cycle
    piece : Out(piece_bits)   in the next one: low bits are the piece, the rest zeros; not defined
                              for none
    """

    word: Signal
    word_valid: Signal
    word_ready: Signal
    enable: Signal
    ends: Signal
    first: Signal
    skip: Signal
    coming: Signal
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
                "ends": In(1),
                "first": In(range(piece_bits + 1)),
                "skip": In(1),
                "coming": In(range(piece_bits + 1)),
                "flush": In(1),
                "piece": Out(piece_bits),
                "emit": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = [
            Signal(self.memory_bits, name=f"word_{index}", reset_less=True)
            for index in range(-(-self.piece_bits // self.memory_bits))
        ]
        count = Signal(range(len(words) + 2))
        take, moves = Signal(), Signal()
        m.d.comb += take.eq(self.word_ready & self.word_valid)
        offset, length, held, one = self._ends(m, moves, take)
        with m.If(moves):
            m.d.sync += count.eq(held)
        with m.Elif(take):
            m.d.sync += count.eq(count + 1)
        for index, place in enumerate(words):
            enters = take & ((count == index) | one if index == 0 else count == index)
            with m.If(enters):
                m.d.sync += place.eq(self.word)
        # the places above `count` hold old words: the piece ends below them
        string = Signal(self.memory_bits * (len(words) + 1))
        places = [Mux(count == index, self.word, place) for index, place in enumerate(words)]
        m.d.comb += string.eq(Cat(*places, self.word))
        self._cut(m, string, offset, length)
        return m

    def _ends(
        self, m: Module, moves: Signal, take: Signal
    ) -> tuple[Signal, Signal, Signal, Signal]:
        """(offset and length of the piece that is next; its last word is needed behind it; it lacks
        that word alone, and leaves as it comes).

        moves: another piece is next. missing: words that it lacks, which are none (there), one, or
        more.
        """
        log_bits = self.memory_bits.bit_length() - 1
        offset, end = (Signal(log_bits, name=name) for name in ("offset", "end"))
        length = Signal.like(self.coming, name="length")
        after = Signal(range(self.memory_bits + self.piece_bits), name="after")
        missing = Signal(len(after) - log_bits)
        there, one, held, anew = (Signal(name=name) for name in ("there", "one", "held", "anew"))
        wanted, empty, coming = Signal(), Signal(), Signal.like(self.coming)
        more = after[log_bits:]
        m.d.comb += [
            wanted.eq(self.enable & ~self.skip),
            self.word_ready.eq(wanted & ~there),
            self.emit.eq(self.enable & (self.skip | there | (one & self.word_valid))),
            # all but `emit` is known early
            anew.eq(self.ends | ~self.enable),
            moves.eq(~self.enable | (self.emit & (~self.skip | self.ends))),
            empty.eq(self.flush | anew),
            held.eq(~(empty | end.all())),
            coming.eq(Mux(anew, self.first, self.coming)),
            after.eq((end | empty.replicate(log_bits)) + coming),
        ]
        with m.If(moves):
            m.d.sync += [end.eq(after), length.eq(coming), missing.eq(more)]
            m.d.sync += [there.eq(more == 0), one.eq(more == 1)]
            m.d.sync += offset.eq(Mux(empty, 0, end + 1))
        with m.Elif(take):
            m.d.sync += [missing.eq(missing - 1), one.eq(missing == 2)]
        return offset, length, held, one

    def _cut(self, m: Module, string: Signal, offset: Signal, length: Signal) -> None:
        """The piece at `offset`; what follows it in the string is cut off.

        With grain 8 the offset is whole bytes, or inside a byte that holds the whole piece.
        """
        width, byte = self.piece_bits, 0 if self.grain == 1 else 3
        split = byte + (len(offset) - byte) // 2  # bits of the offset that the second half takes
        wide = width + (1 << split) - (1 << byte)
        moved = shifted_down(m, string, offset[split:], width=wide, name="coarse", grain=1 << split)
        near, low, bits_left = (
            Signal(n, name=name, reset_less=True)
            for name, n in (("near", wide), ("low", split), ("bits_left", len(length)))
        )
        m.d.sync += [near.eq(moved), low.eq(offset), bits_left.eq(length)]
        bits = shifted_down(m, near, low[byte:], width=width, name="fine", grain=1 << byte)
        if byte:
            short = shifted_down(m, bits[:8], low[:byte], width=8, name="short")
            bits = Cat(short, bits[8:])
        for index in range(width):
            begin = index if index < 8 or self.grain == 1 else index - index % self.grain
            m.d.comb += self.piece[index].eq(bits[index] & (bits_left > begin))
