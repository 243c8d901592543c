"""The layers of a network as an environment: one action a layer, the reward at the last."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

Judge = Callable[[np.ndarray], float]  # (layers, actions) in 0..1 -> reward


class LayersEnv(gymnasium.Env):
    """An observation is a layer's features and the action before, everything in 0..1.

    features: (layers, F). judge: what all actions of an episode come to.
    """

    def __init__(self, features: np.ndarray, *, actions: int, judge: Judge) -> None:
        self._features = features.astype(np.float32)
        self._judge = judge
        self._actions = actions
        self._chosen: list[np.ndarray] = []
        self.action_space = Box(0.0, 1.0, (actions,), np.float32)
        self.observation_space = Box(0.0, 1.0, (features.shape[1] + actions,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The first layer's observation."""
        super().reset(seed=seed)
        self._chosen = []
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Choose for the layer at hand; (observation, reward, whether it was the last, ...)."""
        self._chosen.append(np.asarray(action))
        last = len(self._chosen) == len(self._features)
        reward = self._judge(np.stack(self._chosen)) if last else 0.0
        return self._observation(), reward, last, False, {}

    def _observation(self) -> np.ndarray:
        """The next layer's; after the last one, the last's with its own action."""
        place = min(len(self._chosen), len(self._features) - 1)
        before = self._chosen[-1] if self._chosen else np.zeros(self._actions)
        return np.concatenate([self._features[place], before]).astype(np.float32)
