"""greedy_bops: the layer of most bit-operations gives up bits until the budget is kept.

Starts with every layer at its widest and narrows, step by step, whichever group of linked layers
saves the most bit-operations (MACs x w_bits x a_bits). The costs of the hardware decide only when
to stop: this is the baseline that a measured cost has to beat.
"""

from collections.abc import Iterator

from quant.allocator import Allocator, Problem
from quant.fit import Fitted, first_within
from quant.macs import layer_macs
from quant.plan_space import Numbers, PlanSpace


class GreedyBops(Allocator):
    """Bit-operations instead of cycles."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        path = narrowing(problem.space, layer_macs(problem.model))
        return first_within(path, problem.space, problem.cost, problem.budget)


def narrowing(space: PlanSpace, macs: dict[str, int]) -> Iterator[Numbers]:
    """From the widest plan to the narrowest, always the step that saves the most."""
    numbers = space.widest
    while True:
        yield numbers
        steps = [space.narrower(numbers, group) for group in range(len(space.groups))]
        left = [step for step in steps if step is not None]
        if not left:
            return
        numbers = min(left, key=lambda step: bit_operations(space, macs, step))


def bit_operations(space: PlanSpace, macs: dict[str, int], numbers: Numbers) -> int:
    """Sum over layers of MACs x w_bits x a_bits."""
    pairs = {name: bits.pair for name, bits in space.plan(numbers).layers.items()}
    return sum(macs[name] * w * a for name, (w, a) in pairs.items())
