"""QONNX quantizers: float32 in, integer levels out, in the order of operations that QONNX defines.

Source: the operator definitions of QONNX (Pappalardo et al., arXiv:2206.07527) and its reference
executor, against which the tests hold these. Ours return the integer, not its float.

A quantizer's *levels* become a tensor's *codes* by a shift: code = level - shift, so that where
the codes' width allows it the level of zero is code 0, as zero padding wants.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.steps import Step
from ir.precision import MAX_OPERAND_BITS, Precision, narrowest

Rounding = Callable[[np.ndarray], np.ndarray]

ROUNDINGS: dict[str, Rounding] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.copysign(np.ceil(np.abs(x)), x),
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.copysign(np.floor(np.abs(x) + np.float32(0.5)), x),
    "HALF_DOWN": lambda x: np.copysign(np.ceil(np.abs(x) - np.float32(0.5)), x),
}

NARROWER = "quantize to 1 to 8 bits"


@dataclass(frozen=True, kw_only=True, eq=False)
class Coding:
    """code = level - shift; real = scale * code + offset, float64, broadcast as the constants."""

    precision: Precision
    shift: int
    scale: np.ndarray
    offset: np.ndarray


class Quantizer(Step):
    """lo, hi: its least and greatest level, None: what its input reaches. step: between levels."""

    lo: int | None
    hi: int | None

    @abstractmethod
    def levels(self, x: np.ndarray) -> np.ndarray:
        """x: float32 -> the same shape, int64."""

    @abstractmethod
    def coding(self, lo: int, hi: int) -> Coding:
        """How levels lo..hi are coded; RefusalError when no operand has room for them."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Float32 to float32, as QONNX has it."""
        found = self.coding(self.lo or 0, self.hi or 0)
        return ((self.levels(x) - found.shift) * found.scale + found.offset).astype(np.float32)

    @property
    def step(self) -> int:
        """Between levels."""
        return 1


@dataclass(frozen=True, kw_only=True, eq=False)
class IntQuantizer(Quantizer):
    """round(clip(x / scale + zero, lo, hi)); constants: scale, zero. bits, signed: as declared."""

    lo: int
    hi: int
    bits: int
    signed: bool
    rounding: str

    def levels(self, x: np.ndarray) -> np.ndarray:
        scale, zero = self.constants
        scaled = np.clip(x / scale + zero, np.float32(self.lo), np.float32(self.hi))
        return ROUNDINGS[self.rounding](scaled).astype(np.int64)

    def coding(self, lo: int, hi: int) -> Coding:
        scale, zero = (constant.astype(np.float64) for constant in self.constants)
        return code_levels(lo, hi, scale=scale, zero=zero, declared=(self.bits, self.signed))


@dataclass(frozen=True, kw_only=True, eq=False)
class BipolarQuantizer(Quantizer):
    """The sign, +1 for zero; constants: scale, zero (0 where the operator has none)."""

    lo: int = -1
    hi: int = 1

    def levels(self, x: np.ndarray) -> np.ndarray:
        scale, zero = self.constants
        return np.where(x / scale + zero >= 0, 1, -1)

    def coding(self, lo: int, hi: int) -> Coding:
        scale, zero = (constant.astype(np.float64) for constant in self.constants)
        bipolar = Precision(1, signed=True, bipolar=True)
        return Coding(precision=bipolar, shift=0, scale=scale, offset=-zero * scale)

    @property
    def step(self) -> int:
        return 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Truncation(Quantizer):
    """Drops low digits of what is an integer already; constants: scale, zero, output scale, zero.

    divisor: what the digits that are dropped are worth. lo, hi: limits, None in version 1, which
    has none.
    """

    divisor: float
    rounding: str
    lo: int | None = None
    hi: int | None = None

    def levels(self, x: np.ndarray) -> np.ndarray:
        scale, zero, *_ = self.constants
        whole = np.rint(x / scale + zero) / np.float32(self.divisor)
        if self.lo is not None and self.hi is not None:
            whole = np.clip(whole, np.float32(self.lo), np.float32(self.hi))
        return ROUNDINGS[self.rounding](whole).astype(np.int64)

    def coding(self, lo: int, hi: int) -> Coding:
        _, _, scale, zero = (constant.astype(np.float64) for constant in self.constants)
        return code_levels(lo, hi, scale=scale, zero=zero)


