"""On-chip memory behind the overlay's memory port, with the reference timing at latency 3."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import PAGE_BYTES, read_channels, write_channels
from hw.ram import SharedRam

LATENCY = 3
"""Cycles from a burst's address to its first word, and from its last word to its answer. A burst is
taken into registers first: its address is late in its cycle, and the way to the block RAMs long."""

OUTSTANDING = 16
OKAY, DECERR = 0, 3


class Bursts(wiring.Component):
    """Bursts, walked through word by word: the current one in registers, others in a list.

    A burst that is put while there is none is shown at once, in the same cycle.

    Parameters
    ----------
    word_bits : of a word's address

    Members
    -------
    put : In(1), put_word, put_length : In    word address and beats - 1; not while `full`
    step : In(1)                              the word that is shown is done
    valid : Out(1), word : Out, last : Out(1) the word that is shown; it is its burst's last
    full : Out(1)                             OUTSTANDING bursts may be waiting in the next cycle
    """

    put: Signal
    put_word: Signal
    put_length: Signal
    step: Signal
    valid: Signal
    word: Signal
    last: Signal
    full: Signal

    def __init__(self, *, word_bits: int) -> None:
        self.word_bits = word_bits
        super().__init__(
            {
                "put": In(1),
                "put_word": In(word_bits),
                "put_length": In(8),
                "step": In(1),
                "valid": Out(1),
                "word": Out(word_bits),
                "last": Out(1),
                "full": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        burst = Cat(self.put_word, self.put_length)
        m.submodules.waiting = waiting = memory.Memory(shape=len(burst), depth=OUTSTANDING, init=[])
        write, read = waiting.write_port(), waiting.read_port(domain="comb")
        kept, count = Signal(), Signal(range(OUTSTANDING + 1))
        current, shown = Signal(len(burst)), Signal(len(burst))
        left = shown[self.word_bits :]
        goes_on, take, direct = Signal(), Signal(), Signal()
        ends = self.step & self.last
        m.d.comb += [
            shown.eq(Mux(kept, current, burst)),
            self.valid.eq(kept | self.put),
            self.word.eq(shown[: self.word_bits]),
            self.last.eq(left == 0),
            goes_on.eq(self.valid & ~ends),
            take.eq(kept & ends & (count != 0)),
            direct.eq(kept & ends & (count == 0)),
            write.data.eq(burst),
            write.en.eq(self.put & kept & ~direct),
            self.full.eq(count + self.put >= OUTSTANDING),
        ]
        m.d.sync += [
            write.addr.eq(write.addr + write.en),
            read.addr.eq(read.addr + take),
            count.eq(count + write.en - take),
            kept.eq(goes_on | take | (direct & self.put)),
        ]
        with m.If(goes_on):
            m.d.sync += current.eq(Cat((self.word + self.step)[: self.word_bits], left - self.step))
        with m.Else():
            m.d.sync += current.eq(Mux(take, read.data, burst))
        return m


class OnChipMemory(wiring.Component):
    """A memory of `size_bytes`: AXI4 for the overlay, single bytes for the host.

    Channels as the reference memory's with L = LATENCY: a burst accepted at edge t offers beat k at
    max(t + L + k, the edge after the beat before was taken), an answer comes L edges after the
    last word; no cost between bursts; OUTSTANDING bursts a direction and one more. Words beyond the
    memory answer DECERR and are not written.

    The host gets the cycles that the overlay leaves: a read waits until none of the overlay's reads
    is under way, a write for a cycle without one.

    Parameters
    ----------
    memory_bits : F
    size_bytes : a power of two, at least a page (4 KiB)

    Members
    -------
    the ten groups of an AXI4 slave's channels
    host_request : In(1)                stays high, with all below, until `host_done`
    host_write : In(1), host_address : In, host_data : In(8)
    host_done : Out(1)                  for one cycle
    host_byte : Out(8)                  what was read, with host_done
    """

    araddr: Signal
    arlen: Signal
    arvalid: Signal
    arready: Signal
    rdata: Signal
    rresp: Signal
    rlast: Signal
    rvalid: Signal
    rready: Signal
    awaddr: Signal
    awlen: Signal
    awvalid: Signal
    awready: Signal
    wdata: Signal
    wstrb: Signal
    wlast: Signal
    wvalid: Signal
    wready: Signal
    bresp: Signal
    bvalid: Signal
    bready: Signal
    host_request: Signal
    host_write: Signal
    host_address: Signal
    host_data: Signal
    host_done: Signal
    host_byte: Signal

    def __init__(self, *, memory_bits: int, size_bytes: int) -> None:
        if size_bytes < PAGE_BYTES or size_bytes & (size_bytes - 1):
            raise ValueError(
                f"size_bytes must be a power of two of at least {PAGE_BYTES}, not {size_bytes}"
            )
        self.memory_bits, self.size_bytes = memory_bits, size_bytes
        self.bus_bytes = memory_bits // 8
        self.offset_bits = self.bus_bytes.bit_length() - 1
        self.depth = size_bytes // self.bus_bytes
        channels = read_channels(memory_bits) | write_channels(memory_bits)
        super().__init__(
            {
                **{name: member.flip() for name, member in channels.items()},
                "host_request": In(1),
                "host_write": In(1),
                "host_address": In(range(size_bytes)),
                "host_data": In(8),
                "host_done": Out(1),
                "host_byte": Out(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # a memory for each byte of a word: no decoding of strobes, no multiplexers behind
        rams = [SharedRam(width=8, depth=self.depth) for _ in range(self.bus_bytes)]
        for index, ram in enumerate(rams):
            m.submodules[f"byte_{index}"] = ram
        self._reads(m, rams)
        self._writes(m, rams)
        return m

    def _word(self, address: Value) -> Value:
        """A word's address with one bit above: it lies beyond the memory."""
        inside = address[self.offset_bits : (self.size_bytes - 1).bit_length()]
        return Cat(inside, address[(self.size_bytes - 1).bit_length() :].any())

    def _bursts(self, m: Module, name: str, address: Value, length: Value, put: Value) -> Bursts:
        """Bursts that are put a cycle after they were accepted."""
        bursts = Bursts(word_bits=(self.depth - 1).bit_length() + 1)
        m.submodules[name] = bursts
        m.d.sync += [
            bursts.put.eq(put),
            bursts.put_word.eq(self._word(address)),
            bursts.put_length.eq(length),
        ]
        return bursts

    def _reads(self, m: Module, rams: list[SharedRam]) -> None:
        """Word addresses go to the memory as they come; what it shows is registered once more.

        That register alone takes it, without a reset, so that it is the block RAMs' own.
        """
        bursts = self._bursts(m, "reads", self.araddr, self.arlen, self.arvalid & self.arready)
        read, last, outside = Signal(), Signal(), Signal()
        moves, step = Signal(), Signal()
        grant, granted, answered = Signal(), Signal(), Signal()
        shown = Signal(self.memory_bits, reset_less=True)
        host = self.host_request & ~self.host_write & ~granted & ~answered
        offset = self.host_address[: self.offset_bits]
        m.d.comb += [
            self.arready.eq(~bursts.full),
            moves.eq(~self.rvalid | self.rready),
            step.eq(bursts.valid & (~read | moves)),
            bursts.step.eq(step),
            grant.eq(host & ~bursts.valid & ~read & ~self.rvalid),
            self.rdata.eq(shown),
            self.host_byte.eq(shown.word_select(offset, 8)),
        ]
        for ram in rams:
            m.d.comb += [
                ram.read_address.eq(
                    Mux(bursts.valid, bursts.word[:-1], self.host_address[self.offset_bits :])
                ),
                ram.read_enable.eq(step | grant),
            ]
        m.d.sync += [
            granted.eq(grant),
            answered.eq(granted),
        ]
        with m.If(~read | moves):
            m.d.sync += [read.eq(step), last.eq(bursts.last), outside.eq(bursts.word[-1])]
        with m.If(moves):
            m.d.sync += [
                self.rvalid.eq(read),
                shown.eq(Cat(ram.read_data for ram in rams)),
                self.rlast.eq(last),
                self.rresp.eq(Mux(outside, DECERR, OKAY)),
            ]
        with m.If(answered):
            m.d.comb += self.host_done.eq(1)

    def _writes(self, m: Module, rams: list[SharedRam]) -> None:
        accepted = self.awvalid & self.awready
        bursts = self._bursts(m, "writes", self.awaddr, self.awlen, accepted)
        # words are written a cycle after they were taken: a burst's first may come with its address
        held, taken, ended = Signal(), Signal(), Signal()
        word, strobes = Signal(self.memory_bits), Signal(self.bus_bytes)
        owed, answers = Signal(range(2 * OUTSTANDING)), Signal(range(2 * OUTSTANDING))
        failed, ends, beyond = Signal(), Signal(), Signal()
        m.d.comb += [
            self.awready.eq(~bursts.full & (answers < OUTSTANDING)),
            self.wready.eq((owed != 0) | accepted),
            taken.eq(self.wvalid & self.wready),
            bursts.step.eq(held),
            ends.eq(held & bursts.last),
            self.bvalid.eq(answers != 0),
        ]
        m.d.sync += [
            held.eq(taken),
            owed.eq(owed + accepted - (taken & self.wlast)),
            ended.eq(ends),
            beyond.eq(bursts.word[-1]),
            answers.eq(answers + ended - (self.bvalid & self.bready)),
        ]
        with m.If(taken):
            m.d.sync += [word.eq(self.wdata), strobes.eq(self.wstrb)]
        # answers are few and in order: one that failed makes all that are waiting fail
        with m.If(ended & beyond):
            m.d.sync += failed.eq(1)
        with m.Elif(answers == 0):
            m.d.sync += failed.eq(0)
        m.d.comb += self.bresp.eq(Mux(failed, DECERR, OKAY))
        host = self.host_request & self.host_write & ~held
        with m.If(host):
            m.d.comb += self.host_done.eq(1)
        for index, ram in enumerate(rams):
            here = host & (self.host_address[: self.offset_bits] == index)
            m.d.comb += [
                ram.write_address.eq(
                    Mux(held, bursts.word[:-1], self.host_address[self.offset_bits :])
                ),
                ram.write_data.eq(Mux(held, word.word_select(index, 8), self.host_data)),
                ram.write_enable.eq((held & strobes[index] & ~bursts.word[-1]) | here),
            ]
