"""What a traced network is on the device: its layers, and which activations share a step.

*Readers* (Conv, Gemm, Add, averages) need codes and make sums of them. *Movers* (MaxPool, Flatten,
Concat, Pad) do the same to codes as to floats, so what they read and write has one step; so have
the two sides of an addition. What stands between sums and a reader, batch norm, ReLU, clip, *folds*
into the rule that makes codes of the sums.

Everything that has no place is found here, before any training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ir.errors import UnsupportedModelError, shorten
from quant.trace import Operation, Traced

WEIGHTED = ("Conv", "Gemm")
AVERAGES = ("AveragePool", "ReduceMean")
READERS = (*WEIGHTED, "Add", *AVERAGES)
MOVERS = ("MaxPool", "Flatten", "Concat", "Pad")
PADDED = ("Conv", "AveragePool", "Pad")
"""Whose input may have a frame of zeros."""
NORM = "BatchNormalization"
CLIPS = ("Relu", "Clip")


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """A layer of the device. operation: makes sums of codes; folds: between it and `tensor`, in
    running order, maxima among them; tensor: what is quantized, or goes out of the network.
    """

    operation: Operation
    folds: tuple[Operation, ...]
    tensor: str

    @property
    def clips(self) -> list[tuple[float, float]]:
        """(least, greatest) of each ReLU and clip."""
        return [limits(fold) for fold in self.folds if fold.op in CLIPS]

    @property
    def norms(self) -> list[str]:
        """Names of the batch norms."""
        return [fold.name for fold in self.folds if fold.op == NORM]


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """stages: in running order, the last of which gives the network's output. operations: what
    computes each tensor, by the tensor's name. groups: {tensor: first of those with its step}.
    unsigned: groups without a value below zero, whatever the weights.
    """

    input: str
    operations: Mapping[str, Operation]
    groups: Mapping[str, str]
    stages: Sequence[Stage]
    unsigned: frozenset[str]

    @property
    def layers(self) -> list[str]:
        """Names of those with weights, in running order."""
        return [op.name for op in self.operations.values() if op.op in WEIGHTED]

    @property
    def readers(self) -> list[Operation]:
        """What reads codes, in running order."""
        return [op for op in self.operations.values() if op.op in READERS]

    def read_by(self, operation: Operation) -> str:
        """The group that a reader reads."""
        return self.groups[operation.inputs[0]]

    @property
    def at_input(self) -> list[str]:
        """Names of the layers with weights that read the network's input, of a width of its own."""
        given = self.groups[self.input]
        return [op.name for op in self.readers if op.op in WEIGHTED and self.read_by(op) == given]

    @property
    def last(self) -> str:
        """Name of the operation whose sums are the network's output."""
        return self.stages[-1].operation.name


def node_of(operation: Operation) -> str:
    """The tensor that it computes."""
    return str(operation.numbers["node"])


def limits(clip: Operation) -> tuple[float, float]:
    """(least, greatest) value of a ReLU or clip."""
    if clip.op == "Relu":
        return 0.0, float("inf")
    return float(clip.tensors["min"]), float(clip.tensors["max"])


def share_steps(traced: Traced) -> dict[str, str]:
    """{tensor: the first of those whose step it has}."""
    group = {name: name for name in (traced.input.name, *map(node_of, traced.operations))}

    def join(first: str, second: str) -> None:
        old, new = group[second], group[first]
        for name, root in group.items():
            if root == old:
                group[name] = new

    for operation in traced.operations:
        first, *others = operation.inputs
        if operation.op in (*MOVERS, "Add"):
            for other in others:
                join(first, other)
        if operation.op in MOVERS:
            join(first, node_of(operation))
    return group


def read_structure(traced: Traced) -> Structure:
    """UnsupportedModelError names the layer that has no place on the device."""
    padded = {node_of(op) for op in traced.operations if op.op == "Pad"}
    for operation in traced.operations:
        _check(operation)
        if padded & {*operation.inputs} and operation.op not in PADDED:
            _refuse(operation, "zeros are put around the input of convolutions and average pools")
    _check_weights(traced.operations)
    # Weights are the modules'; a copy of the structure must not be one of them.
    known = {
        node_of(op): replace(op, tensors=op.tensors if op.op == "Clip" else {})
        for op in traced.operations
    }
    groups = share_steps(traced)
    stages = _Walk(known, traced.input.name).stages(traced.output)
    _check_uses(known, stages, groups, traced.input.name)
    return Structure(
        input=traced.input.name,
        operations=known,
        groups=groups,
        stages=stages,
        unsigned=_unsigned(stages, groups, traced.input.name),
    )