@dataclass(frozen=True, kw_only=True, eq=False)
class Thresholds(Quantizer):
    """Counts the constants that x reaches; real = scale * count + bias."""

    scale: float
    bias: float

    @property
    def lo(self) -> int:  # type: ignore[override]
        """No threshold reached."""
        return self._base

    @property
    def hi(self) -> int:  # type: ignore[override]
        """All reached."""
        return self._base + self.step * len(self.constants)

    @property
    def step(self) -> int:
        return 2 if len(self.constants) == 1 and 2 * self.bias == -self.scale else 1

    @property
    def _base(self) -> int:
        """The level of a count of zero, where the bias is a level."""
        if self.step == 2:
            return -1
        ratio = self.bias / self.scale
        return round(ratio) if ratio == round(ratio) else 0

    def levels(self, x: np.ndarray) -> np.ndarray:
        count = np.zeros(x.shape, np.int64)
        for least in self.constants:
            count += x >= least
        return self._base + self.step * count

    def coding(self, lo: int, hi: int) -> Coding:
        scale, offset = np.array(self.scale), np.array(self.bias - self._base * self.scale)
        if self.step == 2:
            bipolar = Precision(1, signed=True, bipolar=True)
            return Coding(precision=bipolar, shift=0, scale=scale / 2, offset=0 * offset)
        precision = _operand(lo, hi)
        return Coding(precision=precision, shift=0, scale=scale, offset=offset)


@dataclass(frozen=True, kw_only=True, eq=False)
class OnGrid(Quantizer):
    """What lies on a grid already, found again; constants: scale, offset of real = s * code + o."""

    lo: int | None = None
    hi: int | None = None

    def levels(self, x: np.ndarray) -> np.ndarray:
        scale, offset = (constant.astype(np.float64) for constant in self.constants)
        return np.rint((x.astype(np.float64) - offset) / scale).astype(np.int64)

    def coding(self, lo: int, hi: int) -> Coding:
        scale, offset = (constant.astype(np.float64) for constant in self.constants)
        return Coding(precision=_operand(lo, hi), shift=0, scale=scale, offset=offset)


def code_levels(
    lo: int,
    hi: int,
    *,
    scale: np.ndarray,
    zero: np.ndarray,
    declared: tuple[int, bool] | None = None,
) -> Coding:
    """Levels lo..hi of real = (level - zero) * scale. The level of zero is code 0 where that fits.

    declared: (bits, signed) of the file, which stand where nothing is shifted.
    """
    origin = zero.ravel()[0]
    uniform = bool((zero == origin).all()) and origin == round(origin)
    shift = int(origin) if uniform and _bits(lo - int(origin), hi - int(origin)) else 0
    precision = _operand(lo - shift, hi - shift)
    if declared is not None and not shift:
        bits, signed = declared
        precision = Precision(max(bits, precision.bits), signed)
    return Coding(
        precision=precision, shift=shift, scale=scale, offset=(shift - zero) * scale + 0.0
    )


def _operand(lo: int, hi: int) -> Precision:
    bits = _bits(lo, hi)
    if not bits:
        raise RefusalError(
            f"its integers reach {lo} to {hi}, which need more than {MAX_OPERAND_BITS} bits",
            NARROWER,
        )
    return Precision(bits, signed=lo < 0)


def _bits(lo: int, hi: int) -> int:
    """Bits of the operands that hold lo..hi; 0: more than an operand has."""
    bits = narrowest(lo, hi).bits if lo < 0 else max(1, hi.bit_length())
    return bits if bits <= MAX_OPERAND_BITS else 0
