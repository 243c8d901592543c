"""Between the core and the memory port: nothing leaves the window, no answer goes unseen.

Both halves pass everything through in the same cycle. They differ from wires in this only:

- a burst is checked whole against the window before its VALID; one that would leave it is never
  offered;
- no more than MOST_BURSTS are under way in each direction, so that every answer has its address;
- once the job stops, no burst begins. One that is offered stays offered, since AXI forbids taking
  VALID back; read words are taken and thrown away, write words owed are sent without strobes.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import PAGE_BYTES, RESPONSE_BITS
from hw.bus.ledger import Ledger
from hw.config import OverlayConfig
from hw.csr import Code
from hw.fault import FAULT, report
from ir.isa import Stage

PAGE_SHIFT = PAGE_BYTES.bit_length() - 1


def _job_members() -> dict[str, wiring.Member]:
    """What both halves hear of the job, and tell it."""
    return {
        "base": In(32),
        "limit": In(32),
        "active": In(1),
        "stopping": In(1),
        "fault": Out(FAULT),
        "idle": Out(1),
        "waits": Out(1),
        "moves": Out(1),
        "word": Out(32),
    }


def _address_members(name: str) -> dict[str, wiring.Member]:
    """An address channel on both sides; the payload is the core's."""
    return {
        f"{name}addr": In(32),
        f"{name}next": In(32),
        f"{name}len": In(8),
        f"core_{name}valid": In(1),
        f"core_{name}ready": Out(1),
        f"port_{name}valid": Out(1),
        f"port_{name}ready": In(1),
    }


class _Half(wiring.Component):
    """What the directions share: the address channel `name`, its window and its ledger.

    A burst is noted a cycle after it was taken, when the core still shows its address and length
    and offers none. It may be answered then.

    Members
    -------
    addr, len, valid, ready            the channel, `name` before each, and which side's
    next : In(32)                      in the cycle before VALID: the address
    base, limit : In(32)               the window, [base, limit)
    active, stopping : In(1)           a job runs; it is being stopped
    fault : Out(FAULT)                 registered: a burst beyond the window, or an answer with an
                                       error
    idle : Out(1)                      nothing offered, nothing under way
    waits : Out(1)                     the memory owes an answer
    moves : Out(1)                     registered: it gave one
    word : Out(32)                     address of the bus word it owes
    """

    name: str
    stage: Stage
    base: Signal
    limit: Signal
    active: Signal
    stopping: Signal
    fault: data.View
    idle: Signal
    waits: Signal
    moves: Signal
    word: Signal

    def __init__(self, *, config: OverlayConfig, others: dict[str, wiring.Member]) -> None:
        self.config = config
        self.shift = config.bus_bytes.bit_length() - 1
        # of the direction
        self.answered, self.response, self.pending = Signal(), Signal(RESPONSE_BITS), Signal()
        super().__init__({**_job_members(), **_address_members(self.name), **others})

    def _inside(
        self, m: Module, address: Signal, length: Signal, valid: Signal
    ) -> tuple[Signal, Signal, Value]:
        """Whether all words of the burst lie in the window: begins & (whole | fits), and `fits`
        comes late. No burst leaves its page.

        address: what the burst's will be in the next cycle; it is compared while VALID is low.
        """
        page, limit_page = address[PAGE_SHIFT:], self.limit[PAGE_SHIFT:]
        first = address[self.shift : PAGE_SHIFT]
        begins, whole = Signal(name="begins"), Signal(name="whole")  # all of the page
        room = Signal(signed(len(first) + 1), name="room")  # words to the window's end, in its page
        with m.If(~valid):
            m.d.sync += [
                begins.eq(
                    (address[: self.shift] == 0) & (address >= self.base) & (page <= limit_page)
                ),
                whole.eq(page < limit_page),
                room.eq(self.limit[self.shift : PAGE_SHIFT] - first),
            ]
        # whether length < room, by the sign of a sum as it leaves its carry chain
        return begins, whole, (length - room)[-1]

    def _addresses(self, m: Module, code: Code) -> tuple[Ledger, Signal, Signal]:
        """The address channel: (ledger, VALID, READY) at the port."""
        address, length = getattr(self, f"{self.name}addr"), getattr(self, f"{self.name}len")
        core_valid = getattr(self, f"core_{self.name}valid")
        valid = getattr(self, f"port_{self.name}valid")
        ready = getattr(self, f"port_{self.name}ready")
        m.submodules.ledger = ledger = Ledger(word_bits=32 - self.shift)
        begins, whole, fits = self._inside(m, getattr(self, f"{self.name}next"), length, core_valid)
        held, may, refused, admits, sure = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            admits.eq(self.active & ~self.stopping & begins & ~ledger.full),
            sure.eq(held | (admits & whole)),
            may.eq(sure | (admits & fits)),
            valid.eq(core_valid & may),
            getattr(self, f"core_{self.name}ready").eq(ready & may),
            self.pending.eq(ledger.put | ~ledger.empty),
            ledger.put_word.eq(address[self.shift :]),
            ledger.put_length.eq(length),
            self.word.eq(Mux(ledger.empty, address, Cat(ledger.word << self.shift))),
            # the core's burst counts before it is known whether it may
            self.idle.eq(~self.pending & ~(core_valid & (held | ~self.stopping))),
        ]
        m.d.sync += [
            held.eq(valid & ~ready),
            ledger.put.eq(valid & ready),
            refused.eq(
                core_valid & self.active & ~self.stopping & ~held & ~(begins & (whole | fits))
            ),
        ]
        self._judge(m, ledger, refused, code)
        return ledger, valid, ready

    def _judge(self, m: Module, ledger: Ledger, refused: Signal, code: Code) -> None:
        """A burst that was refused, with `code`, or else an answer with an error.

        SLVERR is 2 and DECERR 3 on both directions' wires.
        """
        slave, decode = (
            (Code.READ_SLVERR, Code.READ_DECERR)
            if self.stage is Stage.FETCH
            else (Code.WRITE_SLVERR, Code.WRITE_DECERR)
        )
        wrong = self.answered & self.response[1] & self.active & ~self.stopping
        m.d.comb += self.fault.stage.eq(int(self.stage))
        m.d.sync += [
            self.fault.valid.eq(refused | wrong),
            self.fault.code.eq(Mux(self.response[0], decode, slave)),
            self.fault.address.eq(self.word),
        ]
        with m.If(refused):
            address = getattr(self, f"{self.name}addr")
            m.d.sync += [self.fault.code.eq(code), self.fault.address.eq(address)]


