"""What an agent remembers: the newest transitions, drawn at random."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Segment:
    """What a lower level did under one action of the higher: states (T, S), actions (T, A)."""

    states: Array
    actions: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Transition:
    """state (S,), action (A,) in 0..1, reward, next_state (S,); last: the episode ended here.

    below: what the lower level did, where there is one.
    """

    state: Array
    action: Array
    reward: float
    next_state: Array
    last: bool
    below: Segment | None = None


class Replay:
    """The newest ``capacity`` transitions."""

    def __init__(self, capacity: int) -> None:
        self._kept: deque[Transition] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, transition: Transition) -> None:
        """Remember one; the oldest is forgotten when there is no room."""
        self._kept.append(transition)

    def sample(self, count: int, generator: np.random.Generator) -> list[Transition]:
        """So many at random, with repetition."""
        return [self._kept[i] for i in generator.integers(0, len(self._kept), count)]


def episode(
    states: Array, actions: Array, reward: float, below: Sequence[Segment | None] = ()
) -> Iterator[Transition]:
    """The transitions of one episode, every one with the reward that its end brought.

    states (T, S), actions (T, A); below: for each step.
    """
    for step in range(len(states)):
        last = step + 1 == len(states)
        yield Transition(
            state=states[step],
            action=actions[step],
            reward=reward,
            next_state=states[step if last else step + 1],
            last=last,
            below=below[step] if below else None,
        )
