"""Counting, dot products and requantization equal the formulas in their docstrings."""

from __future__ import annotations

from functools import partial
from itertools import product

from amaranth.hdl import Cat, Const, Mux, Value, signed

from flows.formal.bench import Bench
from flows.formal.proof import Proof
from hw.dpu import DPU, step_delay
from hw.fabric import FABRICS, PORTABLE, find_fabric
from hw.popcount import Popcount, stages
from hw.requantize import LOW_BITS, PARAM_LAYOUT, REQUANTIZE_LATENCY, Requantizer

POPCOUNT_LANES = (1, 2, 3, 5, 7, 8, 13, 16)
LANES = {
    (1, 1): 16,
    (1, 2): 8,
    (2, 1): 8,
    (2, 2): 4,
    (1, 4): 4,
    (4, 1): 4,
    (2, 4): 2,
    (4, 2): 2,
    (4, 4): 1,
}
"""{digits: lanes}: every pair that an overlay can have, as many lanes as are proved in seconds."""
ALONE = tuple(fabric for fabric in FABRICS if fabric != "xcup")
"""Fabrics with a structure of their own: xcup differs from xc7 in the carry cell."""

AGAIN = ((1, 1), (2, 2), (1, 4))
"""Digits that are proved of xcup too."""

ACC_BITS = 12
REQUANTIZER_STAGES = {
    "acc": "acc' == (bipolar ? 2 * acc - column_sum : acc), 32 bits",
    "halves": "lower == acc[:17], upper' == acc[17:], M with it",
    "low": "low_product' == lower * M, full width",
    "high": "high_product' == upper * M, full width",
    "total": "total == (high_product << 17) + low_product + B, full width",
    "code": "code == clip(total >> shift, lo, hi), or the low bits of total",
}


def proofs() -> list[Proof]:
    """Of every size that is small enough to be proved outright."""
    return [
        *(_popcount_proof(lanes) for lanes in POPCOUNT_LANES),
        *(
            _lanes_proof(*pair, LANES[pair], fabric)
            for fabric in FABRICS
            for pair in _digits(fabric)
        ),
        *(_parallel_proof(*signs, PORTABLE) for signs in product((0, 1), (0, 1))),
        _parallel_proof(0, 0, "xc7"),
        *(_dpu_proof(*pair, fabric) for fabric in FABRICS for pair in (*_digits(fabric), (8, 8))),
        *(_requantizer_proof(stage) for stage in REQUANTIZER_STAGES),
    ]


def _digits(fabric: str) -> list[tuple[int, int]]:
    """The pairs of digits that are proved of a fabric."""
    return [pair for pair in LANES if fabric in ALONE or pair in AGAIN]


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


def _made_of(fabric: str) -> str:
    """End of a proof's name."""
    return "" if fabric == PORTABLE else f".{fabric}"


def _parallel_proof(lhs_signed: int, rhs_signed: int, fabric: str) -> Proof:
    """8x8, one lane. Nothing in it feeds back, so its first result stands for all."""
    return Proof(
        name=f"lanes.8x8.1.{'us'[lhs_signed]}{'us'[rhs_signed]}{_made_of(fabric)}",
        claim="addend == lhs digit * rhs digit, first result (there is no feedback)",
        build=partial(lanes_bench, 1, 8, 8, fabric=fabric, signs=(lhs_signed, rhs_signed)),
        depth=step_delay(1, 8, 8, fabric) + 1,
        bounded=True,
        cells=find_fabric(fabric).cells,
    )


def _lanes_proof(p: int, q: int, lanes: int, fabric: str) -> Proof:
    return Proof(
        name=f"lanes.{p}x{q}.{lanes}{_made_of(fabric)}",
        claim="addend + carry == sum of lhs digit * rhs digit, signed or not",
        build=partial(lanes_bench, lanes, p, q, fabric=fabric),
        depth=step_delay(lanes, p, q, fabric) + 1,
        quick=(p, q) == (2, 2) and fabric in (PORTABLE, "xc7"),
        cells=find_fabric(fabric).cells,
    )


def lanes_bench(
    lanes: int,
    p: int,
    q: int,
    *,
    fabric: str = PORTABLE,
    signs: tuple[int, int] | None = None,
) -> Bench:
    """The sum of the products of the operands some cycles ago; `signs`: of these operands alone."""
    bench = Bench()
    unit = find_fabric(fabric).lanes(lanes=lanes, p=p, q=q)
    timing = unit.timing(lanes, p, q)
    bench.add(unit, driven=("wide_signed", "lhs_signed", "rhs_signed"))
    lhs_signed, rhs_signed = bench.free(1, "lhs_is_signed"), bench.free(1, "rhs_is_signed")
    if signs is not None:
        bench.assume((lhs_signed == signs[0]) & (rhs_signed == signs[1]))
    bench.module.d.comb += [
        unit.wide_signed.eq(bench.past(rhs_signed if p <= q else lhs_signed, timing.wide)),
        unit.lhs_signed.eq(bench.past(lhs_signed, timing.signs)),
        unit.rhs_signed.eq(bench.past(rhs_signed, timing.signs)),
    ]
    delay = timing.addend
    exact = bench.past(products(unit.lhs, unit.rhs, p, q, lhs_signed, rhs_signed), delay)
    bench.claim((unit.addend + unit.carry) == exact, when=bench.since(delay))
    return bench


