"""The agent: it learns, explores inside its bounds, and is the same twice."""

import numpy as np
import pytest
import torch

from quant.rl.ddpg import Ddpg, DdpgConfig
from quant.rl.replay import Replay, Segment, Transition, episode
from quant.train import threads

QUICK = DdpgConfig(hidden=32, actor_rate=3e-3, critic_rate=1e-2, target_share=0.1)


def one_step(agent: Ddpg, rounds: int) -> float:
    """An action near the state's own number is worth most; the mean distance after learning."""
    draw = np.random.default_rng(3)
    with threads(1):
        return _learned(agent, draw, rounds)


def _learned(agent: Ddpg, draw: np.random.Generator, rounds: int) -> float:
    for _ in range(rounds):
        state = draw.random(1)
        action = agent.explore(state) if len(agent.replay) > 100 else agent.anything()
        reward = -float((action[0] - state[0]) ** 2)
        agent.replay.add(
            Transition(state=state, action=action, reward=reward, next_state=state, last=True)
        )
        if len(agent.replay) > 100:
            agent.learn(agent.sample())
            agent.end_episode()
    states = np.linspace(0.1, 0.9, 9)[:, np.newaxis]
    return float(np.abs(agent.act(states) - states).mean())


def test_learns_what_is_worth_most_and_is_the_same_twice() -> None:
    torch.manual_seed(0)
    untrained = one_step(Ddpg(1, 1, seed=5, config=QUICK), 50)
    first = one_step(Ddpg(1, 1, seed=5, config=QUICK), 400)
    torch.manual_seed(1)
    second = one_step(Ddpg(1, 1, seed=5, config=QUICK), 400)
    assert first < 0.1 < untrained
    assert first == second


def test_targets_are_rewards_less_the_baseline_plus_what_follows() -> None:
    agent = Ddpg(2, 1, seed=0, config=DdpgConfig(hidden=8, discount=0.5))
    states = np.array([[0.1, 0.2], [0.3, 0.4]])
    steps = list(episode(states, np.array([[0.5], [0.6]]), 2.0))
    assert [t.last for t in steps] == [False, True]
    assert np.array_equal(steps[0].next_state, states[1])
    ahead = torch.cat([torch.tensor(states[1:2]).float(), torch.tensor(agent.act(states[1:2]))], 1)
    value = float(agent.critic(ahead.float()).detach())
    found = agent._target(steps, np.array([2.0, 2.0])).flatten().tolist()
    assert found == pytest.approx([2.0 + 0.5 * value, 2.0], abs=1e-6)
    agent.learn(steps)
    assert agent.baseline == 2.0
    agent.learn([Transition(**{**vars(t), "reward": 4.0}) for t in steps])
    assert agent.baseline == 3.0


def test_exploration_stays_in_bounds_and_shrinks() -> None:
    agent = Ddpg(1, 1, seed=0)
    state = np.array([0.5])
    wide = np.array([agent.explore(state)[0] for _ in range(400)])
    assert wide.min() >= 0 and wide.max() <= 1 and wide.std() > 0.2
    for _ in range(300):
        agent.end_episode()
    assert agent.noise == pytest.approx(0.5 * 0.99**300)
    narrow = np.array([agent.explore(state)[0] for _ in range(400)])
    assert np.abs(narrow - agent.act(state)[0]).mean() == pytest.approx(
        agent.noise * (2 / np.pi) ** 0.5, rel=0.15
    )


def test_replay_forgets_the_oldest() -> None:
    replay = Replay(3)
    for number in range(5):
        state = np.array([float(number)])
        replay.add(Transition(state=state, action=state, reward=0, next_state=state, last=True))
    drawn = replay.sample(60, np.random.default_rng(0))
    assert len(replay) == 3 and {t.state[0] for t in drawn} == {2.0, 3.0, 4.0}


def test_an_episode_carries_what_was_done_below() -> None:
    below = [Segment(states=np.zeros((2, 1)), actions=np.zeros((2, 1))), None]
    steps = list(episode(np.zeros((2, 1)), np.zeros((2, 1)), 1.0, below))
    assert steps[0].below is below[0] and steps[1].below is None
    assert [t.reward for t in steps] == [1.0, 1.0]
