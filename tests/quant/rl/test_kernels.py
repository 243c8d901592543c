"""AutoQ's parts: variance-ordered bits, goals relabelled, narrower kernels, rewards."""

import math

import numpy as np
import pytest

from ir.cost import CostModel
from ir.errors import ConfigError
from ir.plan import LayerBits, PrecisionPlan
from quant.layers import QuantNet
from quant.plan_space import PlanSpace
from quant.rl.ddpg import Ddpg
from quant.rl.extrinsic import extrinsic_reward
from quant.rl.kernel_plan import KernelPlan, narrowing
from quant.rl.kernels import (
    GOAL,
    STATE_SIZE,
    KernelLayer,
    choose_kernels,
    intrinsic,
    kernel_layers,
)
from quant.rl.relabel import likelihoods, relabel
from quant.rl.replay import Segment, Transition
from quant.search_settings import Extrinsic
from tests.quant.toy_cost import COST, cost_of, plan_at


def layers_of(net: QuantNet, widths: tuple[int, ...] = (2, 4, 8)) -> list[KernelLayer]:
    return kernel_layers(net, PlanSpace(cost_of(widths).table, net.links))


def test_kernels_by_falling_variance(quant_net: QuantNet) -> None:
    conv2 = layers_of(quant_net)[1]
    weight = quant_net.chain[1].linear.weight.detach().flatten(1).numpy()
    variances = weight.astype(np.float64).var(axis=1)
    assert conv2.order.tolist() == np.argsort(-variances).tolist()
    assert conv2.variances[0] == 1.0 and (np.diff(conv2.variances) <= 0).all()
    assert [layer.one_width for layer in layers_of(quant_net)] == [False, False, False, True]


@pytest.mark.parametrize("seed", range(5))
def test_a_kernel_of_larger_variance_never_has_fewer_bits(seed: int, quant_net: QuantNet) -> None:
    draw = np.random.default_rng(seed)
    for layer in layers_of(quant_net, tuple(range(1, 9)))[:-1]:
        bits, done = choose_kernels(layer, 0.5, lambda _: draw.random(1))
        assert (np.diff(bits[layer.order]) <= 0).all() and bits.max() >= 1
        assert np.array_equal(done.actions[:, 0] * 8, bits[layer.order])
        assert (done.states[:, GOAL] == 0.5).all() and done.states.shape == (len(bits), STATE_SIZE)
        assert done.states.min() >= 0 and done.states.max() <= 1


def test_the_nearest_allowed_width_and_pruning(quant_net: QuantNet) -> None:
    layer = layers_of(quant_net)[0]  # 2, 4, 8
    assert [layer.bits_at(b / 8, prune=True) for b in (0, 0.9, 1.1, 3.2, 6.5)] == [0, 0, 2, 4, 8]
    assert layer.bits_at(0.0, prune=False) == 2
    bits, _ = choose_kernels(layer, 0.5, lambda _: np.zeros(1))
    assert sorted(bits.tolist()) == [0, 0, 0, 2]  # the first is never pruned
    assert layer.uniform(0.55).tolist() == [4] * 4
    assert intrinsic(layer, 0.5, np.array([2, 4, 4, 2])) == pytest.approx(-1.0)


def test_relabelled_goals_lead_to_what_was_done() -> None:
    """A low level whose action is the goal itself: the goal becomes what was reached."""
    low = Ddpg(STATE_SIZE, 1, seed=0)

    def echo(state: np.ndarray) -> np.ndarray:
        return state[..., GOAL:]

    low.act = echo  # pyright: ignore[reportAttributeAccessIssue]
    below = Segment(states=np.full((5, STATE_SIZE), 0.9), actions=np.full((5, 1), 0.25))
    old = Transition(
        state=np.zeros(3),
        action=np.array([0.9, 0.4]),
        reward=1.0,
        next_state=np.zeros(3),
        last=False,
        below=below,
    )
    goals = np.array([0.9, 0.25, 0.3])
    scores = likelihoods(below, low, goals, goal_at=GOAL)
    assert scores.tolist() == pytest.approx([-0.5 * 5 * 0.65**2, 0.0, -0.5 * 5 * 0.05**2])
    new = relabel(old, low, goal_at=GOAL, generator=np.random.default_rng(0))
    assert new.action.tolist() == [0.25, 0.4] and old.action.tolist() == [0.9, 0.4]
    alone = Transition(**{**vars(old), "below": None})
    assert relabel(alone, low, goal_at=GOAL, generator=np.random.default_rng(0)) is alone


