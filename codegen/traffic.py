"""Bytes that a network moves between memory and overlay, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.lower import CompiledNetwork
from ir.isa import Kind, Stage, decode, words_of


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Whole bus words, as bytes: operands and tables read, results written."""

    read: int
    written: int


def layer_traffic(network: CompiledNetwork) -> list[Traffic]:
    """One entry a layer, in running order; the program's own words are left out.

    A layer's instructions begin with its result's; only the first layer's fetches stand before it.
    """
    jobs = [0]
    begun = False
    for word in words_of(network.program):
        stage, values = decode(word)
        if stage is Stage.RESULT:
            jobs += [0] if begun else []
            begun = True
        elif stage is Stage.FETCH and values["kind"] != Kind.PROGRAM:
            jobs[-1] += values["segments"] * values["repeats"] * values["segment_beats"]
    bus, reads = network.config.bus_bytes, iter(jobs)
    return [
        Traffic(read=bus * sum(next(reads) for _ in layer.bands), written=layer.output_region[1])
        for layer in network.layers
    ]
