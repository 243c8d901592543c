"""What a bench accepts, how cycles become layers', and the words for what goes wrong."""

import re

import numpy as np
import pytest

from flows.bench import Bench, Job, JobResult, Region, layer_cycles
from flows.bench_script import RULES, finding, read_answers, write_script
from flows.sim_design import SIM_TESTS
from ir.errors import BitwrightError, ConfigError, MismatchError, ToolError

REGMAP = {"CONTROL": 4, "STATUS": 8, "IRQ_CLEAR": 12}


def bench(**fields) -> Bench:
    known = {"verilog": "", "memory_bits": 64, "memory_bytes": 4096, "regmap": REGMAP}
    return Bench(**(known | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"memory_bits": 48}, r"memory_bits must be one of \(32, 64, 128, 256\), not 48"),
        ({"memory_bytes": 12}, "memory_bytes must be whole bus words"),
        ({"memory_bytes": 1 << 33}, r"at most 2\^32 bytes"),
        ({"latency": 0}, "latency must be 1 to 65535 cycles, not 0"),
        ({"stall_seed": 0}, "stall_seed must be at least 1, not 0"),
        ({"cycle_limit": 0}, "cycle_limit must be at least 1, not 0"),
        ({"counters": ("STATS",)}, r"no register 'STATS' \(did you mean 'STATUS'\?\)"),
        ({"registers": {"BASE": 1}}, "no register 'BASE'"),
        ({"regmap": {"CONTROL": 4}}, "no register 'IRQ_CLEAR'"),
        ({"memory": {4090: b"1234567"}}, "7 bytes at 0xffa are beyond the memory of 4096 bytes"),
    ],
)
def test_refuses_a_wrong_bench(fields, message):
    with pytest.raises(ConfigError, match=message):
        bench(**fields)


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (Job(loads={4096: b"1"}), "1 bytes at 0x1000 are beyond the memory"),
        (Job(expected={-1: b"1"}), "are beyond the memory"),
        (Job(registers={"SIZE": 1}), "no register 'SIZE'"),
        (Job(dumps=(Region(address=4095, size=2),)), "is beyond the memory of 4096 bytes"),
    ],
)
def test_refuses_a_wrong_job(tmp_path, job, message):
    with pytest.raises(ConfigError, match=message):
        write_script(tmp_path, bench(), [job])


def test_refuses_an_empty_region():
    with pytest.raises(ConfigError, match="region must have address >= 0 and size >= 1"):
        Region(address=0, size=0)


def result(*writes: tuple[int, int], measured: int = 100) -> JobResult:
    events = np.array(writes, dtype=np.int64).reshape(-1, 2)
    return JobResult(measured=measured, writes=events, dumps=(), counters={})


def test_layers_sum_to_the_total():
    layers = [Region(address=0, size=64), Region(address=64, size=64), Region(address=256, size=8)]
    writes = [(10, 0), (30, 56), (29, 64), (55, 120), (95, 256)]
    assert layer_cycles(result(*writes), layers) == [30, 25, 45]


def test_one_layer_has_all_cycles():
    assert layer_cycles(result((5, 0)), [Region(address=0, size=8)]) == [100]


def test_no_layer_has_no_cycles():
    assert layer_cycles(result(), []) == []


def test_a_layer_without_writes_is_named():
    with pytest.raises(MismatchError, match="layer 1 wrote nothing to"):
        layer_cycles(result((5, 0)), [Region(address=0, size=8), Region(address=8, size=8)])


def test_layers_in_the_wrong_order_are_named():
    layers = [Region(address=0, size=8), Region(address=8, size=8), Region(address=16, size=8)]
    with pytest.raises(MismatchError, match="layer 1 ended before layer 0"):
        layer_cycles(result((20, 0), (10, 8), (30, 16)), layers)


def test_overlapping_layers_are_refused():
    with pytest.raises(ConfigError, match="overlap"):
        layer_cycles(result(), [Region(address=8, size=8), Region(address=0, size=9)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("rule 9 4096 77", "job 3: hazard: a read and .* address 0x1000 .at cycle 77"),
        ("hang 500", "job 3: no irq after 500 cycles"),
        ("stuck", "job 3: irq stays high after IRQ_CLEAR was written"),
        ("expect 256 1 255", "job 3: memory byte 0x100 is 0x01, expected 0xff"),
        ("silent 8 1000", "job 3: register STATUS gave no answer in 1000 cycles"),
        ("refused 4 2", "job 3: register CONTROL answered SLVERR"),
        (
            "status 516 64 3",
            "job 3: ended in ERROR, READ_DECERR: the memory answered a read with DECERR; "
            "address 0x40, fetch stage, instruction 3",
        ),
        ("status 16132 0 3221225472", "ERROR, code 63; address 0x0, no stage, instruction 0"),
        ("status 9 0 0", "ended with STATUS BUSY . ABORTED"),
        ("status 0 0 0", "ended with STATUS empty"),
    ],
)
def test_findings_have_words(words, message):
    with pytest.raises(MismatchError, match=message):
        raise finding(words.split(), bench(), 3)


def test_every_rule_of_the_rtl_has_words():
    text = (SIM_TESTS / "axi_rules.sv").read_text("utf-8")
    codes = {int(code) for code in re.findall(r"report\(4'd(\d+)", text)}
    assert codes == set(RULES)


def test_a_bench_that_died_is_a_tool_error(tmp_path):
    (tmp_path / "answers.txt").write_text("run 12 0\n")
    with pytest.raises(ToolError, match="ended without an answer"):
        read_answers(tmp_path, bench(), [Job()])


def test_the_finding_names_its_job(tmp_path):
    (tmp_path / "answers.txt").write_text("run 12 0\nread 1\nrun 12 0\nfailed expect 0 1 2\n")
    with pytest.raises(BitwrightError, match="job 11: memory byte 0x0"):
        read_answers(tmp_path, bench(), [Job()] * 3, first_job=10)