class _Walk:
    """From each tensor that is read as codes back to the sums that it comes from."""

    def __init__(self, known: Mapping[str, Operation], source: str) -> None:
        self.known, self.source = known, source

    def stages(self, output: str) -> list[Stage]:
        found: dict[str, Stage] = {}
        for operation in self.known.values():
            if operation.op in READERS:
                for name in operation.inputs:
                    for tensor in self._moved(name):
                        found.setdefault(tensor, self._stage(tensor))
        while output in self.known and self.known[output].op == "Flatten":
            output = self.known[output].inputs[0]
        last = self.known.get(output)
        if last is None or last.op not in READERS:
            what = "the network" if last is None else f"layer {shorten(last.name)}"
            raise UnsupportedModelError(
                f"{what}: the last layer gives raw sums; drop what follows it"
            )
        order = {name: place for place, name in enumerate(self.known)}
        inner = sorted(found.values(), key=lambda stage: order[node_of(stage.operation)])
        return [*inner, Stage(operation=last, folds=(), tensor=output)]

    def _moved(self, tensor: str) -> list[str]:
        """The quantized tensors behind movers; none behind the network's input."""
        if tensor == self.source:
            return []
        operation = self.known[tensor]
        if operation.op not in MOVERS:
            return [tensor]
        return [root for name in operation.inputs for root in self._moved(name)]

    def _stage(self, tensor: str) -> Stage:
        folds: list[Operation] = []
        at = tensor
        while at != self.source and self.known[at].op not in READERS:
            operation = self.known[at]
            _check_fold(operation, folds[0] if folds else None)
            folds.insert(0, operation)
            at = operation.inputs[0]
        if at == self.source:
            raise UnsupportedModelError(
                f"layer {shorten(folds[0].name)}: nothing may stand before the first convolution "
                "or linear layer"
            )
        kept = tuple(fold for fold in folds if fold.op != "Flatten")
        return Stage(operation=self.known[at], folds=kept, tensor=tensor)


def _check_fold(operation: Operation, following: Operation | None) -> None:
    """following: the fold after it."""
    if operation.op not in (NORM, *CLIPS, "MaxPool", "Flatten"):
        raise UnsupportedModelError(
            f"layer {shorten(following.name if following else operation.name)}: batch norm and "
            f"ReLU follow a layer that computes sums, not {operation.op}; put them before it"
        )
    if following is not None and following.op == NORM and operation.op != NORM:
        raise UnsupportedModelError(
            f"layer {shorten(following.name)}: batch norm must directly follow its convolution or "
            "linear layer, before ReLU, pools and Flatten"
        )


def _check_weights(operations: Sequence[Operation]) -> None:
    layers: dict[int, str] = {}
    for operation in operations:
        if operation.op in WEIGHTED:
            first = layers.setdefault(id(operation.tensors["weight"]), node_of(operation))
            if first != node_of(operation):
                raise UnsupportedModelError(
                    f"layer {shorten(operation.name)}: used twice; give each use a layer of its own"
                )
    if not layers:
        raise UnsupportedModelError("the network has no convolution and no linear layer")


def _check_uses(
    known: Mapping[str, Operation], stages: Sequence[Stage], groups: Mapping[str, str], source: str
) -> None:
    seen: dict[str, str] = {}
    for stage in stages:
        before = seen.setdefault(node_of(stage.operation), stage.tensor)
        if before != stage.tensor:
            raise UnsupportedModelError(
                f"layer {shorten(stage.operation.name)}: its sums are quantized twice, as "
                f"{before} and as {stage.tensor}; the device makes codes of them once"
            )
        if stage is not stages[-1] and groups[stage.tensor] == groups[source]:
            raise UnsupportedModelError(
                f"layer {shorten(stage.operation.name)}: added to or joined with the network's "
                "input, which keeps its own codes; put a convolution between the input and that"
            )


def _unsigned(stages: Sequence[Stage], groups: Mapping[str, str], source: str) -> frozenset[str]:
    """Groups all of whose tensors come from a ReLU, or from sums of such groups."""
    found = {groups[stage.tensor] for stage in stages} | {groups[source]}
    while True:
        falling = {
            groups[stage.tensor]
            for stage in stages
            if not any(least >= 0 for least, _ in stage.clips)
            and (
                stage.norms
                or stage.operation.op in WEIGHTED
                or any(groups[name] not in found for name in stage.operation.inputs)
            )
        }
        if not falling & found:
            return frozenset(found)
        found -= falling


def _check(operation: Operation) -> None:
    """What the device's windows cannot do."""
    numbers = operation.numbers
    for what in ("strides", "dilations"):
        pair = numbers.get(what, [1, 1])
        if pair[0] != pair[1]:
            _refuse(operation, f"{what[:-1]} must be one number, not {tuple(pair)}")
    if numbers.get("ceil_mode"):
        _refuse(operation, "ceil_mode adds a window that hangs over the edge; pad instead")
    if operation.op == "AveragePool" and any(numbers["pads"]) and not numbers["count_include_pad"]:
        _refuse(operation, "averages must count padding; set count_include_pad=True")


def _refuse(operation: Operation, why: str) -> None:
    raise UnsupportedModelError(f"layer {shorten(operation.name)}: {why}")
