"""An ordinary torch module as a list of operations in ONNX's words, module and functional forms
alike, with the ranges that its activations take on calibration images.

The module's forward is traced (torch.fx); one that depends on its data cannot be.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from ir.errors import UnsupportedModelError, shorten
from quant.operators import ADDS, CALLS, METHODS, MODULES, WAYS_OUT, Parts

QUANTILE = 0.999
"""Of an activation's values: those beyond it are clipped."""

SUPPORTED = (
    "use convolutions, linear layers, batch norm, ReLU or ReLU6, pools, additions and "
    "concatenations"
)
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
    """operations in running order; input: its name, `range` and `shape` (with the batch); output:
    name of the node that goes out; module: the traced copy, which shares the model's layers.
    """

    operations: list[Operation]
    input: Operation
    output: str
    module: fx.GraphModule


def trace(model: nn.Module, images: Tensor) -> Traced:
    """images: (N, ...) float, typical inputs. UnsupportedModelError names every operation in the
    way.
    """
    was_training = model.training
    module = symbolic(model.eval())
    watch = _Watch(module)
    try:
        with torch.no_grad():
            watch.run(images)
    except Exception as cause:  # the model's own code, on images that it may not have been made for
        raise UnsupportedModelError(
            f"{type(model).__name__} cannot be run on images {tuple(images.shape)}: "
            f"{shorten(str(cause).partition(chr(10))[0])}"
        ) from cause
    finally:
        model.train(was_training)
    return _Reader(module, watch).read()


def symbolic(model: nn.Module) -> fx.GraphModule:
    """The model's graph, dead operations dropped. UnsupportedModelError: its forward depends on the
    data, or layers of kinds that the overlay has not, all of them named.
    """
    try:
        module = fx.symbolic_trace(model)
    except Exception as cause:  # tracing runs the model's own forward, which may throw anything
        raise UnsupportedModelError(
            f"{type(model).__name__}: its forward depends on the data and cannot be traced; "
            "write it as a fixed graph of layers"
        ) from cause
    module.graph.eliminate_dead_code()
    _refuse(dict.fromkeys(_foreign(node, module) for node in module.graph.nodes))
    return module


def _foreign(node: fx.Node, root: fx.GraphModule) -> str | None:
    """Why the overlay has no such operation; None where it may have it."""
    if node.op == "call_module":
        module = root.get_submodule(str(node.target))
        if not isinstance(module, tuple(MODULES)):
            ways = (way for kind, way in WAYS_OUT.items() if isinstance(module, kind))
            kind = type(module).__name__
            return f"layer {shorten(str(node.target))} ({kind}): {next(ways, SUPPORTED)}"
    # Others than torch's own functions compute sizes.
    of_torch = callable(node.target) and (node.target.__module__ or "torch").startswith("torch")
    if node.op == "call_function" and of_torch and node.target not in CALLS:
        return f"operation {shorten(node.name)}: {SUPPORTED}"
    return None


def _refuse(problems: Iterable[str | None]) -> None:
    found = [problem for problem in problems if problem is not None]
    if found:
        raise UnsupportedModelError("the overlay cannot compute " + "; ".join(found))


def output_node(module: fx.GraphModule) -> fx.Node:
    """The one node that goes out."""
    found = next(node for node in module.graph.nodes if node.op == "output").args[0]
    if not isinstance(found, fx.Node):
        raise UnsupportedModelError("the network must return one tensor")
    return found


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
        _refuse(self.problems)
        output = output_node(self.module).name
        if source is None or not operations:
            raise UnsupportedModelError("the network computes nothing of its input")
        return Traced(
            operations=operations,
            input=source,
            output=self.same.get(output, output),
            module=self.module,
        )

    def _read(self, node: fx.Node) -> list[Operation]:
        if node.name not in self.watch.shapes:  # sizes, on which reshapes are made
            return []
        parts = self._parts(node)
        if parts is None:
            what = str(node.target) if node.op == "call_module" else node.name
            self.problems.append(f"{shorten(what)} as it is called here: {SUPPORTED}")
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
        try:
            return reader(shape, *arguments[1:], **named)
        except TypeError:  # an argument that the reader does not know
            return None

    def _source(self, node: fx.Node) -> str:
        return node.all_input_nodes[0].name

    def _value(self, node: fx.Node) -> Any:
        """A parameter of the module; a node that is computed stands for itself."""
        if node.op != "get_attr":
            return node
        return operator.attrgetter(str(node.target))(self.module)
