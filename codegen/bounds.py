"""Lower bounds on cycles, and where a measurement stands against them.

bound of a job = max(exec, read, write, requantize), of a network the largest of the four sums over
its layers (layers may overlap). Each operand element is read once and each result written once, at
its bits rounded up to digits; no latency and no fill; padded taps count as work. A measurement
below its bound is an error of one of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codegen.lower import CompiledNetwork
from codegen.shape import LayerShape
from codegen.tiling import Tiling
from codegen.words import ceil_div
from hw.config import OverlayConfig

LIMITS = ("exec", "read", "write", "requantize")


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Cycles that each resource needs at least; `cycles` is what none can undercut."""

    exec: int
    read: int
    write: int
    requantize: int

    @property
    def cycles(self) -> int:
        """The lower bound."""
        return max(self.exec, self.read, self.write, self.requantize)

    @property
    def limited_by(self) -> str:
        """Which resource sets it."""
        return max(LIMITS, key=lambda name: getattr(self, name))


def _touched(shape: LayerShape, axis: int, size: int, out: int) -> int:
    """How many of `size` rows (axis 0) or columns (axis 1) any window covers."""
    window = np.arange(shape.kernel[axis]) * shape.dilation - shape.padding[axis]
    rows = (np.arange(out)[:, None] * shape.stride + window).reshape(-1)
    return len(np.unique(rows[(rows >= 0) & (rows < size)]))


def layer_bound(shape: LayerShape, config: OverlayConfig, *, ahead: bool = False) -> Bound:
    """The bound of one layer as a job of its own.

    ahead: of a layer in a network, whose weights may have come while the layer before it ran.
    """
    height = _touched(shape, 0, shape.height, shape.out_height)
    width = _touched(shape, 1, shape.width, shape.out_width)
    row_digits, a_digits = _digits(shape, config)
    rows_of = np.minimum(shape.rows - config.dm * np.arange(len(row_digits)), config.dm)
    weights = int(row_digits @ rows_of) * config.p * shape.depth
    activations = a_digits * config.q * sum(shape.parts) * height * width
    read = activations if ahead else activations + weights
    out_bits = 32 if shape.elements else ceil_div(shape.out_bits, config.q) * config.q
    col_tiles = ceil_div(shape.pixels, config.dn)
    return Bound(
        exec=int(row_digits.sum()) * a_digits * ceil_div(shape.depth, config.dk) * col_tiles,
        read=ceil_div(read, config.memory_bits),
        write=ceil_div(out_bits * shape.rows * shape.pixels, config.memory_bits),
        requantize=len(row_digits)
        * col_tiles
        * shape.thresholds
        * ceil_div(config.dm * config.dn, config.requant_lanes),
    )


def _digits(shape: LayerShape, config: OverlayConfig) -> tuple[np.ndarray, int]:
    """((row tiles,) digit-planes of each row tile's weights, digit-planes of the activations)."""
    tiling = Tiling(shape=shape, config=config, from_host=False)
    return np.array(tiling.row_digits), tiling.a_digits


def total_bound(bounds: Sequence[Bound]) -> Bound:
    """The bound of layers that may overlap: each resource serves all of them."""
    return Bound(**{name: sum(getattr(b, name) for b in bounds) for name in LIMITS})


def network_bounds(network: CompiledNetwork) -> list[Bound]:
    """One bound a layer, in running order; `total_bound` joins them."""
    return [layer_bound(layer.tiling.shape, network.config) for layer in network.layers]


def utilization(
    shape: LayerShape, config: OverlayConfig, measured: int
) -> tuple[float, dict[str, float]]:
    """(share of the array's peak, its four factors); their product is the share.

    shape     operands against what their tiles hold
    bits      the operands' bits against what their digits hold
    memory    exec against the lower bound
    sequence  the lower bound against the measurement
    """
    bound = layer_bound(shape, config)
    row_digits, a_digits = _digits(shape, config)
    products = shape.rows * shape.depth * shape.pixels
    bits = shape.weight_bits / shape.rows * shape.activations.bits
    lanes = config.dm * config.dk * config.dn
    digits = config.p * row_digits.mean() * config.q * a_digits
    words = len(row_digits) * ceil_div(shape.depth, config.dk) * ceil_div(shape.pixels, config.dn)
    factors = {
        "shape": products / (words * lanes),
        "bits": float(bits / digits),
        "memory": bound.exec / bound.cycles,
        "sequence": bound.cycles / measured,
    }
    return products * bits / (lanes * config.p * config.q * measured), factors
