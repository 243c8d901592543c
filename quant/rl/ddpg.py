"""DDPG: deterministic policy gradients for actions in 0..1 (Lillicrap et al., arXiv 1509.02971).

    critic: Q(s, a) -> r - B + discount Q'(s', mu'(s')),   actor: mu(s) climbs Q(s, mu(s))

As HAQ and AMC use it: B is a moving average of the rewards, which lowers the variance; exploration
draws from a normal distribution around mu(s), cut to 0..1, whose width shrinks with every episode.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor, nn
from torch.nn import functional

from quant.rl.replay import Replay, Transition


@dataclass(frozen=True, kw_only=True)
class DdpgConfig:
    """Learning rates of Adam, the share of the new weights that targets take over a step, the width
    of exploration and what it shrinks by an episode, the weight of new rewards in B."""

    hidden: int = 300
    actor_rate: float = 1e-4
    critic_rate: float = 1e-3
    discount: float = 1.0
    target_share: float = 0.01
    batch_size: int = 64
    capacity: int = 2048
    noise: float = 0.5
    noise_decay: float = 0.99
    baseline_share: float = 0.5


class Ddpg:
    """An agent for states of S numbers and actions of A numbers in 0..1; everything by its seed."""

    def __init__(
        self, states: int, actions: int, *, seed: int, config: DdpgConfig | None = None
    ) -> None:
        self.config = config or DdpgConfig()
        self.actions = actions
        self.generator = np.random.default_rng(seed)
        self.replay = Replay(self.config.capacity)
        self.noise = self.config.noise
        self.baseline: float | None = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.actor = _perceptron(states, self.config.hidden, actions)
            self.critic = _perceptron(states + actions, self.config.hidden, 1)
        self._targets = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self._actor_steps = torch.optim.Adam(self.actor.parameters(), self.config.actor_rate)
        self._critic_steps = torch.optim.Adam(self.critic.parameters(), self.config.critic_rate)

    def act(self, state: np.ndarray) -> np.ndarray:
        """The policy. state (..., S) -> (..., A) in 0..1."""
        with torch.no_grad():
            return torch.sigmoid(self.actor(_tensor(state))).numpy().astype(np.float64)

    def explore(self, state: np.ndarray) -> np.ndarray:
        """state (S,) -> (A,): normal around the policy, cut to 0..1."""
        mean = self.act(state)
        low, high = ndtr((0 - mean) / self.noise), ndtr((1 - mean) / self.noise)
        place = self.generator.uniform(low, high)
        return np.clip(mean + self.noise * ndtri(place), 0.0, 1.0)

    def anything(self) -> np.ndarray:
        """(A,): an action of the warm-up, uniform."""
        return self.generator.random(self.actions)

    def end_episode(self) -> None:
        """Explore less from now on."""
        self.noise *= self.config.noise_decay

    def sample(self) -> list[Transition]:
        """A batch of what is remembered."""
        return self.replay.sample(self.config.batch_size, self.generator)

    def learn(self, batch: Sequence[Transition]) -> None:
        """One step of critic and actor."""
        state = _tensor(np.stack([t.state for t in batch]))
        action = _tensor(np.stack([t.action for t in batch]))
        reward = np.array([t.reward for t in batch])
        target = self._target(batch, reward - self._moved_baseline(float(reward.mean())))
        value = self.critic(torch.cat([state, action], dim=1))
        _step(self._critic_steps, functional.mse_loss(value, target))
        policy = torch.sigmoid(self.actor(state))
        _step(self._actor_steps, -self.critic(torch.cat([state, policy], dim=1)).mean())
        for mine, target_net in zip((self.actor, self.critic), self._targets, strict=True):
            self._follow(mine, target_net)

    def _moved_baseline(self, mean: float) -> float:
        share = self.config.baseline_share
        before = mean if self.baseline is None else self.baseline
        self.baseline = before + share * (mean - before)
        return self.baseline

    @torch.no_grad()
    def _target(self, batch: Sequence[Transition], reward: np.ndarray) -> Tensor:
        """(N, 1): what the critic should say."""
        actor, critic = self._targets
        following = _tensor(np.stack([t.next_state for t in batch]))
        goes_on = _tensor(np.array([[not t.last] for t in batch]))
        ahead = critic(torch.cat([following, torch.sigmoid(actor(following))], dim=1))
        return _tensor(reward[:, np.newaxis]) + self.config.discount * goes_on * ahead

    @torch.no_grad()
    def _follow(self, mine: nn.Module, target: nn.Module) -> None:
        for new, old in zip(mine.parameters(), target.parameters(), strict=True):
            old.lerp_(new, self.config.target_share)


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
