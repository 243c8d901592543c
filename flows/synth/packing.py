"""How many LUT sites a netlist of a 7-series part needs when two LUTs share one.

A site is a LUT of six inputs with two outputs: O6 of all six, O5 of five of them. Two LUTs fit one
site when they have at most five different inputs together.

Method: greedy. LUTs are taken from the widest down; each takes the partner that shares most inputs
with it. Those that are left pair with one that shares the same far-reaching nets (enables,
selects), and at last with any that is small enough. Neither placement nor what else a slice holds
(carries, their bypass inputs, control sets) is regarded: a vendor's tool packs fewer, or more when
it restructures. A LUT6_2 instance and a LUT6 fill a site.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

METHOD = "greedy, 2"
"""Changes when counts do: results that are kept depend on it."""

INPUTS = 5
"""Different inputs of a site that is shared."""

MOST_SINKS = 64
"""A net that feeds more LUTs is not searched for partners: LUTs are grouped by all such nets."""

SINGLE = {f"LUT{n}": n for n in range(1, 7)} | {"INV": 1}


def packed_sites(cells: Iterable[Mapping]) -> int:
    """LUT sites of `cells`, as in yosys' JSON netlist: {type, connections: {port: [net]}}."""
    whole, small = 0, []
    for cell in cells:
        kind = cell["type"]
        if kind in ("LUT6", "LUT6_2"):
            whole += 1
        elif kind in SINGLE:
            small.append(_inputs(cell["connections"]))
    return whole + len(small) - _pairs(small)


def _inputs(connections: Mapping[str, Sequence]) -> frozenset[int]:
    """The nets at a LUT's inputs; constants (strings) take no input."""
    return frozenset(
        net
        for port, nets in connections.items()
        if port != "O"
        for net in nets
        if net.__class__ is int
    )


def _pairs(luts: Sequence[frozenset[int]]) -> int:
    """How many pairs the greedy method finds."""
    sinks: dict[int, list[int]] = defaultdict(list)
    for index, nets in enumerate(luts):
        for net in nets:
            sinks[net].append(index)
    alone = set(range(len(luts)))
    order = sorted(alone, key=lambda index: (-len(luts[index]), index))
    lonely, pairs = [], 0
    for index in order:
        if index not in alone:
            continue
        alone.discard(index)
        partner = _best_partner(luts, sinks, alone, index)
        if partner is None:
            lonely.append(luts[index])
        else:
            alone.discard(partner)
            pairs += 1
    wide = {net for net, users in sinks.items() if len(users) > MOST_SINKS}
    return pairs + _distant_pairs(lonely, wide)


def _distant_pairs(luts: Sequence[frozenset[int]], wide: set[int]) -> int:
    """Pairs among LUTs that share far-reaching nets or nothing."""
    groups: dict[frozenset[int], list[int]] = defaultdict(list)
    for nets in luts:
        common = nets & wide
        groups[common].append(len(nets) - len(common))
    pairs, left = 0, []
    for common, sizes in groups.items():
        found, unpaired = _pair_sizes(sizes, INPUTS - len(common))
        pairs += found
        left += [size + len(common) for size in unpaired]
    return pairs + _pair_sizes(left, INPUTS)[0]


def _best_partner(
    luts: Sequence[frozenset[int]],
    sinks: Mapping[int, Sequence[int]],
    alone: set[int],
    index: int,
) -> int | None:
    """The LUT that shares most inputs with `index` and fits beside it; the first of equals."""
    own = luts[index]
    shared: dict[int, int] = defaultdict(int)
    for net in own:
        if len(sinks[net]) <= MOST_SINKS:
            for other in sinks[net]:
                if other in alone:
                    shared[other] += 1
    fitting = [
        (-common, other)
        for other, common in shared.items()
        if len(own) + len(luts[other]) - common <= INPUTS
    ]
    return min(fitting)[1] if fitting else None


def _pair_sizes(sizes: Sequence[int], room: int) -> tuple[int, list[int]]:
    """(pairs, sizes that stay alone): the widest with the widest that still fits beside it."""
    left = sorted(sizes)
    pairs, low, high, alone = 0, 0, len(left) - 1, []
    while low < high:
        if left[low] + left[high] <= room:
            pairs, low = pairs + 1, low + 1
        else:
            alone.append(left[high])
        high -= 1
    return pairs, alone + left[low : high + 1]
