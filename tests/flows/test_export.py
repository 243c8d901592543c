"""`bitwright export`, and the folder's driver on a simulated overlay."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from boards.loader import load_board
from codegen.frontend.qonnx.importer import import_onnx
from codegen.lower import lower
from codegen.random_network import random_codes
from codegen.vivado.ip_folder import ip_folder
from flows.cli import main
from flows.driver.live import LiveLink, harness_link
from flows.execute import bench_of
from flows.hardware import verilog_of
from hw.csr import OFFSETS
from hw.overlays.bit_serial import BitSerial
from ir.files import write_bytes
from ir.golden import execute
from ir.graph_file import load_graph
from tests.codegen.networks import d4

Capture = pytest.CaptureFixture[str]
CONFIG = BitSerial(dm=2, dk=8, dn=2, lhs_depth=256, rhs_depth=256, ring_depth=32, table_depth=64)
PHYSICAL = 0x3080
"""Where the buffer of the simulated system lies."""


@pytest.mark.parametrize("board", ["sim", "ulx3s_85f"])
def test_boards_that_are_not_for_vivado(desk: Path, capsys: Capture, board: str) -> None:
    assert main(["export", "small.yaml", "--set", f"board={board}"]) == 2
    error = capsys.readouterr().err
    assert f"board {board} (part " in error and "is not for Vivado; choose another with" in error
    assert list((desk / "build").iterdir()) == [desk / "build" / "cache"], "nothing was trained"


def test_a_config_as_a_qonnx_file(desk: Path, capsys: Capture) -> None:
    """The file is the trained network: the importer gives the same output on the test images."""
    assert main(["export", "small.yaml", "--format", "qonnx", "--json"]) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    found = import_onnx(Path(file))
    graph = load_graph(Path(file).parent / "graph.json")
    codes = random_codes(
        np.random.default_rng(0), graph.tensors[graph.input].precision, (9, 1, 8, 8)
    )
    wanted = execute(graph, codes)[graph.output]
    again = found.decode(execute(found.graph, found.encode(codes))[found.graph.output])
    assert np.array_equal(again, wanted[:, :, 0, 0])
    assert main(["export", file, "--format", "qonnx"]) == 0
    assert Path(file).with_suffix(".integers.onnx").is_file()
    assert main(["export", file]) == 2
    assert "an ONNX model is exported with --format qonnx" in capsys.readouterr().err


class Buffer(np.ndarray):
    """What pynq.allocate gives: our copy of a piece of the simulated memory."""

    link: LiveLink
    physical_address = PHYSICAL

    def flush(self) -> None:
        self.link.write_memory(PHYSICAL, bytes(self))

    def invalidate(self) -> None:
        self[:] = np.frombuffer(self.link.read_memory(PHYSICAL, len(self)), np.uint8)


class Mmio:
    """PYNQ's default driver of a core. Polling STATUS lets the simulation's time pass."""

    def __init__(self, link: LiveLink) -> None:
        self.link = link

    def read(self, offset: int) -> int:
        if offset == OFFSETS["STATUS"]:
            self.link.wait_irq(500)
        return self.link.read32(offset)

    def write(self, offset: int, value: int) -> None:
        self.link.write32(offset, value)


@pytest.mark.slow
def test_the_driver_runs_a_network_wherever_its_buffer_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = lower(d4(width=2, bits=2), CONFIG)
    for name, data in ip_folder(load_board("pynq_z1"), network).items():
        write_bytes(tmp_path / name, data)
    monkeypatch.syspath_prepend(tmp_path / "driver")
    for name in ("regmap", "bitwright_pynq"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    driver = importlib.import_module("bitwright_pynq")
    bench = replace(bench_of([network], verilog_of(CONFIG), latency=2), memory_bytes=1 << 16)
    images = np.random.default_rng(3).integers(0, 16, (3, 1, 8, 8))
    expected = execute(network.graph, images)[network.graph.output]
    with harness_link(bench, tmp_path / "logs") as link:

        def allocate(shape: tuple[int, ...], dtype: type) -> Buffer:
            buffer = np.zeros(shape, dtype).view(Buffer)
            buffer.link = link
            return buffer

        device = driver.Device(Mmio(link), driver.Network(tmp_path / "driver/network"), allocate)
        assert device.base == 0x4000
        cycles = set()
        for image, golden in zip(images, expected, strict=True):
            codes, counters = device.run(image)
            assert np.array_equal(codes.reshape(golden.shape), golden)
            cycles.add(counters["CYCLES"])
        assert link.read_memory(0, PHYSICAL) == bytes(PHYSICAL), "nothing below the buffer"
    assert len(cycles) == 1
