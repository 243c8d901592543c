"""The IntegerGraph as it grows: sums with their rules, names that are nobody else's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np

from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.quantizers import Coding, OnGrid, Quantizer
from codegen.frontend.qonnx.steps import Clip
from codegen.frontend.qonnx.value import Value, Window, per_channel
from codegen.staircase import Staircase, exact_rule, find_staircase, nearest_rule
from ir.errors import BitwrightError
from ir.node_rules import check_node
from ir.nodes import INT32, Conv, MaxPool, Node, Requantize, Rule, Sums, Tensor
from ir.precision import Precision, narrowest
from ir.shapes import output_shape, sums_range

ODD_CHARACTERS = re.compile(r"[^A-Za-z0-9_./:-]+")
LONGEST_NAME = 120
INEXACT_REWRITE = (
    "quantize its output to 4 bits or fewer, use scales whose ratios are powers of two, or accept "
    "the nearest rule with --inexact"
)


@dataclass(kw_only=True, eq=False)
class GraphBuilder:
    """inexact: where no rule is exact the nearest one is taken, and noted."""

    inexact: bool = False
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def unique(self, wanted: str) -> str:
        """A name for a node or tensor: plain characters, not taken yet."""
        plain = ODD_CHARACTERS.sub("_", wanted)[:LONGEST_NAME] or "node"
        name, number = plain, 1
        while name in self._names:
            number += 1
            name = f"{plain}_{number}"
        self._names.add(name)
        return name

    def input(self, name: str, shape: tuple[int, ...], precision: Precision) -> Tensor:
        """The network's input."""
        tensor = Tensor(self.unique(name), image_shape(shape), precision)
        self.tensors[tensor.name] = tensor
        return tensor

    def add(self, node: Node, precision: Precision, tensor: str) -> Tensor:
        """A node and the tensor that it writes, checked. BitwrightError: the device cannot."""
        sources = [self.tensors[name] for name in node.inputs]
        shape = output_shape(node, *(source.shape for source in sources))
        target = Tensor(tensor, shape, precision)
        check_node(node, sources, target)
        self.nodes.append(node)
        self.tensors[tensor] = target
        return target

    def shape_of(self, node: Node) -> tuple[int, int, int]:
        """(C, H, W) of what a node will write."""
        return output_shape(node, *(self.tensors[name].shape for name in node.inputs))

    def sums(self, node: Sums) -> Tensor:
        """The node's sums in the graph; a second reader gets a copy of the node."""
        if node.output in self.tensors:
            name = self.unique(node.name)
            node = replace(node, name=name, output=self.unique(f"{name}.sums"))
        sources = [self.tensors[name] for name in node.inputs]
        low, high = sums_range(node, [s.shape for s in sources], [s.precision for s in sources])
        return self.add(node, narrowest(low, high), node.output)

    def max_pool(self, tensor: str, window: Window) -> Tensor:
        """Maxima of codes."""
        name = self.unique(window.name)
        node = MaxPool(
            name, tensor, self.unique(f"{name}.codes"), window.kernel, window.stride, window.padding
        )
        return self.add(node, self.tensors[tensor].precision, node.output)

    def quantize(self, value: Value, quantizer: Quantizer, name: str) -> Value:
        """The codes that a quantizer makes of sums, or of other codes."""
        value.unpadded()
        if value.kind == "codes":
            kept = self._renamed(value, quantizer)
            if kept is not None:
                return kept
            value = self.as_sums(value, name)
        assert value.node is not None
        sums = self._sums_of(value)
        stairs, coding = self._stairs(value, quantizer, sums)
        rule_name = self.unique(name)
        names = (rule_name, sums.name, self.unique(f"{rule_name}.codes"))
        rule = self._rule(stairs, coding.precision, names)
        codes = self.add(rule, coding.precision, rule.output)
        for window in value.pools:
            codes = self.max_pool(codes.name, window)
        return Value(
            kind="codes",
            shape=value.shape,
            tensor=codes.name,
            scale=coding.scale,
            offset=coding.offset,
        )

    def as_sums(self, value: Value, name: str) -> Value:
        """Codes as the sums of a depthwise 1x1 convolution of ones."""
        tensor = self.tensors[value.tensor]
        own = self.unique(f"{name}.identity")
        ones = np.ones((tensor.shape[0], 1, 1, 1), np.int64)
        node = Conv(
            own,
            tensor.name,
            self.unique(f"{own}.sums"),
            ones,
            Precision(1, signed=False),
            groups=tensor.shape[0],
        )
        return replace(value, kind="sums", tensor="", node=node)

    def on_grid(self, value: Value, name: str) -> Value:
        """Codes whose steps are linear: those that clip are computed, where they keep the grid."""
        if value.kind != "codes" or not any(isinstance(step, Clip) for step in value.steps):
            return value
        plain = replace(
            value, steps=tuple(step for step in value.steps if not isinstance(step, Clip))
        )
        scale, offset = plain.affine()
        codes = self._all_codes(value)
        reals = self._channel_reals(value, codes)
        if np.array_equal(reals, self._channel_reals(plain, codes)):
            return plain
        grid = OnGrid(constants=(scale.astype(np.float32), offset.astype(np.float32)))
        channels = self.tensors[value.tensor].shape[0]
        s, o = (per_channel(c, value.shape, channels) for c in (scale, offset))
        if not np.array_equal(reals, (np.rint((reals - o) / s) * s + o).astype(np.float32)):
            raise RefusalError(
                "its input is clipped between two of its quantizer's levels",
                "put a Quant behind the clip",
            )
        return self.quantize(value, grid, name)

    def _sums_of(self, value: Value) -> Tensor:
        assert value.node is not None
        return self.sums(value.node)

    def _stairs(self, value: Value, quantizer: Quantizer, sums: Tensor) -> tuple[Staircase, Coding]:
        """The staircase from sums to codes, found by asking the file's own operations."""
        assert value.node is not None
        channels = sums.shape[0]

        def pick(constant: np.ndarray) -> np.ndarray:
            return per_channel(constant, value.shape, channels)

        local = _by_channel(value, channels)
        own = quantizer.at(pick)
        sources = [self.tensors[name] for name in value.node.inputs]
        low, high = sums_range(
            value.node, [s.shape for s in sources], [s.precision for s in sources]
        )
        sign = np.broadcast_to(local.rises(), (channels, 1))[:, 0]

        def levels(acc: np.ndarray) -> np.ndarray:
            return own.levels(local.reals(acc))

        lo, hi = quantizer.lo, quantizer.hi
        if lo is None or hi is None:
            ends = levels(np.broadcast_to(np.array([[low, high]]), (channels, 2)))
            lo, hi = int(ends.min()), int(ends.max())
        coding = quantizer.coding(lo, hi)
        lo, hi = lo - coding.shift, hi - coding.shift
        stairs = find_staircase(
            lambda acc: levels(acc) - coding.shift,
            sign,
            low=low,
            high=high,
            lo=lo,
            hi=max(hi, lo + 1) if quantizer.lo is None else hi,
            step=quantizer.step,
        )
        return stairs, coding

    def _rule(self, stairs: Staircase, output: Precision, names: tuple[str, str, str]) -> Rule:
        rule = exact_rule(stairs, output, names=names)
        if rule is not None:
            return rule
        nearest, off, most = nearest_rule(stairs, names=names)
        sums = len(stairs.sign) * (stairs.high - stairs.low + 1)
        if not self.inexact:
            raise RefusalError(
                f"no multipliers of 16 bits give its {output.bits}-bit codes exactly: the nearest "
                f"are off by up to {most} for {off} of {sums} sums",
                INEXACT_REWRITE,
            )
        self.notes.append(f"{names[0]}: off by up to {most} for {off} of {sums} sums")
        return nearest

    def _renamed(self, value: Value, quantizer: Quantizer) -> Value | None:
        """The same tensor, where a quantizer leaves every code as it is, or only counts from
        elsewhere; None: it does not.
        """
        codes = self._all_codes(value)
        channels = len(codes)

        def pick(constant: np.ndarray) -> np.ndarray:
            return per_channel(constant, value.shape, channels)

        levels = quantizer.at(pick).levels(self._channel_reals(value, codes))
        lo = int(levels.min()) if quantizer.lo is None else quantizer.lo
        hi = int(levels.max()) if quantizer.hi is None else quantizer.hi
        coding = quantizer.coding(lo, hi)
        away = levels - coding.shift - codes
        if (away != away.ravel()[0]).any():
            return None
        return Value(
            kind="codes",
            shape=value.shape,
            tensor=value.tensor,
            scale=coding.scale,
            offset=coding.offset + float(away.ravel()[0]) * coding.scale,
        )

    def _all_codes(self, value: Value) -> np.ndarray:
        """(channels, codes) int64: every code of its tensor."""
        tensor = self.tensors[value.tensor]
        limits = tensor.precision
        codes = np.arange(limits.min, limits.max + 1, 2 if limits.bipolar else 1)
        return np.tile(codes, (tensor.shape[0], 1))

    def _channel_reals(self, value: Value, codes: np.ndarray) -> np.ndarray:
        """(channels, codes) float32."""
        return _by_channel(value, len(codes)).reals(codes)

    def raw_output(self, value: Value, name: str) -> Value:
        """Sums as they are, 32 bits each: the network's output, whose steps the reader computes."""
        if value.pools:
            raise RefusalError("the output is a maximum of sums", "put a Quant before the MaxPool")
        sums = self._sums_of(value)
        ones = np.ones(sums.shape[0], np.int64)
        own = self.unique(name)
        rule = Requantize(
            *(own, sums.name, self.unique(f"{own}.codes")), ones, 0 * ones, 0, INT32.min, INT32.max
        )
        codes = self.add(rule, INT32, rule.output)
        return replace(value, kind="codes", tensor=codes.name, node=None)


def _by_channel(value: Value, channels: int) -> Value:
    """The same, constants as (channels, 1)."""

    def pick(constant: np.ndarray) -> np.ndarray:
        return per_channel(constant, value.shape, channels)

    return replace(
        value,
        scale=pick(value.scale),
        offset=pick(value.offset),
        steps=tuple(step.at(pick) for step in value.steps),
    )


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, H, W) of a shape without its batch: (K,) is (K, 1, 1), (C, L) is (C, 1, L)."""
    match shape:
        case (values,):
            return values, 1, 1
        case (channels, length):
            return channels, 1, length
        case (channels, height, width):
            return channels, height, width
    raise RefusalError(
        f"a tensor of {len(shape)} dimensions and a batch", "use tensors of N, C, H, W or N, C"
    )


def device_problem(error: BitwrightError) -> RefusalError:
    """A rule of the graph that a node breaks, in our words: the message names the way out."""
    why, _, rewrite = str(error).partition("; ")
    return RefusalError(why, rewrite or "see docs/layers.md")
