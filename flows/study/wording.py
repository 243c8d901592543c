"""How a study's figures are told: means with their intervals, and what leads every result."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.study.prices import Prices
from flows.study.runner import Row
from flows.study.setting import StudyConfig

Mean = Mapping[str, Any]  # {mean, low, high, n}


def head(config: StudyConfig, rows: Sequence[Row], prices: Prices) -> dict[str, Any]:
    """What leads the results of a study that prices plans."""
    return {
        "study": config.name,
        "repetitions": len(rows),
        "uniform_cycles": {str(bits): cycles for bits, cycles in prices.uniform.items()},
        "bit_dependent_share": prices.share,
        "warning": prices.warning,
    }


def share_lines(result: Mapping[str, Any]) -> list[str]:
    """How much of the cycles follows the bits, and what that means where it is little."""
    share = f"bit_dependent_share {result['bit_dependent_share']:.2f}"
    return [share, *([f"warning: {result['warning']}"] if result["warning"] else [])]


def shown(found: Mean, digits: int) -> str:
    """A mean with its interval."""
    if found["low"] is None:
        return f"{found['mean']:.{digits}f}"
    return f"{found['mean']:.{digits}f} [{found['low']:.{digits}f}, {found['high']:.{digits}f}]"


def percent(found: Mean | None, digits: int = 1) -> str:
    """A mean share in percent; '-' where there is none."""
    return "-" if found is None else f"{100 * found['mean']:.{digits}f} %"


def rough(value: float | None) -> str:
    """Three digits; '-' where there is no value."""
    return "-" if value is None else f"{value:.3g}"
