"""The fetch stage's address half: fetch instructions become read bursts."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.burst import burst_length
from hw.config import OverlayConfig
from hw.counted import counted
from hw.kept import fetch_layout, job_layout, keep
from ir.isa import INSTRUCTION_BITS, Kind


class ReadIssuer(wiring.Component):
    """Issues the bursts of one fetch instruction after the other and hands each to the unpacker.

    Cycles, when nothing holds it: an instruction is taken (or START seen) in cycle c, its gate is
    passed in c+1 and its first burst offered in c+2; each further burst takes two cycles, each
    further segment two, the next instruction three. The gate waits for a layer-done token, for the
    unpacker's first slot (both before the first segment), and for free lhs words (before each
    segment that reserves some).

    Parameters
    ----------
    config : the overlay

    Members
    -------
    instructions : In(stream)       from the fetch queue
    start : In(1)                   fetch a program: prog_address, prog_words (instructions)
    job : Out(stream)               to the unpacker
    done_token : In(1)              a layer is done
    lhs_freed : In                  words of each lhs bank given back in this cycle
    araddr, arlen, arvalid, arready the read address channel
    """

    instructions: stream.Interface
    start: Signal
    prog_address: Signal
    prog_words: Signal
    job: stream.Interface
    done_token: Signal
    lhs_freed: Signal
    araddr: Signal
    arlen: Signal
    arvalid: Signal
    arready: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "instructions": In(stream.Signature(fetch_layout(config))),
                "start": In(1),
                "prog_address": In(32),
                "prog_words": In(16),
                "job": Out(stream.Signature(job_layout(config))),
                "done_token": In(1),
                "lhs_freed": In(range(config.lhs_depth + 1)),
                "araddr": Out(32),
                "arlen": Out(8),
                "arvalid": Out(1),
                "arready": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = Signal(fetch_layout(self.config))
        first, segment_end, fresh = Signal(), Signal(), Signal()
        _, pass_end = counted(m, count=now.segments, steps=segment_end, begin=fresh, name="segment")
        _, last_pass = counted(
            m, count=now.repeats, steps=segment_end & pass_end, begin=fresh, name="pass"
        )
        m.d.sync += fresh.eq(0)
        address = Signal(32)
        remaining = Signal.like(now.segment_beats)
        m.d.comb += [*keep(self.job.payload, now), self.araddr.eq(address)]
        last_burst, split, taken = self._bursts(m, address, remaining)
        may_pass, reserve = self._gate(m, now, first)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.instructions.ready.eq(~self.start)
                m.d.sync += first.eq(1)
                with m.If(self.start):
                    self._program(m, now, address, remaining)
                    m.d.sync += fresh.eq(1)
                    m.next = "GATE"
                with m.Elif(self.instructions.valid):
                    m.d.sync += [
                        now.eq(self.instructions.payload),
                        address.eq(self.instructions.payload.address),
                        remaining.eq(self.instructions.payload.segment_beats),
                        fresh.eq(1),
                    ]
                    m.next = "GATE"
            with m.State("GATE"):
                m.d.comb += [self.job.valid.eq(may_pass & first), reserve.eq(may_pass)]
                m.d.comb += split.eq(1)
                with m.If(may_pass):
                    m.d.sync += first.eq(0)
                    m.next = "OFFER"
            with m.State("SPLIT"):
                m.d.comb += split.eq(1)
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.arvalid.eq(1)
                with m.If(self.arready):
                    m.d.comb += [taken.eq(1), segment_end.eq(last_burst)]
                    m.next = "SPLIT"
                with m.If(segment_end):
                    m.d.sync += remaining.eq(now.segment_beats)
                    m.next = "GATE"
                    with m.If(pass_end):
                        m.d.sync += address.eq(now.address)
                        with m.If(last_pass):
                            m.next = "IDLE"
        return m

    def _bursts(
        self, m: Module, address: Signal, remaining: Signal
    ) -> tuple[Signal, Signal, Signal]:
        """A segment in bursts: (the burst is its last, cut the next one off, it is taken)."""
        last_burst, split, taken = Signal(), Signal(), Signal()
        length, is_last = burst_length(
            m, address=address, remaining=remaining, memory_bits=self.config.memory_bits
        )
        bus_address = address[self.config.bus_bytes.bit_length() - 1 :]
        less = ~Cat(self.arlen, Const(0, 1)).as_signed()  # its beats, negative
        with m.If(split):
            m.d.sync += [self.arlen.eq(length), last_burst.eq(is_last)]
        with m.If(taken):
            m.d.sync += [bus_address.eq(bus_address - less), remaining.eq(remaining + less)]
        return last_burst, split, taken

    def _program(self, m: Module, now: data.View, address: Signal, remaining: Signal) -> None:
        """The instruction that START stands for: fetch the program's first words."""
        beats = self.prog_words * (INSTRUCTION_BITS // self.config.memory_bits)
        program = {
            "kind": Kind.PROGRAM,
            "segments": 1,
            "repeats": 1,
            "groups": INSTRUCTION_BITS // self.config.memory_bits,
            "chunks": 1,
            "tail_bits": self.config.memory_bits,
        }
        m.d.sync += now.as_value().eq(0)
        m.d.sync += [getattr(now, name).eq(value) for name, value in program.items()]
        m.d.sync += [
            now.segment_beats.eq(beats),
            now.units.eq(self.prog_words),
            address.eq(self.prog_address),
            remaining.eq(beats),
        ]

    def _gate(self, m: Module, now: data.View, first: Signal) -> tuple[Signal, Signal]:
        """Whether the segment may start, and the strobe that takes its lhs words."""
        may_pass, reserve = Signal(), Signal()
        tokens = Signal(8)
        space = Signal(range(self.config.lhs_depth + 1), init=self.config.lhs_depth)
        taken = Signal(range(self.config.lhs_depth + 1))
        m.d.comb += may_pass.eq(
            (~first | (self.job.ready & (~now.wait_done | (tokens != 0)))) & (space >= now.reserve)
        )
        with m.If(reserve):
            m.d.comb += taken.eq(now.reserve)
        m.d.sync += space.eq(space - taken + self.lhs_freed)
        m.d.sync += tokens.eq(tokens + self.done_token - (reserve & first & now.wait_done))
        with m.If(self.start):  # nobody waited for the last layer of the program before
            m.d.sync += tokens.eq(0)
        return may_pass, reserve
