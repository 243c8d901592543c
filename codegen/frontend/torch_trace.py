"""An ordinary torch module as a list of operations in ONNX's words, module and functional forms
alike, with the ranges that its activations take on calibration images.

The module's forward is traced (torch.fx); one that depends on its data cannot be.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from codegen.frontend.torch_operators import ADDS, CALLS, METHODS, MODULES, Parts
from ir.errors import UnsupportedModelError, shorten

QUANTILE = 0.999
"""Of an activation's values: those beyond it are clipped."""

SAMPLED = 1 << 20
"""Values of an activation that are looked at."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Values of an activation: the least, and the quantile of their magnitudes."""

    least: float
    reach: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation:
    """op: ONNX's name. inputs: names of operations, or of the network's input. tensors: constants
    by their place's name. numbers: attributes.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    range: Range
    shape: tuple[int, ...]
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Traced:
    """operations in running order; input: its name, `range` and `shape` (with the batch)."""

    operations: list[Operation]
    input: Operation


def trace(model: nn.Module, images: Tensor) -> Traced:
    """images: (N, ...) float, typical inputs. UnsupportedModelError names every operation in the
    way.
    """
    model = model.eval()
    try:
        module = fx.symbolic_trace(model)
    except Exception as cause:  # tracing runs the model's own forward, which may throw anything
        raise UnsupportedModelError(
            f"{type(model).__name__}: its forward depends on the data and cannot be traced; "
            "write it as a fixed graph of layers"
        ) from cause
    watch = _Watch(module)
    with torch.no_grad():
        watch.run(images)
    return _Reader(module, watch).read()


class _Watch(fx.Interpreter):
    """Runs the graph and notes what each node's values are like."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.ranges: dict[str, Range] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        found = super().run_node(n)
        if isinstance(found, Tensor) and n.op != "output":
            values = found.detach().flatten()
            values = values[:: max(1, len(values) // SAMPLED)].float()
            reach = torch.quantile(values.abs(), QUANTILE)
            self.ranges[n.name] = Range(least=float(values.min()), reach=float(reach))
            self.shapes[n.name] = tuple(found.shape)
        return found


class _Reader:
    """Nodes of the graph, one by one."""

    def __init__(self, module: fx.GraphModule, watch: _Watch) -> None:
        self.module, self.watch = module, watch
        self.modules = dict(module.named_modules())
        self.problems: list[str] = []
        self.same: dict[str, str] = {}  # a node that changes nothing -> the one it stands for

    def read(self) -> Traced:
        operations: list[Operation] = []
        source: Operation | None = None
        for node in self.module.graph.nodes:
            if node.op == "placeholder":
                source = self._operation(node, ("Input", {}, {}))
            elif node.op in ("call_module", "call_function", "call_method"):
                operations += self._read(node)
        if self.problems:
            raise UnsupportedModelError("the overlay cannot compute " + "; ".join(self.problems))
        assert source is not None
        return Traced(operations=operations, input=source)

    def _read(self, node: fx.Node) -> list[Operation]:
        if node.name not in self.watch.shapes:  # sizes, on which reshapes are made
            return []
        parts = self._parts(node)
        if parts is None:
            self.problems.append(
                f"{shorten(str(node.target))} ({shorten(node.name)}): use convolutions, linear "
                "layers, batch norm, ReLU or ReLU6, pools, additions and concatenations"
            )
            return []
        if parts[0] == "Identity":
            self.same[node.name] = self._inputs(node)[0]
            return []
        return [self._operation(node, parts)]

    def _operation(self, node: fx.Node, parts: Parts) -> Operation:
        op, tensors, numbers = parts
        name = str(node.target) if node.op == "call_module" else node.name
        return Operation(
            name=node.name if node.op == "placeholder" else name,
            op=op,
            inputs=self._inputs(node),
            range=self.watch.ranges[node.name],
            shape=self.watch.shapes[node.name],
            tensors=tensors,
            numbers={**numbers, "node": node.name},
        )

    def _inputs(self, node: fx.Node) -> tuple[str, ...]:
        found = [n.name for n in node.all_input_nodes if n.op != "get_attr"]
        found = [name for name in found if name in self.watch.shapes]
        if node.target in ADDS and len(found) == 1:
            found *= 2
        return tuple(self.same.get(name, name) for name in found)

    def _parts(self, node: fx.Node) -> Parts | None:
        if node.op == "call_module":
            module = self.modules[str(node.target)]
            reader = next((r for kind, r in MODULES.items() if isinstance(module, kind)), None)
            return None if reader is None else reader(module, self.watch.shapes[self._source(node)])
        reader = (
            CALLS.get(node.target) if node.op == "call_function" else METHODS.get(str(node.target))
        )
        if reader is None:
            return None
        arguments, named = map_arg((node.args, node.kwargs), self._value)
        shape = self.watch.shapes[self._source(node)]
        return reader(shape, *arguments[1:], **named)

    def _source(self, node: fx.Node) -> str:
        return node.all_input_nodes[0].name

    def _value(self, node: fx.Node) -> Any:
        """A parameter of the module; a node that is computed stands for itself."""
        if node.op != "get_attr":
            return node
        return operator.attrgetter(str(node.target))(self.module)
