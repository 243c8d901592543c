"""The stream contract on every stream port of the design.

A stream is found, not listed: the overlay is elaborated, and each component in it is asked for its
ports. A port is a stream when its signature is `stream.Signature`, or when there are members
<channel>valid and <channel>ready of opposite directions: AXI, and what looks like it.

The contract: once valid, it stays valid with the same payload until ready. Each component's outputs
are proved to keep it while its inputs keep it, which together is all streams of the design.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from amaranth.hdl import Cat, Fragment, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Flow, In, Out

from flows.formal.bench import Bench
from flows.formal.environment import environment_of, excuse
from flows.formal.proof import Proof
from hw.config import OverlayConfig

CHANNEL_FIELDS = (
    *("addr", "prot", "len", "size", "burst", "lock", "cache", "id"),
    *("data", "strb", "last", "resp"),
)
DEPTH = 3


@dataclass(frozen=True, kw_only=True)
class Part:
    """A component of the design at `path`, with its elaborated fragment."""

    path: str
    component: wiring.Component
    fragment: Any


@dataclass(frozen=True, kw_only=True)
class Port:
    """A stream port of a component; `flow` is that of valid and payload."""

    name: str
    flow: Flow
    valid: Value
    ready: Value
    payload: Value


def parts(config: OverlayConfig) -> list[Part]:
    """Every component inside the overlay, with its path: "result.emitter"."""
    return list(_walk(Fragment.get(config.build(), None), ""))


def _walk(fragment: Any, path: str) -> Iterator[Part]:
    for inner, name, *_ in fragment.subfragments:
        place = f"{path}.{name}".lstrip(".")
        for origin in inner.origins or ():
            if isinstance(origin, wiring.Component):
                yield Part(path=place, component=origin, fragment=inner)
        yield from _walk(inner, place)


def ports(component: wiring.Component) -> list[Port]:
    """The stream ports of a component."""
    return [*_streams(component), *_channels(component)]


def _streams(component: wiring.Component) -> Iterator[Port]:
    for name, member in component.signature.members.items():
        if member.is_signature and isinstance(member.signature, stream.Signature):
            port = getattr(component, name)
            yield Port(
                name=name,
                flow=member.flow,
                valid=port.valid,
                ready=port.ready,
                payload=Value.cast(port.payload),
            )


def _channels(component: wiring.Component) -> Iterator[Port]:
    members = component.signature.members
    for valid, member in members.items():
        channel = valid.removesuffix("valid")
        ready = f"{channel}ready"
        if channel != valid and ready in members and members[ready].flow is not member.flow:
            names = [f"{channel}{field}" for field in CHANNEL_FIELDS]
            payload = [
                Value.cast(getattr(component, name))
                for name in names
                if name in members and members[name].flow is member.flow
            ]
            yield Port(
                name=channel.removesuffix("_"),
                flow=member.flow,
                valid=getattr(component, valid),
                ready=getattr(component, ready),
                payload=Cat(payload),
            )


def keeps(bench: Bench, port: Port) -> Value:
    """The contract, as far as this cycle and the one before it show."""
    held = bench.past(port.valid & ~port.ready)
    return ~held | (port.valid & (port.payload == bench.past(port.payload)))


def bench_of(config: OverlayConfig, path: str, port: str) -> Bench:
    """The part at `path` alone: its input streams keep the contract, its stream `port` is to.

    The overlay is elaborated anew: a fragment can become text only once.
    """
    part = next(part for part in parts(config) if part.path == path)
    bench = Bench()
    bench.adopt(part.component, part.fragment)
    for other in ports(part.component):
        if other.flow is In:
            bench.assume(keeps(bench, other))
        elif other.name == port:
            bench.claim(keeps(bench, other) | excuse(bench, part.component, port))
    environment_of(bench, part.component)
    return bench


def proofs(config: OverlayConfig) -> list[Proof]:
    """One proof for each stream that a component of the overlay sends."""
    return [
        Proof(
            name=f"stream.{part.path}.{port.name}",
            claim="once valid, valid and payload stay until ready",
            build=partial(bench_of, config, part.path, port.name),
            depth=DEPTH,
        )
        for part in parts(config)
        for port in ports(part.component)
        if port.flow is Out
    ]
