"""The memory port: the core's bursts on one side, AXI4 on the other, guards between them."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Member, Out

from hw.bus.axi import INCR, read_channels, write_channels
from hw.config import OverlayConfig
from hw.fault import FAULT, first_fault
from hw.guard import Patience, ReadGuard, WriteGuard

_CORE = {
    "ar": ("araddr", "arlen", "arvalid", "arready"),
    "r": ("rdata", "rvalid", "rready"),
    "w": ("awaddr", "awlen", "awvalid", "awready", "wdata", "wlast", "wvalid", "wready", "bvalid"),
}
"""What the issuer, the unpacker and the writer know of AXI."""


def axi_members(memory_bits: int) -> dict[str, Member]:
    """The five channels of the master."""
    return {**read_channels(memory_bits), **write_channels(memory_bits)}


class Port(wiring.Component):
    """Adds what the core leaves out, and lets nothing pass that its guards object to.

    Constants: one ID, full-width incrementing bursts, normal memory; answers to writes are always
    taken.

    Members
    -------
    the five channels, and core_* for those of their signals that the core has
    core_arnext : In(32)             in the cycle before ARVALID: its address
    base, limit, timeout : In        the registers MEM_BASE, MEM_LIMIT, TIMEOUT
    active, stopping : In(1)         a job runs; it is being stopped
    fault : Out(FAULT), timed_out : Out(1), idle, waits, moves : Out(1)    see hw.guard
    """

    base: Signal
    limit: Signal
    timeout: Signal
    active: Signal
    stopping: Signal
    fault: data.View
    timed_out: Signal
    idle: Signal
    waits: Signal
    moves: Signal
    core_rvalid: Signal
    core_rready: Signal
    core_arnext: Signal
    core_awaddr: Signal
    core_wvalid: Signal
    wready: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        outer = axi_members(config.memory_bits)
        names = [name for group in _CORE.values() for name in group]
        super().__init__(
            {
                **outer,
                **{f"core_{name}": outer[name].flip() for name in names},
                "core_arnext": In(32),
                "base": In(32),
                "limit": In(32),
                "timeout": In(24),
                "active": In(1),
                "stopping": In(1),
                "fault": Out(FAULT),
                "timed_out": Out(1),
                "idle": Out(1),
                "waits": Out(1),
                "moves": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reads = reads = ReadGuard(config=self.config)
        m.submodules.writes = writes = WriteGuard(config=self.config)
        m.submodules.patience = patience = Patience()
        for guard in (reads, writes):
            self._addresses(m, guard)
            for name in ("base", "limit", "active", "stopping"):
                m.d.comb += getattr(guard, name).eq(getattr(self, name))
        m.d.comb += [
            reads.arnext.eq(self.core_arnext),
            writes.awnext.eq(self.core_awaddr),  # the writer's stands before it is offered
        ]
        self._data(m, reads, writes)
        m.d.comb += [
            patience.timeout.eq(self.timeout),
            patience.read_waits.eq(reads.waits),
            patience.write_waits.eq(writes.waits),
            self.waits.eq(reads.waits | writes.waits),
            self.moves.eq(reads.moves | writes.moves),
            patience.moves.eq(self.moves),
            patience.read_word.eq(reads.word),
            patience.write_word.eq(writes.word),
            self.idle.eq(reads.idle & writes.idle),
        ]
        first_fault(m, self.fault, [patience.fault, writes.fault, reads.fault])
        m.d.comb += self.timed_out.eq(patience.fault.valid)
        return m

    def _addresses(self, m: Module, guard: ReadGuard | WriteGuard) -> None:
        """An address channel through its guard."""
        channel = guard.name
        size = self.config.bus_bytes.bit_length() - 1
        for name, value in {"size": size, "burst": INCR, "cache": 0b0011}.items():
            m.d.comb += getattr(self, channel + name).eq(value)
        for name in ("addr", "len"):
            inner = getattr(self, f"core_{channel}{name}")
            m.d.comb += [
                getattr(guard, channel + name).eq(inner),
                getattr(self, channel + name).eq(inner),
            ]
        m.d.comb += [
            getattr(guard, f"core_{channel}valid").eq(getattr(self, f"core_{channel}valid")),
            getattr(self, f"core_{channel}ready").eq(getattr(guard, f"core_{channel}ready")),
            getattr(self, f"{channel}valid").eq(getattr(guard, f"port_{channel}valid")),
            getattr(guard, f"port_{channel}ready").eq(getattr(self, f"{channel}ready")),
        ]

    def _data(self, m: Module, reads: ReadGuard, writes: WriteGuard) -> None:
        """The data and answer channels; only read words and strobes can be held back.

        In the cycle behind a reset, in which the core is only being cleared, no job is active.
        """
        inward = ("rdata", "wready", "bvalid")
        outward = ("wdata", "wlast")
        for name in (*inward, *outward):
            outer, inner = getattr(self, name), getattr(self, f"core_{name}")
            m.d.comb += inner.eq(outer) if name in inward else outer.eq(inner)
        port = {name: getattr(self, name) for name in axi_members(self.config.memory_bits)}
        m.d.comb += [
            port["wvalid"].eq(self.core_wvalid & self.active),
            self.core_rvalid.eq(reads.core_rvalid),
            reads.core_rready.eq(self.core_rready),
            reads.port_rvalid.eq(port["rvalid"]),
            reads.rresp.eq(port["rresp"]),
            port["rready"].eq(reads.port_rready),
            writes.wvalid.eq(port["wvalid"]),
            writes.wready.eq(port["wready"]),
            writes.bvalid.eq(port["bvalid"]),
            writes.bresp.eq(port["bresp"]),
            port["wstrb"].eq(writes.wstrb),
            port["bready"].eq(1),
        ]


def connect_core(
    m: Module, port: Port, *, issuer: object, unpacker: object, writer: object
) -> None:
    """Wire the core's masters to the port; names are the channels'."""
    for owner, names in zip((issuer, unpacker, writer), _CORE.values(), strict=True):
        for name in names:
            inner, outer = getattr(owner, name), getattr(port, f"core_{name}")
            inward = port.signature.members[f"core_{name}"].flow is In
            m.d.comb += outer.eq(inner) if inward else inner.eq(outer)
