"""one_bitwidth: fewer bits and more channels, at one size or one speed (Chin et al., 2008.09916).

The setting's network at 8-bit weights is the measure. For every other width of weights the network
gets as many channels as keep its packed bytes (first protocol), or its measured cycles (second
protocol, ours) within the measure's; bisection over the width multiplier. Activations have the same
bits in all of them. Beside them stands a mixed plan of the same bytes or cycles: a network with as
many channels as lie in the middle between those of 4 and of 2 bits, so that it needs both, its
weights' widths chosen layer by layer by EAGL. Every network is simulated on the setting's overlay.

Hypotheses, fixed before the first run. The paper's: at equal bytes the loss of some narrower
bitwidth is below that of 8 bits, here of 4 bits; a single bitwidth, here 4, is better than a mixed
plan of the same size. Ours: at fixed activation bits, equal bytes mean equal bit-serial cycles up
to tile rounding, here the ratio of cycles to bytes within 10 % of the measure's. (The sizes follow
from the config alone: `--quick` had shown them when the 10 % were written down.)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from flows.console import table
from flows.hardware import SOURCES, verilog_of
from flows.measure import measure
from flows.steps import Steps
from flows.study import arms
from flows.study.arms import Arm, ArmsStudy, Hypothesis
from flows.study.cell import Cell
from flows.study.channels import Graphs, widest
from flows.study.hypotheses import Judged, judged
from flows.study.mixture import Mixture, priced_mixture
from flows.study.prices import MEMORY_LIMIT
from flows.study.runner import Findings, Row
from flows.study.setting import StudyConfig
from flows.study.statistics import HELD, NOT_HELD
from ir.config import plain
from ir.errors import ConfigError
from ir.plan import check_width
from quant.budget import Budget

__all__ = ["CONFIG", "NIGHTLY", "QUICK", "describe", "gather", "one_cell", "prepared"]

MEASURE_BITS = 8
MIXED_BETWEEN = (4, 2)  # bits of the networks between whose channels the mixed one's lie
BYTES, CYCLES = "equal bytes", "equal cycles"
ROUNDING = 0.1


@dataclass(frozen=True, kw_only=True)
class OneBitwidth(StudyConfig):
    """widths: of weights, 8 among them. a_bits: of activations. most_channels: of the first layer,
    where the bisection ends."""

    widths: tuple[int, ...] = (8, 4, 2, 1)
    a_bits: int = 4
    most_channels: int = 64

    def __post_init__(self) -> None:
        for width in (*self.widths, self.a_bits):
            check_width(width, "widths")
        if MEASURE_BITS not in self.widths:
            raise ConfigError(f"widths must hold {MEASURE_BITS}, the measure: {self.widths}")
        if not set(MIXED_BETWEEN) <= set(self.widths):
            raise ConfigError(f"widths must hold 4 and 2, beside the mixed plan: {self.widths}")
        if self.most_channels < self.setting.network.width:
            raise ConfigError("most_channels must be at least the network's width")

    def arm(self, protocol: str, bits: int, channels: int) -> Arm:
        """A network of so many channels at so many bits."""
        return Arm(
            name=_title(protocol, bits),
            bits=bits,
            a_bits=self.a_bits,
            width=channels,
            quantizer="lsq",
            recipe=self.setting.training.at(bits),
        )


CONFIG = OneBitwidth
QUICK = (
    "setting.training.float_epochs=4",
    "setting.training.tune_epochs=2",
    "setting.training.frozen_norm_epochs=1",
)
NIGHTLY = ("setting.seeds=1",)


@dataclass(frozen=True, kw_only=True)
class Sized(ArmsStudy):
    """sizes: {arm: {channels, weight_bytes, cycles}}, cycles measured."""

    config: OneBitwidth
    sizes: Mapping[str, Mapping[str, int]]
    mixtures: tuple[Mixture, ...]


def prepared(config: OneBitwidth, steps: Steps) -> Sized:
    """The networks of both protocols and what they take, kept as a step."""
    inputs = {
        "setting": plain(config.setting.overlay),
        "network": plain(config.setting.network),
        "data": plain(config.setting.data),
        "widths": list(config.widths),
        "a_bits": config.a_bits,
        "most_channels": config.most_channels,
    }
    sizes = steps.do(
        "sizes",
        "find networks of one size and of one speed, simulate them",
        inputs,
        lambda: _sizes(config),
        sources=(*SOURCES, "quant", "sim_tests", "flows"),
    )
    return Sized(
        config=config,
        arms=tuple(
            config.arm(protocol, bits, sizes[_title(protocol, bits)]["channels"])
            for protocol in (BYTES, CYCLES)
            for bits in config.widths
        ),
        hypotheses=tuple(
            Hypothesis(first=_title(protocol, 4), second=second)
            for protocol in (BYTES, CYCLES)
            for second in (_title(protocol, MEASURE_BITS), f"{protocol}, mixed")
        ),
        sizes=sizes,
        mixtures=tuple(_mixture(config, protocol, sizes, steps) for protocol in (BYTES, CYCLES)),
    )


def _title(protocol: str, bits: int) -> str:
    return f"{protocol} at {bits} bit{'' if bits == 1 else 's'}"


def _mixture(
    config: OneBitwidth, protocol: str, sizes: Mapping[str, Mapping[str, int]], steps: Steps
) -> Mixture:
    between = [sizes[_title(protocol, bits)]["channels"] for bits in MIXED_BETWEEN]
    most = sizes[_title(protocol, MEASURE_BITS)]
    bytes_, cycles = (most["weight_bytes"], None), (None, most["cycles"])
    limit = bytes_ if protocol == BYTES else cycles
    return priced_mixture(
        f"{protocol}, mixed",
        config.setting,
        steps,
        widths=config.widths,
        channels=round(sum(between) / 2),
        a_bits=config.a_bits,
        budget=Budget(weight_bytes=limit[0], cycles=limit[1]),
    )


def one_cell(study: Sized, fold: int, seed: int, folder: Path) -> Row:
    """As any study of arms, and the mixed plans."""
    row = arms.one_cell(study, fold, seed, folder)
    cell = Cell(study.config.setting, fold, seed, folder)
    mixed = {mixture.name: mixture.outcome(cell, folder) for mixture in study.mixtures}
    return {**row, "arms": {**row["arms"], **mixed}}


def _sizes(config: OneBitwidth) -> dict[str, dict[str, int]]:
    graphs = Graphs(config.setting, config.a_bits)
    limits: dict[str, Callable[[int, int], int]] = {
        BYTES: graphs.weight_bytes,
        CYCLES: graphs.cycles,
    }
    arms_ = []
    for protocol, takes in limits.items():
        most = takes(MEASURE_BITS, config.setting.network.width)
        for bits in config.widths:
            channels = widest(lambda n, b=bits, t=takes: t(b, n), most, config.most_channels)
            arms_.append(config.arm(protocol, bits, channels))
    overlay = config.setting.overlay
    measured, _ = measure(
        {arm.name: graphs.network(arm.bits, arm.width or 0) for arm in arms_},
        verilog_of(overlay.build()),
        latency=overlay.latency,
        memory_limit=MEMORY_LIMIT,
    )
    return {
        arm.name: {
            "channels": arm.width or 0,
            "weight_bytes": graphs.weight_bytes(arm.bits, arm.width or 0),
            "cycles": asdict(measured[arm.name])["cycles"],
        }
        for arm in arms_
    }


def gather(study: Sized, rows: list[Row]) -> Findings:
    """As any study of arms, with what each network takes; mixed plans differ by repetition."""
    found = arms.gather(study, rows)
    sizes = {name: dict(size) for name, size in study.sizes.items()} | {
        mixture.name: _mean_size(rows, mixture.name) for mixture in study.mixtures
    }
    results = found.results | {"sizes": sizes}
    results["hypotheses"] = [*results["hypotheses"], _rounding(study)]
    flat = [{**study.sizes.get(row["arm"], {}), **row} for row in found.table]
    return replace(found, results=results, table=_columns(flat))


def _mean_size(rows: Sequence[Row], name: str) -> dict[str, float]:
    keys = ("channels", "weight_bytes", "cycles")
    return {key: sum(row["arms"][name][key] for row in rows) / len(rows) for key in keys}


def _columns(rows: Sequence[Row]) -> list[Row]:
    """The same with the same keys in all, as a CSV needs them."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return [{key: row.get(key, "") for key in keys} for row in rows]


