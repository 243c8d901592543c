"""CostTable: what each layer costs in cycles at each pair of widths.

Entry (layer, (w_bits, a_bits)) is the layer's share of a run of the whole network with every layer
at that pair; *measured* when the run was simulated, *predicted* when the cycle model gave the
figure. A plan's truth is not the table's sum but the cycle model of the whole plan, which the
allocator gets as a callable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ir.errors import ConfigError, MismatchError, shorten
from ir.files import read_json, write_json
from ir.plan import LayerBits, PrecisionPlan, check_width

Provenance = Literal["measured", "predicted"]
Widths = tuple[int, int]  # (w_bits, a_bits)


@dataclass(frozen=True, kw_only=True)
class CostEntry:
    """Cycles of one layer at one pair of widths, and where the figure comes from.

    weight_bytes: of its weights as the overlay stores them; None where nobody asked.
    """

    cycles: int
    provenance: Provenance
    weight_bytes: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.cycles, bool) or not isinstance(self.cycles, int) or self.cycles < 0:
            raise ConfigError(f"cycles must be a non-negative integer, not {shorten(self.cycles)}")
        if self.provenance not in ("measured", "predicted"):
            raise ConfigError(
                f"provenance must be measured or predicted, not {shorten(self.provenance)}"
            )
        size = self.weight_bytes
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
            raise ConfigError(f"weight_bytes must be a non-negative integer, not {shorten(size)}")

    def to_dict(self) -> dict[str, int | str]:
        """JSON form."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class CostTable:
    """entries[layer][(w_bits, a_bits)], layers in running order."""

    entries: Mapping[str, Mapping[Widths, CostEntry]]

    def __post_init__(self) -> None:
        if not self.entries:
            raise ConfigError("a cost table needs at least one layer")
        for layer, row in self.entries.items():
            if not row:
                raise ConfigError(f"cost table, layer {shorten(layer)}: no entry")
            for w_bits, a_bits in row:
                check_width(w_bits, f"cost table, layer {shorten(layer)}: w_bits")
                check_width(a_bits, f"cost table, layer {shorten(layer)}: a_bits")

    @property
    def layers(self) -> list[str]:
        """Layer names in running order."""
        return list(self.entries)

    def choices(self, layer: str) -> list[Widths]:
        """The pairs of widths the table prices for ``layer``, ascending."""
        return sorted(self.entries[layer])

    def entry(self, layer: str, widths: Widths) -> CostEntry:
        """One entry; ConfigError names the layer and widths that the table lacks."""
        try:
            return self.entries[layer][widths]
        except KeyError as cause:
            raise ConfigError(
                f"the cost table has no entry for {shorten(layer)} at {widths}"
            ) from cause

    def cycles(self, layer: str, widths: Widths) -> int:
        """Cycles of one layer at (w_bits, a_bits)."""
        return self.entry(layer, widths).cycles

    def weight_bytes(self, layer: str, widths: Widths) -> int:
        """Packed bytes of one layer's weights; ConfigError when the table was made without."""
        size = self.entry(layer, widths).weight_bytes
        if size is None:
            raise ConfigError(
                f"the cost table has no weight_bytes for {shorten(layer)} at {widths}: a budget "
                "of bytes needs them"
            )
        return size

    def prices(self, plan: PrecisionPlan) -> bool:
        """Whether there is an entry for every layer of the plan."""
        return all(bits.pair in self.entries[layer] for layer, bits in plan.layers.items())

    def cost(self, plan: PrecisionPlan, *, row_tile: int | None = None) -> int:
        """The table's sum over the plan's layers, cycles.

        row_tile: rows that the array computes at a time. Channels of several widths are sorted, and
        each row tile costs its share of the layer at its widest channel; without it (or with one
        width) the whole layer costs what its widest channel does.
        """
        return sum(self._layer_cost(layer, bits, row_tile) for layer, bits in plan.layers.items())

    def _layer_cost(self, layer: str, bits: LayerBits, row_tile: int | None) -> int:
        stored = bits.stored
        if row_tile is None or not isinstance(stored, tuple):
            return self.cycles(layer, bits.pair)
        widths = sorted(stored, reverse=True)
        tiles = [widths[i : i + row_tile] for i in range(0, len(widths), row_tile)]
        total = sum(self.cycles(layer, (tile[0], bits.a_bits)) for tile in tiles)
        return -(-total // len(tiles))

    def count(self, provenance: Provenance) -> int:
        """How many entries have this provenance."""
        rows = self.entries.values()
        return sum(entry.provenance == provenance for row in rows for entry in row.values())

    def to_dict(self) -> dict[str, list[dict[str, int | str]]]:
        """The JSON form of cost_table.json."""
        return {
            layer: [
                {"w_bits": w, "a_bits": a, **entry.to_dict()}
                for (w, a), entry in sorted(row.items())
            ]
            for layer, row in self.entries.items()
        }

    def save(self, path: Path) -> None:
        """Write cost_table.json, whole or not at all."""
        write_json(path, self.to_dict())


Rows = Mapping[str, Mapping[Widths, int]]


def build_table(*, measured: Rows, predicted: Rows, weight_bytes: Rows | None = None) -> CostTable:
    """Join measured and predicted cycles; where both exist the measured entry stands.

    A model that is wrong anywhere prices nothing: MismatchError names the first layer and widths
    where the prediction differs from the measurement.
    """
    entries: dict[str, dict[Widths, CostEntry]] = {}
    for layer in dict.fromkeys([*measured, *predicted]):
        seen, model = measured.get(layer, {}), predicted.get(layer, {})
        for widths in seen.keys() & model.keys():
            if seen[widths] != model[widths]:
                raise MismatchError(
                    f"layer {shorten(layer)} at {widths}: measured {seen[widths]} cycles, "
                    f"predicted {model[widths]}"
                )
        sizes = (weight_bytes or {}).get(layer, {})
        entries[layer] = {
            widths: CostEntry(
                cycles=cycles,
                provenance="measured" if widths in seen else "predicted",
                weight_bytes=sizes.get(widths),
            )
            for widths, cycles in (dict(model) | dict(seen)).items()
        }
    return CostTable(entries)


def load_table(path: Path) -> CostTable:
    """Read cost_table.json; ConfigError names the file when it is no cost table."""
    data = read_json(path)
    try:
        return CostTable(
            {
                str(layer): {
                    (item["w_bits"], item["a_bits"]): CostEntry(
                        cycles=item["cycles"],
                        provenance=item["provenance"],
                        weight_bytes=item.get("weight_bytes"),
                    )
                    for item in row
                }
                for layer, row in data.items()
            }
        )
    except (KeyError, TypeError, AttributeError) as cause:
        raise ConfigError(f"{path}: not a cost table") from cause
    except ConfigError as cause:
        raise ConfigError(f"{path}: {cause}") from cause


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """What an allocator is told about cost: the table it may optimise, and the truth it must keep.

    plan_cycles: the exact cycle model of the whole network at a plan; plan_bytes: of its packed
    weights, None where no budget asks. plan_energy, plan_area: of any unit, for searches that weigh
    them; None: they do not count. codegen supplies all of them.
    """

    table: CostTable
    plan_cycles: Callable[[PrecisionPlan], int]
    plan_bytes: Callable[[PrecisionPlan], int] | None = None
    plan_energy: Callable[[PrecisionPlan], float] | None = None
    plan_area: Callable[[PrecisionPlan], float] | None = None
