"""A graph with every kind of node, for the tests of ir/."""

import numpy as np

from ir.graph import IntegerGraph
from ir.nodes import (
    INT32,
    Add,
    AveragePool,
    Concat,
    Conv,
    GlobalAveragePool,
    MatMul,
    MaxPool,
    Node,
    Requantize,
    Tensor,
    Threshold,
)
from ir.precision import Precision, weight_precision

ACC = Precision(32, signed=True)
BIPOLAR = weight_precision(1)
CODES = Precision(3, signed=False)


def rule(name: str, channels: int, rng: np.random.Generator) -> Requantize:
    """Sums `name`.sums -> 3-bit codes `name`."""
    multiplier, offset = rng.integers(-900, 900, channels), rng.integers(-5000, 5000, channels)
    return Requantize(f"{name}.rule", f"{name}.sums", name, multiplier, offset, 12, 0, 7)


def residual() -> IntegerGraph:
    """Residual block, pools, concatenation, a bipolar end; widths from 1 to 4 in one layer."""
    rng = np.random.default_rng(1)
    widths = (4, 1, 2, 3)
    mixed = np.stack(
        [
            rng.choice([-1, 1], (2, 3, 3))
            if bits == 1
            else rng.integers(-(1 << bits - 1), 1 << bits - 1, (2, 3, 3))
            for bits in widths
        ]
    )
    depthwise = rng.integers(0, 4, (4, 1, 3, 3))
    signs = 2 * rng.integers(0, 2, (6, 8, 2, 2)) - 1
    head = rng.integers(-4, 4, (3, 6))
    head[1] = rng.integers(-2, 2, 6)
    limits = np.sort(rng.integers(-9, 9, (6, 1)), axis=1)
    ones, zeros = np.ones(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
    nodes: list[Node] = [
        Conv("a", "x", "a.sums", mixed, Precision(4, True), padding=1, row_bits=widths),
        rule("a", 4, rng),
        Conv("b", "a", "b.sums", depthwise, Precision(2, False), padding=2, dilation=2, groups=4),
        rule("b", 4, rng),
        Add("c", ("a", "b"), "c.sums"),
        rule("c", 4, rng),
        MaxPool("d", "c", "d", (2, 2), 2),
        AveragePool("e", "c", "e.sums", (2, 2), 2),
        rule("e", 4, rng),
        Concat("f", ("d", "e"), "f"),
        Conv("g", "f", "g.sums", signs, BIPOLAR, padding=(1, 1, 0, 0)),
        Threshold("g.rule", "g.sums", "g", limits, rng.choice([-1, 1], 6), base=-1, step=2),
        GlobalAveragePool("h", "g", "h.sums"),
        Requantize("h.rule", "h.sums", "h", np.ones(6, np.int64), np.full(6, 4), 2, -4, 3),
        MatMul("i", "h", "i.sums", head, Precision(3, True), (3, 2, 3)),
        Requantize("i.rule", "i.sums", "i", ones, zeros, 0, INT32.min, INT32.max),
    ]
    sizes = {"a": (4, 6, 4), "b": (4, 6, 4), "c": (4, 6, 4), "d": (4, 3, 2), "e": (4, 3, 2)}
    sizes |= {"f": (8, 3, 2), "g": (6, 3, 2), "h": (6, 1, 1), "i": (3, 1, 1)}
    codes = dict.fromkeys("abcdef", CODES) | {"g": BIPOLAR, "i": INT32}
    codes["h"] = Precision(3, True)
    tensors = {"x": Tensor("x", (2, 6, 4), Precision(4, False))}
    for name, shape in sizes.items():
        tensors[name] = Tensor(name, shape, codes[name])
        if name not in "df":
            tensors[f"{name}.sums"] = Tensor(f"{name}.sums", shape, ACC)
    return IntegerGraph("residual", tensors, nodes, "x", "i")
