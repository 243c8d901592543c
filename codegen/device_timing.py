"""The device's cycle model: an event simulation at burst and tile granularity.

From program words, overlay configuration and memory timing alone. It mirrors the sequencers of hw/
and shares their constants; it holds nothing fitted to simulations. Cycle c is the one that ends
with edge c; cycle 0 is START's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from codegen.read_timing import MemoryTiming, ReadPath
from codegen.write_timing import WritePath
from hw.columns import taken_to_columns
from hw.config import OverlayConfig
from hw.execute import TABLE_TO_ISSUE, taken_to_issue
from hw.gate import TOKEN_TO_ISSUE
from ir.errors import ConfigError
from ir.isa import ENTRY_BITS, ROW, Kind, Stage, unpack

STALLS = ("EXEC_RUN", "EXEC_WAIT_LHS", "EXEC_WAIT_RHS", "EXEC_WAIT_RESULT")
"""What the execute stage does or waits for, by the names of the counters that count it."""


def tile_order(fields: Mapping[str, int]) -> Iterator[tuple[int, int, bool, bool]]:
    """(column tile, row tile, first of its row in the block, last) as hw/blocks.py walks them."""
    begin, size = 0, fields["block_first"]
    while begin < fields["col_tiles"]:
        end = min(begin + size, fields["col_tiles"])
        for row in range(fields["row_tiles"]):
            for column in range(begin, end):
                yield column, row, column == begin, column + 1 == end
        begin, size = end, fields["block"]


class Device:
    """The execute and result stages, advanced tile by tile on demand.

    done_cycles: of each layer's done strobe. layer_answers: of its last write's answer.
    stalls: for each layer, cycles in which execute ran or waited, by counter.
    """

    def __init__(
        self, config: OverlayConfig, memory: MemoryTiming, segments: Mapping[int, bytes]
    ) -> None:
        self.config = config
        self.segments = segments
        self.latencies = config.latencies()
        self.reads = ReadPath(
            config=config, memory=memory, program=self.data, freed=self._freed, done=self._done
        )
        self.writes = WritePath(config=config, memory=memory)
        self.done_cycles: list[int] = []
        self.stage_cycles: list[tuple[Stage, int, int, int]] = []
        self.layer_answers: list[int] = []
        self.stalls: list[Counter[str]] = []
        self.last_issue, self.drain_free, self.columns_free = -1, 0, 0
        self._freed_words: list[tuple[int, int]] = [(0, 0)]
        self._freed_seen = 0
        self._lhs_used = 0
        self._tables, self._row_tables = 0, 0
        self._running = self._run()

    def run(self, address: int, instructions: int) -> Device:
        """The program at `address` to its end; `instructions` are those of its first piece."""
        self.reads.run(address, instructions)
        for _ in self._running:
            pass
        return self

    def data(self, address: int, size: int) -> bytes:
        """What lies in memory."""
        for begin, data in self.segments.items():
            if begin <= address and address + size <= begin + len(data):
                return data[address - begin : address - begin + size]
        raise ConfigError(f"nothing of the program lies at {address:#x}")

    def _freed(self, words: int) -> int:
        """The cycle in which `words` lhs words in all had been given back."""
        while self._freed_words[-1][1] < words:
            next(self._running)
        while self._freed_words[self._freed_seen][1] < words:
            self._freed_seen += 1
        return self._freed_words[self._freed_seen][0]

    def _frees(self, words: int) -> None:
        """The word issued last was the last to need `words` words of weights: heard one later."""
        self._freed_words.append((self.last_issue + 1, self._freed_words[-1][1] + words))

    def _done(self, layers: int) -> int:
        while len(self.done_cycles) < layers:
            next(self._running)
        return self.done_cycles[layers - 1]

    def _run(self) -> Iterator[None]:
        """Yields after every tile, or part of K."""
        layer = 0
        execute_popped = result_popped = None
        while True:
            written, execute = self.reads.queues[Stage.EXECUTE][layer]
            written_result, result = self.reads.queues[Stage.RESULT][layer]
            before = self.done_cycles[-1] + 1 if self.done_cycles else 0
            result_popped = max(before, self.reads.valid(written_result, result_popped))
            execute_popped = max(self.last_issue + 1, self.reads.valid(written, execute_popped))
            self.columns_free = execute_popped + taken_to_columns(self.config)
            ready = (self._first_issue(execute, execute_popped), result_popped + 2)
            yield from self._layer(layer, execute, result, ready)
            yield  # the layer is done; the next one may not even be fetched yet
            layer += 1
            if result["last"]:
                return

    def _first_issue(self, execute: Mapping[str, int], popped: int) -> int:
        """The first cycle in which an instruction that is taken in cycle `popped` may issue."""
        first = popped + taken_to_issue(self.config)
        tables = execute["tap_table"] + execute["row_table"]
        if tables:
            self._tables += tables
            first = max(first, self.reads.table_token(self._tables - 1) + TABLE_TO_ISSUE)
        return first

    def _layer(
        self,
        layer: int,
        execute: Mapping[str, int],
        result: Mapping[str, int],
        ready: tuple[int, int],
    ) -> Iterator[None]:
        """`ready`: the first cycles in which execute may issue and the ring may be reserved."""
        free, ring_free = ready
        self.writes.begin(result["address"])
        ring = _Ring(self, result, self.writes.completed)
        stalls: Counter[str] = Counter(dict.fromkeys(STALLS, 0))
        begins: int | None = None
        keeps, split = not execute["lhs_stream"], execute["split"]
        words = self._tile_words(execute)
        for column, row, first, last in tile_order(execute):
            rows_left = execute["row_tiles"] - row - 1
            stays = first and last and rows_left  # the column tile is alone in its block
            moves = not stays and (rows_left or column + 1 != execute["col_tiles"])
            for turn in range(execute["turns"]):
                place = start = max(free, self.last_issue + 1)
                if (split or turn == 0) and first and not (keeps and column):
                    arrived = self.reads.lhs_token(self._lhs_used)
                    start = max(start, arrived + TOKEN_TO_ISSUE)
                    self._lhs_used += 1
                stalls["EXEC_WAIT_LHS"] += start - place
                if turn == 0 and row == 0:
                    need = execute["rhs_first"] + execute["rhs_step"] * column
                    arrived = self.reads.rhs_token(layer, min(need, execute["rhs_total"]))
                    arrived += TOKEN_TO_ISSUE
                    stalls["EXEC_WAIT_RHS"] += max(arrived - start, 0)
                    start = max(start, arrived)
                begins = start if begins is None else begins
                end = start + words[row] * execute["a_digits"] - 1
                stalls["EXEC_RUN"] += words[row] * execute["a_digits"]
                issued = max(end, self.drain_free)
                if moves and turn + 1 == execute["turns"]:
                    issued = max(issued, self.columns_free)
                if row == 0 and turn + 1 == execute["turns"]:
                    issued = ring.room(max(issued, ring_free))
                stalls["EXEC_WAIT_RESULT"] += issued - end
                self.last_issue = issued
                self.drain_free = issued + execute["tile_cycles"]
                if split:
                    self._frees(words[row])
                    yield
            if not split and last and not (keeps and column + 1 != execute["col_tiles"]):
                self._frees(words[row])
            if row + 1 == execute["row_tiles"]:
                ring.merge(column, issued)
            yield
        assert begins is not None
        self.stalls.append(stalls)
        self.layer_answers.append(self.writes.answered())
        # the last column tile is known to be merged two cycles later
        self.done_cycles.append(max(self.layer_answers[-1], ring.merged[-1] + 2) + 1)
        self.stage_cycles.append((Stage.EXECUTE, layer, begins, self.last_issue + 1))
        first_drain = begins + words[0] * execute["a_digits"] + self.latencies.issue_to_drain
        self.stage_cycles.append((Stage.RESULT, layer, first_drain, self.done_cycles[-1]))

    def _tile_words(self, execute: Mapping[str, int]) -> list[int]:
        """Words of each row tile's weights in a bank."""
        rows = execute["row_tiles"]
        if not execute["row_table"]:
            return [execute["w_digits"] * execute["k_words"]] * rows
        size = ENTRY_BITS // 8
        fetches = [f for _, f in self.reads.queues[Stage.FETCH] if f["kind"] == Kind.ROWS]
        raw = self.data(fetches[self._row_tables]["address"], rows * size)
        self._row_tables += 1
        entries = (int.from_bytes(raw[i * size : (i + 1) * size], "little") for i in range(rows))
        return [unpack(ROW, entry)["digits"] * execute["k_words"] for entry in entries]


