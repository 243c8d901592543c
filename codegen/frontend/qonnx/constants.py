"""Constants of a model: plain values, or integers times a scale where a quantizer made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from codegen.frontend.qonnx.file import OnnxNode
from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.quantizers import BipolarQuantizer, Quantizer
from codegen.frontend.qonnx.tensors import MOST_VALUES
from ir.precision import Precision, narrowest, weight_precision

LAYOUT = {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"}
FOLDED = LAYOUT | set(
    "Shape Gather Concat Slice Cast Constant ConstantOfShape Mul Add Sub Div Pow Sqrt Neg Abs "
    "Reciprocal Exp Log Floor Ceil Round Clip Relu Max Min ReduceProd ReduceSum Range Expand Tile "
    "Where Equal Size Split MatMul Pad Mod".split()
)
"""Operators that may stand among constants: the chains that exporters leave."""

GROWING = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "Range": 1, "Pad": 1}
"""Whose output may be far larger than their inputs, and the input that says so."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """values = codes * scale. codes: int64; scale: float64 of the same shape."""

    codes: np.ndarray
    scale: np.ndarray
    precision: Precision


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant:
    """grid: None where no quantizer made it."""

    values: np.ndarray
    grid: Grid | None = None


def quantized(constant: Constant, quantizer: Quantizer) -> Constant:
    """What a quantizer makes of a constant: its codes, scale and values in float32."""
    values = constant.values.astype(np.float32)
    levels = quantizer.levels(values)
    lo = int(levels.min()) if quantizer.lo is None else quantizer.lo
    hi = int(levels.max()) if quantizer.hi is None else quantizer.hi
    coding = quantizer.coding(lo, hi)
    if np.any(coding.offset):
        raise RefusalError(
            "the zero point of weights is no code of 8 bits",
            "export weights with a zero point of 0",
        )
    codes, scale = levels - coding.shift, np.broadcast_to(coding.scale, levels.shape)
    precision = coding.precision
    if precision.bits == 1 and precision.signed and not isinstance(quantizer, BipolarQuantizer):
        precision = Precision(2, signed=True)
    reals = (codes * scale).astype(np.float32)
    return Constant(values=reals, grid=Grid(codes=codes, scale=scale, precision=precision))


def wide_constant(constant: Constant, quantizer: Quantizer) -> Constant:
    """The same for what is no operand, a bias of 16 or 32 bits: its values alone."""
    scale, zero = (c.astype(np.float64) for c in quantizer.constants[:2])
    levels = quantizer.levels(constant.values.astype(np.float32))
    return Constant(values=((levels - zero) * scale).astype(np.float32))


def fold(node: OnnxNode, inputs: Sequence[Constant | None], opsets: Mapping[str, int]) -> Constant:
    """A standard operator on constants. RefusalError: it is not among FOLDED, or it fails."""
    rewrite = "export the model with its constants computed (constant folding)"
    if node.domain or node.op not in FOLDED:
        raise RefusalError(f"{node.op} of constants is not computed here", rewrite)
    _check_growth(node, inputs)
    feeds = {f"in{place}": entry.values for place, entry in enumerate(inputs) if entry is not None}
    names = [f"in{place}" if entry is not None else "" for place, entry in enumerate(inputs)]
    proto = helper.make_node(node.op, names, ["out"], **node.attributes)
    try:
        values, *_ = _runner(proto, feeds, opsets.get("", 13)).run(None, feeds)
    except Exception as cause:  # the evaluator throws whatever its operators throw
        raise RefusalError(
            f"it cannot be computed from its constants ({type(cause).__name__})", "check the model"
        ) from cause
    values = np.asarray(values)
    return Constant(values=values, grid=_moved(node, inputs, values))


def _runner(node: NodeProto, feeds: Mapping[str, np.ndarray], opset: int) -> ReferenceEvaluator:
    """A model of one node: the evaluator takes an operator's version from a model alone."""
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), None)
        for name, array in feeds.items()
    ]
    outputs = [helper.make_tensor_value_info("out", TensorProto.UNDEFINED, None)]
    graph = helper.make_graph([node], "constant", inputs, outputs)
    return ReferenceEvaluator(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    )


def integer_grid(constant: Constant, datatype: str = "") -> Grid | None:
    """The grid of a weight: its quantizer's, or its own values where they are integers.

    datatype: an annotation; BIPOLAR says that -1 and +1 are one bit.
    """
    if constant.grid is not None:
        return constant.grid
    values = constant.values.astype(np.float64)
    if not np.isfinite(values).all() or np.any(values != np.rint(values)):
        return None
    low, high = int(values.min()), int(values.max())
    if max(-low, high) > 1 << 20:
        return None
    precision = narrowest(low, high)
    if datatype == "BIPOLAR" and np.all(np.abs(values) == 1):
        precision = weight_precision(1)
    elif precision.bits == 1:
        precision = Precision(2, signed=True)
    codes = values.astype(np.int64)
    return Grid(codes=codes, scale=np.ones(codes.shape), precision=precision)


def _moved(node: OnnxNode, inputs: Sequence[Constant | None], values: np.ndarray) -> Grid | None:
    """The grid of what only changes places, or is multiplied by a plain constant."""
    first, *others = inputs or [None]
    second = others[0] if others else None
    if node.op == "Mul" and second is not None and first is not None and second.grid:
        first, second = second, first
    if first is None or first.grid is None:
        return None
    codes, scale = first.grid.codes, first.grid.scale
    if node.op in LAYOUT:
        if node.op == "Transpose":
            axes = node.attributes.get("perm")
            codes, scale = codes.transpose(axes), scale.transpose(axes)
        codes, scale = codes.reshape(values.shape), scale.reshape(values.shape)
    elif node.op in ("Mul", "Div") and second is not None and values.shape == codes.shape:
        factor = second.values.astype(np.float64)
        scale = scale * factor if node.op == "Mul" else scale / factor
    else:
        return None
    return Grid(codes=codes, scale=scale, precision=first.grid.precision)


def _check_growth(node: OnnxNode, inputs: Sequence[Constant | None]) -> None:
    """RefusalError when the sizes that an operator is asked for are beyond reason."""
    place = GROWING.get(node.op)
    sizes = inputs[place] if place is not None and place < len(inputs) else None
    if sizes is None:
        return
    with np.errstate(all="ignore"):
        total = float(np.prod(1 + np.abs(sizes.values.astype(np.float64))))
    first = inputs[0]
    if node.op in ("Tile", "Pad") and first is not None:
        total *= first.values.size
    if not total <= MOST_VALUES:
        raise RefusalError(
            f"{node.op} would make more than {MOST_VALUES} values", "check the sizes it is given"
        )
