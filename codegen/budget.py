"""What an overlay may take of a device, and the words for what is short."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codegen.resources import Resources
from ir.errors import ConfigError

NAMES = {"luts": "LUT", "ff": "FF", "bram": "BRAM", "dsp": "DSP"}
"""What each resource is called in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What an overlay may take of each resource. bram: blocks of 18 Kbit.

    keys: {resource: the config's key}, of those of which a config allows less than the board has.
    """

    luts: int
    ff: int
    bram: int
    dsp: int
    keys: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.luts < 1:
            raise ConfigError(f"luts must be positive, not {self.luts}")
        for name, has in self.as_dict().items():
            if has < 0:
                raise ConfigError(f"{name} must not be negative, not {has}")

    def as_dict(self) -> dict[str, int]:
        """The limits by name."""
        return {name: getattr(self, name) for name in NAMES}

    def lacks(self, needs: Resources) -> list[str]:
        """The resources of which `needs` is more than there is."""
        return [name for name, has in self.as_dict().items() if getattr(needs, name) > has]

    def share(self, needs: Resources) -> float:
        """The largest share that `needs` takes of any resource; above 1 it does not fit.

        Of a resource that the device does not have, each one needed counts as the whole.
        """
        pairs = [(getattr(needs, name), has) for name, has in self.as_dict().items()]
        return max(need / has if has else 2.0 * need for need, has in pairs)

    def reason(self, name: str, used: int, needs: int) -> str:
        """That a resource limits: what is used of it, and what the next faster size needs."""
        return f"{NAMES[name]}: {self.of(name, used)}; the next faster size needs {needs:,}"

    def of(self, name: str, used: int) -> str:
        """'188 of 208', and whose limit that is where it is not the board's."""
        has, key = getattr(self, name), self.keys.get(name)
        return f"{used:,} of the config's {key} {has:,}" if key else f"{used:,} of {has:,}"

    def shortage(self, needs: Resources) -> str:
        """That even the smallest overlay's `needs` are too much."""
        limits = [
            f"{has:,} (the config's {self.keys[name]})" if name in self.keys else f"{has:,}"
            for name, has in self.as_dict().items()
        ]
        return (
            f"no overlay fits: the smallest needs {needs.luts:,} LUTs, {needs.ff:,} flip-flops, "
            f"{needs.bram:,} block RAMs of 18 Kbit and {needs.dsp:,} DSPs; the budget has "
            f"{', '.join(limits[:-1])} and {limits[-1]}"
        )
