"""The cycle model: what the simulation will measure, computed before any simulator is built.

An event simulation at burst and tile granularity, from program words, overlay configuration and
memory timing alone. It mirrors the sequencers of hw/ and shares their constants; it holds nothing
fitted to simulations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.lower import CompiledNetwork
from codegen.read_timing import MemoryTiming, ReadPath
from codegen.write_timing import WritePath
from hw.config import OverlayConfig
from ir.errors import ConfigError
from ir.isa import Stage


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """cycles: START to irq. layers: each layer's share, summing to `cycles`."""

    cycles: int
    layers: list[int]


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stage at work for a layer, or on one fetch, in cycles [begin, end) after START."""

    stage: Stage
    what: str
    begin: int
    end: int


class _Device:
    """The execute and result stages, advanced tile by tile on demand."""

    def __init__(
        self, config: OverlayConfig, memory: MemoryTiming, segments: Mapping[int, bytes]
    ) -> None:
        self.config = config
        self.segments = segments
        self.latencies = config.latencies()
        self.reads = ReadPath(
            config=config, memory=memory, program=self._program, freed=self._freed, done=self._done
        )
        self.writes = WritePath(config=config, memory=memory)
        self.freed_words: list[tuple[int, int]] = []
        self.done_cycles: list[int] = []
        self.stage_cycles: list[tuple[Stage, int, int, int]] = []
        self.layer_answers: list[int] = []
        self.last_issue, self.drain_free = -1, 0
        self.lhs_used = 0
        self._running = self._run()
        self.finished = False

    def _program(self, address: int, size: int) -> bytes:
        for begin, data in self.segments.items():
            if begin <= address and address + size <= begin + len(data):
                return data[address - begin : address - begin + size]
        raise ConfigError(f"no program lies at {address:#x}")

    def _freed(self, words: int) -> int:
        """The cycle in which `words` lhs words in all had been given back."""
        while not self.freed_words or self.freed_words[-1][1] < words:
            next(self._running)
        low = next(cycle for cycle, total in self.freed_words if total >= words)
        return low

    def _done(self, layers: int) -> int:
        while len(self.done_cycles) < layers:
            next(self._running)
        return self.done_cycles[layers - 1]

    def _run(self):
        """Yields after every tile."""
        layer = 0
        execute_popped = result_popped = None
        while True:
            written, execute = self.reads.queues[Stage.EXECUTE][layer]
            written_result, result = self.reads.queues[Stage.RESULT][layer]
            before = self.done_cycles[-1] + 1 if self.done_cycles else 0
            result_popped = max(before, self.reads.valid(written_result, result_popped))
            execute_popped = max(self.last_issue + 1, self.reads.valid(written, execute_popped))
            first_issue = execute_popped + self.config.dn + 1
            yield from self._layer(layer, execute, result, (first_issue, result_popped + 1))
            yield  # the layer is done; the next one may not even be fetched yet
            layer += 1
            if result["last"]:
                self.finished = True
                return

    def _layer(
        self,
        layer: int,
        execute: Mapping[str, int],
        result: Mapping[str, int],
        ready: tuple[int, int],
    ):
        """`ready`: the first cycles in which execute may issue and the ring may be reserved."""
        words = execute["k_words"] * execute["w_bits"] * execute["a_bits"]
        free, ring_free = ready
        self.writes.begin(result["address"])
        first_word = self.writes.completed
        ring = _Ring(self, result, first_word)
        rhs, begins = self.reads.rhs_tokens, []
        for column in range(execute["col_tiles"]):
            need = min(execute["rhs_first"] + execute["rhs_step"] * column, execute["rhs_total"])
            keeps = not execute["lhs_stream"]
            for row in range(execute["row_tiles"]):
                start = max(free, self.last_issue + 1)
                if not keeps or column == 0:
                    start = max(start, self.reads.lhs_tokens[self.lhs_used] + 1)
                    self.lhs_used += 1
                start = max(start, int(rhs[layer][need - 1]) + 1)
                last = max(start + words - 1, self.drain_free)
                if row == 0:
                    last = ring.room(max(last, ring_free))
                begins.append(start)
                self.last_issue = last
                self.drain_free = last + execute["tile_cycles"]
                if not keeps or column + 1 == execute["col_tiles"]:
                    total = self.freed_words[-1][1] if self.freed_words else 0
                    self.freed_words.append((last, total + execute["lhs_words"]))
                yield
            ring.merge(column, last)
        self.layer_answers.append(self.writes.answered())
        self.done_cycles.append(max(self.layer_answers[-1], ring.merged[-1]) + 1)
        first_drain = begins[0] + words + self.latencies.issue_to_drain
        self.stage_cycles.append((Stage.EXECUTE, layer, begins[0], self.last_issue + 1))
        self.stage_cycles.append((Stage.RESULT, layer, first_drain, self.done_cycles[-1]))


class _Ring:
    """The result ring during one layer: reservations, merging, and words that become complete."""

    def __init__(self, device: _Device, result: Mapping[str, int], first_word: int) -> None:
        self.device, self.result, self.first = device, result, first_word
        self.merged: list[int] = []
        self.limits: list[int] = []
        self._passed = 0

    def room(self, cycle: int) -> int:
        """The first cycle from `cycle` on in which one more column tile fits; reserves it."""
        device, words = self.device, self.result["ring_words"]
        depth = device.config.ring_depth
        taken = len(self.merged)
        while True:
            while self._passed < taken and self.merged[self._passed] < cycle:
                self._passed += 1
            limit = self.limits[self._passed - 1] if self._passed else self.first
            reserved = (taken - self._passed) * words
            if reserved + limit + words < depth:  # nothing written yet, and it fits anyway
                return cycle
            waiting = limit - device.writes.position(cycle)
            if reserved + waiting + words < depth:
                return cycle
            cycle += 1

    def merge(self, column: int, last: int) -> None:
        """A column tile's last row tile was let go in cycle `last`: when its words are complete."""
        device, result = self.device, self.result
        config, latencies = device.config, device.latencies
        first_drain = last + latencies.issue_to_drain
        final_select = (
            first_drain + (result["columns"] - 1) * result["period"] + config.row_groups - 1
        )
        cycle = final_select + latencies.requantize + result["steps"]
        place = min((column + 1) * config.dn, (column + 1) * max(result["columns"], config.dn))
        rows, rest = divmod(place, result["pitch"])
        pixels = min(rows * result["out_width"] + min(rest, result["out_width"]), result["pixels"])
        bits = pixels * result["pixel_bits"]
        final = column + 1 == result["col_tiles"]
        words = -(-bits // config.memory_bits) if final else bits // config.memory_bits
        self.merged.append(cycle)
        self.limits.append(self.first + words)
        device.writes.complete(cycle + 1, self.first + words)


def predict(network: CompiledNetwork, memory: MemoryTiming | None = None) -> Prediction:
    """Cycles of one image, START to irq, in all and by layer."""
    return predict_program(
        network.config,
        network.segments,
        address=network.program_address,
        instructions=network.program_words,
        memory=memory or MemoryTiming(),
    )


def timeline(network: CompiledNetwork, memory: MemoryTiming | None = None) -> list[Span]:
    """What each stage works on, and when: the prediction unfolded, for one image."""
    device = _run_program(
        network.config,
        network.segments,
        address=network.program_address,
        instructions=network.program_words,
        memory=memory or MemoryTiming(),
    )
    names = [layer.name for layer in network.layers]
    spans = [
        Span(stage=Stage.FETCH, what=kind.name.lower(), begin=begin, end=end)
        for kind, begin, end in device.reads.spans()
    ]
    spans += [
        Span(stage=stage, what=names[layer], begin=begin, end=end)
        for stage, layer, begin, end in device.stage_cycles
    ]
    return spans


def predict_program(
    config: OverlayConfig,
    segments: Mapping[int, bytes],
    *,
    address: int,
    instructions: int,
    memory: MemoryTiming,
) -> Prediction:
    """The same for a program image that lies at `address`."""
    device = _run_program(
        config, segments, address=address, instructions=instructions, memory=memory
    )
    total = device.done_cycles[-1] + 1
    ends = [*device.layer_answers[:-1], total]
    return Prediction(
        cycles=total, layers=[end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    )


def _run_program(
    config: OverlayConfig,
    segments: Mapping[int, bytes],
    *,
    address: int,
    instructions: int,
    memory: MemoryTiming,
) -> _Device:
    """The device after it has run the program."""
    device = _Device(config, memory, segments)
    device.reads.run(address, instructions)
    while not device.finished:
        next(device._running, None)
    return device
