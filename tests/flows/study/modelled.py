"""Studies without a simulator: prices from the cycle model, which simulations are held against."""

from collections.abc import Sequence
from itertools import product
from types import ModuleType
from typing import Any

from flows.plan_price import PlanPrice
from flows.steps import Steps
from flows.study.prices import Prices, graph_of
from flows.study.runner import run_study
from flows.study.setting import Setting, StudyConfig
from ir.cost import CostEntry, CostModel, CostTable
from ir.plan import PrecisionPlan, uniform_plan
from quant.plan_space import PlanSpace

TINY = (
    "setting.training.float_epochs=1",
    "setting.training.tune_epochs=1",
    "setting.training.frozen_norm_epochs=0",
)


def predicted(setting: Setting, a_bits: int | None = None) -> Prices:
    """Prices from the cycle model alone, which needs no simulator."""
    graph = graph_of(setting)
    model = PlanPrice(graph, setting.overlay.build(), latency=20)
    names = [layer.name for layer in graph.layers()]
    widths = sorted({2, 4, *setting.choices})
    plans = {b: uniform_plan(names, b, first_a_bits=5, a_bits=a_bits) for b in widths}
    uniform = {bits: model.cycles(plan) for bits, plan in plans.items()}
    entries = {
        name: {
            plans[bits][name].pair: CostEntry(
                cycles=uniform[bits] // len(names),
                provenance="predicted",
                weight_bytes=model.weight_bytes(plans[bits]) // len(names),
            )
            for bits in setting.choices
        }
        for name in names
    }
    table = CostTable(entries)
    space = PlanSpace(table, [(name,) for name in names])
    few = space.size <= 16
    every = [space.plan(numbers) for numbers in product(*space.widths)] if few else []
    return Prices(
        overlay=setting.overlay,
        table=table,
        cycles={plan: model.cycles(plan) for plan in every},
        uniform=uniform,
        cost=CostModel(table=table, plan_cycles=model.cycles, plan_bytes=model.weight_bytes),
    )


def modelled(
    setting: Setting, steps: Steps, plans: Sequence[PrecisionPlan], *, sort: bool = True
) -> dict[PrecisionPlan, int]:
    """In place of a simulation."""
    price = PlanPrice(graph_of(setting), setting.overlay.build(), latency=20, sort=sort)
    return {plan: price.cycles(plan) for plan in plans}


def run_small(study: ModuleType, config: StudyConfig, shared: Any) -> dict[str, Any]:
    """A study's results, without its own preparation. shared: what its cells share."""
    return run_study(
        config,
        lambda _: shared,
        study.one_cell,
        study.gather,
        command="bitwright study",
    )
