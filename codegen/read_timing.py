"""Cycle model of the fetch stage: which cycle each burst is accepted in, and each token given.

Mirrors hw/fetch.py, hw/unpack.py, hw/gearbox.py and hw/queue.py under the reference memory. Cycle c
is the one that ends with edge c; cycle 0 is START's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from codegen.assemble import chunk_fetch
from codegen.pieces import Pieces, Walk
from hw.bus.axi import MAX_BURST, PAGE_BYTES
from hw.config import OverlayConfig
from hw.unpack import JOB_SLOTS
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
    """A fetch instruction on its way through the unpacker.

    need: the cycle from which the next bus word is wanted. times: when each word was taken.
    """

    values: Mapping[str, int]
    pieces: Pieces
    pushed: int
    words_done: int = 0
    begin: int = 0
    need: int = -1
    times: list[np.ndarray] = field(default_factory=list)

    @property
    def beats(self) -> int:
        return self.values["segments"] * self.values["repeats"] * self.values["segment_beats"]

    def piece_cycles(self, pieces: np.ndarray) -> np.ndarray:
        """Cycles in which pieces leave, by their numbers, when all words have been taken."""
        before = self.pieces.before(np.arange(self.beats))
        word = np.searchsorted(before, pieces, side="right") - 1
        cycles = np.concatenate(self.times)[word] + pieces - before[word]
        return np.where(word < 0, self.begin + pieces, cycles)


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
        self._table_tokens: list[int] = []
        self._lhs_tokens: list[int] = []
        self._rhs_tokens: list[np.ndarray] = []
        self._walk = Walk()
        self._goes_on = False
        self._jobs: list[FetchJob] = []
        self._bursts: list[tuple[FetchJob, int, int]] = []
        self._last_taken: list[int] = []
        self._ended: list[int] = []
        self._moves: dict[tuple[int, int], int] = {}
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

    def table_token(self, index: int) -> int:
        """The cycle of the token of the index-th tap or row table that is fetched."""
        if index >= len(self._table_tokens):
            self._advance(len(self._bursts))
        return self._table_tokens[index]

    def lhs_token(self, index: int) -> int:
        """The cycle of the token of the index-th row tile that is fetched."""
        if index >= len(self._lhs_tokens):
            self._advance(len(self._bursts))
        return self._lhs_tokens[index]

    def rhs_token(self, layer: int, count: int) -> int:
        """The cycle of the count-th token of a layer's input."""
        known = self._rhs_tokens
        if layer >= len(known) or count > len(known[layer]):
            self._advance(len(self._bursts))
        return int(known[layer][count - 1])

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
                job = self._push(values, gate)
            if per_segment > 1 or number:
                offset = number % values["segments"] * values["segment_beats"]
                lengths = burst_lengths(
                    values["address"] + offset * self.config.bus_bytes,
                    values["segment_beats"],
                    self.config.bus_bytes,
                )
            offered = gate + 1
            for length in lengths:
                accepted = max(offered, self._slot_free())
                self._bursts.append((job, accepted, length))
                offered = accepted + 2
            ready = offered - 1
        return ready

    def _push(self, values: Mapping[str, int], gate: int) -> FetchJob:
        """The job in the unpacker's first slot."""
        is_rhs = values["kind"] == Kind.RHS
        begin = self._walk if is_rhs else Walk()
        pieces = Pieces(values=values, memory_bits=self.config.memory_bits, begin=begin)
        if is_rhs:
            self._walk = pieces.end(self.config.dn)
        self._jobs.append(FetchJob(values=values, pieces=pieces, pushed=gate))
        return self._jobs[-1]

    def _gate(self, values: Mapping[str, int], ready: int, *, first: bool) -> int:
        """The cycle in which a segment may begin."""
        if first and self._jobs:
            ready = max(ready, self._moved(len(self._jobs) - 1, 1) + 1)
        if first and values["wait_done"]:
            self._waited += 1
            self._advance(len(self._bursts))
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

    def _moved(self, number: int, slot: int) -> int:
        """The cycle in which a job enters a slot, or (slot = JOB_SLOTS) the unpacker itself."""
        if slot == 0:
            return self._jobs[number].pushed
        if (number, slot) not in self._moves:
            cycle = self._moved(number, slot - 1) + 1
            if number and slot == JOB_SLOTS:
                self._advance(len(self._bursts), until_job=number - 1)
                cycle = max(cycle, self._ended[number - 1])
            elif number:
                cycle = max(cycle, self._moved(number - 1, slot + 1) + 1)
            self._moves[number, slot] = cycle
        return self._moves[number, slot]

    def _advance(self, bursts: int, until_job: int | None = None) -> None:
        """Let the unpacker consume the first `bursts` bursts, or all of a job."""
        while len(self._last_taken) < bursts:
            if until_job is not None and len(self._ended) > until_job:
                return
            self._consume(*self._bursts[len(self._last_taken)])

    def _consume(self, job: FetchJob, accepted: int, beats: int) -> None:
        """One burst: when each word is taken (a recurrence of maxima and sums); what that gives."""
        if job.need < 0:
            job.begin = self._moved(len(self._ended), JOB_SLOTS) + 1
            job.need = job.begin + job.pieces.lead
        words = np.arange(job.words_done, job.words_done + beats + 1)
        cost = np.maximum(np.diff(job.pieces.before(words)), 1)
        begin = np.concatenate(([0], np.cumsum(cost)[:-1]))
        earliest = accepted + self.memory.latency + np.arange(beats)
        earliest[0] = max(earliest[0], job.need)
        taken = np.maximum.accumulate(earliest - begin) + begin
        job.need = int(taken[-1] + cost[-1])
        job.words_done += beats
        self._last_taken.append(int(taken[-1]))
        if job.values["kind"] != Kind.LHS:
            job.times.append(taken)
        elif job.words_done % job.values["segment_beats"] == 0:
            self._lhs_tokens.append(job.need - 1)
        if job.words_done == job.beats:
            self._finish(job)

    def _finish(self, job: FetchJob) -> None:
        """The last piece has gone: an input's tokens, or instructions on their way."""
        self._ended.append(job.need - 1)
        if job.values["kind"] == Kind.PROGRAM:
            self._dispatch(job)
        elif job.values["kind"] in (Kind.TAPS, Kind.ROWS):
            self._table_tokens.append(job.need)  # registered
        elif job.values["kind"] == Kind.RHS and not job.values["silent"]:
            tokens = job.piece_cycles(job.pieces.token_pieces(self.config.dn))
            if self._goes_on:
                tokens = np.concatenate((self._rhs_tokens.pop(), tokens))
            self._rhs_tokens.append(tokens)
            self._goes_on = bool(job.values["keep"])
        job.times = []

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
