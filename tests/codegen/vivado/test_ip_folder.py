"""The IP folder: its files, its scripts, and what its driver makes of data."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from boards.loader import board_names, load_board
from codegen.assemble import address_bits
from codegen.lower import CompiledNetwork, lower
from codegen.vivado.ip_folder import ip_folder
from codegen.vivado.scripts import build_script, package_script
from hw.config import OverlayConfig
from hw.csr import OFFSETS
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import ConfigError
from ir.files import write_bytes
from ir.isa import decode, words_of
from tests.codegen.networks import d4

VIVADO = [name for name in board_names() if load_board(name).toolchain == "vivado"]
SIZES = {"dm": 2, "dk": 8, "dn": 2, "lhs_depth": 256, "rhs_depth": 256, "table_depth": 64}
SERIAL = BitSerial(**SIZES)
SLICE = BitSlice(**SIZES, p=2, q=4)


def network_on(config: OverlayConfig, bits: int = 3) -> CompiledNetwork:
    return lower(d4(width=3, bits=bits), config)


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """bitwright_pynq as a board has it, with the network of SERIAL."""
    return load_driver(network_on(SERIAL), tmp_path, monkeypatch)


def load_driver(
    network: CompiledNetwork, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    for name, data in ip_folder(load_board("pynq_z2"), network).items():
        write_bytes(folder / name, data)
    monkeypatch.syspath_prepend(folder / "driver")
    monkeypatch.chdir(folder / "driver")
    for name in ("regmap", "bitwright_pynq"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("bitwright_pynq")


@pytest.mark.parametrize("name", VIVADO)
def test_every_vivado_board_gets_a_folder(name: str) -> None:
    board = load_board(name)
    network = network_on(SERIAL)
    files = ip_folder(board, network)
    assert ("build.tcl" in files) == (board.processor is not None)
    assert b"module bitwright_overlay(" in files["hdl/bitwright_overlay.v"]
    assert f"for {board.description}".encode() in files["README.md"]
    facts = json.loads(files["driver/network/network.json"])
    assert facts["overlay_id"] == SERIAL.hash
    for segment in facts["segments"]:
        data = files[f"driver/network/{segment['file']}"]
        assert data == network.segments[segment["address"]]
    registers = json.loads(files["regmap.json"])
    assert {name: r["offset"] for name, r in registers.items()} == OFFSETS


@pytest.mark.parametrize("name", VIVADO)
def test_the_scripts_are_whole(name: str) -> None:
    board = load_board(name)
    for text in filter(None, (package_script(board), build_script(board))):
        assert f"-part {board.part} " in text
        for left in ("PART", "PS_", "MHZ}"):
            assert left not in text.replace("FREQMHZ", "").replace("FREQMHZ}", "")
        code = "\n".join(line.partition("#")[0] for line in text.splitlines())
        for opened, closed in ("{}", "[]"):
            assert code.count(opened) == code.count(closed)
        assert code.count('"') % 2 == 0


def test_the_processing_system_has_the_boards_clock_and_ports() -> None:
    small, large = (build_script(load_board(name)) or "" for name in ("pynq_z1", "kv260"))
    assert "PCW_FPGA0_PERIPHERAL_FREQMHZ {100}" in small and "S_AXI_HP0]" in small
    assert "PL0_REF_CTRL__FREQMHZ {100}" in large and "S_AXI_HP0_FPD]" in large


@pytest.mark.parametrize(
    ("name", "crystal"),
    [
        ("pynq_z1", "PCW_CRYSTAL_PERIPHERAL_FREQMHZ {50} "),
        ("pynq_z2", "PCW_CRYSTAL_PERIPHERAL_FREQMHZ {50} "),
        ("kv260", "PSU__PSS_REF_CLK__FREQMHZ {33.3333} "),
        ("ultra96_v2", "PSU__PSS_REF_CLK__FREQMHZ {33.3333} "),
    ],
)
def test_the_processing_system_knows_the_boards_crystal(name: str, crystal: str) -> None:
    """All its clocks come from there, the fabric's among them."""
    assert f"CONFIG.{crystal}" in (build_script(load_board(name)) or "")


def test_a_board_that_vivado_does_not_know() -> None:
    with pytest.raises(
        ConfigError, match="board ulx3s_85f: an IP folder is for Vivado, part LFE5U"
    ):
        ip_folder(load_board("ulx3s_85f"), network_on(SERIAL))