def _rounding(study: Sized) -> Judged:
    """Whether equal bytes were equal cycles."""
    base = study.sizes[_title(BYTES, MEASURE_BITS)]
    ratios = {}
    for bits in study.config.widths:
        size = study.sizes[_title(BYTES, bits)]
        per_byte = size["cycles"] / size["weight_bytes"]
        ratios[bits] = per_byte / (base["cycles"] / base["weight_bytes"])
    held = all(abs(ratio - 1) <= ROUNDING for ratio in ratios.values())
    told = ", ".join(f"{ratio:.2f} at {bits}" for bits, ratio in ratios.items())
    said = f"equal bytes are equal cycles to within {ROUNDING:.0%}"
    return judged(said, HELD if held else NOT_HELD, f"cycles a byte beside those of 8 bits: {told}")


def describe(result: Mapping[str, Any]) -> str:
    """Networks and what they take, then as any study of arms."""
    base = result["sizes"][_title(BYTES, MEASURE_BITS)]
    rows = [
        [
            name,
            f"{size['channels']:.0f}",
            f"{size['weight_bytes']:.0f}",
            f"{size['cycles']:.0f}",
            f"{size['weight_bytes'] / base['weight_bytes']:.2f}",
            f"{size['cycles'] / base['cycles']:.2f}",
        ]
        for name, size in result["sizes"].items()
    ]
    columns = ("network", "channels", "weight bytes", "cycles", "bytes / 8 bits", "cycles / 8 bits")
    title = "measured cycles an image; of mixed plans the mean"
    return table(columns, rows, title) + "\n" + arms.describe(result)
