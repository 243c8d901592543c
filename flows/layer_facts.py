"""What is to be said of each layer: shape, bits, cycles and who limits them, bytes, ranges, planes.

Ranges are of the inputs at hand; bounds are exact, whatever the input. *potential*: the share of
one-bit products that have a zero operand, which an array that skips zero planes might save; weights
and activations are taken to be independent, and a bipolar operand has no zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from codegen.attribution import Attribution
from codegen.bounds import network_bounds
from codegen.cycles import Prediction
from codegen.lower import CompiledLayer, CompiledNetwork
from codegen.tiling import Tiling
from codegen.traffic import layer_traffic
from ir.graph import IntegerGraph
from ir.nodes import Linear, MaxPool
from ir.precision import Precision
from ir.shapes import sums_range

Values = Mapping[str, np.ndarray]
"""{tensor: (N, C, H, W) int64}, of the golden model."""


def layer_facts(
    network: CompiledNetwork,
    predicted: Prediction,
    *,
    measured: Mapping[str, int] | None = None,
    values: Values | None = None,
) -> list[dict[str, Any]]:
    """One entry a layer. measured: cycles by layer; values: of the inputs whose ranges are told."""
    rows = zip(
        network.layers,
        predicted.layers,
        predicted.stalls,
        network_bounds(network),
        layer_traffic(network),
        strict=True,
    )
    return [
        {
            **_shape(layer),
            "cycles": {
                "measured": None if measured is None else measured[layer.name],
                "predicted": cycles,
                "lower_bound": bound.cycles,
            },
            "limited_by": Attribution.of(stalls).limited_by,
            "bound_by": bound.limited_by,
            "bytes": {"read": moved.read, "written": moved.written},
            "tiles": _tiles(layer.bands),
            "accumulator": _accumulator(network.graph, layer),
            **({} if values is None else _used(network.graph, layer, values)),
        }
        for layer, cycles, stalls, bound, moved in rows
    ]


def _shape(layer: CompiledLayer) -> dict[str, Any]:
    shape = layer.tiling.shape
    return {
        "name": layer.name,
        "kind": type(layer.layer.linear).__name__,
        "M": shape.rows,
        "K": shape.depth,
        "N": shape.pixels,
        "w_bits": shape.weights.bits,
        "a_bits": shape.activations.bits,
    }


def _tiles(bands: Sequence[Tiling]) -> dict[str, int]:
    """rows, k_words: of each band. columns: of all together."""
    return {
        "rows": bands[0].row_tiles,
        "columns": sum(band.col_tiles for band in bands),
        "k_words": bands[0].k_words,
        "bands": len(bands),
    }


def _accumulator(graph: IntegerGraph, layer: CompiledLayer) -> dict[str, int]:
    """The least and greatest sum that any input can give, and the signed bits that hold them."""
    node = layer.layer.linear
    sources = [graph.tensors[name] for name in node.inputs]
    if isinstance(node, MaxPool):
        low, high = sources[0].precision.min, sources[0].precision.max
    else:
        low, high = sums_range(node, [s.shape for s in sources], [s.precision for s in sources])
    bits = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1
    return {"min": low, "max": high, "bits": bits}


def _used(graph: IntegerGraph, layer: CompiledLayer, values: Values) -> dict[str, Any]:
    """Ranges before and after the rule, and the planes of what the array multiplies."""
    node, rule = layer.layer.linear, layer.layer.requantize
    sums, codes = values[node.output], values[layer.layer.output]
    source = graph.tensors[layer.layer.input]
    activations = plane_ones(values[source.name], source.precision)
    weights = plane_ones(node.weight, node.precision) if isinstance(node, Linear) else []
    precisions = [source.precision, *([node.precision] if isinstance(node, Linear) else [])]
    return {
        "sums": {"min": int(sums.min()), "max": int(sums.max())},
        "codes": _range(codes, graph.tensors[layer.layer.output].precision, rule.lo, rule.hi),
        "planes": {
            "weights": weights,
            "activations": activations,
            "potential": _potential([*zip(precisions, (activations, weights), strict=False)]),
        },
    }


def _range(codes: np.ndarray, precision: Precision, lo: int, hi: int) -> dict[str, Any]:
    """What of its range a tensor uses. lo, hi: of its rule; representable: of its bits; at_hi,
    at_zero: shares of codes at the upper limit and at 0."""
    return {
        "min": int(codes.min()),
        "max": int(codes.max()),
        "lo": lo,
        "hi": hi,
        "representable": [precision.min, precision.max],
        "at_hi": round(float((codes == hi).mean()), 4),
        "at_zero": round(float((codes == 0).mean()), 4),
    }


def plane_ones(codes: np.ndarray, precision: Precision) -> list[float]:
    """The share of ones in each digit-plane, the least first."""
    if precision.bipolar:
        return [round(float((codes > 0).mean()), 4)]
    bits = range(precision.bits)
    return [round(float(((codes >> place) & 1).mean()), 4) for place in bits]


def _potential(operands: Sequence[tuple[Precision, Sequence[float]]]) -> float:
    """Of the operands of a product, or of the one that is summed."""
    shares = [1.0 if precision.bipolar else float(np.mean(ones)) for precision, ones in operands]
    return round(1 - float(np.prod(shares)), 4)
