"""PrecisionPlan: how many bits each layer's weights and input activations get.

The file is ``{layer: {"w_bits": int | [int], "a_bits": int}}``; a list holds one width per output
channel, 0 where the channel is pruned. ``a_bits`` belongs to the layer's *input tensor*.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ir.errors import ConfigError, shorten
from ir.files import read_json, write_json
from ir.precision import MAX_OPERAND_BITS

PRUNED_STORED_BITS = 1


def check_width(bits: object, what: str) -> int:
    """Return ``bits`` when it is a width of an operand, else raise ConfigError naming ``what``."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= MAX_OPERAND_BITS:
        raise ConfigError(f"{what} must be 1 to {MAX_OPERAND_BITS} bits, not {shorten(bits)}")
    return bits


def _check_channels(widths: tuple[int, ...]) -> None:
    if not widths:
        raise ConfigError("w_bits per channel must not be empty")
    for bits in widths:
        if isinstance(bits, bool) or bits != 0:
            check_width(bits, "w_bits of a channel that is not pruned (0)")
    if not any(widths):
        raise ConfigError("w_bits per channel must leave one channel that is not pruned (0)")


@dataclass(frozen=True, kw_only=True)
class LayerBits:
    """w_bits: one width, or a tuple with one per output channel; a_bits: the input's.

    A channel of 0 bits is pruned: its weights are zero. The overlay has no such rows; they are
    stored as rows of one bit, the narrowest there is, whose requantizer multiplies by zero.
    """

    w_bits: int | tuple[int, ...]
    a_bits: int

    def __post_init__(self) -> None:
        if isinstance(self.w_bits, tuple):
            _check_channels(self.w_bits)
        else:
            check_width(self.w_bits, "w_bits")
        check_width(self.a_bits, "a_bits")

    @property
    def widest(self) -> int:
        """The widest channel's weight bits."""
        return max(self.w_bits) if isinstance(self.w_bits, tuple) else self.w_bits

    @property
    def stored(self) -> int | tuple[int, ...]:
        """w_bits as the overlay stores them: pruned channels take one bit."""
        if isinstance(self.w_bits, tuple):
            return tuple(max(bits, PRUNED_STORED_BITS) for bits in self.w_bits)
        return self.w_bits

    @property
    def pair(self) -> tuple[int, int]:
        """(w_bits of the widest channel, a_bits): the key of a cost table."""
        return self.widest, self.a_bits


@dataclass(frozen=True)
class PrecisionPlan:
    """Bits by layer name. Equal plans assign the same bits, whatever the order of the layers."""

    layers: Mapping[str, LayerBits]

    def __post_init__(self) -> None:
        if not self.layers:
            raise ConfigError("a plan needs at least one layer")
        object.__setattr__(self, "layers", dict(self.layers))

    def __getitem__(self, layer: str) -> LayerBits:
        if layer not in self.layers:
            raise ConfigError(f"the plan has no layer {layer!r}, only {', '.join(self.layers)}")
        return self.layers[layer]

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> tuple[tuple[str, LayerBits], ...]:
        """A hashable identity that does not depend on the order of the layers."""
        return tuple(sorted(self.layers.items(), key=lambda item: item[0]))

    @property
    def widths(self) -> set[int]:
        """Every width that occurs, of weights or activations."""
        return {bits for layer in self.layers.values() for bits in layer.pair}

    def to_dict(self) -> dict[str, dict[str, int | list[int]]]:
        """The JSON form of plan.json."""
        return {
            name: {
                "w_bits": list(bits.w_bits) if isinstance(bits.w_bits, tuple) else bits.w_bits,
                "a_bits": bits.a_bits,
            }
            for name, bits in self.layers.items()
        }

    def save(self, path: Path) -> None:
        """Write plan.json, whole or not at all."""
        write_json(path, self.to_dict())

    def __str__(self) -> str:
        return " ".join(f"{n}:{b.widest}x{b.a_bits}" for n, b in self.layers.items())


def uniform_plan(
    layers: Iterable[str],
    bits: int,
    *,
    first_a_bits: int,
    a_bits: int | None = None,
    at_input: Iterable[str] | None = None,
) -> PrecisionPlan:
    """Every layer's weights at ``bits``, its input at a_bits (none: at ``bits`` too); those
    at_input, by default the first, read the network input's own width."""
    names, inner = list(layers), bits if a_bits is None else a_bits
    given = set(names[:1] if at_input is None else at_input)
    return PrecisionPlan(
        {n: LayerBits(w_bits=bits, a_bits=first_a_bits if n in given else inner) for n in names}
    )


def plan_from_dict(data: object) -> PrecisionPlan:
    """Inverse of :meth:`PrecisionPlan.to_dict`; ConfigError names the layer that is wrong."""
    if not isinstance(data, dict):
        raise ConfigError("a plan must map layer names to {w_bits, a_bits}")
    return PrecisionPlan(
        {str(name): _layer_from_dict(str(name), entry) for name, entry in data.items()}
    )


def _layer_from_dict(name: str, entry: object) -> LayerBits:
    if not isinstance(entry, dict) or set(entry) != {"w_bits", "a_bits"}:
        raise ConfigError(f"plan, layer {shorten(name)}: needs exactly w_bits and a_bits")
    w_bits = entry["w_bits"]
    try:
        return LayerBits(
            w_bits=tuple(w_bits) if isinstance(w_bits, list) else w_bits, a_bits=entry["a_bits"]
        )
    except ConfigError as cause:
        raise ConfigError(f"plan, layer {shorten(name)}: {cause}") from cause


def load_plan(path: Path) -> PrecisionPlan:
    """Read plan.json; ConfigError names the file and what is wrong in it."""
    data = read_json(path)
    try:
        return plan_from_dict(data)
    except ConfigError as cause:
        raise ConfigError(f"{path}: {cause}") from cause
