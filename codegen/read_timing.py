"""Cycle model of the fetch stage: which cycle each burst is accepted in, and each token given.

Mirrors hw/fetch.py, hw/unpack.py, hw/gearbox.py and hw/queue.py under the reference memory. Cycle c
is the one that ends with edge c; cycle 0 is START's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from codegen.assemble import chunk_fetch
from hw.bus.axi import MAX_BURST, PAGE_BYTES
from hw.config import OverlayConfig
from ir.isa import INSTRUCTION_BITS, Kind, Stage, decode, encode

OUTSTANDING = 16


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """The reference memory: `latency` cycles, `outstanding` bursts a direction."""

    latency: int = 20
    outstanding: int = OUTSTANDING


def burst_lengths(address: int, beats: int, bus_bytes: int) -> list[int]:
    """How a region of `beats` bus words is cut: at most 256 beats, never across a 4 KiB page."""
    lengths = []
    while beats:
        page = (PAGE_BYTES - address % PAGE_BYTES) // bus_bytes
        length = min(beats, MAX_BURST, page)
        lengths.append(length)
        address += length * bus_bytes
        beats -= length
    return lengths


@dataclass(kw_only=True)
class FetchJob:
    """A fetch instruction on its way through the unpacker."""

    values: Mapping[str, int]
    pushed: int
    bursts_left: int
    words_done: int = 0
    need: int = -1
    times: list[np.ndarray] = field(default_factory=list)

    @property
    def beats(self) -> int:
        return self.values["segments"] * self.values["repeats"] * self.values["segment_beats"]


def pieces_before(bits: np.ndarray, values: Mapping[str, int]) -> np.ndarray:
    """How many pieces of the string end at or before bit position `bits` of a unit or tensor."""
    group_bits = (values["chunks"] - 1) * values["piece_bits"] + values["tail_bits"]
    groups, rest = np.divmod(bits, group_bits)
    if values["chunks"] == 1:
        return groups
    return groups * values["chunks"] + np.minimum(
        rest // values["piece_bits"], values["chunks"] - 1
    )


class ReadPath:
    """Issuer and unpacker. Time only moves forward, and only as far as somebody asks.

    freed(words) -> cycle in which the array had given back that many lhs words in all; done(layers)
    -> cycle of the layer-done strobe.
    """

    def __init__(
        self,
        *,
        config: OverlayConfig,
        memory: MemoryTiming,
        program: Callable[[int, int], bytes],
        freed: Callable[[int], int],
        done: Callable[[int], int],
    ) -> None:
        self.config, self.memory, self.program = config, memory, program
        self.freed, self.done = freed, done
        self.queues: dict[Stage, list[tuple[int, dict[str, int]]]] = {s: [] for s in Stage}
        self.lhs_tokens: list[int] = []
        self.rhs_tokens: list[np.ndarray] = []
        self._jobs: list[FetchJob] = []
        self._bursts: list[tuple[FetchJob, int, int]] = []
        self._last_taken: list[int] = []
        self._ended: list[int] = []
        self._taken_at: list[int] = []
        self._reserved = 0
        self._waited = 0

    def run(self, address: int, instructions: int) -> None:
        """Everything from START on: the program's first piece, then the fetch queue to its end."""
        first = encode(*chunk_fetch(address, instructions, self.config.memory_bits))
        idle = self._issue(decode(first)[1], 0)
        popped, index = None, 0
        while True:
            if index == len(self.queues[Stage.FETCH]):
                self._advance(len(self._bursts))
                if index == len(self.queues[Stage.FETCH]):
                    return
            written, values = self.queues[Stage.FETCH][index]
            popped = max(idle, self.valid(written, popped))
            idle = self._issue(values, popped)
            index += 1

    def spans(self) -> list[tuple[Kind, int, int]]:
        """(kind, first burst accepted, last piece gone) of every fetch so far, in cycles."""
        begins: dict[int, int] = {}
        for job, accepted, _ in self._bursts:
            begins.setdefault(id(job), accepted)
        ended = zip(self._jobs, self._ended, strict=False)
        return [(Kind(job.values["kind"]), begins[id(job)], end + 1) for job, end in ended]

    def valid(self, written: int, popped: int | None) -> int:
        """When a queue offers an instruction whose last word was written in cycle `written`."""
        beats = INSTRUCTION_BITS // self.config.memory_bits
        begin = written + 1 if popped is None else max(written + 1, popped + beats)
        return begin + 2

    def _issue(self, values: Mapping[str, int], popped: int) -> int:
        """All bursts of one instruction; returns the cycle in which the issuer is idle again."""
        lengths = burst_lengths(values["address"], values["segment_beats"], self.config.bus_bytes)
        segments = values["segments"] * values["repeats"]
        ready, job = popped + 1, None
        per_segment = values["segments"] if values["segment_beats"] else 1
        for number in range(segments):
            gate = self._gate(values, ready, first=number == 0)
            if job is None:
                job = FetchJob(values=values, pushed=gate, bursts_left=0)
                self._jobs.append(job)
            if per_segment > 1 or number:
                offset = number % values["segments"] * values["segment_beats"]
                lengths = burst_lengths(
                    values["address"] + offset * self.config.bus_bytes,
                    values["segment_beats"],
                    self.config.bus_bytes,
                )
            offered = gate + 2
            for length in lengths:
                accepted = max(offered, self._slot_free())
                self._bursts.append((job, accepted, length))
                offered = accepted + 2
            ready = offered - 1
        return ready

    def _gate(self, values: Mapping[str, int], ready: int, *, first: bool) -> int:
        """The cycle in which a segment may begin."""
        if first and self._jobs:
            ready = max(ready, self._begin(len(self._jobs) - 1) + 1)
        if first and values["wait_done"]:
            self._waited += 1
            ready = max(ready, self.done(self._waited) + 1)
        if values["reserve"]:
            self._reserved += values["reserve"]
            excess = self._reserved - self.config.lhs_depth
            if excess > 0:
                self._advance(len(self._bursts))
                ready = max(ready, self.freed(excess) + 1)
        return ready

    def _slot_free(self) -> int:
        """From which cycle on one more burst may be outstanding."""
        index = len(self._bursts) - self.memory.outstanding
        if index < 0:
            return 0
        self._advance(index + 1)
        return self._last_taken[index] + 1

    def _begin(self, index: int) -> int:
        """The cycle in which the unpacker takes job `index` from the slot."""
        while len(self._taken_at) <= index:
            number = len(self._taken_at)
            free = 0
            if number:
                self._advance(len(self._bursts), until_job=number - 1)
                free = self._ended[number - 1] + 1
            self._taken_at.append(max(self._jobs[number].pushed + 1, free))
        return self._taken_at[index]

    def _advance(self, bursts: int, until_job: int | None = None) -> None:
        """Let the unpacker consume the first `bursts` bursts, or all of a job."""
        while len(self._last_taken) < bursts:
            if until_job is not None and len(self._ended) > until_job:
                return
            self._consume(*self._bursts[len(self._last_taken)])

    def _consume(self, job: FetchJob, accepted: int, beats: int) -> None:
        """One burst: when each word is taken (a recurrence of maxima and sums); what that gives."""
        if job.need < 0:
            job.need = self._begin(len(self._ended)) + 1
        words = np.arange(job.words_done, job.words_done + beats + 1)
        pieces = np.diff(self._pieces(job, words))
        cost = np.maximum(pieces, 1)
        begin = np.concatenate(([0], np.cumsum(cost)[:-1]))
        earliest = accepted + self.memory.latency + np.arange(beats)
        earliest[0] = max(earliest[0], job.need)
        taken = np.maximum.accumulate(earliest - begin) + begin
        job.need = int(taken[-1] + cost[-1])
        job.words_done += beats
        self._last_taken.append(int(taken[-1]))
        self._tokens(job, taken, cost)
        if job.words_done == job.beats:
            self._finish(job)

    def _pieces(self, job: FetchJob, words: np.ndarray) -> np.ndarray:
        """Pieces that have left when `words` words of the job are used up."""
        values, width = job.values, self.config.memory_bits
        if values["kind"] == Kind.LHS:
            per_unit = values["groups"] * values["chunks"]
            units, rest = np.divmod(words, values["segment_beats"])
            return units * per_unit + np.minimum(pieces_before(rest * width, values), per_unit)
        total = values["units"] * values["groups"] * values["chunks"]
        return np.minimum(pieces_before(words * width, values), total)

    def _tokens(self, job: FetchJob, taken: np.ndarray, cost: np.ndarray) -> None:
        """Row tiles that are complete with this burst. Other kinds are settled at the job's end."""
        if job.values["kind"] == Kind.LHS:
            if job.words_done % job.values["segment_beats"] == 0:
                self.lhs_tokens.append(int(taken[-1] + cost[-1] - 1))
        else:
            job.times.append(taken)

    def _finish(self, job: FetchJob) -> None:
        self._ended.append(job.need - 1)
        if job.values["kind"] == Kind.PROGRAM:
            self._dispatch(job)
        elif job.values["kind"] == Kind.RHS:
            self.rhs_tokens.append(self._rhs_tokens(job))
        job.times = []

    def _rhs_tokens(self, job: FetchJob) -> np.ndarray:
        """(tiles,) cycles in which every Dn-th pixel, and the last, left the gearbox."""
        values, width = job.values, self.config.memory_bits
        pixel_bits = values["groups"] * (
            (values["chunks"] - 1) * values["piece_bits"] + values["tail_bits"]
        )
        pixels = np.arange(self.config.dn, values["units"] + self.config.dn, self.config.dn)
        ends = np.minimum(pixels, values["units"]) * pixel_bits
        word = -(-ends // width) - 1
        inside = pieces_before(ends, values) - pieces_before(word * width, values)
        return np.concatenate(job.times)[word] + np.maximum(inside, 1) - 1

    def _dispatch(self, job: FetchJob) -> None:
        """Instructions enter their queues one cycle after they left the gearbox."""
        size = INSTRUCTION_BITS // 8
        beats = INSTRUCTION_BITS // self.config.memory_bits
        taken = np.concatenate(job.times)
        raw = self.program(job.values["address"], len(taken) * self.config.bus_bytes)
        for index in range(len(taken) // beats):
            word = int.from_bytes(raw[index * size : (index + 1) * size], "little")
            stage, values = decode(word)
            self.queues[stage].append((int(taken[(index + 1) * beats - 1]) + 1, values))
