"""A requantizer lane."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.delay import delayed
from ir.isa import FORMATS, PARAM, Stage, layout
from ir.precision import MAX_OPERAND_BITS

REQUANTIZE_LATENCY = 7
"""Cycles from the accumulator at the inputs, its parameters a cycle ahead, to the code."""

PARAM_LAYOUT = layout(PARAM)
LIMIT_BITS = MAX_OPERAND_BITS + 1
"""Of a code and of its limits, signed: codes have up to 8 bits, signed or not."""

_SHIFT = FORMATS[Stage.RESULT]["shift"].width
_ELEMENT = FORMATS[Stage.RESULT]["lo"].width
_OFFSET = PARAM["offset"].width
_FACTOR = PARAM["multiplier"].width
LOW_BITS = 17
"""Of the lower half of a sum: with a sign they fit a multiplier of 18 bits."""


class Requantizer(wiring.Component):
    """y = clip((acc * M + B) >> n, lo, hi), acc = 2 * acc - column_sum when bipolar.

    With `elements`, y is the low 32 bits of acc * M + B: codegen sees to it that they are all.

    REQUANTIZE_LATENCY cycles, one result a cycle. Rounding is half-up and free: B contains 2^(n-1).
    Products and sums are exact for acc_bits <= 32; `shift`, `lo`, `hi` and `elements` must be
    stable while results are under way.

    The product is that of the halves of acc, each with its sum in a multiplier block with adder
    (the first takes all of acc that multiplier_bits hold):

        low  = acc[:17] * M + B        high = acc[17:] * M + (low >> 17)

    in 48 bits. B counts with 47 of its bits there, and what the last is worth is added behind. The
    shift goes by sixteens, fours and ones; each keeps what the next can still move into a code, and
    looks whether what is cut off was more than the sign.

    Parameters
    ----------
    acc_bits : accumulator width
    column_sums : there are any; without them no weights are bipolar, and nobody looks at
                  `column_sum` and `bipolar`
    multiplier_bits : of the wider side of the fabric's multiplier, LOW_BITS + 1 or more. A product
                  that is wider is put together of several by carry chains of logic, within a cycle

    Members
    -------
    acc, column_sum : In(signed(acc_bits))
    param : In(PARAM_LAYOUT)    a cycle ahead: the block RAM may lie far from the multiplier
    bipolar, elements : In(1)   shift : In(6)   lo, hi : In(signed(LIMIT_BITS))
    code : Out(signed(32))
    """

    acc: Signal
    column_sum: Signal
    param: Signal
    bipolar: Signal
    elements: Signal
    shift: Signal
    lo: Signal
    hi: Signal
    code: Signal

    def __init__(self, *, acc_bits: int, column_sums: bool, multiplier_bits: int) -> None:
        self.acc_bits, self.column_sums = acc_bits, column_sums
        self.multiplier_bits = multiplier_bits
        super().__init__(
            {
                "acc": In(signed(acc_bits)),
                "column_sum": In(signed(acc_bits)),
                "param": In(PARAM_LAYOUT),
                "bipolar": In(1),
                "elements": In(1),
                "shift": In(_SHIFT),
                "lo": In(signed(LIMIT_BITS)),
                "hi": In(signed(LIMIT_BITS)),
                "code": Out(signed(_ELEMENT)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total, sign = self._multiply(m), Signal(name="sign")
        m.d.comb += sign.eq(total[-1])
        code = MAX_OPERAND_BITS
        near, far = _moved(m, total[:-1], sign, self.shift[4:], step=16, keeps=code + 15)
        near, far, sign = (delayed(m, value, 1, name="sixteens") for value in (near, far, sign))
        fours, farther = _moved(m, near, sign, self.shift[2:4], step=4, keeps=code + 3)
        ones, farthest = _moved(m, fours, sign, self.shift[:2], step=1, keeps=code)
        moved, beyond = Signal(signed(LIMIT_BITS)), Signal()
        m.d.sync += [moved.eq(Cat(ones, sign)), beyond.eq(far | farther | farthest)]
        element = delayed(m, total[:_ELEMENT], 2, name="element")
        self._clip(m, moved, beyond, element)
        return m

    def _multiply(self, m: Module) -> Signal:
        """acc * M + B, four cycles after the ports."""
        acc = Signal(signed(self.acc_bits + 2 * self.column_sums))
        ahead, param = (Signal(PARAM_LAYOUT, name=f"param_{n}", reset_less=True) for n in (1, 2))
        multiplier = Signal(signed(_FACTOR))
        doubled = (self.acc << 1) - self.column_sum
        m.d.sync += [
            acc.eq(Mux(self.bipolar, doubled, self.acc) if self.column_sums else self.acc),
            ahead.eq(self.param),
            param.eq(ahead),
            multiplier.eq(param.multiplier),
        ]
        whole = len(acc) <= self.multiplier_bits  # nothing is left for the upper half
        lower = Signal(signed(len(acc) if whole else LOW_BITS + 1))
        m.d.comb += lower.eq(acc if whole else acc[:LOW_BITS])
        low_product = Signal(signed(len(lower) + _FACTOR), reset_less=True)
        upper = Signal(signed(LOW_BITS))
        offset = Signal(signed(_OFFSET - 1))
        m.d.sync += [
            low_product.eq(lower * param.multiplier),
            upper.eq(0 if whole else acc[LOW_BITS:].as_signed()),
            offset.eq(param.offset),
        ]
        low = Signal(signed(_OFFSET))
        high_product = Signal(signed(LOW_BITS + _FACTOR), reset_less=True)
        high = Signal(signed(LOW_BITS + _FACTOR + 1))
        m.d.sync += [
            low.eq(low_product + offset),
            high_product.eq(upper * multiplier),
            high.eq(high_product + (low >> LOW_BITS)),
        ]
        # B's last bit weighs -2^47, and 47 bits alone count it as what the bit below says
        tops = delayed(m, param.offset[-2:], 3, name="offset_tops")
        total = Signal(signed(LOW_BITS + len(high)))
        above = _OFFSET - 1 - LOW_BITS
        top = high[above:].as_signed() + tops[0] - tops[1]
        m.d.comb += total.eq(Cat(delayed(m, low[:LOW_BITS], 1, name="low_bits"), high[:above], top))
        return total

    def _clip(self, m: Module, moved: Signal, beyond: Signal, element: Value) -> None:
        """The code, of `moved` or, where more than the sign was cut off, of its sign."""
        below, over = Signal(), Signal()
        m.d.comb += [
            below.eq(Mux(beyond, moved[-1], moved < self.lo)),
            over.eq(Mux(beyond, ~moved[-1], moved > self.hi)),
        ]
        with m.If(self.elements):
            m.d.sync += self.code.eq(element.as_signed())
        with m.Elif(below):
            m.d.sync += self.code.eq(self.lo)
        with m.Elif(over):
            m.d.sync += self.code.eq(self.hi)
        with m.Else():
            m.d.sync += self.code.eq(moved)


def _moved(
    m: Module, value: Value, sign: Value, count: Value, *, step: int, keeps: int
) -> tuple[Signal, Signal]:
    """(`keeps` bits of value >> step * count, whether any above them differs from the sign).

    `value` is a number without its sign; count is 0 to 3.
    """
    kept, differs = Signal(keeps, name=f"by_{step}"), Signal(name=f"cut_{step}")
    padded = Cat(value, sign.replicate(keeps + 4 * step))
    cut = [padded[keeps + step * n :][:step] for n in range(3)]
    cut.append(padded[keeps + 3 * step : max(len(value), keeps + 3 * step)])
    with m.Switch(count):
        for times in range(4):
            with m.Case(times):
                m.d.comb += kept.eq(padded[step * times :])
    unlike = [(bits != sign.replicate(len(bits))) & (count <= n) for n, bits in enumerate(cut)]
    m.d.comb += differs.eq(Cat(*unlike).any())
    return kept, differs
