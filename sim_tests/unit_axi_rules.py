"""axi_rules alone: each rule broken once, at a known edge and address, and legal neighbours."""

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

FULL_WIDTH, INCR = 3, 1  # F = 64
VALIDS = "arvalid rvalid awvalid wvalid bvalid".split()
READYS = "arready rready awready wready bready".split()
CLEAN = (0, 0)


def burst(address: int, beats: int = 1, size: int = FULL_WIDTH, kind: int = INCR) -> int:
    """Payload of AR, AW: address 32, length 8, size 3, burst 2, others 3."""
    return address << 16 | (beats - 1) << 8 | size << 5 | kind << 3


class Port:
    """One cycle of the port per call; signals not named are idle."""

    def __init__(self, dut: Any):
        self.dut = dut
        self.edge = 0

    async def reset(self) -> None:
        cocotb.start_soon(Clock(self.dut.aclk, 10, "ns").start())
        self.dut.memory_end.value = 1 << 32
        self.dut.aresetn.value = 0
        await self.cycle()
        await self.cycle()
        self.dut.aresetn.value = 1

    async def cycle(self, **signals: int) -> tuple[int, int]:
        """Apply the signals for one edge; (error code, address) after it."""
        idle = dict.fromkeys([*VALIDS, "read_late", "write_late", "rlast"], 0)
        for name, value in {**idle, **dict.fromkeys(READYS, 1), **signals}.items():
            getattr(self.dut, name).value = value
        self.dut.now.value = self.edge
        self.edge += 1
        await FallingEdge(self.dut.aclk)
        return int(self.dut.error_code.value), int(self.dut.error_address.value)

    async def read(self, payload: int, **more: int) -> tuple[int, int]:
        return await self.cycle(arvalid=1, ar=payload, **more)

    async def write(self, payload: int, **more: int) -> tuple[int, int]:
        return await self.cycle(awvalid=1, aw=payload, **more)

    async def data(self, last: int = 1, **more: int) -> tuple[int, int]:
        return await self.cycle(wvalid=1, w=last, **more)


async def port_of(dut: Any) -> Port:
    port = Port(dut)
    await port.reset()
    await port.cycle()
    return port


@cocotb.test()
@cocotb.parametrize(channel=["ar", "aw", "w"])
async def nothing_is_offered_right_after_reset(dut: Any, channel: str) -> None:
    port = Port(dut)
    await port.reset()
    assert (await port.cycle(**{f"{channel}valid": 1, channel: burst(0x1000)}))[0] == 15


@cocotb.test()
async def hazards_may_be_allowed(dut: Any) -> None:
    port = await port_of(dut)
    dut.hazards.value = 1
    assert await port.read(burst(0x1000)) == CLEAN
    assert await port.write(burst(0x1000)) == CLEAN
    dut.hazards.value = 0
    assert (await port.write(burst(0x1000)))[0] == 9


@cocotb.test()
@cocotb.parametrize(channel=["ar", "aw", "w"], how=["withdrawn", "changed"])
async def offers_must_hold(dut: Any, channel: str, how: str) -> None:
    port = await port_of(dut)
    code = {"ar": 1, "aw": 2, "w": 3}[channel]
    payload = {"ar": burst(0x1000), "aw": burst(0x1000), "w": 1}[channel]
    waiting = {f"{channel}valid": 1, f"{channel}ready": 0, channel: payload}
    assert await port.cycle(**waiting) == CLEAN
    assert await port.cycle(**waiting) == CLEAN
    changed = {"withdrawn": {f"{channel}valid": 0}, "changed": {channel: payload ^ 1}}[how]
    found, address = await port.cycle(**{**waiting, **changed})
    assert found == code
    assert channel == "w" or address == 0x1000
    assert int(dut.error_edge.value) == port.edge - 1


@cocotb.test()
async def offers_may_be_taken_and_followed(dut: Any) -> None:
    port = await port_of(dut)
    assert await port.read(burst(0x1000), arready=0) == CLEAN
    assert await port.read(burst(0x1000)) == CLEAN
    assert await port.read(burst(0x2000)) == CLEAN
    assert await port.cycle() == CLEAN


@cocotb.test()
@cocotb.parametrize(
    (("payload", "code"), [
        (burst(0x1000, size=2), 4),
        (burst(0x1000, kind=0), 4),
        (burst(0x1000, kind=2), 4),
        (burst(0x1FF8, beats=2), 6),
        (burst(0x1008, beats=255), 0),
        (burst(0x1800, beats=256), 0),
        (burst(0x1808, beats=256), 6),
        (burst(0xFFFFFFF8, beats=1), 0),
        (burst(0xFFFFFFF8, beats=2), 6),
    ])
)  # fmt: skip
async def bursts_have_a_shape(dut: Any, payload: int, code: int) -> None:
    port = await port_of(dut)
    assert (await port.read(payload))[0] == code
    port = await port_of(dut)
    assert (await port.write(payload))[0] == code + (code > 0)


