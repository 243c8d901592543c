"""Cycle model of the write master (hw/writer.py) under the reference memory."""

from __future__ import annotations

import sys
from bisect import bisect_right

from codegen.read_timing import MemoryTiming, burst_lengths
from hw.config import OverlayConfig


class WritePath:
    """Complete words go to memory in bursts, as many as there are whenever the master is idle.

    `complete(cycle, words)` says that from `cycle` on `words` words in all are complete; calls come
    in order of time. The master sees them a cycle later.
    """

    def __init__(self, *, config: OverlayConfig, memory: MemoryTiming) -> None:
        self.config, self.memory = config, memory
        self._idle = 0
        self._address = 0
        self._limits: list[tuple[int, int]] = [(0, 0)]
        self._next_limit = 0
        self._sent = 0
        self._bursts: list[tuple[int, int]] = []
        self._begins: list[int] = []
        self.answers: list[int] = []
        self.burst_words: list[int] = []

    @property
    def completed(self) -> int:
        """Words complete so far."""
        return self._limits[-1][1]

    def begin(self, address: int) -> None:
        """A new output tensor."""
        self._address = address

    def complete(self, cycle: int, words: int) -> None:
        """`words` words in all are complete from `cycle` on."""
        self._limits.append((cycle, words))

    def run(self, until: int | None = None) -> None:
        """Start every burst decided on in a cycle <= `until` (None: all that is complete)."""
        while True:
            seen = self._limit_at(self._idle - 1)
            if seen == self._sent:
                following = self._following()
                if following is None:
                    return
                self._idle = following
                continue
            if until is not None and self._idle > until:
                return
            self._burst(seen - self._sent)

    def _limit_at(self, cycle: int) -> int:
        while (
            self._next_limit + 1 < len(self._limits)
            and self._limits[self._next_limit + 1][0] <= cycle
        ):
            self._next_limit += 1
        return self._limits[self._next_limit][1]

    def _following(self) -> int | None:
        """The next cycle in which more words are seen than are sent."""
        for index in range(self._next_limit + 1, len(self._limits)):
            cycle, words = self._limits[index]
            if words > self._sent:
                return cycle + 1
        return None

    def _burst(self, waiting: int) -> None:
        beats = burst_lengths(self._address, waiting, self.config.bus_bytes)[0]
        accepted = self._idle + 1
        oldest = len(self.answers) - self.memory.outstanding
        if oldest >= 0:
            accepted = max(accepted, self.answers[oldest] + 1)
        self._begins.append(accepted + 1)
        self._bursts.append((accepted + 1, self._sent))
        self.burst_words.append(beats)
        self.answers.append(accepted + beats + self.memory.latency)
        self._sent += beats
        self._address += beats * self.config.bus_bytes
        self._idle = accepted + beats + 1

    def position(self, cycle: int) -> int:
        """Words that have left the ring, as seen in `cycle`."""
        self.run(until=cycle)
        index = bisect_right(self._begins, cycle) - 1
        if index < 0:
            return 0
        begin, before = self._bursts[index]
        return before + min(self.burst_words[index], max(0, cycle - begin))

    def waiting(self, cycle: int) -> int:
        """Complete words that have not left the ring, as seen in `cycle`."""
        index = bisect_right(self._limits, (cycle, sys.maxsize)) - 1
        return self._limits[index][1] - self.position(cycle)

    def answered(self) -> int:
        """The cycle in which the last answer is taken, once everything complete is sent."""
        self.run()
        return self.answers[-1] if self.answers else 0