def test_addresses_of_a_program_are_found_and_moved(driver: ModuleType) -> None:
    network = network_on(SERIAL)
    found = driver.Network("network")
    base = 0x1234_5000
    moved = found.moved(base)
    assert moved.keys() == network.segments.keys()
    pairs = zip(words_of(network.program), words_of(moved[network.program_address]), strict=True)
    places = 0
    for before, after in pairs:
        (stage, old), (_, new) = decode(before), decode(after)
        assert new == old | ({"address": old["address"] + base} if "address" in old else {}), stage
        places += "address" in old
    assert places == len(address_bits(network.program)) > len(network.layers)
    for address in network.segments.keys() - {network.program_address}:
        assert moved[address] == network.segments[address]


@pytest.mark.parametrize("config", [SERIAL, SLICE, replace(SERIAL, memory_bits=128)])
def test_the_driver_packs_as_the_compiler_does(
    config: OverlayConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = network_on(config)
    found = load_driver(network, tmp_path, monkeypatch).Network("network")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 16, (1, 8, 8))
    assert found.pack(image) == network.pack_input(image)
    with pytest.raises(ValueError, match="codes must be 0 to 15"):
        found.pack(image + 15)
    last = network.layers[-1]
    raw = rng.bytes(last.output_region[1])
    assert np.array_equal(found.unpack(raw), last.unpack_output(raw))


@pytest.mark.parametrize("config", [SERIAL, SLICE])
@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize("signed", [False, True])
def test_the_driver_unpacks_codes(
    config: OverlayConfig,
    bits: int,
    signed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Results in digit-planes: those of an inner layer, told to be the output."""
    network = network_on(config, bits)
    found = load_driver(network, tmp_path, monkeypatch).Network("network")
    layer = network.layers[1]
    shape = layer.tiling.shape
    precision = replace(shape.output, signed=signed)
    found.output = {
        "shape": [shape.rows, shape.out_height, shape.out_width],
        "order": [int(row) for row in layer.order],
        "elements": False,
        "signed": signed,
        "bipolar": precision.bipolar,
        "digits": -(-precision.bits // config.q),
        "digit_bits": config.q,
        "plane_bits": layer.tiling.row_bits,
    }
    shown = replace(layer, tiling=replace(layer.tiling, shape=replace(shape, output=precision)))
    raw = np.random.default_rng(1).bytes(layer.output_region[1])
    assert np.array_equal(found.unpack(raw), shown.unpack_output(raw))


class Buffer(np.ndarray):
    """What pynq.allocate gives, as far as the driver uses it."""

    physical_address: int
    flushed = 0

    def flush(self) -> None:
        self.flushed += 1

    def invalidate(self) -> None:
        pass


class Mmio:
    def __init__(self, overlay_id: int) -> None:
        self.values = {OFFSETS["ID"]: overlay_id, OFFSETS["STATUS"]: 0b100}

    def read(self, offset: int) -> int:
        return self.values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset not in (OFFSETS["CONTROL"], OFFSETS["IRQ_CLEAR"]):
            self.values[offset] = value


def allocate(shape: tuple[int, ...], dtype: type) -> Buffer:
    buffer = np.zeros(shape, dtype).view(Buffer)
    buffer.physical_address = 0x100200  # not at a page's beginning
    return buffer


def test_the_driver_sets_the_window_and_says_how_a_job_ended(driver: ModuleType) -> None:
    network = driver.Network("network")
    mmio = Mmio(SERIAL.hash)
    device = driver.Device(mmio, network, allocate)
    assert device.base == 0x101000
    assert mmio.values[OFFSETS["MEM_BASE"]] == device.base
    assert mmio.values[OFFSETS["MEM_LIMIT"]] == device.base + network.memory_bytes
    assert mmio.values[OFFSETS["PROG_ADDR"]] == device.base + network.program_address
    for address, data in network.moved(device.base).items():
        assert device.read_memory(address, len(data)) == data
    assert device.buffer.flushed == len(network.segments)
    with pytest.raises(RuntimeError, match="STATUS 0x4, ERROR_ADDR 0x0"):
        device.run(np.zeros((1, 8, 8)))
    with pytest.raises(RuntimeError, match="the overlay is 0x00000001, the network is for another"):
        driver.Device(Mmio(1), network, allocate)