@cocotb.test()
async def bursts_stay_in_memory(dut: Any) -> None:
    port = await port_of(dut)
    dut.memory_end.value = 0x1100
    assert await port.read(burst(0x10F0, beats=2)) == CLEAN
    assert await port.read(burst(0x10F8, beats=2)) == (13, 0x10F8)
    port = await port_of(dut)
    dut.memory_end.value = 0x1100
    assert await port.write(burst(0x1100)) == (14, 0x1100)


@cocotb.test()
async def last_comes_with_the_last_beat(dut: Any) -> None:
    port = await port_of(dut)
    assert await port.write(burst(0x1000, beats=3)) == CLEAN
    assert await port.data(0) == CLEAN
    assert await port.data(0) == CLEAN
    assert await port.data(1) == CLEAN
    assert await port.write(burst(0x2000), wvalid=1, w=1) == CLEAN, "in the cycle of its AW"
    assert await port.write(burst(0x3000, beats=2)) == CLEAN
    assert await port.data(1) == (8, 0x3000), "too early"


@cocotb.test()
async def last_must_come(dut: Any) -> None:
    port = await port_of(dut)
    assert await port.write(burst(0x1000, beats=1), wvalid=1, w=0) != CLEAN


@cocotb.test()
async def data_may_lead_its_address(dut: Any) -> None:
    port = await port_of(dut)
    assert await port.data(0) == CLEAN
    assert await port.data(1) == CLEAN
    assert await port.data(1) == CLEAN
    assert await port.write(burst(0x1000, beats=2)) == CLEAN
    assert (await port.write(burst(0x2000, beats=2)))[0] == 8, "one beat was sent"


@cocotb.test()
async def read_under_write(dut: Any) -> None:
    """From AW to B, the edge of the B included."""
    port = await port_of(dut)
    assert await port.write(burst(0x1010, beats=2), wvalid=1, w=0) == CLEAN
    assert await port.read(burst(0x1000, beats=2)) == CLEAN, "up to it"
    assert await port.read(burst(0x1020)) == CLEAN, "behind it"
    assert await port.data(1) == CLEAN
    assert await port.read(burst(0x1000, beats=4), bvalid=1) == (9, 0x1010)


@cocotb.test()
async def read_after_write(dut: Any) -> None:
    port = await port_of(dut)
    assert await port.write(burst(0x1010), wvalid=1, w=1) == CLEAN
    assert await port.cycle(bvalid=1) == CLEAN
    assert await port.read(burst(0x1010)) == CLEAN


@cocotb.test()
async def read_with_write(dut: Any) -> None:
    port = await port_of(dut)
    found = await port.cycle(arvalid=1, ar=burst(0x1000, 4), awvalid=1, aw=burst(0x1018))
    assert found == (9, 0x1018)


@cocotb.test()
async def write_under_read(dut: Any) -> None:
    """Beats already taken are free again; the others are not."""
    port = await port_of(dut)
    assert await port.read(burst(0x1000, beats=3)) == CLEAN
    assert await port.cycle(rvalid=1) == CLEAN
    assert await port.write(burst(0x1000)) == CLEAN
    assert await port.write(burst(0x1008)) == (9, 0x1008)


@cocotb.test()
async def slow_memory_is_reported(dut: Any) -> None:
    port = await port_of(dut)
    assert await port.read(burst(0x1000)) == CLEAN
    assert await port.cycle(read_late=1) == (10, 0x1000)
    port = await port_of(dut)
    assert await port.write(burst(0x2000)) == CLEAN
    assert await port.cycle(write_late=1) == (11, 0x2000)


@cocotb.test()
async def too_many_bursts(dut: Any) -> None:
    port = await port_of(dut)
    for number in range(32):
        assert await port.read(burst(0x1000 * number)) == CLEAN
    assert (await port.read(burst(0)))[0] == 12


@cocotb.test()
async def first_error_stays(dut: Any) -> None:
    port = await port_of(dut)
    assert await port.read(burst(0x1000, size=0)) == (4, 0x1000)
    assert await port.read(burst(0x2FF8, beats=2)) == (4, 0x1000)
    await port.reset()
    assert await port.cycle() == CLEAN


@cocotb.test()
async def lists_the_writes(dut: Any) -> None:
    port = await port_of(dut)
    for number, address in enumerate((0x1000, 0x2008), 1):
        await port.write(burst(address), wvalid=1, w=1)
        await port.cycle()
        await port.cycle(bvalid=1)
        seen = (dut.write_count.value, dut.write_edge.value, dut.write_address.value)
        assert tuple(map(int, seen)) == (number, port.edge - 1, address)
