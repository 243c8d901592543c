"""The first difference is found where it was planted: in the golden model, and in the device."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from codegen.emit import emit_verilog
from codegen.frontend.qonnx.importer import Imported, import_onnx
from codegen.lower import lower
from flows import bisect
from flows.bisect import (
    describe_first,
    first_of_device,
    first_of_reference,
    first_of_torch,
    first_place,
)
from flows.model_inputs import drawn_inputs
from flows.qonnx_reference import reference
from flows.run_folder import RunFolder
from hw.overlays.bit_serial import BitSerial
from ir.nodes import Linear
from ir.plan import uniform_plan
from quant.data import DataConfig, load_data
from quant.integerize import snap
from quant.prepare import QuantizerConfig, layer_names, prepare
from quant.train import inputs_of
from tests.codegen.frontend.models import ModelMaker

SMALL = BitSerial(
    dm=4, dk=16, dn=2, lhs_depth=64, rhs_depth=128, ring_depth=64, table_depth=256, acc_bits=16
)


@pytest.fixture
def model(desk: Path) -> tuple[Path, Imported]:
    """Three linear layers."""
    rng = np.random.default_rng(0)
    m = ModelMaker((1, 12))
    y = m.quant("x", scale=0.5, bits=3)
    for name in ("a", "b", "c"):
        y = m.node("MatMul", y, m.weights(rng, (12, 12), scale=0.25, bits=3), name=name)
        y = m.quant(y, scale=1.0, bits=4, name=f"{name}.quant")
    path = m.save(y, desk / "m.onnx")
    return path, import_onnx(path)


def test_the_first_of_several() -> None:
    expected = np.zeros((2, 3, 2), np.int64)
    got = expected.copy()
    got[1, 0, 1], got[1, 2, 0] = 5, 6
    assert first_place(expected, expected) is None
    assert first_place(expected, got) == {
        "input": 1,
        "element": [0, 1],
        "expected": 0,
        "got": 5,
        "differ": 2,
    }


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_fault_in_golden_is_in_its_layer(model: tuple[Path, Imported], broken: int) -> None:
    path, good = model
    floats = drawn_inputs(good, 10, seed=1)
    found = reference(path, floats)
    assert found is not None
    assert first_of_reference(good, found, good.encode(floats)) is None
    good.graph.nodes[2 * broken].weight[:, 3] += 1  # type: ignore[union-attr]
    first = first_of_reference(good, found, good.encode(floats))
    assert first is not None
    assert first["layer"] == good.graph.nodes[2 * broken + 1].output
    assert f"layer {first['layer']}, input {first['input']}" in describe_first(first)


@pytest.mark.slow
@pytest.mark.parametrize("broken", [0, 2])
def test_a_fault_in_the_device_is_in_its_layer_and_its_cycles(
    model: tuple[Path, Imported], broken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bit of a layer's weights in memory is turned."""
    monkeypatch.setattr(bisect, "MOST_WAVE_CYCLES", 0)
    _, good = model
    network = lower(good.graph, SMALL)
    verilog, run = emit_verilog(SMALL), RunFolder(path=tmp_path)
    codes = good.encode(drawn_inputs(good, 3, seed=1))
    assert first_of_device(run, network, verilog, codes, 20) is None
    place = network.layers[broken].addresses.weights
    data = bytearray(network.segments[place])
    data[0] ^= 1
    wrong = replace(network, segments=network.segments | {place: bytes(data)})
    first = first_of_device(run, wrong, verilog, codes, 20)
    assert first is not None
    assert first["layer"] == ("a", "b", "c")[broken]
    changed = first["expected"] ^ first["got"]
    assert changed >> first["plane"] & 1 and not changed % (1 << first["plane"])
    begin, end = first["cycles"]
    assert (begin == 0) == (broken == 0) and begin < end and first["waves"] is None
    assert f"digit-plane {first['plane']}, in cycles {begin} to {end}" in describe_first(first)


def test_a_fault_in_golden_is_found_against_the_trained_network() -> None:
    data = load_data(DataConfig())
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 9), nn.ReLU(), nn.Linear(9, 10)).eval()
    plan = uniform_plan(layer_names(net), 4, first_a_bits=5)
    sample = inputs_of(data.search.train)[:64]
    quantized = prepare(net, plan, task=data.task, calibration=sample, quantizer=QuantizerConfig())
    snapped = snap(quantized)
    assert first_of_torch(snapped, snapped.graph, data.test) is None
    broken = snap(quantized).graph
    last = broken.layers()[1].linear
    assert isinstance(last, Linear)
    last.weight[4, :] += 1
    first = first_of_torch(snapped, broken, data.test)
    assert first is not None
    assert (first["stage"], first["layer"], first["element"][0]) == ("golden", "3.sums", 4)
    assert first["got"] > first["expected"]
