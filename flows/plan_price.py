"""What a plan costs on an overlay: cycles of the whole network, bytes of its packed weights."""

from __future__ import annotations

from codegen.cycles import MemoryTiming, predict
from codegen.lower import CompiledNetwork, lower
from codegen.placeholder import Widths, with_bits
from hw.config import OverlayConfig
from ir.graph import IntegerGraph
from ir.plan import PrecisionPlan


class PlanPrice:
    """The exact models of one network on one overlay; each plan is compiled once.

    latency: of the memory, cycles. sort: whether output channels lie in order of their bits.
    """

    def __init__(
        self, graph: IntegerGraph, config: OverlayConfig, *, latency: int, sort: bool = True
    ) -> None:
        self.graph = graph
        self.config = config
        self.timing = MemoryTiming(latency=latency)
        self.sort = sort
        self._known: dict[PrecisionPlan, tuple[int, int]] = {}

    def cycles(self, plan: PrecisionPlan) -> int:
        """Cycles of one image, START to irq."""
        return self._of(plan)[0]

    def weight_bytes(self, plan: PrecisionPlan) -> int:
        """Bytes of all weights as the overlay stores them."""
        return self._of(plan)[1]

    def _of(self, plan: PrecisionPlan) -> tuple[int, int]:
        if plan not in self._known:
            graph = with_bits(self.graph, channel_widths(plan))
            network = lower(graph, self.config, sort=self.sort)
            total = sum(weight_bytes(network).values())
            self._known[plan] = predict(network, self.timing).cycles, total
        return self._known[plan]


def channel_widths(plan: PrecisionPlan) -> dict[str, Widths]:
    """{layer: (w_bits as they are stored, or one for each output channel; a_bits)}."""
    return {layer: (bits.stored, bits.a_bits) for layer, bits in plan.layers.items()}


def weight_bytes(network: CompiledNetwork) -> dict[str, int]:
    """{layer: bytes of its weights in memory}: row tiles at their widest row, filled bus words."""
    segments = network.segments
    return {layer.name: len(segments[layer.addresses.weights]) for layer in network.layers}