def products(lhs: Value, rhs: Value, p: int, q: int, lhs_signed: Value, rhs_signed: Value) -> Value:
    """The sum over lanes of digit * digit, as one chain."""
    total: Value = Const(0, signed(2))
    for lane in range(len(lhs) // p):
        left = _digit(lhs.word_select(lane, p), lhs_signed)
        total = total + _product(left, rhs.word_select(lane, q), rhs_signed)
    return total


def _digit(bits: Value, is_signed: Value) -> Value:
    """The digit's value: its top bit is negative when it is signed."""
    return Cat(bits, bits[-1] & is_signed).as_signed()


def _product(left: Value, bits: Value, is_signed: Value) -> Value:
    """Multiplication as it is taught: a shifted row for each bit, the top one's negative if signed.

    A solver is lost between two multipliers, but not between two sums of the same rows.
    """
    rows = [Mux(bit, left << place, 0) for place, bit in enumerate(bits)]
    total: Value = Const(0, signed(2))
    for row in rows[:-1]:
        total = total + row
    return Mux(is_signed, total - rows[-1], total + rows[-1])


def _dpu_proof(p: int, q: int, fabric: str) -> Proof:
    return Proof(
        name=f"dpu.{p}x{q}{_made_of(fabric)}",
        claim="acc' == (clear ? 0 : acc << narrow * shift) + addend + carry, mod 2^acc_bits",
        build=partial(dpu_bench, p, q, fabric),
        depth=3,
        quick=(p, q) == (2, 4) and fabric in (PORTABLE, "xc7"),
        cells=find_fabric(fabric).cells,
    )


def dpu_bench(p: int, q: int, fabric: str = PORTABLE) -> Bench:
    """One step of the accumulator, whatever it held before and whatever its lanes give.

    The array delays the step, so steps[i] is what steps[i - 1] was.
    """
    bench = Bench()
    unit = DPU(lanes=3, p=p, q=q, acc_bits=ACC_BITS, fabric=fabric)
    bench.add(unit)
    delay = step_delay(unit.lanes, p, q, fabric)
    step = unit.steps[delay]
    narrow, wide = sorted((p, q))
    bench.assume(step.shift <= wide // narrow)
    bench.assume(unit.steps[delay - 1].shift <= wide // narrow)
    bench.assume(step.as_value() == bench.past(unit.steps[delay - 1].as_value()))
    base = Mux(step.clear, 0, unit.acc << narrow * step.shift)
    added = base + bench.inner("lanes.addend") + bench.inner("lanes.carry")
    after = Mux(step.valid, added, unit.acc)[:ACC_BITS]
    bench.claim(unit.acc.as_unsigned() == bench.past(after), when=bench.since(1))
    if fabric == "ecp5":  # a copy of acc, cleared ahead
        kept = Mux(step.valid & step.clear, 0, unit.acc)[:ACC_BITS]
        bench.claim(bench.inner("base") == kept)
    return bench


def _requantizer_proof(stage: str) -> Proof:
    return Proof(
        name=f"requantizer.{stage}",
        claim=REQUANTIZER_STAGES[stage],
        build=partial(requantizer_bench, stage),
        depth=REQUANTIZE_LATENCY + 1,
        quick=stage == "high",
    )


def requantizer_bench(stage: str, acc_bits: int = 32) -> Bench:
    """One stage from the registers before it; all of them together are the docstring's formula.

    A solver does not see through two multipliers, so the second works on the same registers as the
    first: to it they are one.
    """
    bench = Bench()
    unit = Requantizer(acc_bits=acc_bits, column_sums=True, multiplier_bits=LOW_BITS + 1)
    bench.add(unit)
    total, param = bench.inner("total"), PARAM_LAYOUT(bench.inner("param_2"))
    low_product, high_product = bench.inner("low_product"), bench.inner("high_product")
    acc, upper, factor = (bench.inner(name) for name in ("acc", "upper", "multiplier"))
    if stage == "acc":
        doubled = Mux(unit.bipolar, unit.acc * 2 - unit.column_sum, unit.acc)
        bench.claim(acc == bench.past(doubled), when=bench.since(1))
        bench.claim(Value.cast(param) == bench.past(Value.cast(unit.param), 2), when=bench.since(2))
    elif stage == "halves":
        bench.claim(bench.inner("lower") == acc[:LOW_BITS])
        bench.claim(upper == bench.past(acc >> LOW_BITS), when=bench.since(1))
        bench.claim(factor == bench.past(param.multiplier), when=bench.since(1))
    elif stage == "low":
        product = bench.inner("lower") * param.multiplier
        bench.claim(low_product == bench.past(product), when=bench.since(1))
    elif stage == "high":
        bench.claim(high_product == bench.past(upper * factor), when=bench.since(1))
    elif stage == "total":
        offset = bench.past(PARAM_LAYOUT(Value.cast(unit.param)).offset, 5)
        product = (bench.past(high_product) << LOW_BITS) + bench.past(low_product, 2)
        bench.claim(total == product + offset, when=bench.since(5))
    else:
        for port in (unit.shift, unit.lo, unit.hi, unit.elements):
            bench.assume(bench.first() | (port == bench.past(port)))
        bench.assume(unit.lo <= unit.hi)
        before = bench.past(total, 3)
        moved = before >> unit.shift
        clipped = Mux(moved < unit.lo, unit.lo, Mux(moved > unit.hi, unit.hi, moved))
        expected = Mux(unit.elements, before[: len(unit.code)].as_signed(), clipped)
        bench.claim(unit.code == expected, when=bench.since(REQUANTIZE_LATENCY))
    return bench
