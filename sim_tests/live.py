"""The cocotb bench as a device: does what a driver tells it over a socket, a line at a time.

The lines are those of flows/driver/live.py. The environment variable BITWRIGHT_LIVE holds the
memory's size, its latency and the socket's path.
"""

import os
import socket
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from sim_tests.bench import CLOCK_NS, Bench, Finding


class Live(Bench):
    """The bench's devices, told what to do by lines instead of a script."""

    async def answer(self, verb: str, *words: str) -> str:
        """What a line answers."""
        if verb == "store":
            data = bytes.fromhex(words[1])
            self.memory[int(words[0]) : int(words[0]) + len(data)] = data
            return "0"
        numbers = [int(word) for word in words]
        if verb == "load":
            return self.memory[numbers[0] : sum(numbers)].hex()
        if verb == "irq":
            return str(int(await self.irq_becomes(1, numbers[0])))
        if verb == "put":
            await self.do_put(numbers[0], numbers[1], 0xF)
        else:
            await self.do_get(*numbers)
        _, response, _, *value = self.answers.pop().split()
        return " ".join([response, *value])


@cocotb.test()
async def serve(dut: Any) -> None:
    """Answer lines until "end" or the driver is gone."""
    size, latency, path = os.environ["BITWRIGHT_LIVE"].split(" ", 2)
    dut.aresetn.value = 0
    dut.bypass.value = 0
    cocotb.start_soon(Clock(dut.aclk, CLOCK_NS, "ns").start())
    await RisingEdge(dut.aclk)
    bench = Live(dut, None, int(size))
    await bench.do_memory(int(size))
    await bench.do_latency(int(latency))
    await bench.do_reset()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        with connection.makefile("rw", encoding="ascii") as lines:
            for line in iter(lines.readline, ""):
                if line.strip() == "end":
                    return
                try:
                    answer = await bench.answer(*line.split())
                except Finding as finding:
                    answer = f"failed {finding}"
                lines.write(f"{answer}\n")
                lines.flush()
