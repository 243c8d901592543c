"""A mixture of weight widths in one network, beside networks of a single width (one_bitwidth).

Activations have the same bits everywhere. EAGL chooses the widths of the weights, from the network
trained at the widest ones, within a budget of bytes or of cycles.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.steps import Steps
from flows.study.arms import Arm, cell_of, trained
from flows.study.cell import Cell
from flows.study.prices import Prices, measure_prices, simulate_plans
from flows.study.search import COST_SOURCES
from flows.study.setting import Setting, wider
from ir.config import plain
from ir.plan import plan_from_dict, uniform_plan
from quant.allocator import build_allocator
from quant.budget import Budget
from quant.prepare import layer_names
from quant.train import fine_tune

ALLOCATOR = "eagl"


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """channels: of the first layer. widths: of weights, ascending. prices: of that network, all
    weights at each of them."""

    name: str
    channels: int
    widths: tuple[int, ...]
    a_bits: int
    budget: Budget
    prices: Prices

    def outcome(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """What an arm comes to, with the plan and what it takes: weight_bytes, measured cycles."""
        own = cell_of(cell, self.channels, folder)
        plan = plan_from_dict(self._allocated(own))
        arm = Arm(
            name=self.name,
            bits=min(bits.widest for bits in plan.layers.values()),
            quantizer="lsq",
            recipe=own.setting.training.of_plan(plan, own.seed),
            width=self.channels,
            mixed=plan,
        )
        plan_bytes = self.prices.cost.plan_bytes
        assert plan_bytes is not None
        return {
            **trained(own, arm),
            "plan": str(plan),
            "channels": self.channels,
            "weight_bytes": plan_bytes(plan),
            "cycles": simulate_plans(own.setting, own.steps, [plan])[plan],
        }

    def _allocated(self, cell: Cell) -> dict[str, Any]:
        """The plan as plain values; kept as a step."""

        def work() -> dict[str, Any]:
            first = cell.data.task.precision.bits
            names = layer_names(cell.float_net)
            plan = uniform_plan(names, self.widths[-1], first_a_bits=first, a_bits=self.a_bits)
            base = fine_tune(
                cell.float_net,
                plan,
                cell.data.search,
                cell.setting.training.of_plan(plan, cell.seed),
                quantizer=cell.setting.quantizer,
            )
            found = build_allocator(ALLOCATOR).allocate(
                base, cell.data.search, self.prices.cost, self.budget, cell.seed
            )
            return found.plan.to_dict()

        inputs = {
            "budget": plain(self.budget),
            "widths": list(self.widths),
            "a_bits": self.a_bits,
            "overlay": plain(self.prices.overlay),
        }
        return cell.steps.do("mixture", self.name, cell.inputs | inputs, work, sources=COST_SOURCES)


def priced_mixture(
    name: str,
    setting: Setting,
    steps: Steps,
    *,
    widths: tuple[int, ...],
    channels: int,
    a_bits: int,
    budget: Budget,
) -> Mixture:
    """A mixture of these widths; the network is simulated at each of them alone."""
    ascending = tuple(sorted(widths))
    own = replace(wider(setting, channels), choices=ascending)
    return Mixture(
        name=name,
        channels=channels,
        widths=ascending,
        a_bits=a_bits,
        budget=budget,
        prices=measure_prices(own, steps, a_bits=a_bits),
    )
