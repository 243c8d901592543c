"""Instructions are judged one cycle after they are taken; starvation after long silence."""

import re
from dataclasses import replace

import pytest

from codegen.emit import emit_component
from hw.check import STARVED_CYCLES, Check, Judge, Starvation
from hw.config import OverlayConfig
from hw.csr import Code
from hw.fault import NO_STAGE
from hw.kept import WRAPS, kept_bits
from hw.overlays.bit_serial import BitSerial
from ir.isa import FORMATS, INSTRUCTION_BITS, Kind, Stage
from tests.hw.streams import pulse, simulate

CONFIG = BitSerial(dm=2, dk=8, dn=2, table_depth=64)
LEGAL = {
    stage: {name: field.least or 0 for name, field in fields.items()} | {"stage": stage}
    for stage, fields in FORMATS.items()
}
LEGAL[Stage.FETCH] |= {"hash": CONFIG.hash, "kind": Kind.LHS}


def judged(stage: Stage, k_split: int = 0, **changes: int) -> Code:
    return judged_on(replace(CONFIG, k_split=k_split), stage, changes)


def judged_on(config: OverlayConfig, stage: Stage, changes: dict[str, int]) -> Code:
    dut, found = Check(config=config, stage=stage), []

    async def bench(ctx) -> None:
        ctx.set(dut.now, {**LEGAL[stage], **changes})
        ctx.set(dut.index, 7)
        await ctx.tick()
        assert not ctx.get(dut.fault.valid), "not taken yet"
        await pulse(ctx, dut.taken)
        found.append(Code(ctx.get(dut.fault.code) if ctx.get(dut.fault.valid) else 0))
        assert ctx.get(dut.at) == 7
        await ctx.tick()
        assert not ctx.get(dut.fault.valid)

    simulate(dut, bench)
    return found[0]


@pytest.mark.parametrize("stage", Stage)
def test_what_the_table_allows_passes(stage: Stage) -> None:
    assert judged(stage) is Code.NONE


@pytest.mark.parametrize("stage", Stage)
def test_every_limit_of_the_table(stage: Stage) -> None:
    for name, field in FORMATS[stage].items():
        if field.least is not None:
            assert judged(stage, **{name: field.least - 1}) is Code.ILLEGAL, name
        if field.most is not None and field.most < field.range[1]:
            assert judged(stage, **{name: field.most + 1}) is Code.ILLEGAL, name


@pytest.mark.parametrize("groups", [1, 2, 3, 5, 6, 7, 12])
def test_parameters_of_all_row_groups_are_within_the_table(groups: int) -> None:
    config = BitSerial(dm=groups, dk=8, dn=2, requant_lanes=1, table_depth=64)
    most = 64 // groups
    for row_tiles, base in ((1, 64 - groups), (most, 64 - most * groups)):
        changes = {"row_tiles": row_tiles, "param_base": base, "columns": 2}
        assert judged_on(config, Stage.RESULT, changes) is Code.NONE
        changes["param_base"] += 1
        assert judged_on(config, Stage.RESULT, changes) is Code.ILLEGAL
    text = emit_component(Check(config=config, stage=Stage.RESULT), name="check")
    assert not re.search(r"[\w\]]\s+\*\s+\d", text), "a product, for which yosys takes a multiplier"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"lhs_stream": 1}, Code.NONE),
        ({}, Code.ILLEGAL),
        ({"lhs_stream": 1, "block": 2}, Code.ILLEGAL),
        ({"lhs_stream": 1, "block_first": 2}, Code.ILLEGAL),
    ],
)
def test_parts_of_k_come_anew_for_every_tile(changes: dict[str, int], code: Code) -> None:
    assert judged(Stage.EXECUTE, k_split=1, split=1, **changes) is code
    assert judged(Stage.RESULT, k_split=1, split=1) is Code.NONE


