"""Counting, dot products and requantization equal the formulas in their docstrings."""

from __future__ import annotations

from functools import partial

from amaranth.hdl import Mux, Value, signed

from flows.formal.bench import Bench
from flows.formal.proof import Proof
from hw.dpu import DPU, latency
from hw.popcount import Popcount, stages
from hw.requantize import PARAM_LAYOUT, REQUANTIZE_LATENCY, Requantizer

POPCOUNT_LANES = (1, 2, 3, 5, 7, 8, 13, 16)
DPU_LANES = (1, 3, 7, 16)
ACC_BITS = 12
REQUANTIZER_STAGES = {
    "acc": "acc' == (bipolar ? 2 * acc - column_sum : acc), 32 bits",
    "product": "product' == acc * M, full width",
    "total": "total' == product + B, full width",
    "code": "code == clip(total >> shift, lo, hi), full width",
}


def proofs() -> list[Proof]:
    """Of every size that is small enough to be proved outright."""
    return [
        *(_popcount_proof(lanes) for lanes in POPCOUNT_LANES),
        *(_dpu_proof(lanes) for lanes in DPU_LANES),
        *(_requantizer_proof(stage) for stage in REQUANTIZER_STAGES),
    ]


def ones(bits: Value) -> Value:
    """Number of ones, as one sum."""
    total = bits[0]
    for index in range(1, len(bits)):
        total = total + bits[index]
    return total


def _popcount_proof(lanes: int) -> Proof:
    return Proof(
        name=f"popcount.{lanes}",
        claim=f"count == number of ones in {lanes} bits",
        build=lambda: popcount_bench(Popcount(lanes=lanes)),
        depth=stages(lanes) + 1,
        quick=lanes in (3, 16),
    )


def popcount_bench(unit: Popcount) -> Bench:
    """The count is that of the bits `stages` cycles ago."""
    bench = Bench()
    bench.add(unit)
    then = bench.past(ones(unit.bits), stages(unit.lanes))
    bench.claim(unit.count == then, when=bench.since(stages(unit.lanes)))
    return bench


def _dpu_proof(lanes: int) -> Proof:
    return Proof(
        name=f"dpu.1x1.{lanes}",
        claim="acc' == (clear ? 0 : acc << shift) +- popcount(lhs & rhs)",
        build=lambda: dpu_bench(DPU(lanes=lanes, acc_bits=ACC_BITS)),
        depth=latency(lanes) + 2,
        quick=lanes == 7,
    )


def dpu_bench(unit: DPU) -> Bench:
    """One step of the accumulator, whatever it held before."""
    bench = Bench()
    bench.add(unit)
    delay = latency(unit.lanes)
    count = bench.past(ones(unit.lhs & unit.rhs), delay)
    step, before = bench.past(unit.step.as_value()), bench.past(unit.acc)
    valid, clear, shift, negate = step
    base = Mux(clear, 0, Mux(shift, before * 2, before))
    after = bench.state(signed(unit.acc_bits), "after")
    bench.module.d.comb += after.eq(Mux(valid, Mux(negate, base - count, base + count), before))
    bench.claim(unit.acc == after, when=bench.since(delay))
    return bench


def _requantizer_proof(stage: str) -> Proof:
    return Proof(
        name=f"requantizer.{stage}",
        claim=REQUANTIZER_STAGES[stage],
        build=partial(requantizer_bench, stage),
        depth=REQUANTIZE_LATENCY + 1,
        quick=stage == "product",
    )


def requantizer_bench(stage: str, acc_bits: int = 32) -> Bench:
    """One stage from the registers before it; all of them together are the docstring's formula.

    A solver does not see through two multipliers, so the second works on the same registers as the
    first: to it they are one.
    """
    bench = Bench()
    unit = Requantizer(acc_bits=acc_bits)
    bench.add(unit)
    acc, product, total = (bench.inner(name) for name in ("acc", "product", "total"))
    if stage == "acc":
        doubled = Mux(unit.bipolar, unit.acc * 2 - unit.column_sum, unit.acc)
        bench.claim(acc == bench.past(doubled), when=bench.since(1))
    elif stage == "product":
        param = bench.inner("param_1")
        bench.claim(param == bench.past(unit.param.as_value()), when=bench.since(1))
        factor = PARAM_LAYOUT(param).multiplier
        bench.claim(product == bench.past(acc * factor), when=bench.since(1))
    elif stage == "total":
        offset = bench.past(unit.param.offset, 3)
        bench.claim(total == bench.past(product) + offset, when=bench.since(3))
    else:
        for port in (unit.shift, unit.lo, unit.hi):
            bench.assume(bench.first() | (port == bench.past(port)))
        bench.assume(unit.lo <= unit.hi)
        moved = bench.past(total, 2) >> unit.shift
        clipped = Mux(moved < unit.lo, unit.lo, Mux(moved > unit.hi, unit.hi, moved))
        bench.claim(unit.code == clipped, when=bench.since(REQUANTIZE_LATENCY))
    return bench
