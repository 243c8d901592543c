"""Widths by kernel and activation bits by group, as a plan, and ever narrower ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ir.plan import LayerBits, PrecisionPlan
from quant.plan_space import Numbers, PlanSpace


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelPlan:
    """bits: (kernels,) of each layer, 0 = pruned; numbers: activation bits of each group of linked
    layers, which a layer whose input has a fixed width ignores."""

    space: PlanSpace
    bits: Mapping[str, np.ndarray]
    numbers: Numbers

    @staticmethod
    def of(space: PlanSpace, bits: Mapping[str, np.ndarray], shares: np.ndarray) -> "KernelPlan":
        """shares: (layers,) in 0..1, of which the first of a group says its activation bits."""
        of_layer = dict(zip(bits, shares.tolist(), strict=True))
        numbers = tuple(
            widths[min(int(of_layer[group[0]] * len(widths)), len(widths) - 1)]
            for group, widths in zip(space.groups, space.widths, strict=True)
        )
        return KernelPlan(space=space, bits=bits, numbers=numbers)

    def plan(self) -> PrecisionPlan:
        """A layer whose kernels agree has one width."""
        groups = zip(self.space.groups, self.numbers, strict=True)
        number = {name: n for group, n in groups for name in group}
        layers = {}
        for name in self.space.layers:
            kernels = tuple(self.bits[name].tolist())
            a_bits = self.space.layers[name][number[name]][1]
            same = len(set(kernels)) == 1
            layers[name] = LayerBits(w_bits=kernels[0] if same else kernels, a_bits=a_bits)
        return PrecisionPlan(layers)


def narrowing(found: KernelPlan) -> Iterator[KernelPlan]:
    """From ``found`` to everything at its narrowest, the last group first: the weights of its
    layers one width down, and its activations. Pruned kernels stay pruned."""
    yield found
    moved = True
    while moved:
        moved = False
        for group in reversed(range(len(found.space.groups))):
            step = _narrower(found, group)
            if step is not found:
                found, moved = step, True
                yield found


def _narrower(found: KernelPlan, group: int) -> KernelPlan:
    for name in found.space.groups[group]:
        found = _narrower_weights(found, name)
    numbers = found.space.narrower(found.numbers, group)
    return found if numbers is None else replace(found, numbers=numbers)


def _narrower_weights(found: KernelPlan, layer: str) -> KernelPlan:
    """Every kernel of a layer at the next lower width, none pruned by it."""
    widths = sorted({w for w, _ in found.space.layers[layer].values()})
    lower = {0: 0, widths[0]: widths[0]} | dict(zip(widths[1:], widths, strict=False))
    bits = np.array([lower[b] for b in found.bits[layer].tolist()])
    if np.array_equal(bits, found.bits[layer]):
        return found
    return replace(found, bits={**found.bits, layer: bits})
