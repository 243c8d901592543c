"""Predicted cycles: what the simulation will measure, computed before any simulator is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from codegen.device_timing import STALLS, Device
from codegen.lower import CompiledNetwork
from codegen.read_timing import MemoryTiming
from hw.config import OverlayConfig
from ir.isa import Stage


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """cycles: START to irq. layers: each layer's share, summing to `cycles`.

    stalls: {counter: cycles} of each layer; their sums are what the counters EXEC_* will show.
    """

    cycles: int
    layers: list[int]
    stalls: list[Mapping[str, int]] = field(default_factory=list, compare=False)

    def joined(self, jobs: Sequence[int]) -> Prediction:
        """The same for layers that each are so many neighbouring jobs (bands) of these."""
        ends = list(accumulate(jobs))
        parts = [slice(end - count, end) for end, count in zip(ends, jobs, strict=True)]
        return Prediction(
            cycles=self.cycles,
            layers=[sum(self.layers[part]) for part in parts],
            stalls=[
                {name: sum(stalls[name] for stalls in self.stalls[part]) for name in STALLS}
                for part in parts
            ],
        )


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stage at work for a layer, or on one fetch, in cycles [begin, end) after START."""

    stage: Stage
    what: str
    begin: int
    end: int


def predict(network: CompiledNetwork, memory: MemoryTiming | None = None) -> Prediction:
    """Cycles of one image, START to irq, in all and by layer."""
    jobs = predict_program(
        network.config,
        network.segments,
        address=network.program_address,
        instructions=network.program_words,
        memory=memory or MemoryTiming(),
    )
    return jobs.joined([len(layer.bands) for layer in network.layers])


def predict_program(
    config: OverlayConfig,
    segments: Mapping[int, bytes],
    *,
    address: int,
    instructions: int,
    memory: MemoryTiming,
) -> Prediction:
    """The same for a program image that lies at `address`; its layers are the device's jobs."""
    device = Device(config, memory, segments).run(address, instructions)
    total = device.done_cycles[-1] + 1
    ends = [*device.layer_answers[:-1], total]
    return Prediction(
        cycles=total,
        layers=[end - begin for begin, end in zip([0, *ends], ends, strict=False)],
        stalls=list(device.stalls),
    )


def timeline(network: CompiledNetwork, memory: MemoryTiming | None = None) -> list[Span]:
    """What each stage works on, and when: the prediction unfolded, for one image."""
    device = Device(network.config, memory or MemoryTiming(), network.segments)
    device.run(network.program_address, network.program_words)
    names = [layer.name for layer in network.layers for _ in layer.bands]
    spans = [
        Span(stage=Stage.FETCH, what=kind.name.lower(), begin=begin, end=end)
        for kind, begin, end in device.reads.spans()
    ]
    spans += [
        Span(stage=stage, what=names[job], begin=begin, end=end)
        for stage, job, begin, end in device.stage_cycles
    ]
    return spans
