"""An AXI4 memory for Amaranth's simulator: the reference timing, or random stalls."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from tests.hw.streams import Context


class AxiMemory:
    """`latency` cycles from an accepted address to its first word; one word a cycle.

    Word k of a burst accepted in cycle c is shown from cycle c + latency + k on, later when the
    words before it are not taken yet; a write is answered `latency` cycles after its last word.
    """

    def __init__(self, dut: Any, *, latency: int, rng: random.Random | None = None) -> None:
        self.dut, self.latency, self.rng = dut, latency, rng
        self.bus_bytes = dut.config.bus_bytes
        self.bytes = bytearray()
        self.reads: deque[tuple[int, int]] = deque()  # (cycle from which it may be shown, word)
        self.answers: deque[int] = deque()
        self.burst: deque[tuple[int, int]] = deque()  # (address, words left)
        self.cycle = 0
        self.shown = False

    def load(self, address: int, data: bytes) -> None:
        end = address + len(data)
        self.bytes.extend(bytes(max(0, end - len(self.bytes))))
        self.bytes[address:end] = data

    def reset(self) -> None:
        """Forget what is under way; the contents stay."""
        self.reads.clear()
        self.answers.clear()
        self.burst.clear()
        self.shown = False

    def ready(self) -> bool:
        return self.rng is None or self.rng.randrange(3) > 0

    async def serve(self, ctx: Context) -> None:
        dut = self.dut
        sampled = (
            *(dut.m_axi_arvalid, dut.m_axi_arready, dut.m_axi_araddr, dut.m_axi_arlen),
            *(dut.m_axi_rvalid, dut.m_axi_rready),
            *(dut.m_axi_awvalid, dut.m_axi_awready, dut.m_axi_awaddr, dut.m_axi_awlen),
            *(dut.m_axi_wvalid, dut.m_axi_wready, dut.m_axi_wdata, dut.m_axi_wlast),
            *(dut.m_axi_bvalid, dut.m_axi_bready),
        )
        self.show(ctx)
        async for _, _, running, *values in ctx.tick().sample(dut.aresetn, *sampled):
            if running:
                self.edge(values)
            else:
                self.reset()
            self.cycle += 1
            self.show(ctx)

    def edge(self, values: list[int]) -> None:
        """What the clock edge at the end of this cycle took."""
        arvalid, arready, araddr, arlen, rvalid, rready = values[:6]
        awvalid, awready, awaddr, awlen, wvalid, wready, wdata, wlast, bvalid, bready = values[6:]
        if rvalid and rready:
            self.reads.popleft()
            self.shown = False
        if arvalid and arready:
            for beat in range(arlen + 1):
                begin = araddr + beat * self.bus_bytes
                word = int.from_bytes(self.bytes[begin : begin + self.bus_bytes], "little")
                self.reads.append((self.cycle + self.latency + beat, word))
        if bvalid and bready:
            self.answers.popleft()
        if awvalid and awready:
            self.burst.append((awaddr, awlen + 1))
        if wvalid and wready:
            address, left = self.burst.popleft()
            self.load(address, wdata.to_bytes(self.bus_bytes, "little"))
            assert bool(wlast) == (left == 1)
            if left > 1:
                self.burst.appendleft((address + self.bus_bytes, left - 1))
            else:
                self.answers.append(self.cycle + self.latency)

    def show(self, ctx: Context) -> None:
        """The memory's outputs in the cycle that begins."""
        dut = self.dut
        ctx.set(dut.m_axi_arready, self.ready())
        ctx.set(dut.m_axi_awready, self.ready())
        ctx.set(dut.m_axi_wready, self.ready())
        due = bool(self.reads) and self.reads[0][0] <= self.cycle
        self.shown = due and (self.shown or self.ready())  # a word once shown stays
        ctx.set(dut.m_axi_rvalid, self.shown)
        ctx.set(dut.m_axi_rdata, self.reads[0][1] if self.shown else 0)
        ctx.set(dut.m_axi_bvalid, bool(self.answers) and self.answers[0] <= self.cycle)
