"""The array of dot-product units and the chain that drains it."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.delay import delayed, delayed_view
from hw.dpu import STEP, STEP_DELAY, SharedDPU, latency


class Array(wiring.Component):
    """Dm x Dn dot-product units; a finished tile drains while the next one runs.

    The operands are registered once, then broadcast: lhs word m to row m, rhs word n to column n.
    With `last`, the accumulators are copied into the drain registers; `load` is high in the cycle
    before they hold the tile, which is `drain_latency(lanes)` cycles after `last` came in.
    `advance` moves every column one place towards column 0, whose accumulators are the outputs.

    One more row, whose weights are all ones, yields the column sums that bipolar weights need:
    sum((2*w - 1) * x) = 2 * sum(w * x) - sum(x).

    Parameters
    ----------
    rows, lanes, columns : Dm, Dk, Dn
    acc_bits : accumulator width

    Members
    -------
    lhs : In, Dm words of Dk digits        rhs : In, Dn words of Dk digits
    step : In(STEP)                         last : In(1)
    load : Out(1)                           advance : In(1)
    out : Out, Dm accumulators of the column at the chain's end
    column_sum : Out, its sum of activations

    Source: BISMO's DPA with a result memory behind each unit; ours replaces that memory by a
    double-buffered chain.
    """

    lhs: data.View
    rhs: data.View
    step: data.View
    last: Signal
    out: data.View
    column_sum: Signal

    load: Signal
    advance: Signal

    def __init__(self, *, rows: int, lanes: int, columns: int, acc_bits: int) -> None:
        self.rows, self.lanes, self.columns, self.acc_bits = rows, lanes, columns, acc_bits
        super().__init__(
            {
                "lhs": In(data.ArrayLayout(unsigned(lanes), rows)),
                "rhs": In(data.ArrayLayout(unsigned(lanes), columns)),
                "step": In(STEP),
                "last": In(1),
                "load": Out(1),
                "advance": In(1),
                "out": Out(data.ArrayLayout(signed(acc_bits), rows)),
                "column_sum": Out(signed(acc_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lhs = [Signal(self.lanes, name=f"lhs_{i}") for i in range(self.rows)]
        rhs = [Signal(self.lanes, name=f"rhs_{i}") for i in range(self.columns)]
        m.d.sync += [word.eq(self.lhs[i]) for i, word in enumerate(lhs)]
        m.d.sync += [word.eq(self.rhs[i]) for i, word in enumerate(rhs)]
        step, load = self._follow(m)
        m.d.comb += self.load.eq(load)
        ones = (1 << self.lanes) - 1
        outputs = [self._row(m, f"{i}", word, rhs, step) for i, word in enumerate(lhs)]
        m.d.comb += [self.out[i].eq(value) for i, value in enumerate(outputs)]
        m.d.comb += self.column_sum.eq(
            self._row(m, "sum", Signal(self.lanes, init=ones), rhs, step)
        )
        return m

    def _follow(self, m: Module) -> tuple[data.View, Value]:
        """`step` where it meets the counts, and `last` where the accumulators are final."""
        cycles = 1 + STEP_DELAY(self.lanes)  # the operands' register, and the counting
        last = self.last & self.step.valid
        return (
            delayed_view(m, self.step, cycles, name="step"),
            delayed(m, last, cycles + 1, name="last"),
        )

    def _row(self, m: Module, name: str, lhs: Signal, rhs: list[Signal], step: data.View) -> Signal:
        """A row of units and its drain chain; returns the accumulator at the chain's end."""
        drain = [
            Signal(signed(self.acc_bits), name=f"drain_{name}_{n}") for n in range(self.columns)
        ]
        for n, word in enumerate(rhs):
            m.submodules[f"dpu_{name}_{n}"] = unit = SharedDPU(
                lanes=self.lanes, acc_bits=self.acc_bits
            )
            m.d.comb += [unit.lhs.eq(lhs), unit.rhs.eq(word), unit.step.eq(step)]
            with m.If(self.load):
                m.d.sync += drain[n].eq(unit.acc)
            if n + 1 < self.columns:
                with m.Elif(self.advance):
                    m.d.sync += drain[n].eq(drain[n + 1])
        return drain[0]


def drain_latency(lanes: int) -> int:
    """Cycles from operands and `last` at the inputs to the first with the tile in the chain."""
    return 1 + latency(lanes) + 1
