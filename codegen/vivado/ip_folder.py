"""The files of an IP folder: {name below the folder: bytes}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boards.loader import Board
from codegen.assemble import address_bits
from codegen.emit import emit_verilog, ports, regmap_header, regmap_json, regmap_python
from codegen.lower import CompiledNetwork
from codegen.vivado.scripts import build_script, package_script
from hw.csr import COUNTERS
from hw.overlay import TOP
from ir.errors import ConfigError

DRIVER = Path(__file__).with_name("pynq_device.py")

README = """\
# bitwright overlay as an IP core, for {board}

    vivado -mode batch -source package_ip.tcl      core/, to be used in any design
{build}
hdl/ holds the Verilog with its ports as JSON, regmap.h and regmap.json the registers of s_axil.
The scripts have not been run by bitwright's tests, which have no Vivado. Ports: aclk, aresetn
(active low, synchronous), s_axil (AXI4-Lite, 32 bits), m_axi (AXI4, {bits} bits), irq (high).

driver/ is all that a board under PYNQ needs, with bitwright.bit and bitwright.hwh beside it:
bitwright_pynq.py says how. The network in it is {name}.
"""


def ip_folder(board: Board, network: CompiledNetwork) -> Mapping[str, bytes]:
    """The core, its scripts and a driver with the network. ConfigError: Vivado does not know the
    board's part."""
    if board.toolchain != "vivado":
        raise ConfigError(
            f"board {board.name}: an IP folder is for Vivado, part {board.part} is not one of its "
            f"parts (toolchain {board.toolchain})"
        )
    config = network.config
    build = build_script(board)
    note = "    vivado -mode batch -source build.tcl           bitwright.bit and bitwright.hwh\n"
    readme = README.format(
        board=board.description,
        build=note if build else "",
        bits=config.memory_bits,
        name=network.graph.name,
    )
    texts = {
        f"hdl/{TOP}.v": emit_verilog(config),
        "hdl/ports.json": _json(ports(config)),
        "regmap.json": regmap_json(),
        "regmap.h": regmap_header(),
        "package_ip.tcl": package_script(board),
        "README.md": readme,
        "driver/bitwright_pynq.py": DRIVER.read_text(encoding="utf-8"),
        "driver/regmap.py": f"{regmap_python()}\nCOUNTERS = {list(COUNTERS)!r}\n",
        "driver/network/network.json": _json(_facts(network)),
    }
    if build:
        texts["build.tcl"] = build
    images = {f"driver/network/{_image(a)}": data for a, data in network.segments.items()}
    return {name: text.encode() for name, text in texts.items()} | images


def _facts(network: CompiledNetwork) -> dict[str, Any]:
    """Everything that the driver must know of the network."""
    return {
        "name": network.graph.name,
        "overlay_id": network.config.hash,
        "memory_bytes": network.memory_bytes,
        "program": {
            "address": network.program_address,
            "words": network.program_words,
            "address_bits": address_bits(network.program),
        },
        "segments": [
            {"address": address, "file": _image(address)} for address in sorted(network.segments)
        ],
        "input": _input(network),
        "output": _output(network),
    }


def _input(network: CompiledNetwork) -> dict[str, Any]:
    precision, q = network.input_precision, network.config.q
    return {
        "address": network.input_address,
        "shape": list(network.graph.tensors[network.graph.input].shape),
        "min": precision.min,
        "max": precision.max,
        "bipolar": precision.bipolar,
        "digits": -(-precision.bits // q),
        "digit_bits": q,
        "plane_bits": network.input_bits,
        "bus_bytes": network.config.bus_bytes,
    }


def _output(network: CompiledNetwork) -> dict[str, Any]:
    layer = network.layers[-1]
    shape, q = layer.tiling.shape, network.config.q
    address, size = layer.output_region
    return {
        "address": address,
        "bytes": size,
        "shape": [shape.rows, shape.out_height, shape.out_width],
        "order": [int(row) for row in layer.order],
        "elements": bool(shape.elements),
        "signed": shape.output.signed,
        "bipolar": shape.output.bipolar,
        "digits": -(-shape.output.bits // q),
        "digit_bits": q,
        "plane_bits": layer.tiling.row_bits,
    }


def _image(address: int) -> str:
    return f"{address:08x}.bin"


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"
