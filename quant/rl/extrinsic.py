"""AutoQ's extrinsic reward: log(accuracy^a / (latency^l * energy^e * area^r))."""

import math
from collections.abc import Callable

from ir.cost import CostModel
from ir.errors import ConfigError
from ir.plan import PrecisionPlan
from quant.search_settings import Extrinsic

LEAST_ACCURACY = 1e-3  # the logarithm of no accuracy at all


def extrinsic_reward(
    wanted: Extrinsic, cost: CostModel, reference: PrecisionPlan
) -> Callable[[PrecisionPlan, float], float]:
    """(plan, accuracy 0..1) -> reward. Costs are relative to those of ``reference``, which adds a
    constant. ConfigError when an exponent weighs what the cost model does not price."""
    terms = [
        (psi, price, float(price(reference)))
        for psi, price in (
            (wanted.psi_latency, cost.plan_cycles),
            (wanted.psi_energy, _needed(wanted.psi_energy, cost.plan_energy, "energy")),
            (wanted.psi_area, _needed(wanted.psi_area, cost.plan_area, "area")),
        )
        if price is not None and psi > 0
    ]

    def reward(plan: PrecisionPlan, accuracy: float) -> float:
        gained = wanted.psi_accuracy * math.log(max(accuracy, LEAST_ACCURACY))
        return gained - sum(psi * math.log(price(plan) / least) for psi, price, least in terms)

    return reward


def _needed(
    psi: float, price: Callable[[PrecisionPlan], float] | None, what: str
) -> Callable[[PrecisionPlan], float] | None:
    if psi > 0 and price is None:
        raise ConfigError(f"psi_{what} needs a cost model with plan_{what}")
    return price
