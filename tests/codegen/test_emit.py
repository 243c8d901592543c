"""What is written for other tools: Verilog, ports, register map."""

import json
import os
import re
from pathlib import Path

import pytest

from codegen.emit import emit_verilog, ports, regmap_header, regmap_json, regmap_python
from hw.csr import OFFSETS, REGISTERS
from hw.overlay import TOP
from hw.overlays.bit_serial import BitSerial

CONFIGS = [BitSerial(dm=2, dk=8, dn=2), BitSerial(dm=3, dk=5, dn=1, memory_bits=32)]


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda c: f"{c.dm}x{c.dk}x{c.dn}")
def emitted(request) -> tuple[BitSerial, str]:
    return request.param, emit_verilog(request.param)


def test_the_top_module_has_every_port(emitted) -> None:
    config, text = emitted
    body = re.search(rf"^module {TOP}\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
    assert body is not None
    found = {
        name: {"direction": direction, "width": int(high or 0) + 1}
        for direction, high, name in re.findall(
            r"^ *(input|output)(?: reg| wire)? (?:\[(\d+):0\] )?(\w+);", body[0], re.MULTILINE
        )
    }
    assert found == ports(config)


def test_the_pinned_yosys_writes_it(tmp_path: Path, monkeypatch) -> None:
    """Another one on PATH would write other text, or fail as this one does."""
    (tmp_path / "yosys").write_text('#!/bin/sh\ntest "$1" = -V && echo Yosys 0.55 || exit 1\n')
    (tmp_path / "yosys").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert f"module {TOP}(" in emit_verilog(BitSerial(dm=1, dk=4, dn=1))


def test_no_zero_contents_of_memories(emitted) -> None:
    _, text = emitted
    assert not re.search(r"^ *\w+\[\d+\] = \d+'h0+;", text, re.MULTILINE)


def test_modules_are_defined_once(emitted) -> None:
    _, text = emitted
    names = re.findall(r"^module (\S+?)\(", text, re.MULTILINE)
    assert len(names) == len(set(names)) and TOP in names


def test_the_same_configuration_emits_the_same_text() -> None:
    config = BitSerial(dm=1, dk=4, dn=1)
    assert emit_verilog(config) == emit_verilog(BitSerial(dm=1, dk=4, dn=1))
    assert ports(config)["m_axi_rdata"] == {"direction": "input", "width": 64}


def test_register_maps_agree() -> None:
    module: dict = {}
    exec(regmap_python(), module)
    table = json.loads(regmap_json())
    header = dict(re.findall(r"#define BITWRIGHT_(\w+) (0x[0-9a-f]+)", regmap_header()))
    for register in REGISTERS:
        assert module[register.name] == table[register.name]["offset"] == register.offset
        assert int(header[register.name], 16) == OFFSETS[register.name]
    assert len(table) == len(header) == len(REGISTERS)
