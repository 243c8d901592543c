"""A requantizer lane."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ir.isa import FORMATS, PARAM, Stage, layout

REQUANTIZE_LATENCY = 5
"""Cycles from accumulator and parameters at the inputs to the code at the output."""

PARAM_LAYOUT = layout(PARAM)
_SHIFT = FORMATS[Stage.RESULT]["shift"].width
_CODE = FORMATS[Stage.RESULT]["lo"].width


class Requantizer(wiring.Component):
    """y = clip((acc * M + B) >> n, lo, hi), acc = 2 * acc - column_sum when bipolar.

    REQUANTIZE_LATENCY cycles, one result a cycle. Rounding is half-up and free: B contains 2^(n-1).
    Products and sums are exact for acc_bits <= 32; `shift`, `lo` and `hi` must be stable
    while results are under way.

    Parameters
    ----------
    acc_bits : accumulator width

    Members
    -------
    acc, column_sum : In(signed(acc_bits))      param : In(PARAM_LAYOUT)
    bipolar : In(1)   shift : In(6)   lo, hi : In(signed(32))
    code : Out(signed(32))
    """

    acc: Signal
    column_sum: Signal
    param: Signal
    bipolar: Signal
    shift: Signal
    lo: Signal
    hi: Signal
    code: Signal

    def __init__(self, *, acc_bits: int) -> None:
        self.acc_bits = acc_bits
        super().__init__(
            {
                "acc": In(signed(acc_bits)),
                "column_sum": In(signed(acc_bits)),
                "param": In(PARAM_LAYOUT),
                "bipolar": In(1),
                "shift": In(_SHIFT),
                "lo": In(signed(_CODE)),
                "hi": In(signed(_CODE)),
                "code": Out(signed(_CODE)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        acc = Signal(signed(self.acc_bits + 2))
        param_1 = Signal(PARAM_LAYOUT)
        offset = Signal(signed(48))
        product = Signal(signed(self.acc_bits + 2 + 16))
        total = Signal(signed(max(len(product), 48) + 1))
        moved = Signal.like(total)
        m.d.sync += [
            acc.eq(Mux(self.bipolar, (self.acc << 1) - self.column_sum, self.acc)),
            param_1.eq(self.param),
            product.eq(acc * param_1.multiplier),
            offset.eq(param_1.offset),
            total.eq(product + offset),
            moved.eq(total >> self.shift),
        ]
        with m.If(moved < self.lo):
            m.d.sync += self.code.eq(self.lo)
        with m.Elif(moved > self.hi):
            m.d.sync += self.code.eq(self.hi)
        with m.Else():
            m.d.sync += self.code.eq(moved)
        return m
