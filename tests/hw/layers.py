"""Layers to drive the stages with: tilings and instructions from codegen, data at random."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from codegen.schedule import Addresses, Instruction, Plan, layer_instructions
from codegen.shape import LayerShape
from codegen.tiling import Tiling
from hw.config import OverlayConfig
from ir.graph import Conv, output_shape
from ir.isa import Kind, Stage
from ir.precision import Precision, weight_precision

ADDRESSES = Addresses(weights=0, params=0, taps=0, rows=0, input=0, output=0)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A convolution's sizes. channels, height, width: of the input; rows: output channels.

    largest: the largest of the kernel's turns is written; each row reads its own channel.
    """

    channels: int
    height: int
    width: int
    rows: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    w_bits: int = 2
    a_bits: int = 2
    out_bits: int = 3
    signed: bool = True
    largest: bool = False

    def __str__(self) -> str:
        return (
            f"{self.channels}x{self.height}x{self.width}-{self.rows}k{self.kernel}"
            f"s{self.stride}p{self.padding}w{self.w_bits}a{self.a_bits}o{self.out_bits}"
            f"{'max' * self.largest}"
        )

    def tiling(self, config: OverlayConfig, *, from_host: bool = True) -> Tiling:
        """The layer on an overlay."""
        weight = np.zeros((self.rows, self.channels, self.kernel, self.kernel), np.int64)
        precision = weight_precision(self.w_bits, self.signed)
        node = Conv("layer", "x", "acc", weight, precision, self.stride, self.padding)
        _, out_height, out_width = output_shape(node, (self.channels, self.height, self.width))
        shape = LayerShape(
            name="layer",
            channels=self.channels,
            height=self.height,
            width=self.width,
            rows=self.rows,
            kernel=(self.kernel, self.kernel),
            stride=self.stride,
            padding=(self.padding, self.padding),
            out_height=out_height,
            out_width=out_width,
            weights=precision,
            activations=Precision(self.a_bits, self.signed),
            output=Precision(self.out_bits, self.out_bits > 8),
            groups=self.channels if self.largest else 1,
            largest=self.largest,
        )
        return Tiling(shape=shape, config=config, from_host=from_host).check()


def instructions(tiling: Tiling, *, index: int = 0, **requantize: int) -> list[Instruction]:
    """The layer's instructions; `requantize` overrides shift, lo and hi."""
    output = tiling.shape.output
    settings = {"shift": 0, "lo": output.min, "hi": output.max} | requantize
    ahead, rest = layer_instructions(
        tiling,
        ADDRESSES,
        index=index,
        requantize=settings,
        last=True,
        plan=Plan(ahead=tiling.row_tiles),
    )
    return [*ahead, *rest]


def instruction(tiling: Tiling, stage: Stage, **requantize: int) -> dict[str, int]:
    """The fields of the layer's instruction for execute or result."""
    return next(f for s, f in instructions(tiling, **requantize) if s is stage)


def fetch(tiling: Tiling, kind: Kind) -> dict[str, int]:
    """The fields of the layer's fetch of `kind`."""
    found = (f for s, f in instructions(tiling) if s is Stage.FETCH)
    return next(fields for fields in found if fields["kind"] == kind)


def random_codes(rng: random.Random, precision: Precision, shape: tuple[int, ...]) -> np.ndarray:
    """Codes of a precision, its ends among them."""
    data = np.random.default_rng(rng.getrandbits(32))
    codes = data.integers(precision.min, precision.max + 1, shape)
    return np.where(codes > 0, 1, -1) if precision.bipolar else codes


def bus_words(raw: bytes, config: OverlayConfig) -> list[int]:
    """A memory image as the bus shows it."""
    size = config.bus_bytes
    return [int.from_bytes(raw[at : at + size], "little") for at in range(0, len(raw), size)]


def grid(tiling: Tiling) -> list[tuple[int, int, bool]]:
    """(y, x, is a pixel of the output) of every array column, tile after tile."""
    shape = tiling.shape
    places = (divmod(p, tiling.virtual_width) for p in range(tiling.col_tiles * tiling.config.dn))
    return [(y, x, y < shape.out_height and x < shape.out_width) for y, x in places]
