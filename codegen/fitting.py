"""Overlays for given layers: arrays with requantizer lanes and buffers, and what they take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from codegen.block_ram import map_memories
from codegen.budget import Budget
from codegen.buffers import SMALLEST, Needs, buffer_needs, worst_case_acc_bits
from codegen.candidates import Array, Lanes, arrays, divisors, lanes_of
from codegen.resources import Resources, load_coefficients, predict_resources
from codegen.shape import LayerShape
from codegen.styles import Style
from hw.config import OverlayConfig
from hw.fabric import fabric_of

DEPTHS: tuple[str, ...] = ("lhs_depth", "rhs_depth", "ring_depth", "table_depth")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """An overlay with its buffers, and what it takes.

    bound: cycles that it cannot undercut. cut: the buffers are too small for whole layers, which
    run in bands of rows and in parts of sums.
    """

    config: OverlayConfig
    bound: int
    resources: Resources
    cut: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitting:
    """The layers that overlays are for, and the device.

    shapes: of the network that has to be fast. others: of networks that have to run as well.
    latency: of the memory, in cycles.
    """

    styles: Sequence[Style]
    shapes: Sequence[LayerShape]
    others: Sequence[Sequence[LayerShape]]
    family: str
    memory_bits: int
    latency: int
    budget: Budget
    _made: dict[Array, list[Fitted]] = field(default_factory=dict, repr=False)

    @cached_property
    def arrays(self) -> list[tuple[int, Array]]:
        """(LUTs that none of its overlays undercuts, array), the fewest first."""
        load_coefficients(self.family)
        found = [
            (self._least_luts(array), array)
            for style in self.styles
            for array in arrays(
                style, self.shapes, memory_bits=self.memory_bits, latency=self.latency
            )
        ]
        return sorted(found, key=lambda pair: (pair[0], pair[1].least))

    def overlays(self, array: Array) -> list[Fitted]:
        """An array with each choice of requantizer lanes and buffers."""
        if array not in self._made:
            self._made[array] = list(self._with_buffers(array))
        return self._made[array]

    def _least_luts(self, array: Array) -> int:
        """The logic of the smallest buffers: more address bits take no less, and memories some."""
        smallest = dict.fromkeys(DEPTHS, SMALLEST)
        configs = (self._config(array, lanes, smallest) for lanes in divisors(array.dm))
        return min(logic_luts(config, self.family) for config in configs)

    def _with_buffers(self, array: Array) -> Iterator[Fitted]:
        config = self._config(array, 1, {})
        needs, *others = [buffer_needs(config, s) for s in (self.shapes, *self.others)]
        for lanes in lanes_of(array, config, self.shapes, latency=self.latency):
            choices = list(_depths(needs, others, array.dm // lanes.requant_lanes))
            whole = [self._fit(array, lanes, depths) for depths in choices]
            yield from whole
            if all(fitted.resources.bram > self.budget.bram for fitted in whole):
                yield from self._in_parts(array, lanes, choices[-1])

    def _in_parts(self, array: Array, lanes: Lanes, depths: dict[str, int]) -> Iterator[Fitted]:
        """Banks cut down to the budget: with each depth of the weights', the longest activations'.

        Whether the layers can be cut as finely is known when they are measured.
        """
        for lhs_depth in _halves(depths["lhs_depth"]):
            split = {"lhs_depth": lhs_depth, "k_split": int(lhs_depth < depths["lhs_depth"])}
            for rhs_depth in _halves(depths["rhs_depth"]):
                cut = depths | split | {"rhs_depth": rhs_depth}
                fitted = self._fit(array, lanes, cut, cut=True)
                if fitted.resources.bram <= self.budget.bram:
                    yield fitted
                    break

    def _fit(
        self, array: Array, lanes: Lanes, depths: dict[str, int], *, cut: bool = False
    ) -> Fitted:
        config = self._config(array, lanes.requant_lanes, depths)
        return Fitted(
            config=config,
            bound=lanes.least if cut else lanes.bound,
            resources=predict_resources(config, self.family),
            cut=cut,
        )

    def _config(self, array: Array, requant_lanes: int, depths: dict[str, int]) -> OverlayConfig:
        sizes: dict[str, Any] = {"memory_bits": self.memory_bits, "acc_bits": self._acc_bits}
        sizes |= {"requant_lanes": requant_lanes, "fabric": fabric_of(self.family)}
        return array.config(**sizes, **depths)

    @cached_property
    def _acc_bits(self) -> int:
        return max(worst_case_acc_bits(shapes) for shapes in (self.shapes, *self.others))


def logic_luts(config: OverlayConfig, family: str) -> int:
    """Predicted LUTs that are not memory: logic, and what carries take of them."""
    memory = map_memories(config, load_coefficients(family).family).luts
    return predict_resources(config, family).luts - memory


def _depths(needs: Needs, others: Sequence[Needs], row_groups: int) -> Iterator[dict[str, int]]:
    """Room for two layers' weights, then for one's, then for half of them and so on.

    The exact model chooses between all of a layer's weights on the chip, and weights that stream.
    others: of graphs that need not be fast.
    """
    least = [other.depths(row_groups=row_groups, most_lhs=1) for other in others]
    depths = needs.depths(row_groups=row_groups)
    depths["lhs_depth"] *= 2
    before = depths["lhs_depth"] + 1
    while depths["lhs_depth"] < before:
        yield {name: max(d[name] for d in (depths, *least)) for name in depths}
        before = depths["lhs_depth"]
        depths = needs.depths(row_groups=row_groups, most_lhs=before // 2)


def _halves(depth: int) -> Iterator[int]:
    """The depth, half of it and so on."""
    while depth >= SMALLEST:
        yield depth
        depth //= 2
