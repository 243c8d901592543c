"""Goals seen with today's eyes: HIRO's off-policy correction (Nachum et al., arXiv 1805.08296).

The low level changes while it learns, so an old goal no longer leads to what happened then. Before
the high level learns from a transition, its goal is replaced by that of about ten candidates under
which today's low level would most likely do what was done: the goal given, the mean that was
reached, and normal draws around it.
"""

from dataclasses import replace

import numpy as np

from quant.rl.ddpg import Ddpg
from quant.rl.replay import Segment, Transition

DRAWS = 8
SPREAD = 0.25


def relabel(
    transition: Transition, low: Ddpg, *, goal_at: int, generator: np.random.Generator
) -> Transition:
    """The transition with the likeliest goal as the first number of its action.

    goal_at: where the states of the low level hold the goal. Without a low level: as it is.
    """
    if transition.below is None:
        return transition
    given, reached = float(transition.action[0]), float(transition.below.actions.mean())
    drawn = reached + SPREAD * generator.standard_normal(DRAWS)
    goals = np.clip([given, reached, *drawn], 0.0, 1.0)
    scores = likelihoods(transition.below, low, goals, goal_at=goal_at)
    best = goals[int(np.argmax(scores))]
    return replace(transition, action=np.concatenate([[best], transition.action[1:]]))


def likelihoods(below: Segment, low: Ddpg, goals: np.ndarray, *, goal_at: int) -> np.ndarray:
    """(goals,): -1/2 sum |a - mu(s, goal)|^2, the logarithm but for a constant."""
    states = np.repeat(below.states[np.newaxis], len(goals), axis=0)
    states[:, :, goal_at] = goals[:, np.newaxis]
    missed = low.act(states) - below.actions
    return -0.5 * np.square(missed).sum(axis=(1, 2))
