"""The first difference, and where it begins: reference against golden, golden against RTL.

Tensors are compared in running order, so that what the first one reads is still equal: the fault is
in it and not before it. A difference of the RTL is named down to the digit-plane and the cycles of
its layer, and its image is simulated once more under cocotb with waveforms where that is quick.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from codegen.frontend.qonnx.importer import Imported
from codegen.lower import CompiledNetwork
from flows import cocotb_run, harness
from flows.bench import layer_cycles
from flows.execute import bench_of, expected_outputs, job_of, output_regions, run_images
from flows.run_folder import RunFolder
from flows.verify import FOLDER
from ir.errors import BitwrightError
from ir.files import write_json
from ir.golden import execute
from ir.graph import IntegerGraph
from quant.data import Split
from quant.snapped import SnappedNet
from quant.train import inputs_of

FIRST = f"{FOLDER}/first_difference.json"
WAVES = f"{FOLDER}/bisect/dump.vcd"
MOST_WAVE_CYCLES = 50_000
"""Simulating more with waveforms takes minutes and gigabytes."""


def first_of_reference(
    model: Imported, found: Mapping[str, np.ndarray], codes: np.ndarray
) -> dict[str, Any] | None:
    """The first code that differs from the reference's; None: none does.

    found: {tensor of the file: (N, ...) floats}; codes: (N, C, H, W) of the input.
    """
    values = execute(model.graph, codes)
    for name, value in model.codes.items():
        ours = values[value.tensor].reshape(len(codes), *value.shape)
        scale, offset = value.affine()
        theirs = np.rint((found[name].astype(np.float64) - offset) / scale).astype(np.int64)
        place = first_place(theirs, ours)
        if place is not None:
            return {"stage": "golden", "layer": value.tensor, "tensor": name} | place
    return None


def first_of_torch(snapped: SnappedNet, graph: IntegerGraph, split: Split) -> dict[str, Any] | None:
    """The first code or sum of golden's that differs from the trained network's; None: none."""
    values = execute(graph, split.images.astype(np.int64))
    for name, theirs in snapped.activations(inputs_of(split)).items():
        place = first_place(theirs, values[name])
        if place is not None:
            return {"stage": "golden", "layer": name, "tensor": name} | place
    return None


def first_of_device(
    run: RunFolder, network: CompiledNetwork, verilog: str, codes: np.ndarray, latency: int
) -> dict[str, Any] | None:
    """The first code of the RTL that differs from golden's, with its plane and its layer's cycles.

    codes: (N, C, H, W) of the input. None: none does.
    """
    bench = bench_of([network], verilog, latency=latency)
    done = run_images(network, bench, list(codes), harness.simulate)
    golden = expected_outputs(network, list(codes))
    for index, layer in enumerate(network.layers):
        place = first_place(golden[layer.name], done.outputs[layer.name])
        if place is None:
            continue
        spent = layer_cycles(done.result.jobs[place["input"]], output_regions(network))
        begin = sum(spent[:index])
        changed = place["expected"] ^ place["got"]
        found = {
            "stage": "rtl",
            "layer": layer.name,
            **place,
            "plane": (changed & -changed).bit_length() - 1,
            "cycles": [begin, begin + spent[index]],
        }
        waves = _waves(run, network, bench, codes[place["input"]], sum(spent))
        return found | {"waves": waves}
    return None


def first_place(expected: np.ndarray, got: np.ndarray) -> dict[str, Any] | None:
    """{input, element, expected, got, differ} of the first difference; None: there is none."""
    wrong = expected != got
    if not wrong.any():
        return None
    image, *element = (int(i) for i in np.argwhere(wrong)[0])
    place = (image, *element)
    return {
        "input": image,
        "element": element,
        "expected": int(expected[place]),
        "got": int(got[place]),
        "differ": int(wrong.sum()),
    }


def write_first(run: RunFolder, found: dict[str, Any] | None) -> None:
    """verification/first_difference.json, or none when there is none."""
    if found is None:
        (run / FIRST).unlink(missing_ok=True)
    else:
        write_json(run / FIRST, found)


def describe_first(found: Mapping[str, Any]) -> str:
    """One line."""
    where = f"layer {found['layer']}, input {found['input']}, element {found['element']}"
    values = f"{found['got']} instead of {found['expected']}"
    if found["stage"] == "golden":
        return f"first difference from the reference: {where} ({found['tensor']}): {values}"
    begin, end = found["cycles"]
    return (
        f"first difference of the RTL: {where}: {values}, digit-plane {found['plane']}, in cycles "
        f"{begin} to {end}" + (f"; waveforms: {found['waves']}" if found["waves"] else "")
    )


def _waves(
    run: RunFolder, network: CompiledNetwork, bench: Any, image: np.ndarray, cycles: int
) -> str | None:
    """Where the waveforms of one image lie; None: it is too long, or cocotb cannot run it."""
    if cycles > MOST_WAVE_CYCLES:
        return None
    place = run / WAVES
    with contextlib.suppress(BitwrightError):
        cocotb_run.run(bench, [job_of(network, image)], folder=place.parent, waves=True)
    return str(place) if place.is_file() else None
