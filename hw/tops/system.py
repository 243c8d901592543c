"""What stands on a board behind its pins: the overlay, its memory, and the host link."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import lite_channels, read_channels, write_channels
from hw.csr import ADDRESS_BITS
from hw.overlay import TOP as OVERLAY
from hw.tops.link import HostLink
from hw.tops.memory import OnChipMemory
from hw.tops.uart import Receiver, Transmitter


class System(wiring.Component):
    """Overlay, on-chip memory and host link in one clock domain.

    The overlay is instantiated by name: its Verilog is the very text that is simulated and proved
    elsewhere.

    Parameters
    ----------
    memory_bits : the overlay's F
    memory_bytes : a power of two
    clock_hz : of this clock
    clocks_per_bit : of the serial line

    Members
    -------
    rx : In(1), tx : Out(1)     the serial line, seen from here
    irq : Out(1)                a job has ended
    """

    rx: Signal
    tx: Signal
    irq: Signal

    def __init__(
        self, *, memory_bits: int, memory_bytes: int, clock_hz: int, clocks_per_bit: int
    ) -> None:
        self.memory_bits = memory_bits
        self.memory_bytes = memory_bytes
        self.clock_hz = clock_hz
        self.clocks_per_bit = clocks_per_bit
        super().__init__({"rx": In(1), "tx": Out(1), "irq": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = OnChipMemory(
            memory_bits=self.memory_bits, size_bytes=self.memory_bytes
        )
        m.submodules.link = link = HostLink(memory_bytes=self.memory_bytes, clock_hz=self.clock_hz)
        m.submodules.receiver = receiver = Receiver(clocks_per_bit=self.clocks_per_bit)
        m.submodules.transmitter = transmitter = Transmitter(clocks_per_bit=self.clocks_per_bit)
        wiring.connect(m, link.bytes, transmitter.bytes)
        m.d.comb += [
            receiver.line.eq(self.rx),
            link.byte.eq(receiver.byte),
            link.valid.eq(receiver.valid),
            self.tx.eq(transmitter.line),
            memory.host_request.eq(link.host_request),
            memory.host_write.eq(link.host_write),
            memory.host_address.eq(link.host_address),
            memory.host_data.eq(link.host_data),
            link.host_done.eq(memory.host_done),
            link.host_byte.eq(memory.host_byte),
        ]
        m.submodules.overlay = self._overlay(link, memory)
        return m

    def _overlay(self, link: HostLink, memory: OnChipMemory) -> Instance:
        """The overlay between the link's control port and the memory."""
        ports: dict[str, Value] = {
            "i_aclk": ClockSignal(),
            "i_aresetn": ~ResetSignal(),
            "o_irq": self.irq,
        }
        lite = lite_channels(ADDRESS_BITS)
        full = read_channels(self.memory_bits) | write_channels(self.memory_bits)
        for prefix, members, neighbour in (("s_axil", lite, link), ("m_axi", full, memory)):
            for name, member in members.items():
                direction = "i" if member.flow is In else "o"
                ports[f"{direction}_{prefix}_{name}"] = getattr(neighbour, name)
        return Instance(OVERLAY, **ports)