class _Ring:
    """The result ring during one layer: reservations, merging, and words that become complete."""

    def __init__(self, device: Device, result: Mapping[str, int], first_word: int) -> None:
        self.device, self.result, self.first = device, result, first_word
        self.merged: list[int] = []
        self._passed = 0
        self._taken, self._taken_at = 0, -2

    def room(self, cycle: int) -> int:
        """The first cycle from `cycle` on in which one more column tile fits; reserves it.

        What was merged or sent is seen as it was four cycles before; the one before it takes its
        room two cycles earlier at least.
        """
        device, words = self.device, self.result["ring_words"]
        depth = device.config.ring_depth
        taken = self._taken
        self._taken += 1
        cycle = max(cycle, self._taken_at + 2)
        while True:
            while self._passed < len(self.merged) and self.merged[self._passed] < cycle - 4:
                self._passed += 1
            reserved = (taken - self._passed) * words
            if reserved + device.writes.waiting(cycle - 4) + words < depth:
                self._taken_at = cycle
                return cycle
            cycle += 1

    def merge(self, column: int, last: int) -> None:
        """A column tile's last row tile was let go in cycle `last`: when its words are complete.

        Pixel after pixel, as the columns leave the drain chain; its room is given back with the
        last one.
        """
        device, result = self.device, self.result
        config, latencies = device.config, device.latencies
        cycle = last + latencies.issue_to_drain + result["selects"] - 1
        cycle += latencies.requantize + result["steps"]
        final = column + 1 == result["col_tiles"]
        words = 0
        for n in range(result["columns"]):
            place = column * config.dn + n + 1
            words = self._pixels(place) * result["pixel_bits"] // config.memory_bits
            if n + 1 == result["columns"]:
                if final:
                    words = -(-result["pixels"] * result["pixel_bits"] // config.memory_bits)
                self.merged.append(cycle)
            device.writes.complete(cycle + 1, self.first + words)
            cycle += result["period"]

    def _pixels(self, places: int) -> int:
        """Pixels of the output among the first places of the grid."""
        result = self.result
        rows, rest = divmod(places, result["pitch"])
        return min(rows * result["out_width"] + min(rest, result["out_width"]), result["pixels"])
