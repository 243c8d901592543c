"""The cocotb bench: executes a bench script (sim_tests/script.h) on bench_top.

Independent of the C++ harness in all but mem_timing: cocotbext-axi's AxiRam is the memory,
AxiLiteMaster the host. The environment variable BITWRIGHT_BENCH names the job folder.
"""

import itertools
import logging
import os
import random
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer, ValueChange
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam, AxiResp
from cocotbext.axi.axil_channels import (
    AxiLiteARTransaction,
    AxiLiteAWTransaction,
    AxiLiteWTransaction,
)

CLOCK_NS = 10
RESET_CYCLES = 4
CONTROL_CYCLES = 1000  # longest wait for a control register, and for irq to fall
LONG_PAUSE_CYCLES = 200


class Finding(Exception):
    """What the overlay, or the program run on it, did wrong; the words after 'failed'."""


class Bench:
    """The devices around `dut` (bench_top), and one method per command of the script."""

    def __init__(self, dut: Any, folder: Path | None, memory_bytes: int):
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.WARNING)
        self.dut = dut
        self.blob = memoryview((folder / "blob.bin").read_bytes() if folder else b"")
        self.memory = bytearray(memory_bytes)
        self.answers: list[str] = []
        self.dumped = bytearray()
        self.events: list[tuple[int, int]] = []  # of the job that runs
        self.all_events: list[tuple[int, int]] = []
        self.limit = 0
        self.started = 0
        self.watching = False
        self.remembered = b""
        reset = {"reset": dut.aresetn, "reset_active_level": False}
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, **reset)
        self.ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.aclk, mem=self.memory, **reset)

    async def execute(self, verb: str, *numbers: int) -> None:
        await getattr(self, f"do_{verb}")(*numbers)

    async def do_memory(self, size: int) -> None:
        self.dut.memory_end.value = size

    async def do_latency(self, cycles: int) -> None:
        self.dut.latency.value = cycles

    async def do_limit(self, cycles: int) -> None:
        self.limit = cycles

    async def do_stall(self, seed: int) -> None:
        self.dut.bypass.value = int(seed != 0)
        if not seed:
            return
        write, read = self.ram.write_if, self.ram.read_if
        assert write is not None and read is not None
        channels = (write.aw_channel, write.w_channel, write.b_channel)
        for number, channel in enumerate((*channels, read.ar_channel, read.r_channel)):
            channel.set_pause_generator(pauses(f"{seed}/{number}"))

    async def do_hazards(self, allowed: int) -> None:
        self.dut.hazards.value = allowed

    async def do_fault(self, read: int, write: int, response: int, hung: int, after: int) -> None:
        dut = self.dut
        dut.fault_read.value, dut.fault_write.value = read, write
        dut.fault_response.value = response
        dut.fault_hung.value, dut.fault_after.value = hung, after
        dut.fault_arm.value = 1
        await ClockCycles(dut.aclk, 1)
        dut.fault_arm.value = 0
        await ClockCycles(dut.aclk, 1)

    async def do_reset(self, cycles: int = RESET_CYCLES) -> None:
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, cycles)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)
        if not self.watching:
            self.watching = True
            cocotb.start_soon(self.watch_writes())

    async def do_load(self, address: int, offset: int, size: int) -> None:
        self.memory[address : address + size] = self.blob[offset : offset + size]

    async def do_write(self, offset: int, value: int) -> None:
        answer = await self.control(
            cocotb.start_soon(self.host.write(offset, value.to_bytes(4, "little"))), offset
        )
        if answer.resp != AxiResp.OKAY:
            raise Finding(f"refused {offset} {int(answer.resp)}")

    async def do_read(self, offset: int) -> None:
        self.answers.append(f"read {await self.value(offset)}")

    async def do_status(self, offset: int, value: int, *others: int) -> None:
        found = await self.value(offset)
        if found != value:
            words = [str(await self.value(other)) for other in others]
            raise Finding(" ".join(["status", str(found), *words]))

    async def do_put(self, offset: int, value: int, strobes: int) -> None:
        write = self.host.write_if
        assert write is not None
        await write.aw_channel.send(AxiLiteAWTransaction(awaddr=offset, awprot=0))
        await write.w_channel.send(AxiLiteWTransaction(wdata=value, wstrb=strobes))
        answer, cycles = await self.timed(write.b_channel.recv(), offset)
        self.answers.append(f"put {int(answer.bresp)} {cycles}")

    async def do_get(self, offset: int) -> None:
        read = self.host.read_if
        assert read is not None
        await read.ar_channel.send(AxiLiteARTransaction(araddr=offset, arprot=0))
        answer, cycles = await self.timed(read.r_channel.recv(), offset)
        self.answers.append(f"get {int(answer.rresp)} {cycles} {int(answer.rdata)}")

    async def timed(self, answer: Any, offset: int) -> tuple[Any, int]:
        """An access that may be refused, and the cycles it took; misaligned ones included."""
        begun = int(self.dut.now.value)
        result = await self.control(cocotb.start_soon(answer), offset)
        return result, int(self.dut.now.value) - begun

    async def value(self, offset: int) -> int:
        """What a register holds."""
        answer = await self.control(cocotb.start_soon(self.host.read(offset, 4)), offset)
        if answer.resp != AxiResp.OKAY:
            raise Finding(f"refused {offset} {int(answer.resp)}")
        return int.from_bytes(answer.data, "little")

    async def control(self, access: Any, offset: int) -> Any:
        """The result of a register access. Finding when it takes too long."""
        await First(access.complete, Timer(CONTROL_CYCLES * CLOCK_NS, "ns"))
        if not access.done():
            raise Finding(f"silent {offset} {CONTROL_CYCLES}")
        return access.result()

    async def do_until(self, offset: int, mask: int, value: int) -> None:
        for _ in range(self.limit):
            if await self.value(offset) & mask == value:
                return
        raise Finding(f"hang {self.limit}")

    async def do_run(self, offset: int, value: int) -> None:
        await self.do_start(offset, value)
        await self.do_irq()

    async def do_start(self, offset: int, value: int) -> None:
        self.events.clear()
        await self.do_write(offset, value)
        self.started = int(self.dut.csr_edge.value)

    async def do_wait(self, cycles: int) -> None:
        if cycles:
            await ClockCycles(self.dut.aclk, cycles)

    async def do_irq(self) -> None:
        if not await self.irq_becomes(1, self.limit):
            raise Finding(f"hang {self.limit}")
        measured = int(self.dut.irq_edge.value) - self.started
        self.answers.append(f"run {measured} {len(self.events)}")
        self.all_events += [(edge - self.started, address) for edge, address in self.events]

    async def do_clear(self, offset: int, value: int) -> None:
        await self.do_write(offset, value)
        if not await self.irq_becomes(0, CONTROL_CYCLES):
            raise Finding("stuck")

    async def irq_becomes(self, level: int, cycles: int) -> bool:
        """Wait for irq, a broken rule (Finding) or the limit (False)."""
        irq, error = self.dut.irq_seen, self.dut.error_code
        limit = Timer(cycles * CLOCK_NS, "ns")
        fired = None
        while int(irq.value) != level and fired is not limit and not int(error.value):
            fired = await First(ValueChange(irq), ValueChange(error), limit)
        self.check_rules()
        return int(irq.value) == level

    def check_rules(self) -> None:
        code = int(self.dut.error_code.value)
        if code:
            after = int(self.dut.error_edge.value) - int(self.dut.csr_edge.value)
            raise Finding(f"rule {code} {int(self.dut.error_address.value)} {after}")

    async def watch_writes(self) -> None:
        dut = self.dut
        while True:
            await ValueChange(dut.write_count)
            if int(dut.write_count.value):
                self.events.append((int(dut.write_edge.value), int(dut.write_address.value)))

    async def do_dump(self, address: int, size: int) -> None:
        self.dumped += self.memory[address : address + size]

    async def do_expect(self, address: int, offset: int, size: int) -> None:
        self.compare(address, self.blob[offset : offset + size])

    async def do_remember(self) -> None:
        self.remembered = bytes(self.memory)

    async def do_untouched(self, *regions: int) -> None:
        wanted = bytearray(self.remembered)
        for address, size in zip(regions[::2], regions[1::2], strict=True):
            wanted[address : address + size] = self.memory[address : address + size]
        self.compare(0, wanted)

    def compare(self, address: int, wanted: memoryview | bytearray) -> None:
        """Finding with the first byte of the memory that is another."""
        found = self.memory[address : address + len(wanted)]
        if found != wanted:
            at = next(i for i, byte in enumerate(found) if byte != wanted[i])
            raise Finding(f"expect {address + at} {found[at]} {wanted[at]}")

    def save(self, folder: Path, last: str) -> None:
        (folder / "dump.bin").write_bytes(self.dumped)
        packed = b"".join(struct.pack("<qq", *event) for event in self.all_events)
        (folder / "events.bin").write_bytes(packed)
        (folder / "answers.txt").write_text("\n".join([*self.answers, last]) + "\n", "utf-8")


