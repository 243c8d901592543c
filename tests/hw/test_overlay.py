"""The whole overlay: a host, a memory and jobs; results bit-exact, cycles as predicted."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from codegen.cycles import MemoryTiming, predict
from codegen.lower import lower
from hw.bus.axi import lite_channels
from hw.csr import ADDRESS_BITS, OFFSETS
from hw.emit import READY_TO_STEP
from hw.overlay import Overlay, overlay_members
from hw.overlays.bit_serial import BitSerial
from ir.golden import execute
from ir.graph import Conv, IntegerGraph, Requantize, Tensor, accumulator_range, output_shape
from ir.precision import Precision, narrowest, weight_precision
from tests.hw.axi_memory import AxiMemory
from tests.hw.layers import Case, random_codes
from tests.hw.streams import simulate, when

CONFIGS = [
    BitSerial(dm=2, dk=8, dn=2, memory_bits=64, ring_depth=32, lhs_depth=64, rhs_depth=64),
    BitSerial(dm=3, dk=5, dn=1, memory_bits=32, ring_depth=32, lhs_depth=32, rhs_depth=64),
]
CASES = [
    Case(channels=3, height=3, width=4, rows=3, kernel=2),
    Case(channels=4, height=4, width=3, rows=5, kernel=1, padding=0, w_bits=1, out_bits=1),
    Case(channels=2, height=4, width=4, rows=2, stride=2, w_bits=3, a_bits=1, out_bits=32),
]


def graph_of(case: Case, rng) -> IntegerGraph:
    """One layer with random weights and requantizer."""
    weights, activations = weight_precision(case.w_bits), Precision(case.a_bits, case.signed)
    size = (case.channels, case.height, case.width)
    codes = random_codes(rng, weights, (case.rows, case.channels, case.kernel, case.kernel))
    node = Conv("layer", "x", "acc", codes, weights, case.stride, case.padding)
    result = Precision(case.out_bits, case.out_bits > 8)
    data, plain = np.random.default_rng(rng.getrandbits(32)), case.out_bits > 8
    requantize = Requantize(
        name="requantize",
        input="acc",
        output="y",
        multiplier=data.integers(1, 2 if plain else 300, case.rows),
        offset=data.integers(-300, 300, case.rows),
        shift=0 if plain else 7,
        lo=result.min,
        hi=result.max,
    )
    shape = output_shape(node, size)
    tensors = [
        Tensor("x", size, activations),
        Tensor("acc", shape, narrowest(*accumulator_range(codes, activations))),
        Tensor("y", shape, result),
    ]
    named = {tensor.name: tensor for tensor in tensors}
    return IntegerGraph("one", named, [node, requantize], "x", "y").verify()


class Opened(Overlay):
    """An overlay whose parts can be traced."""

    def __init__(self, *, config: BitSerial) -> None:
        super().__init__(config=config)
        self.module = super().elaborate(None)

    def elaborate(self, platform: object) -> Module:
        return self.module


class Job:
    """A compiled layer on a simulated overlay."""

    def __init__(self, config: BitSerial, case: Case, rng, *, latency: int, stalls: bool) -> None:
        self.graph = graph_of(case, rng)
        self.network = lower(self.graph, config)
        self.x = random_codes(rng, self.graph.tensors["x"].precision, self.graph.tensors["x"].shape)
        self.dut = Opened(config=config)
        self.memory = AxiMemory(self.dut, latency=latency, rng=rng if stalls else None)
        self.memory.load(0, bytes(self.network.memory_bytes))
        for address, data in self.network.segments.items():
            self.memory.load(address, data)
        self.memory.load(self.network.input_address, self.network.pack_input(self.x))

    async def host(self, ctx) -> None:
        await self.start(ctx)
        await ctx.tick("host").until(self.dut.irq)

    async def start(self, ctx) -> None:
        """Out of reset, the registers written, START."""
        port = {name: getattr(self.dut, f"s_axil_{name}") for name in lite_channels(ADDRESS_BITS)}
        ctx.set(self.dut.aresetn, 1)
        ctx.set(port["bready"], 1)
        for name, value in {**self.network.registers, "CONTROL": 1}.items():
            write = {"awaddr": OFFSETS[name], "wdata": value, "wstrb": 0xF}
            for channel, word in {**write, "awvalid": 1, "wvalid": 1}.items():
                ctx.set(port[channel], word)
            await ctx.tick("host").until(port["awready"])
            for channel in ("awvalid", "wvalid"):
                ctx.set(port[channel], 0)
            await ctx.tick("host")

    def run(self) -> list[dict]:
        parts = self.dut.module.submodules
        taken, address = (getattr(self.dut, f"s_axil_{name}") for name in ("wready", "awaddr"))
        trace = {
            "start": taken & (address == OFFSETS["CONTROL"]),
            "irq": self.dut.irq,
            "issued": parts.execute.issued,
            "load": parts.array.load,
            "taken": parts.execute.ring_take,
            "ring": parts.result.ring,
        }
        return simulate(
            self.dut,
            self.host,
            background=[self.memory.serve],
            trace=trace,
            clock=self.dut.aclk,
        )

    def output(self) -> np.ndarray:
        layer = self.network.layers[-1]
        address, size = layer.output_region
        return layer.unpack_output(bytes(self.memory.bytes[address : address + size]))

    def golden(self) -> np.ndarray:
        return execute(self.graph, self.x[np.newaxis])["y"][0]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("latency", [1, 9])
def test_exact_and_in_the_predicted_cycles(config: BitSerial, case: Case, latency: int) -> None:
    job = Job(config, case, random.Random(latency), latency=latency, stalls=False)
    cycles = job.run()
    assert np.array_equal(job.output(), job.golden())
    measured = when(cycles, "irq")[0] - when(cycles, "start")[0]
    assert measured == predict(job.network, MemoryTiming(latency=latency)).cycles


def test_random_stalls_of_the_memory_change_no_result(rng) -> None:
    job = Job(CONFIGS[0], CASES[0], rng, latency=3, stalls=True)
    job.run()
    assert np.array_equal(job.output(), job.golden())


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")
def test_a_second_start_without_reset_takes_equal_cycles(config: BitSerial) -> None:
    job = Job(config, CASES[0], random.Random(5), latency=4, stalls=False)
    outputs, goldens = [], []

    async def twice(ctx) -> None:
        for seed in range(2):
            tensor = job.graph.tensors["x"]
            job.x = random_codes(random.Random(seed), tensor.precision, tensor.shape)
            job.memory.load(job.network.input_address, job.network.pack_input(job.x))
            await Job.host(job, ctx)
            outputs.append(job.output())
            goldens.append(job.golden())

    job.host = twice  # type: ignore[method-assign]
    cycles = job.run()
    assert np.array_equal(outputs, goldens) and not np.array_equal(*outputs)
    starts, ends = when(cycles, "start"), when(cycles, "irq")
    first_end, second_end = ends[0], next(end for end in ends if end > starts[1] + 1)
    assert first_end - starts[0] == second_end - starts[1]


@pytest.mark.parametrize("cycle", [1, 30, 75, 120, 180, 215])
def test_reset_in_the_middle_of_a_job(cycle: int) -> None:
    """One cycle of reset: VALIDs low in the next, and the next job as if nothing had been."""
    job = Job(CONFIGS[0], CASES[0], random.Random(3), latency=4, stalls=False)
    dut = job.dut

    async def interrupted(ctx) -> None:
        await job.start(ctx)
        await ctx.tick("host").repeat(cycle)
        assert not ctx.get(dut.irq), "the job is over already"
        ctx.set(dut.aresetn, 0)
        await ctx.tick("host")
        for channel in ("arvalid", "awvalid", "wvalid"):
            assert not ctx.get(getattr(dut, f"m_axi_{channel}"))
        await Job.host(job, ctx)

    job.host = interrupted  # type: ignore[method-assign]
    cycles = job.run()
    assert np.array_equal(job.output(), job.golden())
    measured = when(cycles, "irq")[0] - when(cycles, "start")[1]
    assert measured == predict(job.network, MemoryTiming(latency=4)).cycles


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")
def test_latencies(config: BitSerial) -> None:
    """From a tile's last word to its draining, and from there to its first ring write."""
    cycles = Job(config, CASES[0], random.Random(1), latency=2, stalls=False).run()
    latencies = config.latencies()
    issue = when(cycles, "taken")[0]  # the ring is taken with the tile's last word
    first_drain = when(cycles, "load")[0] + 1
    assert first_drain == issue + latencies.issue_to_drain
    first_write = next(number for number, cycle in enumerate(cycles) if cycle["ring"].valid)
    last_group = first_drain + config.row_groups - 1
    assert first_write == last_group + latencies.requantize + READY_TO_STEP - 1


def test_ports_are_standard_axi() -> None:
    members = overlay_members(CONFIGS[0])
    assert {"aclk", "aresetn", "irq", "m_axi_awlock", "m_axi_rlast", "s_axil_wstrb"} <= set(members)
    assert members["m_axi_wstrb"].shape == 8 and members["s_axil_wstrb"].shape == 4
    assert members["m_axi_arvalid"].flow is Out and members["s_axil_arvalid"].flow is In
