"""The network's input on the host: floats in, the codes that the device takes out."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.quantizers import Coding, Quantizer
from codegen.frontend.qonnx.value import Value
from ir.errors import ConfigError, EncodingError, shorten
from ir.nodes import Tensor
from ir.precision import MAX_OPERAND_BITS, Precision

IMAGE = Precision(8, signed=False)
NUMBERS = Precision(8, signed=True)
FORM = re.compile(r"(u|s|INT|UINT)([1-9])", re.IGNORECASE)
NAMED = {
    "BIPOLAR": Precision(1, signed=True, bipolar=True),
    "BINARY": Precision(1, signed=False),
    "TERNARY": Precision(2, signed=True),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """tensor: the graph's input. value: what the file does to the input before it is quantized.
    quantizer: None where integers come as they are, which steps behind then take in.
    """

    tensor: Tensor
    value: Value
    quantizer: Quantizer | None = None
    coding: Coding | None = None

    def real_range(self) -> tuple[float, float]:
        """Between which inputs the codes of its quantizer change, over all channels."""
        assert self.coding is not None
        limits, coding = self.tensor.precision, self.coding
        ends = [coding.scale * code + coding.offset for code in (limits.min, limits.max)]
        try:
            scale, offset = self.value.affine()
        except RefusalError:  # it clips: the quantizer's own range will do
            scale, offset = np.ones(1), np.zeros(1)
        found = [((end - offset) / np.where(scale == 0, 1, scale)).ravel() for end in ends]
        return float(np.min(found)), float(np.max(found))

    def encode(self, x: np.ndarray) -> np.ndarray:
        """x: (N, ...) floats in the file's shape -> (N, C, H, W) int64 codes.

        EncodingError where integers are expected and others come.
        """
        moved = x.astype(np.float32)
        for layout in self.value.layout:
            moved = layout(moved)
        if self.quantizer is not None and self.coding is not None:
            codes = self.quantizer.levels(self.value.reals(moved)) - self.coding.shift
        else:
            codes = np.rint(moved).astype(np.int64)
            if (codes != moved).any():
                raise EncodingError("the network has no quantizer at its input: integers expected")
        shaped = codes.reshape(len(x), *self.tensor.shape)
        return self.tensor.precision.check(shaped, what="input")


def parse_precision(text: str) -> Precision:
    """u1 to u8, s2 to s8, bipolar; also the words of annotations: UINT4, INT8, BINARY ..."""
    if text.upper() in NAMED:
        return NAMED[text.upper()]
    match = FORM.fullmatch(text)
    if match is None or int(match[2]) > MAX_OPERAND_BITS:
        raise ConfigError(f"input precision {shorten(text)} must be u1 to u8, s2 to s8, or bipolar")
    signed = match[1].lower() in ("s", "int")
    if signed and match[2] == "1":
        raise ConfigError("an input of one signed bit is bipolar")
    return Precision(int(match[2]), signed=signed)
