"""`bitwright supports`: whether a network can be taken, before anything slow.

    bitwright supports model.onnx --json     {supported, problems: [{node, op, why, rewrite}], ...}

Exit code 2 when it cannot; every node in the way is listed.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codegen.frontend.qonnx.importer import Imported, examine_onnx
from flows.console import table
from flows.model_run import is_model, refuse_model_options
from flows.project import load_project
from ir.errors import UnsupportedModelError
from quant.data import load_data
from quant.net import build_net
from quant.prepare import check_supported

COLUMNS = ("node", "operator", "why", "rewrite")


def run(
    config: Path, overrides: tuple[str, ...] = (), input_precision: str = "", inexact: bool = False
) -> Mapping[str, Any]:
    """config: an ONNX model, or a YAML file whose network is looked at."""
    if not is_model(config):
        refuse_model_options(input_precision, inexact)
        return _config(config, overrides)
    model, problems = examine_onnx(config, input_precision=input_precision, inexact=inexact)
    found: dict[str, Any] = {
        "ok": not problems,
        "supported": not problems,
        "problems": [asdict(problem) for problem in problems],
        "model": str(config),
    }
    return found if model is None else found | _facts(model)


def describe(result: Mapping[str, Any]) -> str:
    """Yes, or what is in the way."""
    if result["supported"]:
        lines = [f"{result['model']}: supported, {len(result['layers'])} layers"]
        return "\n".join([*lines, *result.get("notes", ())])
    rows = [
        [problem[key] for key in ("node", "op", "why", "rewrite")] for problem in result["problems"]
    ]
    count = len(rows)
    return table(COLUMNS, rows, f"{result['model']}: {count} in the way")


def _facts(model: Imported) -> dict[str, Any]:
    source = model.graph.tensors[model.graph.input]
    return {
        "input": {"shape": list(model.input_shape), "precision": str(source.precision)},
        "layers": [
            {
                "name": layer.name,
                "kind": type(layer.linear).__name__,
                "rule": type(layer.requantize).__name__,
                "shape": list(model.graph.tensors[layer.output].shape),
                "output": str(model.graph.tensors[layer.output].precision),
            }
            for layer in model.graph.layers()
        ],
        "notes": list(model.notes),
    }


def _config(config: Path, overrides: tuple[str, ...]) -> dict[str, Any]:
    project = load_project(config, overrides)
    task = load_data(project.data).task
    net = build_net(project.network.setup(project.seed), task)
    found: dict[str, Any] = {"model": str(config), "problems": [], "layers": []}
    try:
        found["layers"] = [{"name": name} for name in check_supported(net, task)]
    except UnsupportedModelError as error:
        entry = {"node": project.network.name, "op": "", "why": str(error), "rewrite": ""}
        found["problems"] = [entry]
    return found | {"ok": not found["problems"], "supported": not found["problems"]}
