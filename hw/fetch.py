"""The fetch stage's address half: fetch instructions become read bursts."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.burst import burst_length
from hw.config import OverlayConfig
from hw.counted import last_of
from hw.kept import fetch_layout, job_layout, keep
from ir.isa import INSTRUCTION_BITS, Kind


class ReadIssuer(wiring.Component):
    """Issues the bursts of one fetch instruction after the other and hands each to the unpacker.

    Cycles, when nothing holds it: an instruction is taken in cycle c, its gate is passed in c+1 and
    its first burst offered in c+2; each further burst takes two cycles, each further segment two,
    the next instruction three. The gate waits for a layer-done token, for the unpacker's first slot
    (both before the first segment), and for free lhs words (before each segment that reserves
    some).

    START, in cycle c, is a gate passed: the program stands ready as an instruction whenever there
    is no other.

    A burst that is offered stands in registers of its own. What comes behind it is worked out
    meanwhile and waits until it is gone, so ARREADY reaches nothing but its VALID.

    Parameters
    ----------
    config : the overlay

    Members
    -------
    instructions : In(stream)       from the fetch queue
    start : In(1)                   fetch a program: prog_address, prog_words (instructions), which
                                    have stood for a cycle; no instruction is offered then
    job : Out(stream)               to the unpacker
    done_token : In(1)              a layer is done
    lhs_freed : In                  words of each lhs bank given back in this cycle
    araddr, arlen, arvalid, arready the read address channel
    arnext : Out(32)                in the cycle before VALID: the address
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
    arnext: Signal

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
                "arnext": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = Signal(fetch_layout(self.config))  # its beats of a segment are less one
        first, segment_end, fresh, cut = (
            Signal(name=n) for n in ("first", "segment_end", "fresh", "cut")
        )
        idle, free = (Signal(name=name, init=1) for name in ("idle", "free"))
        begin = fresh | idle  # the program's count stands while nothing else is offered
        pass_end = last_of(m, count=now.segments, steps=segment_end, begin=begin, name="segment")
        last_pass = last_of(
            m, count=now.repeats, steps=segment_end & pass_end, begin=begin, name="pass"
        )
        m.d.sync += fresh.eq(0)
        address, rest = self.arnext, Signal.like(now.segment_beats)
        last_burst, less = self._burst(m, address, rest, cut)
        m.d.comb += keep(self.job.payload, now)
        may_pass, passed, takes, ends = (Signal(name=n) for n in ("may", "passed", "takes", "ends"))
        self._idle(m, idle, free, takes, ends)
        m.d.comb += ends.eq(segment_end & pass_end & last_pass)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.job.valid.eq(self.start), cut.eq(self.start)]
                with m.If(self.start):
                    m.next = "STEP"
                with m.Elif(takes):
                    m.next = "GATE"
            with m.State("GATE"):
                m.d.comb += [passed.eq(may_pass), cut.eq(may_pass)]
                m.d.comb += self.job.valid.eq(may_pass & first)
                with m.If(may_pass):
                    m.d.sync += first.eq(0)
                    m.next = "STEP"
            with m.State("SPLIT"):
                m.d.comb += cut.eq(~self.arvalid)
                with m.If(cut):
                    m.next = "STEP"
            with m.State("STEP"):
                m.d.comb += segment_end.eq(last_burst)
                bus_address = address[self.config.bus_bytes.bit_length() - 1 :]
                m.d.sync += [bus_address.eq(bus_address - less), rest.eq(rest + less)]
                m.next = "SPLIT"
                with m.If(last_burst):
                    m.d.sync += rest.eq(now.segment_beats)
                    m.next = "GATE"
                    with m.If(pass_end):
                        m.d.sync += address.eq(now.address)
                        with m.If(last_pass):
                            m.next = "IDLE"
        with m.If(idle):
            m.d.sync += [first.eq(~self.start), fresh.eq(takes)]
            self._take(m, now, address, rest)
        self._gate(m, now, first, may_pass, passed, free)
        return m

    def _idle(self, m: Module, idle: Signal, free: Signal, takes: Signal, ends: Signal) -> None:
        """idle: the state of that name; free: the last burst has gone too. Many look at them."""
        stays = Signal()
        m.d.comb += [
            self.instructions.ready.eq(free),
            takes.eq(self.instructions.valid & free),
            stays.eq(ends | (idle & ~(takes | self.start))),
        ]
        m.d.sync += [idle.eq(stays), free.eq(stays & ~(self.arvalid & ~self.arready))]

    def _burst(self, m: Module, address: Signal, rest: Signal, cut: Signal) -> tuple[Signal, Value]:
        """The burst that is offered: (it is the segment's last; its beats, negative)."""
        last_burst = Signal()
        length, is_last = burst_length(
            m, address=address, rest=rest, memory_bits=self.config.memory_bits
        )
        m.d.sync += self.arvalid.eq(cut | (self.arvalid & ~self.arready))
        with m.If(cut):
            m.d.sync += [
                self.araddr.eq(address),
                self.arlen.eq(length),
                last_burst.eq(is_last),
            ]
        return last_burst, ~Cat(self.arlen, Const(0, 1)).as_signed()

    def _take(self, m: Module, now: data.View, address: Signal, rest: Signal) -> None:
        """The instruction that is offered; else the one that START stands for: fetch the program's
        first words.
        """
        given, beats = self.instructions.payload, INSTRUCTION_BITS // self.config.memory_bits
        program = {
            "kind": Kind.PROGRAM,
            "segments": 1,
            "repeats": 1,
            "groups": beats,
            "chunks": 1,
            "tail_bits": self.config.memory_bits,
        }
        less_one = Signal.like(rest)
        with m.If(self.instructions.valid):
            m.d.comb += less_one.eq(given.segment_beats - 1)
            m.d.sync += [now.eq(given), address.eq(given.address)]
        with m.Else():
            m.d.comb += less_one.eq(self.prog_words * beats - 1)
            m.d.sync += [now.as_value().eq(0), address.eq(self.prog_address)]
            m.d.sync += [getattr(now, name).eq(value) for name, value in program.items()]
            m.d.sync += now.units.eq(self.prog_words)
        m.d.sync += [now.segment_beats.eq(less_one), rest.eq(less_one)]

    def _gate(
        self,
        m: Module,
        now: data.View,
        first: Signal,
        may_pass: Signal,
        passed: Signal,
        free: Signal,
    ) -> None:
        """Whether the segment may start. free: an instruction is taken, if one is offered.

        What it waits for is counted as what is left beyond the instruction's need, so that a sign
        or a flag says it (awaits: its layer-done token has not come); a segment that has passed is
        counted a cycle later, while its first burst is offered.
        """
        words = signed(self.config.lhs_depth.bit_length() + 1)
        space, spare = (
            Signal(words, init=self.config.lhs_depth, name=n) for n in ("space", "spare")
        )
        used, waited = (
            Signal.like(now.reserve, name="used"),
            Signal(name="waited"),
        )  # by what passed
        needs, offered = Signal.like(now.reserve), self.instructions
        tokens, done, any_done = Signal(8, name="tokens"), Signal(name="done"), Signal()
        awaits = Signal(name="awaits")
        m.d.sync += [
            used.eq(Mux(passed, now.reserve, 0)),
            waited.eq(passed & first & now.wait_done),
            space.eq(space + self.lhs_freed - used),
            spare.eq(Mux(free, space, spare) + self.lhs_freed - needs),
            tokens.eq(tokens + self.done_token - waited),
            done.eq(any_done),
            awaits.eq(Mux(free, offered.valid & offered.payload.wait_done, awaits) & ~any_done),
        ]
        m.d.comb += [
            any_done.eq(self.done_token | tokens[1:].any() | (tokens[0] & ~waited)),
            # START finds nothing offered: what it stands for needs nothing
            needs.eq(Mux(free, Mux(offered.valid, offered.payload.reserve, 0), used)),
            may_pass.eq(~self.arvalid & ~spare[-1] & ~awaits & (~first | self.job.ready)),
        ]
        with m.If(self.start):  # nobody waited for the last layer of the program before
            m.d.sync += [tokens.eq(0), done.eq(0)]
