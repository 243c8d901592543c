"""QONNX models for tests, node by node, and what qonnx's own executor makes of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from codegen.frontend.qonnx.importer import Imported
from flows.qonnx_reference import reference
from ir.golden import execute

QONNX = "qonnx.custom_op.general"


class ModelMaker:
    """A model that grows: each method adds a node and returns the name of what it writes."""

    def __init__(self, shape: tuple[int | str, ...], *, opset: int = 13, version: int = 1) -> None:
        self.opset, self.version = opset, version
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.shape = shape

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.initializers)}"
        array = np.asarray(values, dtype)
        self.initializers.append(onnx.numpy_helper.from_array(array, name))
        return name

    def node(
        self, op: str, *inputs: str, domain: str = "", name: str = "", **attributes: Any
    ) -> str:
        output = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(
                op,
                list(inputs),
                [output],
                name=name or f"{op}_{output}",
                domain=domain,
                **attributes,
            )
        )
        return output

    def quant(
        self,
        x: str,
        *,
        scale: Any,
        bits: float,
        zero: Any = 0.0,
        signed: int = 1,
        narrow: int = 0,
        rounding: str = "ROUND",
        domain: str = QONNX,
        op: str = "Quant",
        name: str = "",
    ) -> str:
        inputs = [x, self.constant(scale), self.constant(zero), self.constant(bits)]
        return self.node(
            op,
            *inputs,
            domain=domain,
            name=name,
            signed=signed,
            narrow=narrow,
            rounding_mode=rounding,
        )

    def weights(self, rng: np.random.Generator, shape: tuple[int, ...], **kind: Any) -> str:
        """Quantized weights, drawn so that all levels occur."""
        scale = np.asarray(kind["scale"], np.float32)
        reach = 2.0 ** (kind["bits"] - 1)
        floats = rng.uniform(-reach, reach, shape) * scale
        return self.quant(self.constant(floats), **kind)

    def build(self, output: str) -> onnx.ModelProto:
        source = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, self.shape)
        target = helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "made", [source], [target], self.initializers)
        domains = {node.domain for node in self.nodes} - {""}
        imports = [helper.make_opsetid("", self.opset)]
        imports += [helper.make_opsetid(domain, self.version) for domain in sorted(domains)]
        return helper.make_model(graph, opset_imports=imports, ir_version=9)

    def save(self, output: str, path: Path) -> Path:
        path.write_bytes(self.build(output).SerializeToString())
        return path


def differences(path: Path, model: Imported, x: np.ndarray) -> Mapping[str, int]:
    """{tensor of the file: values that differ between golden and qonnx}, of all that has codes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        floats = reference(path, x)
    assert floats is not None
    values = execute(model.graph, model.encode(x))
    found = {
        name: _count(value.reals(values[value.tensor].reshape(len(x), *value.shape)), floats[name])
        for name, value in model.codes.items()
    }
    output = onnx.load(path).graph.output[0].name
    return found | {"output": _count(model.decode(values[model.graph.output]), floats[output])}


def _count(ours: np.ndarray, theirs: np.ndarray) -> int:
    assert ours.shape == theirs.shape
    return int((~np.isclose(ours, theirs, rtol=1e-5, atol=1e-6)).sum())
