"""put, get and expect: the handshakes of every hardware test, and one way to run a simulation."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

Context = Any  # amaranth.sim.SimulatorContext, which the type stubs do not know
Bench = Callable[[Context], Coroutine[Any, Any, None]]
CYCLE_LIMIT = 2000
PERIOD = 1e-6


@dataclass(frozen=True, kw_only=True)
class Handshake:
    """A channel that is no `amaranth.lib.stream`: AXI's flat signals."""

    payload: Any
    valid: Any
    ready: Any


def gap(rng: random.Random | None) -> int:
    """Cycles to stall: none without a generator, else none half of the time."""
    return 0 if rng is None else max(0, rng.randrange(-4, 5))


async def put(ctx: Context, stream: Any, payload: Any, rng: random.Random | None = None):
    """Offer `payload` after a stall; returns in the cycle after it was taken."""
    await idle(ctx, gap(rng))
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    await ctx.tick().until(stream.ready)
    ctx.set(stream.valid, 0)


async def get(ctx: Context, stream: Any, rng: random.Random | None = None) -> Any:
    """Take one payload after a stall; returns in the cycle after."""
    await idle(ctx, gap(rng))
    ctx.set(stream.ready, 1)
    (payload,) = await ctx.tick().sample(stream.payload).until(stream.valid)
    ctx.set(stream.ready, 0)
    return payload


async def expect(ctx: Context, stream: Any, value: Any, rng: random.Random | None = None) -> None:
    """Take one payload, which must be `value`."""
    payload = await get(ctx, stream, rng)
    assert payload == value, f"got {payload!r}, expected {value!r}"


async def idle(ctx: Context, cycles: int) -> None:
    """Let `cycles` cycles pass."""
    if cycles:
        await ctx.tick().repeat(cycles)


async def pulse(ctx: Context, signal: Any, value: Any = 1) -> None:
    """`value` for one cycle, then zeros."""
    ctx.set(signal, value)
    await ctx.tick()
    ctx.set(signal, {} if isinstance(value, Mapping) else 0)


def simulate(
    dut: Elaboratable,
    *benches: Bench,
    background: Sequence[Bench] = (),
    trace: Mapping[str, Any] | None = None,
    clock: Any = None,
    limit: int = CYCLE_LIMIT,
) -> list[dict[str, Any]]:
    """Run until every bench has ended, those in the background aside; at most `limit` cycles.

    clock: the design's own clock port, where it brings its domain along.
    trace: {name: signal} -> for each cycle {name: value as it stood at the clock edge}.
    """
    sim, cycles = Simulator(dut), []
    traced = dict(trace or {})

    async def watch(ctx: Context) -> None:
        async for _, _, *values in ctx.tick().sample(*traced.values()):
            cycles.append(dict(zip(traced, values, strict=True)))
            assert len(cycles) < limit, f"no end after {limit} cycles"

    async def toggle(ctx: Context) -> None:
        for level in itertools.cycle((1, 0)):
            await ctx.delay(PERIOD / 2)
            ctx.set(clock, level)

    if clock is None:
        sim.add_clock(PERIOD)
    else:
        sim.add_process(toggle)
    for bench in benches:
        sim.add_testbench(bench)
    for bench in background:
        sim.add_testbench(bench, background=True)
    sim.add_testbench(watch, background=True)
    sim.run()
    return cycles


def when(cycles: list[dict[str, Any]], name: str) -> list[int]:
    """The cycles in which a traced signal was not 0."""
    return [number for number, values in enumerate(cycles) if values[name]]
