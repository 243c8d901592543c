"""Every board loads; a wrong one says which field of which file."""

from pathlib import Path

import pytest

from boards import loader
from boards.loader import Board, board_names, load_board
from ir import plugins
from ir.errors import ConfigError, UnknownPluginError
from ir.files import read_text, write_text


@pytest.mark.parametrize("name", board_names())
def test_every_board_loads(name: str):
    board = load_board(name)
    assert isinstance(board, Board)
    assert board.name == name
    assert 0 < board.bram_blocks_for_buffers <= board.budget.bram_blocks


def test_the_simulation_board_has_the_reference_memory():
    memory = load_board("sim").memory
    assert (memory.bus_bits, memory.latency_cycles) == (64, 20)


def test_on_chip_memory_is_taken_from_the_block_ram():
    board = load_board("ulx3s_85f")
    assert board.budget.luts == 83_640
    assert board.clock.frequency_hz == pytest.approx(62.5e6)
    # 131072 bytes are 64 blocks, whose parity bits hold nothing; one more is the host link's
    assert board.bram_blocks_for_buffers == 208 - 64 - 1
    assert board.luts_for_overlay == 83_640 - 1500
    assert load_board("pynq_z1").luts_for_overlay == 53_200


def test_blocks_without_parity_bits_are_used_whole():
    board = load_board("ice40_hx8k_evn")
    assert board.budget.bram_data_bits == board.budget.bram_block_bits == 4096
    assert board.bram_blocks_for_buffers == 32 - 16 - 1


@pytest.mark.parametrize(
    ("name", "processor", "is_open"),
    [
        ("pynq_z2", "zynq7", False),
        ("ultra96_v2", "zynqmp", False),
        ("arty_a7_100", None, False),
        ("icebreaker", None, True),
        ("sim", None, False),
    ],
)
def test_what_stands_beside_the_fabric(name: str, processor: str | None, is_open: bool):
    board = load_board(name)
    assert (board.processor, board.has_open_flow) == (processor, is_open)


def test_an_unknown_board_lists_what_there_is():
    with pytest.raises(
        UnknownPluginError,
        match=r"unknown board 'ulx3s' \(did you mean 'ulx3s_...'\?\); there is: arty_.*, ulx3s_85f",
    ):
        load_board("ulx3s")


