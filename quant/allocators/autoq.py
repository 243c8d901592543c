"""AutoQ: a weight width for every kernel, by two agents (Lou et al., arXiv 1902.05690).

The high level gives each layer a goal, the mean weight bits of its kernels, and its activation
bits; the low level gives every kernel its bits, 0 = pruned, in order of falling variance. Both are
DDPG. The low level is rewarded for reaching the goal and for what the plan comes to, the high level
for the latter, with its goals relabelled (HIRO). Latency is that of the sorted layout, by the exact
model of the whole network.

Resources mode: the budget is a wall as HAQ's. Accuracy mode: costs are in the reward, and of the
plans that lose little the cheapest is taken; the budget is kept there too, as every allocator must.

Ours: the last layer's kernels have one width, since they share a step; widths are 0 and those of
the cost table; linked layers take the activation bits that the first of them is given. With
granularity `layer` the high level's goal is the width of all kernels: what is left of the method
when kernels do not count.
"""

from dataclasses import dataclass, field

import numpy as np

from ir.plan import PrecisionPlan
from quant.allocator import Allocator, Problem
from quant.budget import keeps
from quant.evaluations import Evaluation
from quant.fit import Fitted, fallback, priced
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
from quant.rl.layers_env import LayersEnv
from quant.rl.relabel import relabel
from quant.rl.replay import Segment, episode
from quant.rl.wall import first_kept
from quant.train import threads

EXTRINSIC_SHARE = 0.5  # z: of the low level's reward


class Autoq(Allocator):
    """Two agents, a width for each kernel."""

    def choose(self, problem: Problem) -> Fitted:
        """See `Allocator.choose`."""
        search = _Search(problem)
        with threads(1):
            for number in range(problem.settings.episodes):
                search.episode(explore=number >= problem.settings.warmup)
        return priced(search.best(), problem.cost)


@dataclass(eq=False)
class _Chosen:
    """One episode's low level: what each layer's kernels got, and what was done for it."""

    bits: dict[str, np.ndarray] = field(default_factory=dict)
    segments: list[Segment | None] = field(default_factory=list)
    goals: list[float] = field(default_factory=list)


class _Search:
    """Both agents, and every plan that they came to."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        by_kernel = problem.settings.granularity == "kernel"
        self.layers = kernel_layers(problem.model, problem.space, by_kernel=by_kernel)
        self.limits = problem.budget.limits(problem.cost)
        space = problem.space
        self.safe = fallback(lambda _, w: float(w), space, problem.cost, problem.budget).plan
        widest = space.plan(space.widest)
        self.base = problem.judge(widest).accuracy
        self.seen: dict[PrecisionPlan, Evaluation] = {self.safe: problem.judge(self.safe)}
        self.reward = extrinsic_reward(problem.settings.extrinsic, problem.cost, widest)
        features = np.stack([layer.features for layer in self.layers])
        self.env = LayersEnv(features, actions=2, judge=self._judge)
        self.high = Ddpg(features.shape[1] + 2, 2, seed=problem.seed)
        self.low = Ddpg(STATE_SIZE, 1, seed=problem.seed + 1)
        self.exploring = False
        self.chosen = _Chosen()

    def episode(self, *, explore: bool) -> None:
        """Choose for every layer and kernel, judge, learn. Without ``explore``: at random."""
        self.exploring = explore
        state, _ = self.env.reset()
        states, actions, reward, last = [], [], 0.0, False
        while not last:
            action = self.high.explore(state) if explore else self.high.anything()
            states.append(state)
            actions.append(action)
            state, reward, last, _, _ = self.env.step(action)
        self._remember(np.stack(states), np.stack(actions), reward)
        if explore:
            self._learn()

    def best(self) -> PrecisionPlan:
        """The most accurate plan; in accuracy mode the cheapest of those that lose little."""
        wanted = self.problem.settings.extrinsic
        kept = {p: found for p, found in self.seen.items() if keeps(p, self.limits)}
        least = self.base - wanted.tolerance
        good = [plan for plan, found in kept.items() if found.accuracy >= least]
        if wanted.mode == "accuracy" and good:
            return max(good, key=lambda p: (self.reward(p, kept[p].accuracy), -kept[p].nll))
        return max(kept, key=lambda p: (kept[p].accuracy, -kept[p].nll))

    def _judge(self, actions: np.ndarray) -> float:
        """(layers, 2) actions of the high level -> the extrinsic reward."""
        self.chosen = _Chosen()
        for layer, (goal, _) in zip(self.layers, actions, strict=True):
            self._choose(layer, float(goal))
        plan = self._within(KernelPlan.of(self.problem.space, self.chosen.bits, actions[:, 1]))
        self.seen[plan] = self.problem.judge(plan)
        return self.reward(plan, self.seen[plan].accuracy)

    def _choose(self, layer: KernelLayer, goal: float) -> None:
        if layer.one_width:
            bits, segment = layer.uniform(goal), None
        else:
            policy = self.low.explore if self.exploring else lambda _: self.low.anything()
            bits, segment = choose_kernels(layer, goal, policy)
        self.chosen.bits[layer.name] = bits
        self.chosen.segments.append(segment)
        self.chosen.goals.append(goal)

    def _within(self, found: KernelPlan) -> PrecisionPlan:
        """In resources mode the plan behind the wall."""
        if self.problem.settings.extrinsic.mode == "accuracy":
            return found.plan()
        path = [step.plan() for step in narrowing(found)]
        return first_kept([*path, self.safe], self.limits)

    def _remember(self, states: np.ndarray, actions: np.ndarray, reward: float) -> None:
        for transition in episode(states, actions, reward, self.chosen.segments):
            self.high.replay.add(transition)
        for layer, segment, goal in zip(
            self.layers, self.chosen.segments, self.chosen.goals, strict=True
        ):
            if segment is not None:
                near = intrinsic(layer, goal, self.chosen.bits[layer.name])
                mixed = (1 - EXTRINSIC_SHARE) * near + EXTRINSIC_SHARE * reward
                for transition in episode(segment.states, segment.actions, mixed):
                    self.low.replay.add(transition)

    def _learn(self) -> None:
        """A step for every layer and every kernel, the low level first."""
        for _ in range(sum(len(s.actions) for s in self.chosen.segments if s is not None)):
            self.low.learn(self.low.sample())
        for _ in self.layers:
            batch = [
                relabel(t, self.low, goal_at=GOAL, generator=self.high.generator)
                for t in self.high.sample()
            ]
            self.high.learn(batch)
        self.high.end_episode()
        self.low.end_episode()
