"""Tokens and other counts: none is taken that is not there, none is lost by wrapping round."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from amaranth.hdl import Const, Signal, Value

from flows.formal.bench import Bench
from flows.formal.environment import environment_of
from flows.formal.proof import Proof
from hw.bus.ledger import MOST_BURSTS, Ledger
from hw.config import OverlayConfig
from hw.fetch import ReadIssuer
from hw.gate import Gate
from hw.guard import ReadGuard, WriteGuard
from hw.kept import fetch_layout

MOST_LAYERS = (1 << 8) - 2
"""More done layers than that are never waiting for a fetch."""


def proofs(config: OverlayConfig) -> list[Proof]:
    """One for each count by which the stages meet."""
    found = {
        "space": ("free lhs words: 0 to lhs_depth, no word is reserved twice", _space),
        "layers": ("layer-done tokens never wrap", _layers),
        "execute": (
            "a word goes only when as many operands arrived as it needs, no token is lost",
            _execute,
        ),
        "ledger": ("bursts under way: 0 to 16, empty and full are right", _ledger),
        "reads": (
            "a read burst begins only with a free entry, an answer takes one that began",
            _reads,
        ),
        "writes": ("a write burst likewise", _writes),
    }
    return [
        Proof(
            name=f"tokens.{name}",
            claim=claim,
            build=_builder(describe, config),
            depth=3,
            quick=name == "space",
        )
        for name, (claim, describe) in found.items()
    ]


def _builder(
    describe: Callable[[Bench, OverlayConfig], None], config: OverlayConfig
) -> Callable[[], Bench]:
    return partial(_build, describe, config)


def _build(describe: Callable[[Bench, OverlayConfig], None], config: OverlayConfig) -> Bench:
    bench = Bench()
    describe(bench, config)
    return bench


def _moves_by_one(bench: Bench, counter: Signal, *, cleared: Value) -> None:
    """Up or down by one at most, as integers: so it wraps neither way."""
    before = bench.past(counter)
    near = (counter <= before + 1) & (counter + 1 >= before)
    bench.claim(near | cleared, when=bench.since(1))


def _space(bench: Bench, config: OverlayConfig) -> None:
    """Assumed: execute gives back only words that were reserved."""
    unit = ReadIssuer(config=config)
    bench.add(unit)
    environment_of(bench, unit)
    space, spare, used = (bench.inner(name) for name in ("space", "spare", "used"))
    wanted = fetch_layout(config)(bench.inner("now")).reserve
    free = Signal(space.shape())  # what a segment took is counted a cycle later
    bench.module.d.comb += free.eq(space - used)
    bench.assume(unit.lhs_freed <= config.lhs_depth - free)
    bench.claim((free >= 0) & (space <= config.lhs_depth))
    idle = bench.in_state("IDLE")
    bench.claim(spare == space - wanted, when=~idle)
    bench.claim((used == 0) | ((used == wanted) & bench.in_state("STEP")))
    bench.claim((bench.inner("idle") == idle) & (bench.inner("free") == (idle & ~unit.arvalid)))
    bench.claim(space == bench.past(free) + bench.past(unit.lhs_freed), when=bench.since(1))


def _layers(bench: Bench, config: OverlayConfig) -> None:
    unit = ReadIssuer(config=config)
    bench.add(unit)
    environment_of(bench, unit)
    tokens, waited, done = (bench.inner(name) for name in ("tokens", "waited", "done"))
    bench.claim((done == (tokens != 0)) & (~waited | done))
    now, idle = fetch_layout(config)(bench.inner("now")), bench.in_state("IDLE")
    waits = bench.inner("first") & now.wait_done & ~done
    bench.claim(bench.inner("idle") == idle)
    bench.claim(bench.inner("awaits") == waits, when=~idle)
    bench.assume(~unit.done_token | (tokens <= MOST_LAYERS))
    _moves_by_one(bench, tokens, cleared=bench.past(unit.start))


def _execute(bench: Bench, config: OverlayConfig) -> None:
    """Needs are any numbers; the comparison is modulo, as the counts are."""
    gate = Gate(config=config)
    bench.add(gate)
    ends = gate.issue & gate.needs.layer_end
    for name, token, least in (("lhs", gate.lhs_token, 0), ("rhs", gate.rhs_token, 1)):
        spare, arrived = (bench.inner(f"{name}_{what}") for what in ("spare", "arrived"))
        need = bench.state(len(spare), f"{name}_need", init=least)
        with bench.module.If(gate.load):
            bench.module.d.sync += need.eq(~gate.awaits[name])
        cleared = bench.past(ends) if name == "rhs" else Const(0)
        beyond = (arrived - need - 1)[: len(spare)]
        bench.claim(spare.as_unsigned() == beyond, when=~cleared)
        bench.claim(~beyond[-1], when=gate.issue & ~cleared)
        counted = (arrived - bench.past(arrived))[: len(spare)]
        bench.claim(counted == bench.past(token, 2), when=bench.since(2) & ~cleared)
        fresh = least + bench.past(token, 2)
        bench.claim(arrived == fresh, when=cleared & bench.since(2))
    bench.assume(~bench.past(ends) | ~gate.offered)  # the next layer is taken first


def _ledger(bench: Bench, config: OverlayConfig) -> None:
    """Assumed: the guard's two promises, which tokens.reads and tokens.writes prove."""
    unit = Ledger(word_bits=8)
    bench.add(unit)
    bench.assume(~(unit.put & unit.full) & ~(unit.take & unit.empty & ~unit.put))
    more = bench.inner("more")
    count = Signal(range(MOST_BURSTS + 1))
    bench.module.d.comb += count.eq(sum(more))
    bench.claim(_ones_from_below(more))
    bench.claim((unit.empty == (count == 0)) & (unit.full == (count == MOST_BURSTS)))
    _moves_by_one(bench, count, cleared=bench.first())


def _ones_from_below(bits: Signal) -> Value:
    """None of them stands above a zero."""
    return (bits[1:] & ~bits[:-1]) == 0


def _reads(bench: Bench, config: OverlayConfig) -> None:
    _guard(bench, ReadGuard(config=config))


def _writes(bench: Bench, config: OverlayConfig) -> None:
    _guard(bench, WriteGuard(config=config))


def _guard(bench: Bench, unit: ReadGuard | WriteGuard) -> None:
    """Assumed: the core keeps its address until it is taken, and then offers none for a cycle; one
    that waits holds its entry.
    """
    bench.add(unit)
    valid, ready = (getattr(unit, f"core_{unit.name}{end}") for end in ("valid", "ready"))
    bench.assume(~bench.past(valid & ~ready) | valid)
    bench.assume(~bench.past(valid & ready) | ~valid)
    put, take = bench.inner("ledger.put"), bench.inner("ledger.take")
    full, empty = bench.inner("ledger.full"), bench.inner("ledger.empty")
    held = bench.past(
        getattr(unit, f"port_{unit.name}valid") & ~getattr(unit, f"port_{unit.name}ready")
    )
    bench.claim(~(held & full) & _ones_from_below(bench.inner("ledger.more")))
    bench.claim(~(put & full))
    bench.claim(~(take & empty & ~put))
