"""From bus words to pieces of any length."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
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
    """Cuts strings of bits that arrive in bus words into pieces, one a cycle.

    A word is taken in exactly the cycle in which the next piece needs it, and the piece leaves in
    that cycle when it is whole: a piece longer than the bus takes several cycles, words that hold
    several pieces stay for as many.

    Nothing that is held moves. A word stays whole in its place until the last piece in it is cut,
    and pieces are cut at an offset that grows. When a piece leaves, all words but the last are used
    up, so the last word alone is kept, in the first place.

    Half of the way to its place a piece goes in the cycle in which it leaves, the other half in the
    next one.

    Whether a piece leaves, and whether it wants a word, are registers, but for the word that comes
    in the same cycle: what the next piece lacks is computed from its length while the piece ahead
    of it is under way, for each of the lengths that it may have. With `end` the place of a piece's
    last bit in its word, the next one of n bits takes (end + n) >> log2(F) words more, and ends at
    the rest.

    Parameters
    ----------
    memory_bits : F, a power of two
    piece_bits : length of the longest piece
    grain : pieces are multiples of it, apart from pieces that divide the bus width; 1 or 8

    Members
    -------
    word : In(F), word_valid : In(1), word_ready : Out(1)     the bus
    emit : Out(1)             a piece leaves in this cycle
    steps : Out(1)            it does, or there is none
    piece : Out(piece_bits)   in the next one: low bits are the piece, the rest zeros
    busy : Out(1)             a string is under way

    Of the piece that is next, all the time:

    flush : In(1)             with it, drop what is left of the word
    anew : In(1)              it is a string's last, and nothing is held behind it; or there is none

    Of the one behind it, or the first of a string:

    more : In(1)              with `anew`: there is one
    skips : In(1)             it is none: zeros, which leave at once and take nothing; the piece
                              that is next stays next
    first : In                its bits, where another string begins
    tails : In(1), tail, whole : In     else its bits: of the two, those of `tail`
    """

    word: Signal
    word_valid: Signal
    word_ready: Signal
    emit: Signal
    steps: Signal
    piece: Signal
    busy: Signal
    flush: Signal
    anew: Signal
    more: Signal
    skips: Signal
    first: Signal
    tails: Signal
    tail: Signal
    whole: Signal

    def __init__(self, *, memory_bits: int, piece_bits: int, grain: int) -> None:
        self.memory_bits, self.piece_bits, self.grain = memory_bits, piece_bits, grain
        super().__init__(
            {
                "word": In(memory_bits),
                "word_valid": In(1),
                "word_ready": Out(1),
                "emit": Out(1),
                "steps": Out(1),
                "piece": Out(piece_bits),
                "busy": Out(1),
                "flush": In(1),
                "anew": In(1),
                "more": In(1),
                "skips": In(1),
                "first": In(range(piece_bits + 1)),
                "tails": In(1),
                "tail": In(range(piece_bits + 1)),
                "whole": In(range(piece_bits + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stays, take = Signal(name="stays"), Signal(name="take")
        m.d.comb += take.eq(self.word_ready & self.word_valid)
        offset, length, held, lacks = self._ends(m, self.steps & ~stays)
        one, empty = self._flow(m, stays, take, lacks)
        words = [
            Signal(self.memory_bits, name=f"word_{index}", reset_less=True)
            for index in range(-(-self.piece_bits // self.memory_bits))
        ]
        at = Signal(len(words) + 1, name="at", init=1)  # one-hot: where the next word goes
        with m.If(self.steps):
            with m.If(~stays):
                m.d.sync += at.eq(Mux(held, 2, 1))
        with m.Elif(take):
            m.d.sync += at.eq(at << 1)
        for index, place in enumerate(words):
            enters = at[0] | one if index == 0 else at[index]
            with m.If(take & enters):
                m.d.sync += place.eq(self.word)
        # the places from `at` on hold old words: the piece ends below them
        places = [Mux(at[index], self.word, place) for index, place in enumerate(words)]
        string = Signal(self.memory_bits * (len(words) + 1))
        m.d.comb += string.eq(Cat(*places, self.word))
        self._cut(m, string, offset, length, empty)
        return m

    def _ends(self, m: Module, moves: Value) -> tuple[Signal, Signal, Signal, data.View]:
        """(offset and length of the piece that is next; the last word is needed behind the piece
        that leaves; words that the one behind it lacks: how many, none, one).

        moves: that one is next. It comes late, all else early.
        """
        log_bits = self.memory_bits.bit_length() - 1
        offset, end = (Signal(log_bits, name=name) for name in ("offset", "end"))
        length = Signal.like(self.whole, name="length")
        held, empty = Signal(name="held"), self.flush | self.anew
        lengths = [self.whole, self.tail, self.first]
        begin = end | self.flush.replicate(log_bits)
        sums = [begin + self.whole, begin + self.tail, self.first + (self.memory_bits - 1)]
        # the same for `none` and `one`, which are late: at a word's begin no length lacks none
        ahead = [(end + bits)[log_bits:] for bits in lengths[:2]]
        none = [~self.flush & (words == 0) for words in ahead]
        one = [
            Mux(self.flush, bits <= self.memory_bits, words == 1)
            for bits, words in zip(lengths, ahead, strict=False)
        ]
        most = (self.memory_bits + self.piece_bits - 1) >> log_bits
        lacks = Signal(data.StructLayout({"words": range(most + 1), "none": 1, "one": 1}))
        m.d.comb += [
            held.eq(~(empty | end.all())),
            lacks.words.eq(self._of_next([total[log_bits:] for total in sums])),
            lacks.none.eq(self._of_next([*none, Const(0)])),
            lacks.one.eq(self._of_next([*one, self.first <= self.memory_bits])),
        ]
        with m.If(moves):
            m.d.sync += [
                end.eq(self._of_next([total[:log_bits] for total in sums])),
                length.eq(self._of_next(lengths)),
                offset.eq(Mux(empty, 0, end + 1)),
            ]
        return offset, length, held, lacks

    def _of_next(self, each: Sequence[Value]) -> Value:
        """What the next piece has, of a whole piece, a tail and a first."""
        whole, tail, first = each
        return Mux(self.anew, first, Mux(self.tails, tail, whole))

    def _flow(
        self, m: Module, stays: Signal, take: Signal, lacks: data.View
    ) -> tuple[Signal, Signal]:
        """Drives `emit`, `steps`, `busy`, `word_ready`; (the piece lacks one word; it is none).

        missing: words that the next piece lacks, which are none (there), one, or more.
        free, completes: something leaves for sure; it leaves with the word that is wanted.
        unbound: something leaves for sure, or there is nothing.
        """
        missing = Signal.like(lacks.words, name="missing")
        skip, there, one = (Signal(name=name) for name in ("skip", "there", "one"))
        free, completes = Signal(name="free"), Signal(name="completes")
        unbound = Signal(name="unbound", init=1)
        is_there, is_one, goes_on = (Signal(name=f"next_{n}") for n in ("there", "one", "busy"))
        m.d.comb += [
            self.emit.eq(free | (completes & self.word_valid)),
            self.steps.eq(unbound | (completes & self.word_valid)),
            stays.eq(skip & ~self.anew),
            goes_on.eq(~self.anew | self.more),
            is_there.eq(Mux(stays, there, lacks.none)),
            is_one.eq(Mux(stays, one, lacks.one)),
        ]
        with m.If(self.steps):
            m.d.sync += [
                self.busy.eq(goes_on),
                skip.eq(self.skips),
                there.eq(is_there),
                one.eq(is_one),
                free.eq(goes_on & (self.skips | is_there)),
                unbound.eq(~goes_on | self.skips | is_there),
                self.word_ready.eq(goes_on & ~(self.skips | is_there)),
                completes.eq(goes_on & ~self.skips & is_one),
            ]
            with m.If(~stays):
                m.d.sync += missing.eq(lacks.words)
        with m.Elif(take):
            m.d.sync += missing.eq(missing - 1)
            m.d.sync += [signal.eq(missing == 2) for signal in (one, completes)]
        return one, skip

    def _cut(
        self, m: Module, string: Signal, offset: Signal, length: Signal, empty: Signal
    ) -> None:
        """The piece at `offset`; what follows it in the string is cut off. empty: all of it is.

        With grain 8 the offset is whole bytes, or inside a byte that holds the whole piece: the
        second half shifts that byte, and bytes by what is left.
        """
        width, byte = self.piece_bits, 0 if self.grain == 1 else 3
        split = byte + max(len(offset) - 2 * byte + 1, 0) // 2
        wide = width + (1 << split) - (1 << byte)
        moved = shifted_down(m, string, offset[split:], width=wide, name="coarse", grain=1 << split)
        begins = [i if i < 8 or self.grain == 1 else i - i % self.grain for i in range(width)]
        ends = {begin: number for number, begin in enumerate(sorted(set(begins)))}
        near, low, kept = (
            Signal(n, name=name, reset_less=True)
            for name, n in (("near", wide), ("low", split), ("kept", len(ends)))
        )
        m.d.sync += [near.eq(moved), low.eq(offset)]
        reaches = (length[byte:] > begin >> byte for begin in ends)  # whole bytes, where it is long
        if byte:
            reaches = (
                length[byte:].any() | (length[:byte] > begin) if begin < 8 else reach
                for begin, reach in zip(ends, reaches, strict=True)
            )
        m.d.sync += kept.eq(Cat(~empty & reach for reach in reaches))
        bits = shifted_down(m, near, low[byte:], width=width, name="fine", grain=1 << byte)
        if byte:
            short = shifted_down(m, bits[:8], low[:byte], width=8, name="short")
            bits = Cat(short, bits[8:])
        m.d.comb += self.piece.eq(bits & Cat(kept[ends[begin]] for begin in begins))
