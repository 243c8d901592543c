"""HAQ: hardware-aware automated quantization (Wang et al., arXiv 1811.08886).

A DDPG agent walks through the layers and gives each a number of bits from 0..1; what exceeds the
budget is narrowed from the last layer on (the wall); the reward is 0.1 times the accuracy gained,
in percent, after a short fine-tuning. The first episodes choose at random.

The paper's agent alternates between weights and activations of a layer; ours gives one number to a
group of linked layers. The paper returns the last policy's plan; ours the best plan seen, by
accuracy and then by loss.
"""

from collections.abc import Callable

import numpy as np

from quant.allocator import Allocator, Problem
from quant.fit import Fitted, fallback, priced
from quant.plan_space import Numbers, PlanSpace
from quant.rl.ddpg import Ddpg
from quant.rl.layer_features import group_features
from quant.rl.layers_env import LayersEnv
from quant.rl.replay import episode
from quant.rl.wall import first_kept, sequential_narrowing
from quant.train import threads

REWARD_OF_A_PERCENT = 0.1


class Haq(Allocator):
    """One agent, one number a layer."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        space, judge = problem.space, problem.judge
        limits = problem.budget.limits(problem.cost)
        safe = fallback(lambda _, w: float(w), space, problem.cost, problem.budget).plan
        base = judge(space.plan(space.widest)).accuracy
        seen = {safe: judge(safe)}

        def reward(actions: np.ndarray) -> float:
            numbers = numbers_of(space, actions[:, 0])
            path = [space.plan(step) for step in sequential_narrowing(space, numbers)]
            plan = first_kept([*path, safe], limits)
            seen[plan] = judge(plan)
            return REWARD_OF_A_PERCENT * 100 * (seen[plan].accuracy - base)

        _search(problem, reward)
        return priced(max(seen, key=lambda p: (seen[p].accuracy, -seen[p].nll)), problem.cost)


def numbers_of(space: PlanSpace, actions: np.ndarray) -> Numbers:
    """(groups,) in 0..1 -> a number for each: the range of actions in equal parts."""
    pairs = zip(space.widths, actions, strict=True)
    return tuple(row[min(int(action * len(row)), len(row) - 1)] for row, action in pairs)


def _search(problem: Problem, reward: Callable[[np.ndarray], float]) -> None:
    """All episodes; what they find is the reward's to remember."""
    env = LayersEnv(group_features(problem.model, problem.space), actions=1, judge=reward)
    size = env.observation_space.shape
    assert size is not None
    agent = Ddpg(size[0], 1, seed=problem.seed)
    with threads(1):
        for number in range(problem.settings.episodes):
            warm = number >= problem.settings.warmup
            state, _ = env.reset(seed=problem.seed)
            states, actions, found, last = [], [], 0.0, False
            while not last:
                action = agent.explore(state) if warm else agent.anything()
                states.append(state)
                actions.append(action)
                state, found, last, _, _ = env.step(action)
            for transition in episode(np.stack(states), np.stack(actions), found):
                agent.replay.add(transition)
            if warm:
                for _ in states:
                    agent.learn(agent.sample())
                agent.end_episode()
