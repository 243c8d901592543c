"""EAGL: entropy approximation guided layer selection (Bablani et al., arXiv 2301.13330).

The gain of keeping a layer at its trained width instead of the narrowest is the entropy of its
trained integer weight codes, in bits per weight; the sum of gains is maximised under the budget, an
exact knapsack. No data, no training.

The paper chooses between two widths. Ours takes any set: a width between gains the share of the
entropy that it brings, from none at the narrowest to all at the trained width. For that the codes
are requantized to b bits, the step widened as LSQ's start 2 mean|v| / sqrt(QP) widens, by
sqrt(QP_trained / QP_b) (one bit: their signs); a wider layer never gains less than a narrower one.
Above the trained width the codes stay, and so does the gain: train at the widest width under
consideration.
"""

from collections.abc import Collection

import numpy as np
import torch

from ir.precision import weight_precision
from quant.allocator import Allocator, Problem
from quant.fit import Fitted, fit_budget
from quant.layers import QuantLayer


class Eagl(Allocator):
    """Entropy of the trained codes as gain."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        space = problem.space
        gains = {
            layer.block_name: entropy_gains(layer, space.layers[layer.block_name])
            for layer in problem.model.chain
        }
        return fit_budget(
            lambda layer, width: gains[layer][width], space, problem.cost, problem.budget
        )


def entropy_gains(layer: QuantLayer, widths: Collection[int]) -> dict[int, float]:
    """{width: gain in bits per weight}, 0 at the narrowest. widths: in 1..8."""
    found = entropies(layer)
    low, high = found[min(widths)], found[max(widths)]
    scale = high / (high - low) if high > low else 0.0
    return {bits: scale * (found[bits] - low) for bits in widths}


def entropies(layer: QuantLayer) -> dict[int, float]:
    """{width 1..8: entropy of the codes requantized to it, bits per weight}, never falling."""
    with torch.no_grad():
        codes = layer.weights.codes(layer.linear.weight).numpy()
    found: dict[int, float] = {}
    best = 0.0
    for bits in range(1, 9):
        best = max(best, entropy(narrow(codes, bits, trained_bits=layer.bits.widest)))
        found[bits] = best
    return found


def narrow(codes: np.ndarray, bits: int, *, trained_bits: int) -> np.ndarray:
    """Integer codes requantized to fewer bits. codes: any shape int64 -> same shape int64."""
    if bits >= trained_bits:
        return codes
    precision = weight_precision(bits)
    if precision.bipolar:
        return np.where(codes >= 0, 1, -1)
    step = (weight_precision(trained_bits).max / precision.max) ** 0.5
    return np.floor(np.clip(codes / step, precision.min, precision.max) + 0.5).astype(np.int64)


def entropy(codes: np.ndarray) -> float:
    """-sum p_k log2 p_k over the codes that occur, bits per code."""
    _, counts = np.unique(codes, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())
