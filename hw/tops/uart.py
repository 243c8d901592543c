"""An asynchronous serial line: bytes in, bytes out. 8 data bits, no parity, one stop bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

BITS = 10
"""Of a byte on the line: start, eight of data, stop."""

LEAST_CLOCKS = 4
"""Clock cycles of a bit, at least."""


class Receiver(wiring.Component):
    """Samples the middle of each bit. A byte whose stop bit is low is not passed on.

    Not guaranteed: a byte is shown for one cycle; who is not there for it does not get it.

    Parameters
    ----------
    clocks_per_bit : at least LEAST_CLOCKS

    Members
    -------
    line : In(1)                   asynchronous to the clock
    byte : Out(8), valid : Out(1)
    """

    line: Signal
    byte: Signal
    valid: Signal

    def __init__(self, *, clocks_per_bit: int) -> None:
        self.clocks_per_bit = _checked(clocks_per_bit)
        super().__init__({"line": In(1), "byte": Out(8), "valid": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # two registers against metastability; zero, not idle, after reset: iCE40 can do no other
        first, line, ready = Signal(), Signal(), Signal()
        m.d.sync += [first.eq(self.line), line.eq(first)]
        bits = Signal(BITS - 1)
        left = Signal(range(BITS + 1))
        wait = Signal(range(self.clocks_per_bit))
        with m.If(line):
            m.d.sync += ready.eq(1)
        with m.If(left == 0):
            with m.If(~line & ready):
                m.d.sync += [left.eq(BITS), wait.eq(self.clocks_per_bit // 2 - 1)]
        with m.Elif(wait == 0):
            m.d.sync += [
                wait.eq(self.clocks_per_bit - 1),
                left.eq(left - 1),
                bits.eq(Cat(bits[1:], line)),
            ]
            with m.If((left == BITS) & line):  # a glitch, no start bit
                m.d.sync += left.eq(0)
        with m.Else():
            m.d.sync += wait.eq(wait - 1)
        m.d.comb += [
            self.byte.eq(bits[1:]),
            self.valid.eq((left == 1) & (wait == 0) & line),
        ]
        with m.If((left == 1) & (wait == 0) & ~line):  # a break: wait until the line is idle
            m.d.sync += ready.eq(0)
        return m


class Transmitter(wiring.Component):
    """Sends one byte after the other.

    Parameters
    ----------
    clocks_per_bit : at least LEAST_CLOCKS

    Members
    -------
    bytes : In(stream.Signature(8))
    line : Out(1)
    """

    bytes: stream.Interface
    line: Signal

    def __init__(self, *, clocks_per_bit: int) -> None:
        self.clocks_per_bit = _checked(clocks_per_bit)
        super().__init__({"bytes": In(stream.Signature(8)), "line": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = Signal(BITS)  # inverted, so that the line is idle after reset
        left = Signal(range(BITS + 1))
        wait = Signal(range(self.clocks_per_bit))
        m.d.comb += [self.line.eq(~bits[0]), self.bytes.ready.eq(left == 0)]
        with m.If(self.bytes.valid & self.bytes.ready):
            m.d.sync += [
                bits.eq(~Cat(Const(0, 1), self.bytes.payload, Const(1, 1))),
                left.eq(BITS),
                wait.eq(self.clocks_per_bit - 1),
            ]
        with m.Elif(left != 0):
            m.d.sync += wait.eq(Mux(wait == 0, self.clocks_per_bit - 1, wait - 1))
            with m.If(wait == 0):
                m.d.sync += [bits.eq(bits >> 1), left.eq(left - 1)]
        return m


def _checked(clocks_per_bit: int) -> int:
    if not isinstance(clocks_per_bit, int) or clocks_per_bit < LEAST_CLOCKS:
        raise ValueError(
            f"clocks_per_bit must be an integer of at least {LEAST_CLOCKS}, not {clocks_per_bit!r}"
        )
    return clocks_per_bit
