"""A named claim about the hardware."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.formal.bench import Bench
from ir.errors import ConfigError

DEEPEST = 200


@dataclass(frozen=True, kw_only=True)
class Proof:
    """`name`: group.what. `claim`: what holds, in a sentence. `build`: makes the bench.

    depth     cycles of the bounded search, and k of the induction
    bounded   True: no proof for all time is asked for, only the first `depth` cycles; a claim about
              deep state whose invariant is not written down
    quick     part of the subset that runs with the tests
    cells     the fabric's own cells that are in it (hw/cells/)
    """

    name: str
    claim: str
    build: Callable[[], Bench]
    depth: int
    bounded: bool = False
    quick: bool = False
    cells: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= DEEPEST:
            raise ConfigError(f"{self.name}: depth must be 1 to {DEEPEST}, not {self.depth}")
