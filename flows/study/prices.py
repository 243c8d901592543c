"""Cycles of a study's plans: simulated on its overlay, and held against the cycle model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from codegen.frontend.torch_module import to_graph
from codegen.lower import CompiledNetwork, lower
from codegen.placeholder import with_bits
from flows.hardware import SOURCES, graph_digest, verilog_of
from flows.loop import LEAST_SHARE
from flows.measure import Measured, measure
from flows.plan_price import PlanPrice, channel_widths, weight_bytes
from flows.steps import Steps
from flows.study.setting import FixedOverlay, Setting, StudyConfig
from ir.config import plain
from ir.cost import CostModel, CostTable, build_table
from ir.graph import IntegerGraph
from ir.plan import PrecisionPlan, uniform_plan
from quant.data import load_data
from quant.integerize import snap
from quant.net import build_net
from quant.plan_space import PlanSpace
from quant.prepare import layer_names, prepare
from quant.train import CALIBRATION_IMAGES, inputs_of, threads

MOST_MEASURED = 64  # plans of a space that are all simulated; of a larger one the uniform ones
MEMORY_LIMIT = 1 << 30


@dataclass(frozen=True, kw_only=True, eq=False)
class Prices:
    """overlay: where; table: measured; cycles: {plan: measured}; cost: table and exact models."""

    overlay: FixedOverlay
    table: CostTable
    cycles: Mapping[PrecisionPlan, int]
    uniform: Mapping[int, int]
    cost: CostModel

    @property
    def share(self) -> float:
        """(c4 - c2) / (0.75 c4): how much of the cycles at 4 bits follows the bits."""
        return (self.uniform[4] - self.uniform[2]) / (0.75 * self.uniform[4])

    def ends(self, setting: Setting) -> tuple[int, int]:
        """Cycles of the narrowest and of the widest uniform plan of the choices."""
        return self.uniform[setting.choices[0]], self.uniform[setting.choices[-1]]

    def budgets(self, setting: Setting, shares: Sequence[float]) -> list[int]:
        """Cycles at these shares of the way from the narrowest to the widest uniform plan."""
        low, high = self.ends(setting)
        return [int(low + share * (high - low)) for share in shares]

    @property
    def warning(self) -> str:
        """What to say where bits move little; '' where they decide."""
        if self.share >= LEAST_SHARE:
            return ""
        return (
            f"bit_dependent_share is {self.share:.2f}, below {LEAST_SHARE}: the overlay is too "
            "large for this network, and a comparison of allocators ranks noise"
        )


def even_shares(count: int) -> list[float]:
    """The middles of so many equal parts of 0..1."""
    return [(place + 0.5) / count for place in range(count)]


def prepared(config: StudyConfig, steps: Steps) -> tuple[StudyConfig, Prices]:
    """What the cells of a study share that compares plans: its config, and their prices."""
    return config, measure_prices(config.setting, steps)


def graph_of(setting: Setting) -> IntegerGraph:
    """The network as it is drawn: cycles do not depend on weights."""
    data = load_data(setting.of_fold(0))
    net = build_net(setting.network.setup(0), data.task)
    plan = uniform_plan(
        layer_names(net), setting.choices[-1], first_a_bits=data.task.precision.bits
    )
    with threads(1):
        sample = inputs_of(data.search.train)[:CALIBRATION_IMAGES]
        quantized = prepare(
            net, plan, task=data.task, calibration=sample, quantizer=setting.quantizer
        )
        return to_graph(snap(quantized), setting.network.name)


def measure_prices(setting: Setting, steps: Steps, *, a_bits: int | None = None) -> Prices:
    """Simulate every plan of the space, or of a large one the uniform plans; kept as a step.

    a_bits: of the activations in all plans; none: a layer's weights and input have equal bits.
    MismatchError when a simulation differs from the cycle model anywhere.
    """
    graph = graph_of(setting)
    plans = _plans(graph, setting, a_bits)
    result = steps.do(
        "prices",
        f"simulate {len(plans)} plans",
        {
            "setting": plain(setting.overlay),
            "graph": graph_digest(graph),
            "plans": str(plans),
        },
        lambda: _simulate(graph, setting, plans),
        sources=(*SOURCES, "sim_tests", "flows"),
    )
    uniform = {bits: Measured(**result["measured"][_title(bits)]) for bits in _references(setting)}
    model = PlanPrice(graph, setting.overlay.build(), latency=setting.overlay.latency)
    rows = {
        bits: (plans[_title(bits)], uniform[bits].layers, result["weight_bytes"][_title(bits)])
        for bits in setting.choices
    }
    table = _table(list(plans[_title(setting.choices[0])].layers), rows)
    return Prices(
        overlay=setting.overlay,
        table=table,
        cycles={plan: result["measured"][title]["cycles"] for title, plan in plans.items()},
        uniform={bits: found.cycles for bits, found in uniform.items()},
        cost=CostModel(table=table, plan_cycles=model.cycles, plan_bytes=model.weight_bytes),
    )


def _references(setting: Setting) -> list[int]:
    return sorted({2, 4, *setting.choices})


def _title(bits: int) -> str:
    return f"all layers at {bits} bits"


def _plans(graph: IntegerGraph, setting: Setting, a_bits: int | None) -> dict[str, PrecisionPlan]:
    names = [layer.name for layer in graph.layers()]
    first = graph.tensors[graph.input].precision.bits
    uniform = {
        bits: uniform_plan(names, bits, first_a_bits=first, a_bits=a_bits)
        for bits in _references(setting)
    }
    found = {_title(bits): plan for bits, plan in uniform.items()}
    space = {
        str(plan): plan
        for plan in _mixed([uniform[bits] for bits in setting.choices], names)
        if plan not in found.values()
    }
    return found | space if len(found) + len(space) <= MOST_MEASURED else found


def _mixed(uniform: Sequence[PrecisionPlan], names: Sequence[str]) -> list[PrecisionPlan]:
    """Every mixture of the uniform plans, layer by layer; none where there are too many."""
    if len(uniform) ** len(names) > MOST_MEASURED:
        return []
    return [
        PrecisionPlan({name: plan[name] for name, plan in zip(names, choice, strict=True)})
        for choice in product(uniform, repeat=len(names))
    ]


def _simulate(
    graph: IntegerGraph, setting: Setting, plans: Mapping[str, PrecisionPlan]
) -> dict[str, Any]:
    config = setting.overlay.build()
    networks = {
        title: lower(with_bits(graph, channel_widths(plan)), config)
        for title, plan in plans.items()
    }
    found = _measured(networks, setting)
    return {
        "measured": {title: asdict(result) for title, result in found.items()},
        "weight_bytes": {title: weight_bytes(network) for title, network in networks.items()},
    }


def _measured(networks: Mapping[str, CompiledNetwork], setting: Setting) -> dict[str, Measured]:
    verilog = verilog_of(setting.overlay.build())
    latency = setting.overlay.latency
    found, _ = measure(networks, verilog, latency=latency, memory_limit=MEMORY_LIMIT)
    return found


def simulate_plans(
    setting: Setting, steps: Steps, plans: Sequence[PrecisionPlan], *, sort: bool = True
) -> dict[PrecisionPlan, int]:
    """{plan: measured cycles}, each equal to the cycle model's; kept as a step. sort: whether
    output channels lie in order of their bits."""
    different, graph = list(dict.fromkeys(plans)), graph_of(setting)

    def work() -> dict[str, Any]:
        config = setting.overlay.build()
        networks = {
            str(place): lower(with_bits(graph, channel_widths(plan)), config, sort=sort)
            for place, plan in enumerate(different)
        }
        return {title: found.cycles for title, found in _measured(networks, setting).items()}

    result = steps.do(
        "simulate",
        f"simulate {len(different)} plans{'' if sort else ', unsorted'}",
        {
            "overlay": plain(setting.overlay),
            "graph": graph_digest(graph),
            "plans": [plan.to_dict() for plan in different],
            "sort": sort,
        },
        work,
        sources=(*SOURCES, "sim_tests", "flows"),
    )
    return {plan: result[str(place)] for place, plan in enumerate(different)}


def _table(
    layers: Sequence[str],
    rows: Mapping[int, tuple[PrecisionPlan, Mapping[str, int], Mapping[str, int]]],
) -> CostTable:
    measured = {
        name: {plan[name].pair: cycles[name] for plan, cycles, _ in rows.values()}
        for name in layers
    }
    sizes = {
        name: {plan[name].pair: packed[name] for plan, _, packed in rows.values()}
        for name in layers
    }
    return build_table(measured=measured, predicted={}, weight_bytes=sizes)


def space_of(prices: Prices, links: Sequence[tuple[str, ...]]) -> PlanSpace:
    """The plans that the table's choices allow."""
    return PlanSpace(prices.table, links)
