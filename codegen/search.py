"""The search behind sizing: the exact front of LUTs against cycles.

Arrays are visited from the smallest to the largest in LUTs. One is handed to the exact cycle model
only when its bound lies below the best cycles of all smaller ones: nothing on the front is missed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from codegen.buffers import SMALLEST, Needs, buffer_needs, worst_case_acc_bits
from codegen.candidates import Candidate, candidates
from codegen.clock_model import clock_families, load_clock_model, predict_clock_mhz
from codegen.cycles import predict
from codegen.device_layer import layer_shapes
from codegen.lower import lower
from codegen.read_timing import MemoryTiming
from codegen.resources import Resources, load_coefficients, predict_resources
from codegen.shape import LayerShape
from hw.config import OverlayConfig
from hw.fabric import fabric_of
from ir.errors import CapacityError
from ir.graph import IntegerGraph


@dataclass(frozen=True, kw_only=True)
class Point:
    """An overlay on the front. cycles: of one image, predicted. luts, bram: predicted."""

    config: OverlayConfig
    cycles: int
    luts: int
    bram: int


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A candidate with its buffers, and what it takes.

    cut: they are too small for whole layers, which run in bands of rows and in parts of sums.
    """

    config: OverlayConfig
    bound: int
    resources: Resources
    cut: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """One question to the models.

    luts, bram: the budget, in LUTs and blocks of 18 Kbit. clock_mhz: what the overlay has to reach,
    0 for any, where the family has a clock model.
    """

    graph: IntegerGraph
    must_run: Sequence[IntegerGraph]
    style: type[OverlayConfig]
    family: str
    memory_bits: int
    latency: int
    luts: int
    bram: int
    clock_mhz: float = 0.0

    def front(self) -> list[Point]:
        """Fewer cycles for more LUTs, up to the first point beyond the LUT budget; may be empty."""
        points: list[Point] = []
        for candidate in self._fitted:
            if candidate.resources.bram > self.bram or self._slow(candidate.config):
                continue
            if points and candidate.bound >= points[-1].cycles:
                continue
            point = self._measured(candidate)
            if point is None or points and point.cycles >= points[-1].cycles:
                continue
            points = [p for p in points if p.luts < point.luts] + [point]
            if point.luts > self.luts:
                break
        return points

    def best(self, most: int) -> Point | None:
        """The fewest cycles within the budget among `most` overlays, those of the least bounds.

        It is the fewest of all when the next bound is no lower. None: none is within the budget.
        """
        inside = [
            f
            for f in self._fitted
            if f.resources.bram <= self.bram
            and f.resources.luts <= self.luts
            and not self._slow(f.config)
        ]
        points: list[Point] = []
        for fitted in sorted(inside, key=lambda f: f.bound)[:most]:
            if points and fitted.bound >= min(point.cycles for point in points):
                break
            point = self._measured(fitted)
            points += [] if point is None else [point]
        return min(points, key=lambda point: (point.cycles, point.luts), default=None)

    def describe(self, config: OverlayConfig) -> dict[str, Any]:
        """What an overlay takes, by which model, beside the budget."""
        model = load_coefficients(self.family)
        return predict_resources(config, self.family).as_dict() | {
            "provenance": "predicted",
            "family": model.family,
            "tool": model.tool,
            "version": model.version,
            "hardware": model.hardware,
            "budget": {"luts": self.luts, "bram": self.bram},
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
        reasons = []
        beyond = [point for point in front if point.luts > self.luts]
        if beyond:
            reasons.append(_reason("LUT", best.luts, self.luts, beyond[0].luts))
        blocked = self._next_without_bram(best)
        if blocked is not None:
            reasons.append(_reason("BRAM", best.bram, self.bram, blocked.bram))
        slow = self._next_too_slow(best)
        if slow is not None:
            reached = predict_clock_mhz(slow, self.family)
            reasons.append(
                f"clock: {self.clock_mhz:g} MHz; next size would reach {reached:.1f} (predicted)"
            )
        return " and ".join(reasons) or (
            f"the network: no larger array is faster ({best.luts:,} of {self.luts:,} LUTs)"
        )

    def too_small(self) -> str:
        """Why no overlay fits: the smallest one's needs against the budget."""
        whole = [fitted for fitted in self._fitted if not fitted.cut]
        if all(self._slow(fitted.config) for fitted in whole):
            fastest = max(predict_clock_mhz(fitted.config, self.family) for fitted in whole)
            return (
                f"no overlay reaches {self.clock_mhz:g} MHz on {self.family}: the fastest would "
                f"{fastest:.1f} (predicted)"
            )
        smallest = min(
            whole,
            key=lambda c: (
                max(c.resources.luts / self.luts, c.resources.bram / self.bram),
                c.resources.luts,
            ),
        ).resources
        return (
            f"no overlay fits: the smallest needs {smallest.luts:,} LUTs and {smallest.bram:,} "
            f"block RAMs of 18 Kbit, the budget has {self.luts:,} and {self.bram:,}"
        )

    @cached_property
    def shapes(self) -> list[LayerShape]:
        """The layers of the graph."""
        return layer_shapes(self.graph)

    @cached_property
    def _fitted(self) -> list[Fitted]:
        """Every candidate with its buffers, the one with the fewest LUTs first."""
        found = candidates(
            self.style, self.shapes, memory_bits=self.memory_bits, latency=self.latency
        )
        arrays = groupby(found, key=lambda c: (c.dm, c.dk, c.dn))
        return sorted(
            (fitted for _, same in arrays for fitted in self._with_buffers(list(same))),
            key=lambda f: (
                *(f.resources.luts, f.bound, f.resources.bram),
                -f.config.lhs_depth,  # of equals, the one with deeper buffers
            ),
        )

    def _with_buffers(self, same: Sequence[Candidate]) -> Iterator[Fitted]:
        """Candidates of one array, with each choice of buffers."""
        one = same[0]
        sizes: dict[str, Any] = {"dm": one.dm, "dk": one.dk, "dn": one.dn}
        sizes |= {"memory_bits": self.memory_bits, "fabric": fabric_of(self.family)}
        array = self.style(**sizes)
        needs, *others = [buffer_needs(array, shapes) for shapes in self._all_shapes]
        for candidate in same:
            sizes["requant_lanes"] = candidate.requant_lanes
            choices = list(_depths(needs, others, array.dm // candidate.requant_lanes))
            whole = [self._fit(sizes | depths, candidate.bound) for depths in choices]
            yield from whole
            if all(fitted.resources.bram > self.bram for fitted in whole):
                yield from self._in_parts(sizes | choices[-1], candidate.least)

    def _in_parts(self, sizes: dict[str, Any], bound: int) -> Iterator[Fitted]:
        """Banks cut down to the budget: with each depth of the weights', the longest activations'.

        Whether the layers can be cut as finely is known when they are measured.
        """
        for lhs_depth in _halves(sizes["lhs_depth"]):
            split = {"lhs_depth": lhs_depth, "k_split": int(lhs_depth < sizes["lhs_depth"])}
            for rhs_depth in _halves(sizes["rhs_depth"]):
                fitted = self._fit(sizes | split | {"rhs_depth": rhs_depth}, bound, cut=True)
                if fitted.resources.bram <= self.bram:
                    yield fitted
                    break

    def _fit(self, sizes: dict[str, Any], bound: int, *, cut: bool = False) -> Fitted:
        config = self.style(**sizes, acc_bits=self._acc_bits)
        resources = predict_resources(config, self.family)
        return Fitted(config=config, bound=bound, resources=resources, cut=cut)

    @cached_property
    def _all_shapes(self) -> list[list[LayerShape]]:
        return [self.shapes, *(layer_shapes(graph) for graph in self.must_run)]

    @cached_property
    def _acc_bits(self) -> int:
        return max(worst_case_acc_bits(shapes) for shapes in self._all_shapes)

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
            luts=candidate.resources.luts,
            bram=candidate.resources.bram,
        )

    def _slow(self, config: OverlayConfig) -> bool:
        """Whether the clock model says that it misses the clock."""
        if not self.clock_mhz or self.family not in clock_families():
            return False
        return predict_clock_mhz(config, self.family) < self.clock_mhz

    def _next_too_slow(self, best: Point) -> OverlayConfig | None:
        """The smallest overlay within the budget that would take fewer cycles, but is too slow."""
        for fitted in self._fitted:
            inside = fitted.resources.bram <= self.bram and fitted.resources.luts <= self.luts
            if inside and fitted.bound < best.cycles and self._slow(fitted.config):
                point = self._measured(fitted)
                if point is not None and point.cycles < best.cycles:
                    return fitted.config
        return None

    def _next_without_bram(self, best: Point) -> Point | None:
        """The faster overlay within the LUT budget that lacks the fewest block RAMs."""
        lacking = [
            f
            for f in self._fitted
            if f.resources.bram > self.bram
            and f.resources.luts <= self.luts
            and f.bound < best.cycles
        ]
        for fitted in sorted(lacking, key=lambda f: (f.resources.bram, f.bound)):
            point = self._measured(fitted)
            if point is not None and point.cycles < best.cycles:
                return point
        return None


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


def _reason(what: str, used: int, has: int, needs: int) -> str:
    return f"{what}: {used:,} of {has:,}; the next faster size needs {needs:,}"
