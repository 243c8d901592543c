"""The plans that a search may choose from: one number for each group of linked layers."""

from collections.abc import Sequence
from functools import cached_property

from ir.cost import CostTable, Widths
from ir.errors import ConfigError, shorten
from ir.plan import LayerBits, PrecisionPlan

Links = Sequence[tuple[str, ...]]
Numbers = tuple[int, ...]  # one for each group


class PlanSpace:
    """Groups of layers that share a number, and the numbers that each group can have.

    A number means w_bits = a_bits, except where a layer's input has a fixed width. ConfigError when
    the table's layers are not those of the groups, or linked layers have no number in common.
    """

    def __init__(self, table: CostTable, links: Links) -> None:
        if sorted(name for group in links for name in group) != sorted(table.layers):
            raise ConfigError("the cost table's layers are not the network's")
        self.table = table
        self.groups = [tuple(group) for group in links]
        self.layers = {name: layer_widths(table, name) for name in table.layers}

    @cached_property
    def widths(self) -> list[list[int]]:
        """The numbers that every layer of a group can have, ascending, for each group."""
        return [self._shared(group) for group in self.groups]

    @property
    def size(self) -> int:
        """How many plans there are."""
        count = 1
        for group in self.widths:
            count *= len(group)
        return count

    @property
    def cheapest(self) -> Numbers:
        """Every group at its narrowest."""
        return tuple(group[0] for group in self.widths)

    @property
    def widest(self) -> Numbers:
        """Every group at its widest."""
        return tuple(group[-1] for group in self.widths)

    def uniform(self) -> list[Numbers]:
        """One number for every group, wherever all of them can have it, ascending."""
        shared = set.intersection(*(set(group) for group in self.widths))
        return [(number,) * len(self.widths) for number in sorted(shared)]

    def plan(self, numbers: Sequence[int]) -> PrecisionPlan:
        """One number per group -> the plan, layers in the table's order."""
        of = {name: n for group, n in zip(self.groups, numbers, strict=True) for name in group}
        pairs = {name: row[of[name]] for name, row in self.layers.items()}
        return PrecisionPlan(
            {name: LayerBits(w_bits=w, a_bits=a) for name, (w, a) in pairs.items()}
        )

    def narrower(self, numbers: Numbers, group: int) -> Numbers | None:
        """One group at its next narrower number; None where there is none."""
        place = self.widths[group].index(numbers[group])
        if place == 0:
            return None
        return (*numbers[:group], self.widths[group][place - 1], *numbers[group + 1 :])

    def _shared(self, group: Sequence[str]) -> list[int]:
        shared = set.intersection(*(set(self.layers[name]) for name in group))
        if not shared:
            raise ConfigError(f"linked layers {', '.join(group)} have no width in common")
        return sorted(shared)


def layer_widths(table: CostTable, layer: str) -> dict[int, Widths]:
    """{one number per layer: (w_bits, a_bits)}: w = a, except where the input's width is fixed.

    A layer that the table prices at one a_bits alone reads an input of fixed width.
    """
    choices = table.choices(layer)
    fixed = len({a_bits for _, a_bits in choices}) == 1
    found = {w: (w, a) for w, a in choices if fixed or w == a}
    if not found:
        raise ConfigError(f"the cost table has no entry with w = a for layer {shorten(layer)}")
    return found
