"""Reads what a float network is made of: a chain of blocks that the overlay can compute.

A block is a convolution or linear layer, its batch norm, its ReLU. Everything unsupported is found
here, before any training, and listed in one message with each layer's name and the way out.
"""

from dataclasses import dataclass, replace

import torch
from torch import fx, nn

from ir.errors import UnsupportedModelError, shorten

IGNORED = (nn.Dropout, nn.Dropout2d, nn.Identity)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
SUPPORTED = (nn.Conv2d, nn.Linear, nn.ReLU, nn.Flatten, *NORMS, *IGNORED)
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
WAYS_OUT: dict[type[nn.Module], str] = {
    nn.RNNBase: "the overlay has no recurrence: use convolutions or linear layers",
    nn.MaxPool2d: "use a convolution of stride 2",
    nn.AvgPool2d: "use a convolution of stride 2",
    nn.AdaptiveAvgPool2d: "flatten into the linear layer instead",
    nn.Conv1d: "write it as a Conv2d over one row",
    nn.GELU: "use ReLU",
    nn.SiLU: "use ReLU",
    nn.Sigmoid: "use ReLU, or leave it to the host after the last layer",
    nn.Softmax: "leave it to the host: argmax does not need it",
    nn.LayerNorm: "use BatchNorm2d, which folds into the requantizer",
}
RELU_CALLS = (torch.relu, nn.functional.relu, "relu")
FLATTEN_CALLS = (torch.flatten, "flatten")


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """One future layer of the device. flatten: its input is flattened in (c, y, x) order first."""

    name: str
    linear: nn.Conv2d | nn.Linear
    batch_norm: nn.BatchNorm1d | nn.BatchNorm2d | None = None
    relu: bool = False
    flatten: bool = False


def read_blocks(model: nn.Module) -> list[Block]:
    """The chain of blocks of a float network; UnsupportedModelError names each layer in the way."""
    problems = [
        f"layer {shorten(name or 'network')} ({type(module).__name__}): {_way_out(module)}"
        for name, module in model.named_modules()
        if _is_foreign(module)
    ]
    if problems:
        raise UnsupportedModelError("the overlay cannot compute " + "; ".join(problems))
    blocks: list[Block] = []
    flat = False
    for step in _steps(model):
        if isinstance(step.module, nn.Flatten):
            flat = True
        elif isinstance(step.module, nn.Conv2d | nn.Linear):
            blocks.append(_open_block(step, flat, after=blocks[-1] if blocks else None))
        elif not isinstance(step.module, IGNORED):
            blocks = [*blocks[:-1], _extend(blocks[-1] if blocks else None, step, flat)]
    _check_last(blocks)
    return blocks


@dataclass(frozen=True, eq=False)
class _Step:
    """A module in the order it runs; a functional relu or flatten stands as its module."""

    name: str
    module: nn.Module


def _steps(model: nn.Module) -> list[_Step]:
    try:
        graph = fx.Tracer().trace(model)
    except Exception as cause:  # tracing runs the model's own forward, which may throw anything
        raise UnsupportedModelError(
            f"{type(model).__name__}: its forward depends on the data and cannot be traced; "
            "write it as a fixed chain of layers"
        ) from cause
    for node in graph.nodes:
        if len(node.all_input_nodes) > 1 or len(node.users) > 1:
            raise UnsupportedModelError(
                f"layer {shorten(str(node.target))}: branches and joins are not supported; "
                "the network must be a chain"
            )
    modules = dict(model.named_modules())
    nodes = [node for node in graph.nodes if node.op not in ("placeholder", "output")]
    steps = [_step(node, modules) for node in nodes]
    seen: set[int] = set()
    for step in steps:
        if id(step.module) in seen and list(step.module.parameters()):
            raise UnsupportedModelError(
                f"layer {shorten(step.name)}: used twice; give each use a layer of its own"
            )
        seen.add(id(step.module))
    return steps


def _step(node: fx.Node, modules: dict[str, nn.Module]) -> _Step:
    target = node.target
    if node.op == "call_module":
        module = modules[str(target)]
        if not isinstance(module, nn.Flatten) or (module.start_dim, module.end_dim) == (1, -1):
            return _Step(str(target), module)
    elif target in RELU_CALLS:
        return _Step(node.name, nn.ReLU())
    elif target in FLATTEN_CALLS and (*node.args[1:], *node.kwargs.values()) == (1,):
        return _Step(node.name, nn.Flatten())
    raise UnsupportedModelError(
        f"operation {shorten(node.name)} in forward: the overlay computes convolution, linear, "
        "batch norm, ReLU and flatten(1) alone"
    )


def _is_foreign(module: nn.Module) -> bool:
    """Whether this is a torch layer that is not supported; the user's own classes are traced."""
    kinds = [kind for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn")]
    return kinds[0] is not nn.Module and not isinstance(module, SUPPORTED + CONTAINERS)


def _way_out(module: nn.Module) -> str:
    for kind, way in WAYS_OUT.items():
        if isinstance(module, kind):
            return way
    return "use Conv2d, Linear, BatchNorm, ReLU and Flatten"


def _open_block(step: _Step, flat: bool, after: Block | None) -> Block:
    module = step.module
    if isinstance(module, nn.Linear):
        opens_flat = flat and (after is None or isinstance(after.linear, nn.Conv2d))
        if not flat:
            raise UnsupportedModelError(
                f"layer {shorten(step.name)}: a linear layer needs Flatten before it"
            )
        return Block(name=step.name, linear=module, flatten=opens_flat)
    assert isinstance(module, nn.Conv2d)
    if flat:
        raise UnsupportedModelError(f"layer {shorten(step.name)}: a convolution after Flatten")
    for what, wanted, found in (
        ("groups", 1, module.groups),
        ("dilation", (1, 1), module.dilation),
        ("padding_mode", "zeros", module.padding_mode),
    ):
        if found != wanted:
            raise UnsupportedModelError(
                f"layer {shorten(step.name)}: {what} must be {wanted}, not {found}"
            )
    for what, pair in (("stride", module.stride), ("padding", module.padding)):
        if isinstance(pair, str) or pair[0] != pair[1]:
            raise UnsupportedModelError(
                f"layer {shorten(step.name)}: {what} must be one number, not {pair}"
            )
    return Block(name=step.name, linear=module)


def _extend(block: Block | None, step: _Step, flat: bool) -> Block:
    """The open block with this batch norm or ReLU added."""
    if block is None:
        raise UnsupportedModelError(
            f"layer {shorten(step.name)}: nothing may stand before the first convolution or linear"
        )
    if isinstance(step.module, nn.ReLU):
        return replace(block, relu=True)
    assert isinstance(step.module, NORMS)
    if block.relu or block.batch_norm is not None or (flat and isinstance(block.linear, nn.Conv2d)):
        raise UnsupportedModelError(
            f"layer {shorten(step.name)}: batch norm must directly follow its convolution or "
            "linear layer, before ReLU"
        )
    if step.module.running_mean is None:
        raise UnsupportedModelError(
            f"layer {shorten(step.name)}: batch norm without running statistics cannot be folded; "
            "set track_running_stats=True"
        )
    return replace(block, batch_norm=step.module)


def _check_last(blocks: list[Block]) -> None:
    if not blocks:
        raise UnsupportedModelError("the network has no convolution and no linear layer")
    last = blocks[-1]
    if last.relu or last.batch_norm is not None:
        raise UnsupportedModelError(
            f"layer {shorten(last.name)}: the last layer gives raw sums; drop what follows it"
        )