def pauses(seed: str) -> Iterator[bool]:
    """Half of the cycles paused; now and then one long pause."""
    draw = random.Random(seed)
    while True:
        if draw.random() < 1 / 512:
            yield from itertools.repeat(True, draw.randrange(LONG_PAUSE_CYCLES))
        yield draw.random() < 0.5


def read_script(folder: Path) -> list[tuple[str, list[int]]]:
    lines = (folder / "script.txt").read_text("utf-8").splitlines()
    words = [line.split() for line in lines if line.strip()]
    return [(verb, [int(number) for number in numbers]) for verb, *numbers in words]


@cocotb.test()
async def run_script(dut: Any) -> None:
    """Execute the script; fails with the first thing that is not as it must be."""
    folder = Path(os.environ["BITWRIGHT_BENCH"])
    script = read_script(folder)
    dut.aresetn.value = 0
    dut.bypass.value = 0
    cocotb.start_soon(Clock(dut.aclk, CLOCK_NS, "ns").start())
    await RisingEdge(dut.aclk)
    memory_bytes = next(numbers[0] for verb, numbers in script if verb == "memory")
    bench = Bench(dut, folder, memory_bytes)
    started = time.monotonic()
    try:
        for verb, numbers in script:
            await bench.execute(verb, *numbers)
    except Finding as finding:
        bench.save(folder, f"failed {finding}")
        raise
    bench.save(folder, f"end {int(dut.now.value)} {time.monotonic() - started}")