@pytest.fixture
def board_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a good board where load_board looks."""
    text = read_text(plugins.path(loader.FOLDER, "ulx3s_85f", loader.SUFFIX))
    file = write_text(tmp_path / "mine.yaml", text)
    monkeypatch.setattr(plugins, "path", lambda folder, name, suffix: file)
    return file


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("luts: 83640", "luts: 0", "budget: luts must be positive, not 0"),
        ("luts: 83640", "luts: 1500", "budget.luts must be more than the 1500 of the top around"),
        ("luts: 83640", "luts: many", "budget.luts must be an integer, not 'many'"),
        ("luts: 83640", "lutz: 3", r"unknown key 'budget.lutz' \(did you mean 'luts'\?\)"),
        ("lut_inputs: 4", "lut_inputs: 5", "budget.lut_inputs must be one of 4, 6, not 5"),
        ("dsps: 156", "dsps: -1", "dsps must not be negative, not -1"),
        (
            "clk_period_ns: 16.0",
            "clk_period_ns: -1",
            "clk_period_ns must be 0.5 to 10000, not -1.0",
        ),
        ("bus_bits: 64", "bus_bits: 48", "memory.bus_bits must be one of 32, 64, 128, 256"),
        ("latency_cycles: 3", "latency_cycles: 0", "memory: latency_cycles must be positive"),
        ("size_bytes: 131072", "size_bytes: 1048576", "leaves no block RAM of 208"),
        ("size_bytes: 131072", "size_bytes: 100000", "size_bytes must be a power of two of at"),
        ("latency_cycles: 3", "latency_cycles: 2", "memory must have place on_chip and latency_"),
        ("place: on_chip", "place: external", "memory must have place on_chip and latency_"),
        ("part: LFE5U-85F", "part: xc7z020", r"part 'xc7z020-.*' is not of family 'ecp5', whose"),
        ("toolchain: nextpnr-ecp5", "toolchain: vivado", "toolchain must be 'nextpnr-ecp5' for"),
        ("uart_baud: 500000", "uart_baud: 0", "uart_baud must be a serial port's: 9600, .*not 0"),
        ("uart_baud: 500000", "uart_baud: 12345", "uart_baud must be a serial .*, not 12345"),
        ("clk_period_ns: 16.0", "clk_period_ns: 1e-300", "clk_period_ns must be 0.5 to 10000, "),
        ("luts: 83640", "luts: 83641", "budget.luts must be at most 83640, which is all that LFE"),
        ("ffs: 83640", "ffs: 90000", "budget.ffs must be at most 83640"),
        ("bram_blocks: 208", "bram_blocks: 209", "budget.bram_blocks must be at most 208"),
        ("dsps: 156", "dsps: 157", "budget.dsps must be at most 156"),
        ("LFE5U-85F-", "LFE5U-12F-", "budget.luts must be at most 12000"),
        ("place: on_chip", "outstanding: 4", "unknown key 'memory.outstanding'"),
        ("pins:", "pinz:", r"unknown key 'pinz' \(did you mean 'pins'\?\)"),
        ("  uart_rx: {site: M1, io_type: LVCMOS33}\n", "", "pins.uart_rx is missing"),
        ("site: M1,", "site: L4,", "pins: uart_tx and uart_rx are both at site L4"),
        ("site: M1,", "site: rx,", "pins.uart_rx: site must be a pin's name such as G2 or 35"),
        ("pull: down", "pull: left", "pins.reset_button: pull must be up or down, not 'left'"),
        ("lut_inputs: 4", "lut_inputs: 6", "budget.lut_inputs must be 4 for family 'ecp5', not 6"),
        ("block_bits: 18432", "block_bits: 4096", "budget.bram_block_bits must be 18432 for fam"),
        ("F-6BG381C", "F-6BG999C", "unknown package BG999; there is: BG256"),
        ("LFE5U-85F-", "LFE5U-99F-", "part 'LFE5U-99F-6BG381C' has no open flow"),
        ("F-6BG381C", "F-6BG381C; exit", "part must be letters, digits and '-', not 'LFE5U-85F"),
        ("ulx3s.ULX3S_85F_Platform", "os.system", "platform must be a class of amaranth-boards"),
        ("ulx3s.ULX3S_85F_Platform", "..os.Platform", "platform must be a class of amaranth-boa"),
        ("{site: L4,", "{site: L4, inverted: true,", "pins: uart_tx.inverted must be false: only"),
        ("{site: M1,", "{site: M1, inverted: true,", "pins: uart_rx.inverted must be false: only"),
        ("{site: G2,", "{site: G2, inverted: true,", "pins: clock.inverted must be false: only"),
        ("{site: B2,", "{site: B2, inverted: true,", "pins: leds must be inverted all or none"),
        (
            "M1, io_type: LVCMOS33",
            'M1, io_type: "LVCMOS33;\\nSYSCONFIG X"',
            "pins.uart_rx: io_type must be a standard such as LVCMOS33, not",
        ),
        ("pins:", "pins:\n  pll_pad: true", "pins.pll_pad must be false: only an iCE40's PLL"),
        ("family: ecp5", "family: ecp6", r"family must be one of .*\(did you mean 'ecp5'\?\)"),
        ("part: LFE5U-85F-6BG381C", "part: ' '", "part must not be empty"),
        ("part: LFE5U-85F-6BG381C", "", "part is missing"),
        ("family: ecp5", "family: ecp5\nname: x", "name is the file's name"),
    ],
)
def test_a_wrong_board_names_file_and_field(board_file: Path, old: str, new: str, message: str):
    text = read_text(board_file)
    assert old in text
    write_text(board_file, text.replace(old, new))
    with pytest.raises(ConfigError, match=f"mine.yaml: .*{message}"):
        load_board("mine")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pull: up", "pull: down", "pins.reset_button.pull must be up or left out: iCE40 pulls up"),
        ('"6"}', '"6", io_type: SB_LVCMOS}', "pins.uart_rx.io_type must be left out: an iCE40's"),
        ("block_bits: 4096", "block_bits: 18432", "budget.bram_block_bits must be 4096 for famil"),
        ("UP5K-", "UP7K-", "no iCE40 device up7k"),
    ],
)
def test_what_an_ice40_has_no_word_for(
    board_file: Path, old: str, new: str, message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.undo()
    text = read_text(plugins.path(loader.FOLDER, "icebreaker", loader.SUFFIX))
    assert old in text
    write_text(board_file, text.replace(old, new))
    monkeypatch.setattr(plugins, "path", lambda folder, name, suffix: board_file)
    with pytest.raises(ConfigError, match=f"mine.yaml: .*{message}"):
        load_board("mine")


def test_a_memory_on_chip_needs_a_top(board_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    text = read_text(plugins.path(loader.FOLDER, "pynq_z2", loader.SUFFIX))
    write_text(board_file, text.replace("place: external", "place: on_chip"))
    monkeypatch.setattr(plugins, "path", lambda folder, name, suffix: board_file)
    with pytest.raises(ConfigError, match="mine.yaml: memory.place must be external: only a boar"):
        load_board("mine")


def test_an_open_flow_needs_pins(board_file: Path):
    text = read_text(board_file)
    write_text(board_file, text[: text.index("pins:")])
    with pytest.raises(ConfigError, match="pins is missing: toolchain 'nextpnr-ecp5' needs clock,"):
        load_board("mine")


def test_a_board_that_is_no_mapping(board_file: Path):
    write_text(board_file, "- 1\n")
    with pytest.raises(ConfigError, match="mine.yaml must be a mapping of fields"):
        load_board("mine")
