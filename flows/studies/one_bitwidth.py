"""one_bitwidth: fewer bits and more channels, at one size or one speed (Chin et al., 2008.09916).

The setting's network at 8-bit weights is the measure. For every other width of weights the network
gets as many channels as keep its packed bytes (first protocol), or its measured cycles (second
protocol, ours) within the measure's; bisection over the width multiplier. Activations have the same
bits in all of them. Every network is simulated on the setting's overlay.

Hypotheses, fixed before the first run. The paper's: at equal bytes the loss of some narrower
bitwidth is below that of 8 bits; here for 4 bits. Ours: at fixed activation bits, equal bytes mean
equal bit-serial cycles up to tile rounding; printed as the ratio of measured cycles.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from codegen.lower import CompiledNetwork, lower
from codegen.placeholder import with_bits
from flows.console import table
from flows.hardware import SOURCES, verilog_of
from flows.measure import measure
from flows.plan_price import PlanPrice, channel_widths
from flows.steps import Steps
from flows.study import arms
from flows.study.arms import Arm, ArmsStudy, Hypothesis, one_cell
from flows.study.prices import MEMORY_LIMIT, graph_of
from flows.study.runner import Findings, Row
from flows.study.setting import StudyConfig
from ir.config import plain
from ir.errors import ConfigError
from ir.plan import PrecisionPlan, check_width

__all__ = ["CONFIG", "QUICK", "describe", "gather", "one_cell", "prepared"]

MEASURE_BITS = 8
BYTES, CYCLES = "equal bytes", "equal cycles"


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
        if self.most_channels < self.setting.network.width:
            raise ConfigError("most_channels must be at least the network's width")

    def arm(self, protocol: str, bits: int, channels: int) -> Arm:
        """A network of so many channels at so many bits."""
        return Arm(
            name=f"{protocol} at {bits} bits",
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


@dataclass(frozen=True, kw_only=True)
class Sized(ArmsStudy):
    """sizes: {arm: {channels, weight_bytes, cycles}}, cycles measured."""

    sizes: Mapping[str, Mapping[str, int]]


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
    found = steps.do(
        "sizes",
        "find networks of one size and of one speed, simulate them",
        inputs,
        lambda: _sizes(config),
        sources=(*SOURCES, "sim_tests", "flows"),
    )
    chosen = [
        (protocol, bits, found[f"{protocol} at {bits} bits"])
        for protocol in (BYTES, CYCLES)
        for bits in config.widths
    ]
    return Sized(
        config=config,
        arms=tuple(config.arm(name, bits, size["channels"]) for name, bits, size in chosen),
        hypotheses=tuple(
            Hypothesis(first=f"{name} at 4 bits", second=f"{name} at {MEASURE_BITS} bits")
            for name in (BYTES, CYCLES)
            if 4 in config.widths
        ),
        sizes={f"{name} at {bits} bits": size for name, bits, size in chosen},
    )


def _sizes(config: OneBitwidth) -> dict[str, dict[str, int]]:
    graphs = Graphs(config)
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


def widest(takes: Callable[[int], int], most: int, limit: int) -> int:
    """The most channels, up to ``limit``, that take at most ``most``; 1 where none does.

    takes: channels -> what they take, rising but for the rounding of tiles.
    """
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        if takes(middle) <= most:
            low = middle
        else:
            high = middle - 1
    return low


class Graphs:
    """The network of the setting at any number of channels, and what it takes."""

    def __init__(self, config: OneBitwidth) -> None:
        self._config = config
        self._known: dict[int, PlanPrice] = {}

    def weight_bytes(self, bits: int, channels: int) -> int:
        """Packed."""
        price, plan = self._price(channels), self._plan(bits, channels)
        return price.weight_bytes(plan)

    def cycles(self, bits: int, channels: int) -> int:
        """By the cycle model, which every simulation is held against."""
        price, plan = self._price(channels), self._plan(bits, channels)
        return price.cycles(plan)

    def network(self, bits: int, channels: int) -> CompiledNetwork:
        """For the simulation."""
        graph, plan = self._price(channels).graph, self._plan(bits, channels)
        return lower(with_bits(graph, channel_widths(plan)), self._config.setting.overlay.build())

    def _plan(self, bits: int, channels: int) -> PrecisionPlan:
        graph = self._price(channels).graph
        names = [layer.name for layer in graph.layers()]
        arm = self._config.arm("", bits, channels)
        return arm.plan(names, graph.tensors[graph.input].precision.bits)

    def _price(self, channels: int) -> PlanPrice:
        if channels not in self._known:
            setting = self._config.setting
            wider = replace(setting, network=replace(setting.network, width=channels))
            overlay = setting.overlay
            self._known[channels] = PlanPrice(
                graph_of(wider), overlay.build(), latency=overlay.latency
            )
        return self._known[channels]


def gather(study: Sized, rows: list[Row]) -> Findings:
    """As any study of arms, with what each network takes."""
    found = arms.gather(study, rows)
    flat = [{**row, **study.sizes[row["arm"]]} for row in found.table]
    return replace(found, results=found.results | {"sizes": dict(study.sizes)}, table=flat)


def describe(result: Mapping[str, Any]) -> str:
    """Networks and what they take, then as any study of arms."""
    base = result["sizes"][f"{BYTES} at {MEASURE_BITS} bits"]
    rows = [
        [
            name,
            str(size["channels"]),
            str(size["weight_bytes"]),
            str(size["cycles"]),
            f"{size['weight_bytes'] / base['weight_bytes']:.2f}",
            f"{size['cycles'] / base['cycles']:.2f}",
        ]
        for name, size in result["sizes"].items()
    ]
    columns = ("network", "channels", "weight bytes", "cycles", "bytes / 8 bits", "cycles / 8 bits")
    return table(columns, rows, "measured cycles an image") + "\n" + arms.describe(result)