@pytest.mark.parametrize(
    ("stage", "changes", "code"),
    [
        (Stage.FETCH, {"kind": Kind.TAPS, "base": 63, "groups": 1}, Code.NONE),
        (Stage.FETCH, {"kind": Kind.TAPS, "base": 63, "groups": 2}, Code.ILLEGAL),
        (Stage.FETCH, {"kind": Kind.LHS, "base": 63}, Code.NONE),
        (Stage.FETCH, {"kind": Kind.RHS, "width": 1, "pushes": 1, "stride": 1}, Code.NONE),
        (Stage.FETCH, {"kind": Kind.RHS, "width": 1}, Code.ILLEGAL),
        (Stage.FETCH, {"address": 4}, Code.ILLEGAL),
        (Stage.EXECUTE, {"split": 1, "lhs_stream": 1}, Code.ILLEGAL),  # not on this overlay
        (Stage.RESULT, {"split": 1}, Code.ILLEGAL),
        (Stage.FETCH, {"hash": CONFIG.hash ^ 1}, Code.OVERLAY),
        (Stage.EXECUTE, {"tap_table": 1, "tap_base": 64}, Code.ILLEGAL),
        (Stage.EXECUTE, {"tap_base": 63}, Code.NONE),
        (Stage.EXECUTE, {"ring_words": CONFIG.ring_depth}, Code.ILLEGAL),
        (Stage.RESULT, {"columns": 3}, Code.ILLEGAL),
        (Stage.RESULT, {"param_base": 62, "row_tiles": 1}, Code.NONE),
        (Stage.RESULT, {"param_base": 62, "row_tiles": 2}, Code.ILLEGAL),
    ],
)
def test_limits_of_the_overlay(stage: Stage, changes: dict[str, int], code: Code) -> None:
    assert judged(stage, **changes) is code


@pytest.mark.parametrize("stage", Stage)
def test_bits_that_nobody_keeps_are_zero(stage: Stage) -> None:
    bits = kept_bits(CONFIG, stage)
    narrow = {name for name, field in FORMATS[stage].items() if bits[name] < field.width}
    assert {"row_tiles", "col_tiles", "turns"} <= narrow or stage is Stage.FETCH
    for name in narrow - {"stage", "hash", *WRAPS[stage]}:
        for value in (1 << bits[name], 1 << FORMATS[stage][name].width - 1):
            assert judged(stage, **{name: value}) is Code.ILLEGAL, name


def test_starvation_needs_silence() -> None:
    dut = Starvation()

    async def bench(ctx) -> None:
        for signal in (dut.waits, dut.progress):
            await ctx.tick().repeat(STARVED_CYCLES - 1)
            assert not ctx.get(dut.fault.valid)
            await pulse(ctx, signal)
        await ctx.tick().repeat(STARVED_CYCLES)
        assert not ctx.get(dut.fault.valid)
        await ctx.tick()
        assert ctx.get(dut.fault.valid) and ctx.get(dut.fault.code) == Code.STARVED

    simulate(dut, bench, limit=4 * STARVED_CYCLES)


@pytest.mark.parametrize("stage", Stage)
def test_a_fetch_is_refused_at_once_and_the_others_a_cycle_later(stage: Stage) -> None:
    """And where each stood, when it is blamed."""
    dut = Judge(config=CONFIG)
    fault = {"valid": 1, "code": Code.ILLEGAL, "stage": stage, "address": 0}

    async def bench(ctx) -> None:
        for each in Stage:
            ctx.set(dut.at[each], 5 + each)
        ctx.set(dut.stages[stage], fault)
        if stage is not Stage.FETCH:
            assert not ctx.get(dut.fault.valid)
            await pulse(ctx, dut.stages[stage], fault)
        assert ctx.get(dut.fault) == fault
        ctx.set(dut.blamed, stage)
        assert ctx.get(dut.index) == 5 + stage

    simulate(dut, bench)


def test_the_place_of_a_word_that_is_lost() -> None:
    """Two words of an instruction of no stage, behind an instruction that was written whole."""
    dut, beats = Judge(config=CONFIG), INSTRUCTION_BITS // CONFIG.memory_bits

    async def bench(ctx) -> None:
        ctx.set(dut.blamed, NO_STAGE)
        for _ in range(beats):
            await pulse(ctx, dut.written)
        ctx.set(dut.lost, 1)
        for _ in range(4):
            found.append((ctx.get(dut.fault.valid), ctx.get(dut.index)))
            await ctx.tick()

    found: list[tuple[int, int]] = []
    simulate(dut, bench)
    assert [valid for valid, _ in found] == [0, 0, 1, 1]
    assert found[3][1] == 1, "known a cycle after the fault"
