"""A made-up overlay for d4 with 4 channels: a cost model whose truth lies above its table."""

from ir.cost import CostEntry, CostModel, CostTable
from ir.plan import PrecisionPlan, uniform_plan
from quant.search_settings import SearchSettings

MACS = {"conv1": 2304, "conv2": 4608, "conv3": 9216, "fc": 1280}
WIDTHS = (2, 4, 8)
QUICK = SearchSettings(epochs=0, episodes=6, warmup=3)


def cycles(layer: str, w_bits: int, a_bits: int) -> int:
    return 150 + MACS[layer] * w_bits * a_bits // 128


def cost_of(widths: tuple[int, ...]) -> CostModel:
    """Measured cycles above the table's sum, bytes as many as there are bits of weights / 8."""
    entries = {}
    for layer, macs in MACS.items():
        pairs = [(b, 5 if layer == "conv1" else b) for b in widths]
        entries[layer] = {
            pair: CostEntry(
                cycles=cycles(layer, *pair), provenance="measured", weight_bytes=macs * pair[0] // 8
            )
            for pair in pairs
        }
    table = CostTable(entries)

    def truth(plan: PrecisionPlan) -> int:
        spent = [cycles(name, *bits.pair) for name, bits in plan.layers.items()]
        return sum(spent) * 103 // 100 + 17

    def packed(plan: PrecisionPlan) -> int:
        return sum(MACS[name] * bits.widest // 8 for name, bits in plan.layers.items()) + 64

    return CostModel(table=table, plan_cycles=truth, plan_bytes=packed)


COST = cost_of(WIDTHS)


def plan_at(bits: int) -> PrecisionPlan:
    return uniform_plan(list(MACS), bits, first_a_bits=5)


def budget_at(fraction: float) -> int:
    c2, c8 = (COST.plan_cycles(plan_at(b)) for b in (2, 8))
    return int(c2 + fraction * (c8 - c2))
