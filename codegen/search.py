"""The search behind sizing: the exact front of LUTs against cycles.

Overlays are visited from the fewest LUTs to the most. One is handed to the exact cycle model only
when its bound lies below the best cycles of all smaller ones: nothing on the front is missed. For
the same reason an array whose own bound is no better is left before its buffers are chosen.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from itertools import count
from typing import Any

from codegen.bounds import network_bounds, total_bound
from codegen.budget import Budget
from codegen.candidates import Array
from codegen.clock_model import clock_families, load_clock_model, predict_clock_mhz
from codegen.cycles import predict
from codegen.device_layer import layer_shapes
from codegen.fitting import Fitted, Fitting
from codegen.lower import lower
from codegen.read_timing import MemoryTiming
from codegen.resources import Resources, load_coefficients, predict_resources, said_by
from codegen.styles import Style
from hw.config import OverlayConfig
from ir.errors import CapacityError
from ir.graph import IntegerGraph


@dataclass(frozen=True, kw_only=True)
class Point:
    """An overlay on the front. cycles: of one image, predicted. resources: predicted."""

    config: OverlayConfig
    cycles: int
    resources: Resources

    @property
    def luts(self) -> int:
        """Predicted LUTs."""
        return self.resources.luts


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """One question to the models.

    must_run: graphs that need not be fast. styles: with their digits. clock_mhz: what the overlay
    has to reach, 0 for any, where the family has a clock model.
    """

    graph: IntegerGraph
    must_run: Sequence[IntegerGraph]
    styles: Sequence[Style]
    family: str
    memory_bits: int
    latency: int
    budget: Budget
    clock_mhz: float = 0.0

    def front(self) -> list[Point]:
        """Fewer cycles for more LUTs, up to the first point beyond the LUT budget; may be empty."""
        points: list[Point] = []

        def faster(bound: int) -> bool:
            return not points or bound < points[-1].cycles

        for fitted in _in_order(self._fitting.arrays, self._overlays(faster), _by_luts):
            if fitted.resources.luts > self.budget.luts and not points:
                break
            if set(self.budget.lacks(fitted.resources)) - {"luts"} or self._slow(fitted.config):
                continue
            point = self._measured(fitted) if faster(fitted.bound) else None
            if point is None or not faster(point.cycles):
                continue
            points = [p for p in points if p.luts < point.luts] + [point]
            if point.luts > self.budget.luts:
                break
        return points

    def best(self, most: int) -> Point | None:
        """The fewest cycles within the budget among `most` overlays, those of the least bounds.

        It is the fewest of all when the next bound is no lower. None: none is within the budget.
        """
        points: list[Point] = []
        small = [(array.least, array) for array in self._small_arrays()]
        ordered = _in_order(sorted(small, key=lambda pair: pair[0]), self._overlays(), _by_bound)
        inside = (f for f in ordered if self._fits(f) and not self._slow(f.config))
        for _, fitted in zip(range(most), inside, strict=False):
            if points and fitted.bound >= min(point.cycles for point in points):
                break
            point = self._measured(fitted)
            points += [] if point is None else [point]
        return min(points, key=lambda point: (point.cycles, point.luts), default=None)

    def describe(self, config: OverlayConfig) -> dict[str, Any]:
        """What an overlay takes, by which model, beside the budget and the config's share in it."""
        model = load_coefficients(self.family)
        return predict_resources(config, self.family).as_dict() | {
            "provenance": "predicted",
            "family": model.family,
            "tool": model.tool,
            "version": model.version,
            "hardware": model.hardware,
            "budget": self.budget.as_dict(),
            "capped_by": dict(self.budget.keys),
        }

    def clock(self, config: OverlayConfig) -> dict[str, Any] | None:
        """What a placement of it would reach, by which model; None: the family has none."""
        if self.family not in clock_families():
            return None
        model = load_clock_model(self.family)
        return {
            "mhz": round(predict_clock_mhz(config, self.family), 1),
            "needed_mhz": self.clock_mhz,
            "provenance": "predicted",
            "device": model.device,
            "tool": model.tool,
            "version": model.version,
            "hardware": model.hardware,
        }

    def limit(self, best: Point, front: Sequence[Point]) -> str:
        """What keeps the best point from being faster."""
        reasons, budget = [], self.budget
        beyond = [point for point in front if point.luts > budget.luts]
        if beyond:
            reasons.append(budget.reason("luts", best.luts, beyond[0].luts))
        better = list(self._better(best))
        blocked = self._first_faster(best, (f for f in better if budget.lacks(f.resources)))
        if blocked is not None:
            for name in budget.lacks(blocked.resources):
                used, needs = (getattr(p.resources, name) for p in (best, blocked))
                reasons.append(budget.reason(name, used, needs))
        inside = (f for f in better if self._fits(f) and self._slow(f.config))
        slow = self._first_faster(best, inside)
        if slow is not None:
            reached = predict_clock_mhz(slow.config, self.family)
            reasons.append(
                f"clock: {self.clock_mhz:g} MHz; next size would reach {reached:.1f} (predicted)"
            )
        return " and ".join(reasons) or (
            f"{self._no_budget(best)}: no larger array is faster "
            f"({budget.of('luts', best.luts)} LUTs)"
        )

    def _no_budget(self, best: Point) -> str:
        """What it is that holds the best point back where no budget does."""
        bound = total_bound(network_bounds(lower(self.graph, best.config)))
        if bound.limited_by in ("read", "write"):
            return f"the memory's {self.memory_bits} bits a cycle"
        return "the network"

    def too_small(self) -> str:
        """Why no overlay fits: the needs against the budget of the one that lacks least."""
        smallest: Resources | None = None
        for floor, array in self._fitting.arrays:
            if smallest and floor / self.budget.luts > self.budget.share(smallest):
                break
            for fitted in self._fitting.overlays(array):
                needs = fitted.resources
                if fitted.cut or self._slow(fitted.config):
                    continue
                if smallest is None or self._lack(needs) < self._lack(smallest):
                    smallest = needs
        if smallest is None:
            return self._too_slow()
        return f"{self.budget.shortage(smallest)} ({said_by(self.family)})"

    def _too_slow(self) -> str:
        """That even the fastest overlay misses the clock."""
        overlays = (f for _, array in self._fitting.arrays for f in self._fitting.overlays(array))
        fastest = max(predict_clock_mhz(fitted.config, self.family) for fitted in overlays)
        return (
            f"no overlay reaches {self.clock_mhz:g} MHz on {self.family}: the fastest would "
            f"{fastest:.1f} (predicted)"
        )

    @cached_property
    def _fitting(self) -> Fitting:
        shapes, *others = [layer_shapes(graph) for graph in (self.graph, *self.must_run)]
        return Fitting(
            styles=self.styles,
            shapes=shapes,
            others=others,
            family=self.family,
            memory_bits=self.memory_bits,
            latency=self.latency,
            budget=self.budget,
        )

    def _overlays(
        self, worth: Callable[[int], bool] = lambda _: True
    ) -> Callable[[Array], list[Fitted]]:
        """A function: the overlays of an array whose bound is `worth` it."""
        return lambda array: (
            [f for f in self._fitting.overlays(array) if worth(f.bound)]
            if worth(array.least)
            else []
        )

    def _small_arrays(self) -> list[Array]:
        """Those of which an overlay might be within the LUT budget."""
        return [array for floor, array in self._fitting.arrays if floor <= self.budget.luts]

    def _better(self, best: Point) -> Iterator[Fitted]:
        """Overlays within the LUT budget that might be faster, the smallest first."""
        small = [(0, array) for array in self._small_arrays()]
        overlays = self._overlays(lambda bound: bound < best.cycles)
        for fitted in _in_order(small, overlays, _by_luts):
            if fitted.resources.luts <= self.budget.luts:
                yield fitted

    def _first_faster(self, best: Point, overlays: Iterable[Fitted]) -> Point | None:
        """Of those that are faster than the best, the one that lacks least."""
        for fitted in sorted(overlays, key=lambda f: (self.budget.share(f.resources), f.bound)):
            point = self._measured(fitted)
            if point is not None and point.cycles < best.cycles:
                return point
        return None

    def _measured(self, candidate: Fitted) -> Point | None:
        """None: layers cannot be cut so finely."""
        try:
            network = lower(self.graph, candidate.config)
            if candidate.cut:
                for graph in self.must_run:
                    lower(graph, candidate.config)
        except CapacityError:
            if candidate.cut:
                return None
            raise
        return Point(
            config=candidate.config,
            cycles=predict(network, MemoryTiming(latency=self.latency)).cycles,
            resources=candidate.resources,
        )

    def _fits(self, fitted: Fitted) -> bool:
        return not self.budget.lacks(fitted.resources)

    def _lack(self, needs: Resources) -> tuple[float, int, int]:
        """What orders overlays by how little they lack."""
        return self.budget.share(needs), needs.luts, needs.bram

    def _slow(self, config: OverlayConfig) -> bool:
        """Whether the clock model says that it misses the clock."""
        if not self.clock_mhz or self.family not in clock_families():
            return False
        return predict_clock_mhz(config, self.family) < self.clock_mhz


def _by_luts(fitted: Fitted) -> tuple[int, ...]:
    """Of equals, the one with deeper buffers is first."""
    needs = fitted.resources
    return needs.luts, fitted.bound, needs.bram, -fitted.config.lhs_depth


def _by_bound(fitted: Fitted) -> tuple[int, ...]:
    needs = fitted.resources
    return fitted.bound, needs.luts, needs.bram, -fitted.config.lhs_depth


def _in_order(
    arrays: Iterable[tuple[int, Array]],
    overlays: Callable[[Array], Iterable[Fitted]],
    key: Callable[[Fitted], tuple[int, ...]],
) -> Iterator[Fitted]:
    """The arrays' overlays in the order of `key`, each array's made only when its turn comes.

    arrays: (least that the key's first number is for any of its overlays, array), ascending.
    """
    numbers = count()
    waiting: list[tuple[tuple[int, ...], int, Fitted]] = []
    for least, array in arrays:
        while waiting and waiting[0][0][0] < least:
            yield heappop(waiting)[2]
        for fitted in overlays(array):
            heappush(waiting, (key(fitted), next(numbers), fitted))
    while waiting:
        yield heappop(waiting)[2]
