"""What a layer is on the device, whatever overlay runs it."""

from __future__ import annotations

from dataclasses import dataclass

from ir.precision import MAX_OPERAND_BITS, Precision


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """A convolution of one or several operands, and its requantization.

    Every layer is one: a linear layer is a convolution whose window is the whole input, a pool one
    of ones in which each row reads its own channel, an addition such a one with two operands.

    channels, height, width   of each operand       rows   output channels, M
    kernel (kh, kw), stride, dilation in pixels     padding: (top, left); the rest follows from
    out_height, out_width                           the output's size
    groups      row r reads the channels / groups channels of group r // (rows / groups)
    operands    the operands, each a row of tensors by their channels (a concatenation); default:
                one operand of one tensor
    row_bits    widths of the rows' weights when they differ; `weights` is that of the widest
    largest     the largest code of the kernel positions is written, not that of their sum
    thresholds  of a channel: so many times a sum is compared, and the results added up
    pad_ones    codes outside the image are +1 (a bipolar input) instead of zero digits
    weights, activations, output                    precisions; `output.bits` > 8 means 32-bit sums
    """

    name: str
    channels: int
    height: int
    width: int
    rows: int
    kernel: tuple[int, int]
    stride: int
    padding: tuple[int, int]
    out_height: int
    out_width: int
    weights: Precision
    activations: Precision
    output: Precision
    dilation: int = 1
    groups: int = 1
    operands: tuple[tuple[int, ...], ...] = ()
    row_bits: tuple[int, ...] | None = None
    pad_ones: bool = False
    largest: bool = False
    thresholds: int = 1

    def __post_init__(self) -> None:
        if not self.operands:
            object.__setattr__(self, "operands", ((self.channels,),))

    @property
    def parts(self) -> tuple[int, ...]:
        """Channels of each tensor that is fetched, operand after operand."""
        return tuple(part for operand in self.operands for part in operand)

    @property
    def elements(self) -> bool:
        """Whether results are written as 32-bit integers instead of digit-planes."""
        return self.output.bits > MAX_OPERAND_BITS

    @property
    def out_bits(self) -> int:
        """o: bits written for a result."""
        return 32 if self.elements else self.output.bits

    @property
    def depth(self) -> int:
        """K: products in a result."""
        channels = len(self.operands) * (self.channels // self.groups)
        return channels * self.kernel[0] * self.kernel[1]  # a maximum reads as much as a sum

    @property
    def pixels(self) -> int:
        """N: pixels of the output."""
        return self.out_height * self.out_width

    @property
    def weight_bits(self) -> int:
        """Bits of the weights of one product of every row together."""
        return sum(self.row_bits) if self.row_bits else self.rows * self.weights.bits
