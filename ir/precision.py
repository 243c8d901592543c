"""Integer precisions: how many bits an operand has, and its digit planes.

A precision is the one meaning of a tensor's codes that torch, the golden model, the packer of
memory images and the hardware share. Planes are two's complement: plane i weighs 2^i, and the top
plane of a signed precision weighs -2^(bits-1). Bipolar is the one-bit exception: plane bit 1 is
+1, 0 is -1.
"""

from dataclasses import dataclass

import numpy as np

from ir.errors import ConfigError, EncodingError, shorten

MAX_BITS = 64
MAX_OPERAND_BITS = 8


@dataclass(frozen=True)
class Precision:
    """Bits, sign and coding of one tensor.

    Parameters
    ----------
    bits: 1..8 for operands of the array, up to 64 for accumulators and raw outputs.
    signed: two's complement when true.
    bipolar: one bit that means {-1, +1}; needs ``bits == 1`` and ``signed``.
    """

    bits: int
    signed: bool
    bipolar: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.bits, bool) or not isinstance(self.bits, int):
            raise ConfigError(f"bits must be an integer, not {self.bits!r}")
        widest = MAX_BITS if self.signed else MAX_BITS - 1  # codes travel as int64
        if not 1 <= self.bits <= widest:
            raise ConfigError(f"bits must be 1 to {widest}, not {self.bits}")
        if self.bipolar and not (self.bits == 1 and self.signed):
            raise ConfigError("a bipolar precision has exactly 1 bit and is signed")

    @property
    def min(self) -> int:
        """The smallest code."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        """The largest code."""
        if self.bipolar:
            return 1
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def is_operand(self) -> bool:
        """Whether the array can multiply codes of this precision."""
        return self.bits <= MAX_OPERAND_BITS

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Element-wise: is this a code? x: any shape, integer -> same shape, bool."""
        if self.bipolar:
            return np.abs(x) == 1
        return (x >= self.min) & (x <= self.max)

    def check(self, x: np.ndarray, what: str = "value") -> np.ndarray:
        """``x`` as int64; EncodingError names the first element that is no code."""
        array = np.asarray(x)
        if array.dtype.kind not in "iub":
            raise EncodingError(f"{what}: codes must be integers, not {array.dtype}")
        inside = self.contains(array)
        if not inside.all():
            index = tuple(int(i) for i in np.argwhere(~inside)[0])
            raise EncodingError(f"{what}: {int(array[index])} at {index} is no code of {self}")
        return array.astype(np.int64)

    def planes(self, x: np.ndarray) -> np.ndarray:
        """Digit planes. x: any shape of codes -> (bits, *x.shape) uint8 of 0 and 1, LSB first."""
        codes = self.check(x)
        if self.bipolar:
            return (codes > 0).astype(np.uint8)[np.newaxis]
        places = np.arange(self.bits).reshape(-1, *[1] * codes.ndim)
        return ((codes[np.newaxis] >> places) & 1).astype(np.uint8)

    def from_planes(self, planes: np.ndarray) -> np.ndarray:
        """Inverse of :meth:`planes`. planes: (bits, ...) of 0 and 1 -> (...) int64."""
        digits = np.asarray(planes).astype(np.int64)
        if digits.shape[:1] != (self.bits,):
            raise EncodingError(f"{self} has {self.bits} planes, not {digits.shape[:1]}")
        if self.bipolar:
            return 2 * digits[0] - 1
        return np.tensordot(np.array(self.plane_weights, dtype=np.int64), digits, axes=1)

    @property
    def plane_weights(self) -> tuple[int, ...]:
        """What one digit of each plane is worth, LSB first (bipolar digits are affine: 2d - 1)."""
        weights = [1 << i for i in range(self.bits)]
        if self.signed and not self.bipolar:
            weights[-1] = -weights[-1]
        return tuple(weights)

    def to_dict(self) -> dict[str, int | bool]:
        """JSON form; :func:`precision_from_dict` reads it back."""
        return {"bits": self.bits, "signed": self.signed, "bipolar": self.bipolar}

    def __str__(self) -> str:
        kind = "bipolar" if self.bipolar else "signed" if self.signed else "unsigned"
        return f"{self.bits}-bit {kind}"


def weight_precision(bits: int, signed: bool = True) -> Precision:
    """The precision weights have at a width: one signed bit is bipolar, {-1, +1}."""
    return Precision(bits, signed, bipolar=bits == 1 and signed)


def narrowest(low: int, high: int) -> Precision:
    """The narrowest signed precision that holds every integer of [low, high]."""
    bits = max(low.bit_length() if low >= 0 else (-low - 1).bit_length(), high.bit_length()) + 1
    return Precision(bits, signed=True)


def precision_from_dict(data: object) -> Precision:
    """Inverse of :meth:`Precision.to_dict`; ConfigError when a key is missing or wrong."""
    fields = ("bits", "signed", "bipolar")
    if not isinstance(data, dict) or set(data) != set(fields):
        raise ConfigError(f"not a precision: {shorten(data)}")
    if not (isinstance(data["signed"], bool) and isinstance(data["bipolar"], bool)):
        raise ConfigError(f"not a precision: {shorten(data)}")
    return Precision(data["bits"], data["signed"], data["bipolar"])
