"""mem_timing alone against memory.md's sentences, edge for edge, under random traffic.

A fast memory stands behind it (answers in one cycle), a random master before it. Every edge is
recorded; afterwards each offer is compared with what the recorded acceptances demand. Payload of
AR and AW: the number of beats; of R, W: a serial number, and LAST in bit 0.
"""

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

LIMIT = 16  # Q
CYCLES = 1500
LONGEST = 12  # beats


class Traffic:
    """Drives both sides of `dut` for CYCLES edges; lists are indexed by edge."""

    def __init__(self, dut: Any, seed: int, busy: float):
        self.dut = dut
        self.draw = random.Random(seed)
        self.busy = busy
        self.now = 0
        self.seen: dict[str, list[int]] = {name: [] for name in OBSERVED}
        self.read_lengths: list[int] = []
        self.write_lengths: list[int] = []
        self.to_send: deque[int] = deque()  # LAST of each W beat of the bursts made so far
        self.memory_reads: deque[int] = deque()
        self.memory_answers = 0
        self.serial = 0

    async def run(self) -> None:
        for _ in range(CYCLES):
            await FallingEdge(self.dut.aclk)
            self.drive_master()
            self.drive_memory()
            await ReadOnly()
            self.observe()

    def chance(self) -> bool:
        return self.draw.random() < self.busy

    def drive_master(self) -> None:
        dut = self.dut
        dut.now.value = self.now
        dut.s_rready.value = self.chance()
        dut.s_bready.value = self.chance()
        if self.free("s_ar"):
            dut.s_arvalid.value = self.chance()
            dut.s_ar.value = self.draw.randint(1, LONGEST)
        if self.free("s_aw"):
            dut.s_awvalid.value = self.chance()
            dut.s_aw.value = self.draw.randint(1, LONGEST)
        if self.free("s_w"):
            dut.s_wvalid.value = bool(self.to_send) and self.chance()
            dut.s_w.value = self.to_send[0] if self.to_send else 0

    def free(self, channel: str) -> bool:
        """The channel offers nothing, or its offer was taken at the last edge."""
        valid, ready = self.seen[f"{channel}valid"], self.seen[f"{channel}ready"]
        return not valid or not valid[-1] or bool(ready[-1])

    def drive_memory(self) -> None:
        dut = self.dut
        dut.m_arready.value = dut.m_awready.value = dut.m_wready.value = 1
        if self.free("m_r"):
            dut.m_rvalid.value = bool(self.memory_reads)
            if self.memory_reads:
                self.serial += 1
                dut.m_r.value = self.serial << 1 | self.memory_reads.popleft()
        if self.free("m_b"):
            dut.m_bvalid.value = self.memory_answers > 0
            self.memory_answers -= self.memory_answers > 0

    def observe(self) -> None:
        values = {name: int(getattr(self.dut, name).value) for name in OBSERVED}
        for name, value in values.items():
            self.seen[name].append(value)
        if values["s_arvalid"] and values["s_arready"]:
            self.read_lengths.append(values["s_ar"])
            self.memory_reads.extend(lasts(values["s_ar"]))
        if values["s_awvalid"] and values["s_awready"]:
            self.write_lengths.append(values["s_aw"])
            self.to_send.extend(lasts(values["s_aw"]))
        if values["s_wvalid"] and values["s_wready"]:
            self.to_send.popleft()
        if values["m_wvalid"] and values["m_wready"]:
            self.memory_answers += values["m_w"] & 1
        self.now += 1

    def edges(self, channel: str) -> list[int]:
        """The edges at which the channel transferred."""
        pairs = zip(self.seen[f"{channel}valid"], self.seen[f"{channel}ready"], strict=True)
        return [edge for edge, (valid, ready) in enumerate(pairs) if valid and ready]

    def offers(self, channel: str) -> list[int]:
        """The edges at which an offer was first there."""
        valid, ready = self.seen[f"{channel}valid"], self.seen[f"{channel}ready"]
        taken_before = [True] + [not v or bool(r) for v, r in zip(valid, ready, strict=True)]
        return [edge for edge, v in enumerate(valid) if v and taken_before[edge]]


OBSERVED = (
    "s_arvalid s_arready s_ar s_rvalid s_rready s_r s_awvalid s_awready s_aw "
    "s_wvalid s_wready s_w s_bvalid s_bready m_rvalid m_rready m_bvalid m_bready "
    "m_wvalid m_wready m_w read_late write_late"
).split()


def lasts(beats: int) -> list[int]:
    return [0] * (beats - 1) + [1]


def first_ready(ready: list[int], edge: int) -> int:
    """The first edge from `edge` on at which READY is high, or past the end."""
    return next((e for e in range(edge, len(ready)) if ready[e]), len(ready))