def kernel_plan(space: PlanSpace) -> KernelPlan:
    bits = {
        "conv1": np.array([8, 4, 2, 0]),
        "conv2": np.array([4] * 8),
        "conv3": np.array([8, 8, 2, 2, 2, 0, 0, 0]),
        "fc": np.array([8] * 10),
    }
    return KernelPlan.of(space, bits, np.array([0.9, 0.0, 0.99, 0.5]))


def test_plans_by_kernel(quant_net: QuantNet) -> None:
    found = kernel_plan(PlanSpace(COST.table, quant_net.links)).plan()
    assert found == PrecisionPlan(
        {
            "conv1": LayerBits(w_bits=(8, 4, 2, 0), a_bits=5),
            "conv2": LayerBits(w_bits=4, a_bits=2),
            "conv3": LayerBits(w_bits=(8, 8, 2, 2, 2, 0, 0, 0), a_bits=8),
            "fc": LayerBits(w_bits=8, a_bits=4),
        }
    )


def test_linked_layers_take_the_first_ones_activation_bits(quant_net: QuantNet) -> None:
    space = PlanSpace(COST.table, [("conv1",), ("conv2", "conv3"), ("fc",)])
    found = kernel_plan(space).plan()
    assert (found["conv2"].a_bits, found["conv3"].a_bits, found["fc"].a_bits) == (2, 2, 4)


def test_narrowing_ends_at_the_narrowest_and_prunes_nothing(quant_net: QuantNet) -> None:
    steps = [s.plan() for s in narrowing(kernel_plan(PlanSpace(COST.table, quant_net.links)))]
    assert steps[1]["fc"] == LayerBits(w_bits=4, a_bits=2)
    assert steps[2]["conv3"] == LayerBits(w_bits=(4, 4, 2, 2, 2, 0, 0, 0), a_bits=4)
    assert steps[-1]["conv1"] == LayerBits(w_bits=(2, 2, 2, 0), a_bits=5)
    assert steps[-1]["conv2"] == LayerBits(w_bits=2, a_bits=2)
    cycles = [COST.plan_cycles(plan) for plan in steps]
    assert cycles == sorted(cycles, reverse=True) and len(steps) == len(set(steps))


def test_rewards_weigh_costs_by_their_exponents() -> None:
    wide, narrow = plan_at(8), plan_at(2)
    alone = extrinsic_reward(Extrinsic(), COST, wide)
    assert alone(narrow, 0.5) == alone(wide, 0.5) == pytest.approx(math.log(0.5))
    cost = CostModel(
        table=COST.table,
        plan_cycles=COST.plan_cycles,
        plan_energy=lambda plan: 2.0 if plan == narrow else 8.0,
        plan_area=lambda plan: 3.0,
    )
    wanted = Extrinsic(
        mode="accuracy", psi_accuracy=2, psi_latency=0.5, psi_energy=0.25, psi_area=1
    )
    ratio = COST.plan_cycles(narrow) / COST.plan_cycles(wide)
    found = extrinsic_reward(wanted, cost, wide)(narrow, 0.9)
    assert found == pytest.approx(2 * math.log(0.9) - 0.5 * math.log(ratio) + 0.25 * math.log(4))


def test_rewards_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="psi_energy needs a cost model with plan_energy"):
        extrinsic_reward(Extrinsic(mode="accuracy", psi_energy=1), COST, plan_at(2))
    with pytest.raises(ConfigError, match="psi_area belong to mode accuracy"):
        Extrinsic(psi_latency=0.5)
    with pytest.raises(ConfigError, match="mode must be resources or accuracy, not 'speed'"):
        Extrinsic(mode="speed")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="tolerance must be 0 to 100, not -0.1"):
        Extrinsic(tolerance=-0.1)
