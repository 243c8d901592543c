"""Nodes and constants of an ONNX graph that is being written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DOMAIN = "qonnx.custom_op.general"
"""Of QONNX's own operators."""

OPSET = 13


class OnnxNodes:
    """nodes, constants: in the order in which they were added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, values: np.ndarray) -> str:
        """Another initializer; its name."""
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(
        self,
        op: str,
        inputs: list[str],
        output: str,
        name: str,
        numbers: Mapping[str, Any] | None = None,
        domain: str = "",
    ) -> str:
        """Another node of one output, whose name is returned. numbers: attributes."""
        node = helper.make_node(op, inputs, [output], name=name, domain=domain, **(numbers or {}))
        self.nodes.append(node)
        return output