def expected_offers(due: list[int], ready: list[int]) -> list[int]:
    """Offer edges of things due at `due`, in order, one at a time."""
    offers, free = [], 0
    for edge in due:
        offer = max(edge, free)
        offers.append(offer)
        free = first_ready(ready, offer) + 1
    return [edge for edge in offers if edge < len(ready)]


def under_way(begun: list[int], ended: list[int], edge: int) -> int:
    return sum(e < edge for e in begun) - sum(e < edge for e in ended)


def check_reads(traffic: Traffic, latency: int) -> None:
    seen = traffic.seen
    accepted = traffic.edges("s_ar")
    due = [
        edge + latency + beat
        for edge, beats in zip(accepted, traffic.read_lengths, strict=True)
        for beat in range(beats)
    ]
    assert traffic.offers("s_r") == expected_offers(due, seen["s_rready"])
    taken = traffic.edges("s_r")
    assert [seen["s_r"][e] >> 1 for e in taken] == list(range(1, len(taken) + 1)), "order of data"
    ends = [e for e in taken if seen["s_r"][e] & 1]
    for edge, ready in enumerate(seen["s_arready"]):
        assert ready == (under_way(accepted, ends, edge) < LIMIT), f"ARREADY at {edge}"


def check_writes(traffic: Traffic, latency: int) -> None:
    seen = traffic.seen
    accepted, answered = traffic.edges("s_aw"), traffic.edges("s_b")
    ends = [e for e in traffic.edges("s_w") if seen["s_w"][e] & 1]
    assert traffic.offers("s_b") == expected_offers([e + latency for e in ends], seen["s_bready"])
    for edge, (address, data) in enumerate(zip(seen["s_awready"], seen["s_wready"], strict=True)):
        assert address == (under_way(accepted, answered, edge) < LIMIT), f"AWREADY at {edge}"
        owed = sum(e <= edge for e in accepted) - sum(e < edge for e in ends)
        assert data == (owed > 0), f"WREADY at {edge}"


async def start(dut: Any, latency: int) -> None:
    cocotb.start_soon(Clock(dut.aclk, 10, "ns").start())
    for name in ("s_arvalid", "s_awvalid", "s_wvalid", "m_rvalid", "m_bvalid", "now"):
        getattr(dut, name).value = 0
    dut.latency.value = latency
    dut.aresetn.value = 0
    await FallingEdge(dut.aclk)
    await FallingEdge(dut.aclk)
    dut.aresetn.value = 1


@cocotb.test()
@cocotb.parametrize(latency=[2, 5, 20], busy=[1.0, 0.8, 0.3])
async def keeps_every_edge(dut: Any, latency: int, busy: float) -> None:
    """Offers, order and READY are those of memory.md, and nothing is reported late."""
    await start(dut, latency)
    traffic = Traffic(dut, seed=round(latency * 100 + busy * 10), busy=busy)
    await traffic.run()
    assert len(traffic.read_lengths) > 20 and len(traffic.write_lengths) > 20
    check_reads(traffic, latency)
    check_writes(traffic, latency)
    assert not any(traffic.seen["read_late"]) and not any(traffic.seen["write_late"])


@cocotb.test()
async def says_when_data_is_late(dut: Any) -> None:
    """A memory that answers at L + 1 is too slow by one edge, and so is a missing B."""
    await start(dut, 3)
    for name in ("m_arready", "m_awready", "m_wready", "s_rready", "s_bready"):
        getattr(dut, name).value = 1
    dut.s_ar.value = dut.s_aw.value = dut.s_w.value = 1
    late = {}
    for edge in range(8):
        await FallingEdge(dut.aclk)
        dut.now.value = edge
        for name in ("s_arvalid", "s_awvalid", "s_wvalid"):
            getattr(dut, name).value = edge == 0
        dut.m_rvalid.value = dut.m_bvalid.value = edge == 4
        dut.m_r.value = 1
        await ReadOnly()
        late[edge] = (int(dut.read_late.value), int(dut.write_late.value))
    assert late == {edge: (int(edge == 3), int(edge == 3)) for edge in range(8)}


@cocotb.test()
async def says_when_writes_pile_up(dut: Any) -> None:
    """A memory that takes no W overflows the 64 beats that wait for it."""
    await start(dut, 2)
    dut.m_awready.value = 1
    dut.m_wready.value = dut.s_w.value = 0
    edges = []
    for edge in range(70):
        await FallingEdge(dut.aclk)
        dut.now.value = edge
        dut.s_awvalid.value = dut.s_wvalid.value = 1
        await ReadOnly()
        if int(dut.write_late.value):
            edges.append(edge)
    assert edges[0] == 64
