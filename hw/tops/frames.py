"""Between bytes on the line and whole frames of hw/tops/protocol.py."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import crc, data, stream, wiring  # type: ignore  # the stubs lack crc
from amaranth.lib.crc.catalog import CRC16_IBM_3740  # type: ignore
from amaranth.lib.wiring import In, Out

from hw.tops.protocol import (
    CRC_BYTES,
    ESCAPE,
    FLAG,
    HEADER,
    HEADER_BYTES,
    MOST_DATA,
    STUFFING,
)

LEAST_BYTES = HEADER_BYTES + CRC_BYTES
MOST_BYTES = LEAST_BYTES + MOST_DATA
MOST_BAD = 255

HEADER_LAYOUT = data.StructLayout({field.name: 8 * field.size for field in HEADER})


def _checksum() -> crc.Processor:
    return crc.Processor(CRC16_IBM_3740(data_width=8))


class FrameReceiver(wiring.Component):
    """Collects requests; a frame that is too short, too long or damaged is counted and dropped.

    Between `good` and the end of `busy` nothing is listened to, and a frame that has begun
    meanwhile is lost: the host sends one request at a time.

    Members
    -------
    byte : In(8), valid : In(1)          from the line
    busy : In(1)                         the last request is still being done
    good : Out(1)                        a request is whole; `header` stays until the next one
    header : Out(HEADER_LAYOUT), data_bytes : Out
    write_address, write_byte, write : Out         its data, into a buffer of MOST_DATA + CRC_BYTES
    bad_frames : Out(8)                  stops at MOST_BAD
    """

    byte: Signal
    valid: Signal
    busy: Signal
    good: Signal
    header: data.View
    data_bytes: Signal
    write_address: Signal
    write_byte: Signal
    write: Signal
    bad_frames: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "byte": In(8),
                "valid": In(1),
                "busy": In(1),
                "good": Out(1),
                "header": Out(HEADER_LAYOUT),
                "data_bytes": Out(range(MOST_DATA + 1)),
                "write_address": Out(range(MOST_DATA + CRC_BYTES)),
                "write_byte": Out(8),
                "write": Out(1),
                "bad_frames": Out(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checksum = checksum = _checksum()
        inside, escaped = Signal(), Signal()
        count = Signal(range(MOST_BYTES + 1))
        listens, flag, escape = Signal(), Signal(), Signal()
        taken, whole, bad = Signal(), Signal(), Signal()
        byte = Signal(8)
        m.d.comb += [
            listens.eq(self.valid & ~self.busy),
            flag.eq(listens & (self.byte == FLAG)),
            escape.eq(listens & inside & (self.byte == ESCAPE)),
            taken.eq(listens & inside & ~flag & ~escape),
            byte.eq(self.byte ^ Mux(escaped, STUFFING, 0)),
            checksum.start.eq(flag),
            checksum.data.eq(byte),
            checksum.valid.eq(taken),
            whole.eq((count >= LEAST_BYTES) & checksum.match_detected & ~escaped),
            self.good.eq(flag & inside & whole),
            bad.eq((flag & inside & (count != 0) & ~whole) | (taken & (count == MOST_BYTES))),
            self.data_bytes.eq(count - LEAST_BYTES),
            self.write_address.eq(count - HEADER_BYTES),
            self.write_byte.eq(byte),
            self.write.eq(taken & (count >= HEADER_BYTES) & (count != MOST_BYTES)),
        ]
        with m.If(flag):
            m.d.sync += [inside.eq(~self.good), escaped.eq(0)]
            with m.If(~self.good):  # data_bytes stays
                m.d.sync += count.eq(0)
        with m.Elif(escape):
            m.d.sync += escaped.eq(1)
        with m.Elif(taken):
            m.d.sync += [count.eq(count + 1), escaped.eq(0)]
            with m.If(count == MOST_BYTES):
                m.d.sync += inside.eq(0)
        with m.Elif(self.busy):
            m.d.sync += inside.eq(0)
        with m.If(taken & (count < HEADER_BYTES)):
            header = self.header.as_value()
            m.d.sync += header.eq(Cat(header[8:], byte))
        with m.If(bad & (self.bad_frames != MOST_BAD)):
            m.d.sync += self.bad_frames.eq(self.bad_frames + 1)
        return m


BODY_BYTE = data.StructLayout({"byte": 8, "last": 1})


class FrameSender(wiring.Component):
    """Puts flags, stuffing and CRC around the bytes of a body.

    Members
    -------
    body : In(stream.Signature(BODY_BYTE))
    bytes : Out(stream.Signature(8))           to the line
    idle : Out(1)                              the last frame has left
    """

    body: stream.Interface
    bytes: stream.Interface
    idle: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "body": In(stream.Signature(BODY_BYTE)),
                "bytes": Out(stream.Signature(8)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checksum = checksum = _checksum()
        escaped = Signal()
        plain, sends, done = Signal(8), Signal(), Signal()
        out = self.bytes
        special = ((plain == FLAG) | (plain == ESCAPE)) & ~escaped
        with m.If(sends):  # a byte of the frame, stuffed
            m.d.comb += [
                out.valid.eq(1),
                out.payload.eq(Mux(special, ESCAPE, plain ^ Mux(escaped, STUFFING, 0))),
                done.eq(out.ready & ~special),
            ]
            with m.If(out.ready):
                m.d.sync += escaped.eq(special)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.idle.eq(~self.body.valid), checksum.start.eq(1)]
                self._flag(m, self.body.valid, "BODY")
            with m.State("BODY"):
                m.d.comb += [
                    plain.eq(self.body.payload.byte),
                    sends.eq(self.body.valid),
                    self.body.ready.eq(done),
                    checksum.data.eq(plain),
                    checksum.valid.eq(done),
                ]
                with m.If(done & self.body.payload.last):
                    m.next = "HIGH"
            for state, following, part in (("HIGH", "LOW", 1), ("LOW", "END", 0)):
                with m.State(state):
                    m.d.comb += [sends.eq(1), plain.eq(checksum.crc.word_select(part, 8))]
                    with m.If(done):
                        m.next = following
            with m.State("END"):
                self._flag(m, 1, "IDLE")
        return m

    def _flag(self, m: Module, when: Value | int, following: str) -> None:
        m.d.comb += [self.bytes.valid.eq(when), self.bytes.payload.eq(FLAG)]
        with m.If(self.bytes.valid & self.bytes.ready):
            m.next = following
