"""AutoQ's low level: the weight bits of one kernel (output channel) after the other.

Kernels come in order of falling variance, and none gets more bits than the one before: a kernel of
larger variance never has fewer (variance-ordered bounding).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from quant.layers import QuantNet
from quant.plan_space import PlanSpace
from quant.rl.layer_features import NAMES, layer_features
from quant.rl.replay import Segment

KERNEL_FEATURES = ("place", "variance", "bits before", "mean bits so far", "goal")
STATE_SIZE = len(NAMES) + len(KERNEL_FEATURES)
GOAL = STATE_SIZE - 1  # where a state holds the goal

Policy = Callable[[np.ndarray], np.ndarray]  # state (S,) -> action (1,) in 0..1


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelLayer:
    """A layer as the low level sees it.

    widths: that a kernel may have, ascending, without 0. order: kernels by falling variance;
    variances: theirs, in that order, relative to the largest. one_width: its kernels have one, as
    the last layer's, which share a step, always have.
    """

    name: str
    features: np.ndarray
    widths: tuple[int, ...]
    order: np.ndarray
    variances: np.ndarray
    one_width: bool

    def bits_at(self, share: float, *, prune: bool) -> int:
        """The allowed width nearest to this share of the widest; 0 is one where kernels prune."""
        allowed = (0, *self.widths) if prune else self.widths
        return min(allowed, key=lambda bits: (abs(bits - share * self.widths[-1]), bits))

    def uniform(self, goal: float) -> np.ndarray:
        """(kernels,): all at the width nearest to the goal."""
        return np.full(len(self.order), self.bits_at(goal, prune=False))


def kernel_layers(
    model: QuantNet, space: PlanSpace, *, by_kernel: bool = True
) -> list[KernelLayer]:
    """The layers of a network in running order; by_kernel: all but the last may mix widths."""
    features = layer_features(model)
    found = []
    for layer in model.chain:
        weight = layer.linear.weight.detach().flatten(1).double()
        variances = weight.var(dim=1, unbiased=False).numpy()
        order = np.argsort(-variances, kind="stable")
        found.append(
            KernelLayer(
                name=layer.block_name,
                features=features[layer.block_name],
                widths=tuple(sorted({w for w, _ in space.layers[layer.block_name].values()})),
                order=order,
                variances=variances[order] / max(variances.max(), 1e-12),
                one_width=not by_kernel or layer is model.chain[-1],
            )
        )
    return found


def choose_kernels(layer: KernelLayer, goal: float, policy: Policy) -> tuple[np.ndarray, Segment]:
    """(bits of each kernel in the layer's own order, what the low level saw and did).

    goal: mean bits wanted, as a share of the widest. The first kernel is never pruned.
    """
    count, widest = len(layer.order), layer.widths[-1]
    bits: list[int] = []
    states = np.empty((count, STATE_SIZE))
    for place in range(count):
        states[place] = _state(layer, place, bits, goal)
        share = float(policy(states[place])[0])
        chosen = layer.bits_at(share, prune=place > 0)
        bits.append(min(chosen, bits[-1]) if bits else chosen)
    by_kernel = np.empty(count, dtype=np.int64)
    by_kernel[layer.order] = bits
    # What was done, not what was asked for before the bound.
    return by_kernel, Segment(states=states, actions=np.array(bits)[:, np.newaxis] / widest)


def intrinsic(layer: KernelLayer, goal: float, bits: np.ndarray) -> float:
    """Minus the distance from the goal, bits a kernel; the paper's is that of the whole layer."""
    return -abs(goal * layer.widths[-1] - float(bits.mean()))


def _state(layer: KernelLayer, place: int, bits: Sequence[int], goal: float) -> np.ndarray:
    widest = layer.widths[-1]
    before = bits[-1] / widest if bits else 1.0
    mean = sum(bits) / len(bits) / widest if bits else goal
    own = [place / len(layer.order), layer.variances[place], before, mean, goal]
    return np.concatenate([layer.features, own])
