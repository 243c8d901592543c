"""Dot-product units of the fabrics' own cells, with the cells' models, against dpu_model."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import cocotb
from amaranth.back import verilog
from amaranth.hdl import Cat, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hw.delay import delayed
from hw.dpu import DPU, latency, step_delay
from hw.lanes import step_layout
from sim_tests.dpu_model import Word, model, packed, random_word

TOP = "units"
WORDS = 300
SEED = 3


class Unit(NamedTuple):
    """What a unit is made of."""

    lanes: int
    p: int
    q: int
    acc_bits: int
    fabric: str


_SIZES = (
    *((1, 1, 1, 12), (3, 1, 1, 8), (13, 1, 1, 20), (64, 1, 1, 32)),
    *((9, 1, 2, 16), (16, 2, 2, 9), (11, 2, 4, 24), (7, 4, 1, 24), (5, 8, 8, 28)),
)
_FEWER = ((64, 1, 1, 32), (11, 2, 2, 24))
UNITS = [
    Unit(*size, fabric)
    for fabric, sizes in (("xc7", _SIZES), ("ecp5", _SIZES), ("xcup", _FEWER))
    for size in sizes
]


class Units(wiring.Component):
    """All of them side by side; each has its own words, and the step is delayed as in the array."""

    def __init__(self) -> None:
        members: dict[str, Member] = {}
        for number, unit in enumerate(UNITS):
            members |= {
                f"lhs_{number}": In(unit.lanes * unit.p),
                f"rhs_{number}": In(unit.lanes * unit.q),
                f"step_{number}": In(step_layout(unit.p, unit.q)),
                f"acc_{number}": Out(signed(unit.acc_bits)),
            }
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for number, unit in enumerate(UNITS):
            lanes, p, q, acc_bits, fabric = unit
            dpu = DPU(lanes=lanes, p=p, q=q, acc_bits=acc_bits, fabric=fabric)
            m.submodules[f"unit_{number}"] = dpu
            steps = [getattr(self, f"step_{number}").as_value()]
            for cycle in range(step_delay(lanes, p, q, fabric)):
                steps.append(delayed(m, steps[-1], 1, name=f"step_{number}_{cycle}"))
            m.d.comb += [
                dpu.lhs.eq(getattr(self, f"lhs_{number}")),
                dpu.rhs.eq(getattr(self, f"rhs_{number}")),
                dpu.steps.eq(Cat(*steps)),
                getattr(self, f"acc_{number}").eq(dpu.acc),
            ]
        return m


def bench_verilog() -> str:
    """The units as one module."""
    return verilog.convert(Units(), name=TOP, emit_src=False)


def _drive(dut: Any, number: int, unit: Unit, word: Word) -> None:
    """Put a word before a unit."""
    fields = step_layout(unit.p, unit.q)
    step = sum(value << fields[name].offset for name, value in word.step.items())
    for port, value in (
        ("lhs", packed(word.lhs, unit.p)),
        ("rhs", packed(word.rhs, unit.q)),
        ("step", step),
    ):
        getattr(dut, f"{port}_{number}").value = value


@cocotb.test()
async def random_steps(dut: Any) -> None:
    """Every accumulator after every word, `latency` cycles later."""
    rng = random.Random(SEED)
    words = [[random_word(rng, u.lanes, u.p, u.q) for _ in range(WORDS)] for u in UNITS]
    expected = [model(w, u.p, u.q, u.acc_bits) for w, u in zip(words, UNITS, strict=True)]
    late = [latency(u.lanes, u.p, u.q, u.fabric) for u in UNITS]
    idle = [Word(lhs=[0] * u.lanes, rhs=[0] * u.lanes, valid=0) for u in UNITS]
    dut.rst.value = 1
    for number, unit in enumerate(UNITS):
        _drive(dut, number, unit, idle[number])
    cocotb.start_soon(Clock(dut.clk, 2, "ns").start())
    for _ in range(max(late)):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    for cycle in range(WORDS + max(late)):
        for number, unit in enumerate(UNITS):
            word = words[number][cycle] if cycle < WORDS else idle[number]
            _drive(dut, number, unit, word)
            seen = cycle - late[number]
            if 0 <= seen < WORDS:
                got = getattr(dut, f"acc_{number}").value.to_signed()
                assert got == expected[number][seen], f"{unit}: word {seen}"
        await FallingEdge(dut.clk)
