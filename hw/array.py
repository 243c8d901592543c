"""The array of dot-product units and the chain that drains it."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.delay import delayed
from hw.dpu import SharedDPU, latency, step_delay, step_layout
from hw.fabric import find_fabric


def drain_latency(config: OverlayConfig) -> int:
    """Cycles from operands and `last` at the inputs to the first with the tile in the chain."""
    return 1 + latency(config.dk, config.p, config.q, config.fabric) + 1


class Array(wiring.Component):
    """Dm x Dn dot-product units; a finished tile drains while the next one runs.

    The operands are registered once, then broadcast: lhs word m to row m, rhs word n to column n.
    With `last`, the accumulators are copied into the drain registers; `load` is high in the cycle
    before they hold the tile, which is `drain_latency(config)` cycles after `last` came in.
    `advance` moves every column one place towards column 0, whose accumulators are the outputs.

    One more row, whose weights are all ones, yields the column sums that bipolar weights need:
    sum((2*w - 1) * x) = 2 * sum(w * x) - sum(x). Only one-bit digits do: wider ones hold -1 itself,
    so there the row is left out and the sums are zero.

    Parameters
    ----------
    config : sizes

    Members
    -------
    lhs : In, Dm words of Dk digits        rhs : In, Dn words of Dk digits
    blank : In(Dn)                          columns whose word is zeros instead
    step : In(step_layout)                  last, bipolar : In(1), the latter counts with `last`
    load : Out(1)                           advance : In(1)
    out : Out, Dm accumulators of the column at the chain's end
    column_sum : Out, its sum of activations
    out_bipolar : Out(1), that of the tile in the chain

    Source: BISMO's DPA with a result memory behind each unit; ours replaces that memory by a
    double-buffered chain.
    """

    lhs: data.View
    rhs: data.View
    blank: Signal
    step: data.View
    last: Signal
    bipolar: Signal
    out: data.View
    column_sum: Signal
    out_bipolar: Signal

    load: Signal
    advance: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "lhs": In(data.ArrayLayout(unsigned(config.lhs_bits), config.dm)),
                "rhs": In(data.ArrayLayout(unsigned(config.rhs_bits), config.dn)),
                "blank": In(config.dn),
                "step": In(step_layout(config.p, config.q)),
                "last": In(1),
                "bipolar": In(1),
                "load": Out(1),
                "advance": In(1),
                "out": Out(data.ArrayLayout(signed(config.acc_bits), config.dm)),
                "column_sum": Out(signed(config.acc_bits)),
                "out_bipolar": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        lhs = [Signal(config.lhs_bits, name=f"lhs_{i}", reset_less=True) for i in range(config.dm)]
        rhs = [Signal(config.rhs_bits, name=f"rhs_{i}", reset_less=True) for i in range(config.dn)]
        m.d.sync += [word.eq(self.lhs[i]) for i, word in enumerate(lhs)]
        for i, word in enumerate(rhs):
            m.d.sync += word.eq(self.rhs[i])
            with m.If(self.blank[i]):
                m.d.sync += word.eq(0)
        steps = self._follow(m)
        outputs = [self._row(m, f"{i}", word, rhs, steps) for i, word in enumerate(lhs)]
        m.d.comb += [self.out[i].eq(value) for i, value in enumerate(outputs)]
        if config.column_sums:
            ones = Signal(config.lhs_bits, init=-1)
            m.d.comb += self.column_sum.eq(self._row(m, "sum", ones, rhs, steps))
        return m

    def _follow(self, m: Module) -> Value:
        """The step in each cycle from the operands on; and `last` to where the sums are final."""
        config = self.config
        cycles = step_delay(config.dk, config.p, config.q, config.fabric)
        steps = [delayed(m, self.step.as_value(), 1, name="step")]
        for cycle in range(cycles):
            steps.append(delayed(m, steps[-1], 1, name=f"step_{cycle}"))
        last = Cat(self.last & self.step.valid, self.bipolar)
        load, bipolar = delayed(m, last, cycles + 2, name="last")
        m.d.comb += self.load.eq(load)
        with m.If(load):
            m.d.sync += self.out_bipolar.eq(bipolar)
        return Cat(*steps)

    def _row(self, m: Module, name: str, lhs: Signal, rhs: list[Signal], steps: Value) -> Signal:
        """A row of units and its drain chain; returns the accumulator at the chain's end."""
        config, multiplex = self.config, find_fabric(self.config.fabric).multiplex
        drain = [Signal(signed(config.acc_bits), name=f"drain_{name}_{n}") for n in range(len(rhs))]
        for n, word in enumerate(rhs):
            m.submodules[f"dpu_{name}_{n}"] = unit = SharedDPU(
                lanes=config.dk,
                p=config.p,
                q=config.q,
                acc_bits=config.acc_bits,
                fabric=config.fabric,
            )
            m.d.comb += [unit.lhs.eq(lhs), unit.rhs.eq(word), unit.steps.eq(steps)]
            arrives: Value = unit.acc
            if n + 1 < config.dn:
                arrives = multiplex(m, self.load, unit.acc, drain[n + 1])
            with m.If(self.load | self.advance):
                m.d.sync += drain[n].eq(arrives)
        return drain[0]
