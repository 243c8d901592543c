"""The host link: requests from the line are done on the control port and the memory, and answered.

The frames and opcodes are those of hw/tops/protocol.py.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import lite_channels
from hw.csr import ADDRESS_BITS
from hw.ram import Ram
from hw.tops.frames import FrameReceiver, FrameSender
from hw.tops.protocol import (
    ANSWER,
    ANSWER_HEADER,
    CRC_BYTES,
    INFO,
    INFO_BYTES,
    MOST_DATA,
    REGISTER_BYTES,
    REQUESTS,
    VERSION,
    Opcode,
    Request,
    Status,
    size_of,
)

PATIENCE = 4095
"""Cycles that a memory access waits for the overlay before the answer is BUSY."""

BUFFER_LATENCY = 2
"""Cycles until the buffer shows another byte: block RAM and a register."""

LITE = lite_channels(ADDRESS_BITS)
ANSWERED = tuple(request.opcode for request in REQUESTS if request.answers != 0)
"""Opcodes whose answer has data."""


class HostLink(wiring.Component):
    """Does one request after the other.

    A request's data wait in a buffer until its CRC is known to be right; an answer's data are
    collected there before it begins, so that its status is true.

    Parameters
    ----------
    memory_bytes : of the memory, a power of two
    clock_hz : of this clock, for INFO

    Members
    -------
    byte : In(8), valid : In(1)          bytes from the line
    bytes : Out(stream.Signature(8))     bytes to the line
    the channels of an AXI4-Lite master
    host_request, host_write, host_address, host_data, host_done, host_byte : see hw.tops.memory
    """

    byte: Signal
    valid: Signal
    bytes: stream.Interface
    awaddr: Signal
    awvalid: Signal
    awready: Signal
    wdata: Signal
    wstrb: Signal
    wvalid: Signal
    wready: Signal
    bresp: Signal
    bvalid: Signal
    bready: Signal
    araddr: Signal
    arvalid: Signal
    arready: Signal
    rdata: Signal
    rresp: Signal
    rvalid: Signal
    rready: Signal
    host_request: Signal
    host_write: Signal
    host_address: Signal
    host_data: Signal
    host_done: Signal
    host_byte: Signal

    def __init__(self, *, memory_bytes: int, clock_hz: int) -> None:
        self.memory_bytes, self.clock_hz = memory_bytes, clock_hz
        super().__init__(
            {
                "byte": In(8),
                "valid": In(1),
                "bytes": Out(stream.Signature(8)),
                **{name: member.flip() for name, member in LITE.items()},
                "host_request": Out(1),
                "host_write": Out(1),
                "host_address": Out(range(memory_bytes)),
                "host_data": Out(8),
                "host_done": In(1),
                "host_byte": In(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = self.receiver = receiver = FrameReceiver()
        m.submodules.sender = self.sender = sender = FrameSender()
        m.submodules.buffer = self.buffer = Ram(width=8, depth=MOST_DATA + CRC_BYTES)
        self.asked = receiver.header
        self.place = Signal(range(MOST_DATA + 1))  # of the byte that is moved
        self.byte_out, self.settled = Signal(8), Signal(BUFFER_LATENCY)
        self.status = Signal(Status)
        self.register = Signal(32)
        m.d.comb += [
            receiver.byte.eq(self.byte),
            receiver.valid.eq(self.valid),
            self.bytes.valid.eq(sender.bytes.valid),
            self.bytes.payload.eq(sender.bytes.payload),
            sender.bytes.ready.eq(self.bytes.ready),
            self.buffer.write_address.eq(receiver.write_address),
            self.buffer.write_data.eq(receiver.write_byte),
            self.buffer.write_enable.eq(receiver.write),
            self.buffer.read_address.eq(self.place),
            self.buffer.read_enable.eq(1),
            self.host_address.eq(self.asked.address + self.place),
            self.host_data.eq(self.byte_out),
            self.awaddr.eq(self.asked.address),
            self.araddr.eq(self.asked.address),
            self.wdata.eq(self.register),
            self.wstrb.eq(0xF),
        ]
        m.d.sync += [
            self.byte_out.eq(self.buffer.read_data),
            self.settled.eq(Cat(Const(1, 1), self.settled)),
        ]
        with m.FSM() as fsm:
            m.d.comb += receiver.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += self.place.eq(0)
                with m.If(receiver.good):
                    m.next = "JUDGE"
            self._judge(m)
            self._read_register(m)
            self._write_register(m)
            self._read_memory(m)
            self._write_memory(m)
            self._collect(m)
            self._answer(m)
        return m

    def _judge(self, m: Module) -> None:
        """Whether the request can be done, and where to go on."""
        asked, before = self.asked, Signal(8)
        written, repeated = Signal(), Signal()
        m.d.comb += repeated.eq(written & (asked.sequence == before))
        with m.State("JUDGE"):
            m.d.sync += [
                before.eq(asked.sequence),
                written.eq(asked.opcode == Opcode.WRITE_REGISTER),
                self.status.eq(Status.OPCODE),
            ]
            m.next = "ANSWER"
            with m.Switch(asked.opcode):
                for request in REQUESTS:
                    with m.Case(request.opcode):
                        self._judge_one(m, request, repeated)

    def _judge_one(self, m: Module, request: Request, repeated: Value) -> None:
        """Its count, the data that came with it, its address."""
        asked, opcode = self.asked, request.opcode
        fixed = request.answers or request.sends  # bytes; of memory accesses `count` itself
        any_count = (asked.count > 0) & (asked.count <= MOST_DATA)
        count_right = asked.count == fixed if fixed else any_count
        sent = 0 if opcode in ANSWERED else asked.count
        inside = asked.address + asked.count <= (1 << ADDRESS_BITS if fixed else self.memory_bytes)
        with m.If(repeated & (opcode == Opcode.WRITE_REGISTER)):
            m.d.sync += self.status.eq(self.status)
        with m.Elif(~count_right | (self.receiver.data_bytes != sent)):
            m.d.sync += self.status.eq(Status.LENGTH)
        with m.Elif(~inside):
            m.d.sync += self.status.eq(Status.ADDRESS)
        with m.Else():
            m.d.sync += self.status.eq(Status.OKAY)
            m.next = {Opcode.INFO: "COLLECT"}.get(opcode, opcode.name)

    def _read_register(self, m: Module) -> None:
        asked = Signal()
        with m.State(Opcode.READ_REGISTER.name):
            m.d.comb += [self.arvalid.eq(~asked), self.rready.eq(1)]
            with m.If(self.arready):
                m.d.sync += asked.eq(1)
            with m.If(self.rvalid):
                m.d.sync += [self.register.eq(self.rdata), asked.eq(0)]
                self._end(m, self.rresp != 0, "COLLECT")

    def _write_register(self, m: Module) -> None:
        """Four bytes out of the buffer, whose first one stands at its end; then the write."""
        asked = Signal(2)
        with m.State(Opcode.WRITE_REGISTER.name):
            m.d.sync += [
                self.place.eq(self.place + 1),
                self.register.eq(Cat(self.register[8:], self.byte_out)),
            ]
            with m.If(self.place == REGISTER_BYTES + BUFFER_LATENCY - 1):
                m.next = "WRITE"
        with m.State("WRITE"):
            m.d.comb += [
                self.awvalid.eq(~asked[0]),
                self.wvalid.eq(~asked[1]),
                self.bready.eq(1),
            ]
            m.d.sync += asked.eq(
                asked | Cat(self.awvalid & self.awready, self.wvalid & self.wready)
            )
            with m.If(self.bvalid):
                m.d.sync += asked.eq(0)
                self._end(m, self.bresp != 0, "ANSWER")

    def _move(self, m: Module, place: Value | int) -> None:
        """To another byte: what the buffer shows is that one once it has settled."""
        m.d.sync += [self.place.eq(place), self.settled.eq(0)]

    def _end(self, m: Module, refused: Value | int, following: str) -> None:
        self._move(m, 0)
        m.next = following
        with m.If(refused):
            m.d.sync += self.status.eq(Status.REFUSED)
            m.next = "ANSWER"

    def _read_memory(self, m: Module) -> None:
        """Bytes of the memory into the buffer."""
        with m.State(Opcode.READ_MEMORY.name):
            m.d.comb += [
                self.host_request.eq(1),
                self.buffer.write_address.eq(self.place),
                self.buffer.write_data.eq(self.host_byte),
                self.buffer.write_enable.eq(self.host_done),
            ]
            self._next_byte(m)

    def _write_memory(self, m: Module) -> None:
        """Bytes of the buffer into the memory."""
        with m.State(Opcode.WRITE_MEMORY.name):
            m.d.comb += [self.host_request.eq(self.settled[-1]), self.host_write.eq(1)]
            self._next_byte(m)

    def _next_byte(self, m: Module) -> None:
        waited = Signal(range(PATIENCE + 1))
        m.d.sync += waited.eq(waited + 1)
        with m.If(self.host_done):
            m.d.sync += waited.eq(0)
            self._move(m, self.place + 1)
            with m.If(self.place + 1 == self.asked.count):
                self._end(m, 0, "ANSWER")
        with m.Elif(waited == PATIENCE):
            m.d.sync += [self.status.eq(Status.BUSY), waited.eq(0)]
            self._move(m, 0)
            m.next = "ANSWER"

    def _collect(self, m: Module) -> None:
        """The bytes of a register, or of INFO, into the buffer."""
        values = {
            "version": VERSION,
            "bad_frames": self.receiver.bad_frames,
            "most_data": MOST_DATA,
            "memory_bytes": self.memory_bytes,
            "clock_hz": self.clock_hz,
        }
        information = Signal(data.StructLayout({field.name: 8 * field.size for field in INFO}))
        m.d.comb += [information[name].eq(value) for name, value in values.items()]
        choice = Array(
            Mux(
                self.asked.opcode == Opcode.INFO,
                information.as_value().word_select(index, 8),
                self.register.word_select(index % REGISTER_BYTES, 8),
            )
            for index in range(INFO_BYTES)
        )
        with m.State("COLLECT"):
            m.d.comb += [
                self.buffer.write_address.eq(self.place),
                self.buffer.write_data.eq(choice[self.place[:4]]),
                self.buffer.write_enable.eq(1),
            ]
            m.d.sync += self.place.eq(self.place + 1)
            with m.If(self.place + 1 == self.asked.count):
                self._end(m, 0, "ANSWER")

    def _answer(self, m: Module) -> None:
        """Three bytes of header, then the data out of the buffer."""
        body, asked = self.sender.body, self.asked
        header_bytes = size_of(ANSWER_HEADER)
        sent = Signal(range(header_bytes))
        bare = Signal()
        m.d.comb += bare.eq((self.status != Status.OKAY) | ~asked.opcode.matches(*ANSWERED))
        parts = Array([asked.sequence, asked.opcode | ANSWER, self.status])
        with m.State("ANSWER"):
            m.d.comb += [
                body.valid.eq(1),
                body.payload.byte.eq(parts[sent]),
                body.payload.last.eq(bare & (sent == header_bytes - 1)),
            ]
            with m.If(body.ready):
                m.d.sync += sent.eq(sent + 1)
                with m.If(sent == header_bytes - 1):
                    m.d.sync += sent.eq(0)
                    m.next = "DATA"
                    with m.If(bare):
                        m.next = "LEAVE"
        with m.State("DATA"):
            m.d.comb += [
                body.valid.eq(self.settled[-1]),
                body.payload.byte.eq(self.byte_out),
                body.payload.last.eq(self.place + 1 == asked.count),
            ]
            with m.If(body.valid & body.ready):
                self._move(m, self.place + 1)
                with m.If(body.payload.last):
                    m.next = "LEAVE"
        with m.State("LEAVE"):
            with m.If(self.sender.idle):
                m.next = "IDLE"
