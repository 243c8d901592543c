"""The unmodified driver on a simulated board's serial line, in the harness and under cocotb."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from boards.loader import load_board
from codegen.lower import CompiledNetwork, lower
from flows.driver import live
from flows.driver.board_sim import board_design, simulated_board
from flows.driver.device import Driver
from flows.driver.link import Link
from flows.driver.live import cocotb_link, harness_link
from flows.driver.serial_port import SerialPort
from flows.driver.uart import UartLink
from flows.execute import bench_of
from flows.hardware import verilog_of
from hw.csr import OFFSETS
from hw.overlays.bit_serial import BitSerial
from hw.tops import protocol
from hw.tops.memory import LATENCY
from ir.errors import ConfigError, MismatchError, ToolError
from ir.golden import execute
from tests.codegen.networks import d4

pytestmark = pytest.mark.slow

CONFIG = BitSerial(dm=2, dk=8, dn=2, lhs_depth=256, rhs_depth=256, ring_depth=32, table_depth=64)
NARROW = replace(CONFIG, memory_bits=32, fabric="ice40")
BANDS = replace(CONFIG, rhs_depth=64, fabric="xc7")
"""So few words that the first layer runs in six bands of rows."""


def network_on(config: BitSerial) -> CompiledNetwork:
    return lower(d4(width=2, bits=2), config)


@pytest.fixture(scope="module")
def network() -> CompiledNetwork:
    return network_on(CONFIG)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 16, (3, 1, 8, 8))


def check(link: Link, network: CompiledNetwork, images: np.ndarray) -> None:
    """Every image bit-exact, in the predicted cycles."""
    driver = Driver(link, network, latency=LATENCY)
    driver.load()
    expected = execute(network.graph, images)[network.graph.output]
    for image, golden in zip(images, expected, strict=True):
        found = driver.run(image)
        assert np.array_equal(found.codes.reshape(golden.shape), golden)
        assert found.cycles == driver.predicted
        assert found.counters["LAYERS"] == network.jobs


@pytest.mark.parametrize(
    ("name", "config"), [("ulx3s_12f", replace(CONFIG, fabric="ecp5")), ("icebreaker", NARROW)]
)
def test_a_board_runs_a_network_through_noise(
    name: str, config: BitSerial, images: np.ndarray, tmp_path: Path
) -> None:
    board, network = load_board(name), network_on(config)
    assert network.memory_bytes <= board.memory.size_bytes
    with simulated_board(board, config, tmp_path) as place:
        whole = protocol.to_wire(bytes(protocol.HEADER_BYTES))
        with SerialPort(place, board.uart_baud) as port:
            port.write(np.random.default_rng(2).bytes(700) + whole[:-5], timeout_s=10)
            link = UartLink(port)
            assert link.info.memory_bytes == board.memory.size_bytes
            assert link.info.clock_hz == round(board.clock.frequency_hz)
            assert link.info.bad_frames >= 1
            check(link, network, images)
            with pytest.raises(ToolError, match="READ_REGISTER of 4 bytes at 0xff0 answered REFU"):
                link.read32(0xFF0)
        with SerialPort(place, board.uart_baud) as port:  # the next driver meets the same board
            check(UartLink(port), network, images[:1])


def test_an_overlay_with_another_bus_is_refused() -> None:
    wide = BitSerial(dm=2, dk=8, dn=2, memory_bits=128)
    with pytest.raises(ConfigError, match="bus of 128 bits, the board's memory one of 64"):
        board_design(load_board("ulx3s_85f"), wide)


@pytest.mark.parametrize("opened", [harness_link, cocotb_link])
def test_a_simulated_overlay_runs_a_network(
    opened, network: CompiledNetwork, images: np.ndarray, tmp_path: Path
) -> None:
    bench = bench_of([network], verilog_of(CONFIG), latency=LATENCY)
    with opened(bench, tmp_path) as link:
        check(link, network, images)
        with pytest.raises(ToolError, match="register 0xff0 answered SLVERR"):
            link.read32(0xFF0)
        long = bytes(range(256)) * (network.memory_bytes // 256)
        link.write_memory(0, long)
        assert link.read_memory(0, len(long)) == long
        assert link.wait_irq(10) is False


def test_a_long_job_is_waited_for_in_parts(
    network: CompiledNetwork,
    images: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the same cycles: the device stands still between two parts."""
    monkeypatch.setattr(live, "CYCLES_A_LINE", 37)
    with harness_link(bench_of([network], verilog_of(CONFIG), latency=LATENCY), tmp_path) as link:
        check(link, network, images)


def test_bands_of_rows_on_a_fabrics_own_cells(images: np.ndarray, tmp_path: Path) -> None:
    network = network_on(BANDS)
    assert network.jobs == len(network.layers) + 5
    with harness_link(bench_of([network], verilog_of(BANDS), latency=LATENCY), tmp_path) as link:
        check(link, network, images[:1])


def test_a_broken_rule_is_the_links_finding(network: CompiledNetwork, tmp_path: Path) -> None:
    bench = bench_of([network], verilog_of(CONFIG), latency=LATENCY)
    with harness_link(bench, tmp_path) as link:
        link.write32(OFFSETS["PROG_ADDR"], bench.memory_bytes)
        link.write32(OFFSETS["PROG_WORDS"], 1)
        link.write32(OFFSETS["MEM_LIMIT"], 2 * bench.memory_bytes)
        with pytest.raises(MismatchError, match="read burst goes beyond the memory"):
            link.write32(OFFSETS["CONTROL"], 1)  # the burst is offered before this is answered
            link.wait_irq(1000)