class ReadGuard(_Half):
    """AR and R. Members beside those of both directions: the channels, core_* and port_*."""

    name, stage = "ar", Stage.FETCH
    arnext: Signal
    core_rvalid: Signal
    core_rready: Signal
    port_rvalid: Signal
    port_rready: Signal
    rresp: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        others = {
            "core_rvalid": Out(1),
            "core_rready": In(1),
            "port_rvalid": In(1),
            "port_rready": Out(1),
            "rresp": In(RESPONSE_BITS),
        }
        super().__init__(config=config, others=others)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ledger, valid, ready = self._addresses(m, Code.READ_WINDOW)
        taken = Signal()
        m.d.comb += [
            # while the job is stopped the core loses words, and is cleared before it is used again
            self.core_rvalid.eq(self.port_rvalid),
            self.port_rready.eq(self.core_rready | self.stopping),
            taken.eq(self.port_rvalid & self.port_rready & self.pending),
            ledger.step.eq(taken),
            ledger.take.eq(taken & ledger.last),
            # a word offered and not taken is the core's delay, not the memory's
            self.waits.eq((valid & ~ready) | (self.pending & ~self.port_rvalid)),
        ]
        m.d.sync += self.moves.eq((valid & ready) | taken)
        m.d.comb += [self.answered.eq(taken), self.response.eq(self.rresp)]
        return m


class WriteGuard(_Half):
    """AW, W and B. Members beside those of both directions: the channels, core_* and port_*."""

    name, stage = "aw", Stage.RESULT
    awnext: Signal
    wvalid: Signal
    wready: Signal
    wstrb: Signal
    bvalid: Signal
    bresp: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        others = {
            "wvalid": In(1),
            "wready": In(1),
            "wstrb": Out(config.bus_bytes),
            "bvalid": In(1),
            "bresp": In(RESPONSE_BITS),
        }
        super().__init__(config=config, others=others)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ledger, valid, ready = self._addresses(m, Code.WRITE_WINDOW)
        answered, held, counts, counted = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            answered.eq(self.bvalid & self.pending),
            ledger.take.eq(answered),
            counts.eq(Mux(held, counted, ~self.stopping)),  # as when the word was first offered
            self.wstrb.eq(counts.replicate(self.config.bus_bytes)),
            self.waits.eq((valid & ~ready) | self.pending),
        ]
        m.d.sync += self.moves.eq((valid & ready) | (self.wvalid & self.wready) | answered)
        m.d.sync += [held.eq(self.wvalid & ~self.wready), counted.eq(counts)]
        m.d.comb += [self.answered.eq(answered), self.response.eq(self.bresp)]
        return m


class Patience(wiring.Component):
    """Counts the cycles in which the memory owes an answer and gives none.

    Members
    -------
    timeout : In(24)                  0: wait for ever
    read_waits, write_waits : In(1)
    moves : In(1)                     it gave one in the cycle before
    read_word, write_word : In(32)    what is waited for
    fault : Out(FAULT)                valid two cycles behind the one number `timeout`, stopped job
                                      or not
    """

    timeout: Signal
    read_waits: Signal
    write_waits: Signal
    moves: Signal
    read_word: Signal
    write_word: Signal
    fault: data.View

    def __init__(self) -> None:
        super().__init__(
            {
                "timeout": In(24),
                "read_waits": In(1),
                "write_waits": In(1),
                "moves": In(1),
                "read_word": In(32),
                "write_word": In(32),
                "fault": Out(FAULT),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left, last, over = Signal(24), Signal(), Signal()  # cycles it may still take
        waits, write_waits = Signal(), Signal()
        m.d.sync += [  # as they were: they come late in their cycle
            waits.eq(self.read_waits | self.write_waits),
            write_waits.eq(self.write_waits),
        ]
        with m.If(waits & ~self.moves & ~over & (self.timeout != 0)):
            m.d.sync += [left.eq(left - 1), last.eq(left == 2)]
        with m.Else():
            m.d.sync += [left.eq(self.timeout), last.eq(self.timeout == 1)]
        m.d.comb += over.eq(waits & ~self.moves & last)
        fault = Signal(FAULT)
        m.d.sync += self.fault.eq(fault)
        for when, code, stage, word in (
            (over, Code.READ_TIMEOUT, Stage.FETCH, self.read_word),
            (over & write_waits, Code.WRITE_TIMEOUT, Stage.RESULT, self.write_word),
        ):
            report(m, fault, when=when, code=code, stage=stage, address=word)
        return m
