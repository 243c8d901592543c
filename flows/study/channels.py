"""How many channels a network may have, at some bits of its weights, to keep a size or a speed."""

from collections.abc import Callable

from codegen.lower import CompiledNetwork, lower
from codegen.placeholder import with_bits
from flows.plan_price import PlanPrice, channel_widths
from flows.study.prices import graph_of
from flows.study.setting import Setting, wider
from ir.plan import PrecisionPlan, uniform_plan


def widest(takes: Callable[[int], int], most: int, limit: int) -> int:
    """The most channels, up to ``limit``, that take at most ``most``; 1 where none does.

    takes: channels -> what they take, rising but for the rounding of tiles.
    """
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        if takes(middle) <= most:
            low = middle
        else:
            high = middle - 1
    return low


class Graphs:
    """The network of a setting at any number of channels, and what it takes at so many bits of
    weights. a_bits: of activations."""

    def __init__(self, setting: Setting, a_bits: int) -> None:
        self._setting = setting
        self._a_bits = a_bits
        self._known: dict[int, PlanPrice] = {}

    def weight_bytes(self, bits: int, channels: int) -> int:
        """Packed."""
        price, plan = self._price(channels), self._plan(bits, channels)
        return price.weight_bytes(plan)

    def cycles(self, bits: int, channels: int) -> int:
        """By the cycle model, which every simulation is held against."""
        price, plan = self._price(channels), self._plan(bits, channels)
        return price.cycles(plan)

    def network(self, bits: int, channels: int) -> CompiledNetwork:
        """For the simulation."""
        graph, plan = self._price(channels).graph, self._plan(bits, channels)
        return lower(with_bits(graph, channel_widths(plan)), self._setting.overlay.build())

    def _plan(self, bits: int, channels: int) -> PrecisionPlan:
        graph = self._price(channels).graph
        names = [layer.name for layer in graph.layers()]
        first = graph.tensors[graph.input].precision.bits
        return uniform_plan(names, bits, first_a_bits=first, a_bits=self._a_bits)

    def _price(self, channels: int) -> PlanPrice:
        if channels not in self._known:
            overlay = self._setting.overlay
            graph = graph_of(wider(self._setting, channels))
            self._known[channels] = PlanPrice(graph, overlay.build(), latency=overlay.latency)
        return self._known[channels]
