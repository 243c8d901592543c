"""How a job ends: by itself, by a fault, by the host's wish; and what the status says."""

from typing import Any

import pytest

from hw.csr import CODE_SHIFT, STAGE_SHIFT, STATUS_BITS, Code
from hw.job import Job
from ir.isa import Stage
from tests.hw.streams import pulse, simulate, when

FAULT = {"valid": 1, "code": Code.READ_SLVERR, "stage": Stage.FETCH, "address": 0x1234}


def flags(status: int) -> set[str]:
    return {name for name, bit in STATUS_BITS.items() if status >> bit & 1}


def run(drive: Any, dut: Job | None = None) -> tuple[Job, list[dict]]:
    dut = dut or Job()
    trace = {"clear": dut.clear, "irq": dut.irq, "busy": dut.busy, "stopping": dut.stopping}

    async def bench(ctx) -> None:
        ctx.set(dut.bus_idle, 1)
        for _ in range(2):
            assert ctx.get(dut.clear) and ctx.get(dut.holds), "behind the host's reset"
            await ctx.tick()
        await drive(ctx, dut)
        await ctx.tick().repeat(4)

    return dut, simulate(dut, bench, trace=trace)[2:]


async def wish(ctx, write) -> None:
    """What the host asks for, seen a cycle after its write."""
    await pulse(ctx, write)
    await ctx.tick()


def test_a_job_that_ends_by_itself() -> None:
    """irq in the cycle after `finished`; nobody may start until the core is cleared."""

    async def drive(ctx, dut) -> None:
        await pulse(ctx, dut.start_write)
        assert ctx.get(dut.busy)
        await pulse(ctx, dut.finished)
        assert flags(ctx.get(dut.status)) == {"DONE"} and ctx.get(dut.irq) and ctx.get(dut.holds)
        await wish(ctx, dut.clear_write)
        assert not ctx.get(dut.irq) and not ctx.get(dut.clear) and not ctx.get(dut.status)

    _, cycles = run(drive)
    assert len(when(cycles, "clear")) == 1


@pytest.mark.parametrize("draining", [0, 7])
def test_a_fault_is_told_after_the_drain(draining: int) -> None:
    async def drive(ctx, dut) -> None:
        await pulse(ctx, dut.start_write)
        ctx.set(dut.bus_idle, not draining)
        await pulse(ctx, dut.fault, FAULT)
        assert ctx.get(dut.stopping), "at once"
        assert ctx.get(dut.blamed) == Stage.FETCH
        ctx.set(dut.index, 5)
        await ctx.tick()
        ctx.set(dut.index, 9)
        for _ in range(draining):
            assert flags(ctx.get(dut.status)) == {"BUSY", "DRAINING"}
            await pulse(ctx, dut.finished)
            await wish(ctx, dut.clear_write)
        ctx.set(dut.bus_idle, 1)
        await ctx.tick().until(dut.irq)
        assert flags(ctx.get(dut.status)) == {"ERROR"}
        assert ctx.get(dut.status) >> CODE_SHIFT == Code.READ_SLVERR
        assert ctx.get(dut.address) == 0x1234
        assert ctx.get(dut.info) == Stage.FETCH << STAGE_SHIFT | 5
        await pulse(ctx, dut.start_write)
        assert flags(ctx.get(dut.status)) == {"BUSY"} and not ctx.get(dut.irq)

    _, cycles = run(drive)
    assert len(when(cycles, "clear")) == 1


def test_abort_and_start_ignored() -> None:
    async def drive(ctx, dut) -> None:
        await wish(ctx, dut.abort_write)
        assert not ctx.get(dut.status), "nothing runs, nothing to abort"
        await pulse(ctx, dut.start_write)
        await pulse(ctx, dut.start_write)
        assert flags(ctx.get(dut.status)) == {"BUSY", "START_IGNORED"}
        await wish(ctx, dut.abort_write)
        await ctx.tick().until(dut.irq)
        assert flags(ctx.get(dut.status)) == {"ABORTED", "START_IGNORED"}
        await wish(ctx, dut.clear_write)
        assert not ctx.get(dut.status) and not ctx.get(dut.irq)

    run(drive)


def test_soft_reset_ends_as_reset_does() -> None:
    async def drive(ctx, dut) -> None:
        for busy in (False, True):
            if busy:
                await pulse(ctx, dut.start_write)
            await wish(ctx, dut.soft_write)
            assert flags(ctx.get(dut.status)) == {"BUSY", "DRAINING"}
            await ctx.tick().repeat(2)
            assert not ctx.get(dut.status)

    _, cycles = run(drive)
    assert len(when(cycles, "clear")) == 2 and not when(cycles, "irq")


def test_a_memory_that_never_answers_is_told_at_once() -> None:
    fault = {**FAULT, "code": Code.READ_TIMEOUT}

    async def drive(ctx, dut) -> None:
        await pulse(ctx, dut.start_write)
        ctx.set(dut.bus_idle, 0)
        ctx.set(dut.timed_out, 1)
        await pulse(ctx, dut.fault, fault)
        ctx.set(dut.timed_out, 0)
        assert ctx.get(dut.stopping)
        await ctx.tick()
        assert ctx.get(dut.irq)
        assert flags(ctx.get(dut.status)) == {"BUSY", "ERROR", "DRAINING"}
        assert ctx.get(dut.status) >> CODE_SHIFT == Code.READ_TIMEOUT
        await wish(ctx, dut.clear_write)
        assert flags(ctx.get(dut.status)) == {"BUSY", "DRAINING"} and not ctx.get(dut.irq)
        ctx.set(dut.bus_idle, 1)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.status), "it was told already"

    run(drive)


def test_the_drain_of_an_abort_may_time_out() -> None:
    async def drive(ctx, dut) -> None:
        await pulse(ctx, dut.start_write)
        ctx.set(dut.bus_idle, 0)
        await wish(ctx, dut.abort_write)
        ctx.set(dut.timed_out, 1)
        await pulse(ctx, dut.fault, {**FAULT, "code": Code.WRITE_TIMEOUT})
        await ctx.tick()
        assert flags(ctx.get(dut.status)) == {"BUSY", "ERROR", "DRAINING"}

    run(drive)


def test_reads_left_over_are_an_error() -> None:
    async def drive(ctx, dut) -> None:
        await pulse(ctx, dut.start_write)
        ctx.set(dut.leftover, 1)
        await pulse(ctx, dut.finished)
        await ctx.tick().until(dut.irq)
        assert flags(ctx.get(dut.status)) == {"ERROR"}
        assert ctx.get(dut.status) >> CODE_SHIFT == Code.LEFTOVER

    run(drive)


def test_a_fault_in_the_cycle_in_which_the_job_finishes() -> None:
    """It counts: the job has failed, and the core is cleared behind the fault."""

    async def drive(ctx, dut) -> None:
        await pulse(ctx, dut.start_write)
        ctx.set(dut.finished, 1)
        await pulse(ctx, dut.fault, FAULT)
        ctx.set(dut.finished, 0)
        assert ctx.get(dut.stopping) and not ctx.get(dut.irq)
        await ctx.tick().until(dut.irq)
        assert flags(ctx.get(dut.status)) == {"ERROR"}
        assert ctx.get(dut.status) >> CODE_SHIFT == Code.READ_SLVERR

    _, cycles = run(drive)
    assert when(cycles, "clear")[-1] == when(cycles, "irq")[0]
