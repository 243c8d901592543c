"""The layers as an environment, what an agent sees of them, and the wall."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from quant.allocators.haq import numbers_of
from quant.budget import Budget
from quant.layers import QuantNet
from quant.plan_space import PlanSpace
from quant.rl.layer_features import NAMES, group_features, layer_features
from quant.rl.layers_env import LayersEnv
from quant.rl.wall import first_kept, sequential_narrowing
from tests.quant.toy_cost import COST, budget_at


def test_one_action_a_layer_and_the_reward_at_the_last() -> None:
    seen = []

    def judge(actions: np.ndarray) -> float:
        seen.append(actions)
        return 7.0

    features = np.array([[0.1, 0.2], [0.3, 0.4], [1.0, 0.0]])
    env = LayersEnv(features, actions=1, judge=judge)
    state, _ = env.reset()
    assert state.tolist() == pytest.approx([0.1, 0.2, 0.0])
    rewards, lasts = [], []
    for value in (0.5, 0.25, 0.75):
        state, reward, last, _, _ = env.step(np.array([value]))
        rewards.append(reward)
        lasts.append(last)
    assert rewards == [0.0, 0.0, 7.0] and lasts == [False, False, True]
    assert state.tolist() == pytest.approx([1.0, 0.0, 0.75])
    assert seen[0].tolist() == [[0.5], [0.25], [0.75]]


@pytest.mark.filterwarnings("ignore")
def test_is_an_environment_of_gymnasium() -> None:
    check_env(
        LayersEnv(np.eye(3), actions=2, judge=lambda a: float(a.sum())), skip_render_check=True
    )


def test_features_of_layers(quant_net: QuantNet) -> None:
    rows = layer_features(quant_net)
    table = np.stack(list(rows.values()))
    assert table.shape == (4, len(NAMES)) and table.min() >= 0 and table.max(axis=0).min() == 1
    conv2 = dict(zip(NAMES, rows["conv2"], strict=True))
    assert conv2["index"] == 2 / 4 and conv2["stride"] == 1 and conv2["is linear"] == 0
    assert conv2["input pixels"] == 1.0 and conv2["inputs"] == 4 / 128
    space = PlanSpace(COST.table, [("conv1",), ("conv2", "conv3"), ("fc",)])
    grouped = group_features(quant_net, space)
    assert grouped[1].tolist() == pytest.approx(((rows["conv2"] + rows["conv3"]) / 2).tolist())


def test_actions_are_numbers_in_equal_parts(quant_net: QuantNet) -> None:
    space = PlanSpace(COST.table, quant_net.links)  # 2, 4, 8
    assert numbers_of(space, np.array([0.0, 0.33, 0.34, 1.0])) == (2, 2, 4, 8)


def test_the_wall_narrows_the_last_layers_first(quant_net: QuantNet) -> None:
    space = PlanSpace(COST.table, quant_net.links)
    path = list(sequential_narrowing(space, (8, 4, 8, 4)))
    assert path[:4] == [(8, 4, 8, 4), (8, 4, 8, 2), (8, 4, 4, 2), (8, 2, 4, 2)]
    assert path[-1] == space.cheapest


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.35, 0.8, 1.0])
def test_the_wall_stops_at_the_first_plan_within(fraction: float, quant_net: QuantNet) -> None:
    space = PlanSpace(COST.table, quant_net.links)
    limits = Budget(cycles=budget_at(fraction)).limits(COST)
    plans = [space.plan(numbers) for numbers in sequential_narrowing(space, space.widest)]
    cycles = [COST.plan_cycles(plan) for plan in plans]
    wanted = next(p for p, c in zip(plans, cycles, strict=True) if c <= budget_at(fraction))
    assert first_kept(plans, limits) == wanted
