"""Graphs that the tests of ir/ start from."""

import numpy as np
import pytest

from ir.graph import IntegerGraph
from ir.nodes import INT32, Conv, MatMul, Requantize, Tensor
from ir.precision import Precision, weight_precision

ACC = Precision(32, signed=True)


@pytest.fixture
def classifier() -> IntegerGraph:
    """conv 3x3 stride 2 (2 -> 3 channels, 5x4 image) -> 3 bits -> bipolar fc -> int32."""
    rng = np.random.default_rng(0)
    tensors = [
        Tensor("x", (2, 5, 4), Precision(5, signed=False)),
        Tensor("conv.sums", (3, 3, 2), ACC),
        Tensor("conv.codes", (3, 3, 2), Precision(3, signed=False)),
        Tensor("fc.sums", (4, 1, 1), ACC),
        Tensor("fc.codes", (4, 1, 1), INT32),
    ]
    window = rng.integers(-4, 4, (3, 2, 3, 3))
    rule = (rng.integers(-900, 900, 3), rng.integers(-5000, 5000, 3), 12, 0, 7)
    signs = 2 * rng.integers(0, 2, (4, 18)) - 1
    raw = (np.ones(4, dtype=np.int64), rng.integers(-50, 50, 4), 0, INT32.min, INT32.max)
    nodes = [
        Conv("conv", "x", "conv.sums", window, Precision(3, True), stride=2, padding=1),
        Requantize("conv.requantize", "conv.sums", "conv.codes", *rule),
        MatMul("fc", "conv.codes", "fc.sums", signs, weight_precision(1)),
        Requantize("fc.requantize", "fc.sums", "fc.codes", *raw),
    ]
    return IntegerGraph("classifier", {t.name: t for t in tensors}, nodes, "x", "fc.codes")
