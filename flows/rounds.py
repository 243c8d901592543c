"""One round of the loop: a plan becomes a network, an overlay, measured cycles and a cost table."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from codegen.cycles import MemoryTiming, predict
from codegen.lower import CompiledNetwork, lower
from codegen.placeholder import with_bits
from flows.hardware import SOURCES, Sized, graph_digest, size_overlay, verilog_of
from flows.measure import Measured, measure
from flows.networks import Networks, Tuned
from flows.plan_price import channel_widths, weight_bytes
from flows.project import REFERENCE_WIDTHS
from flows.workspace import Workspace
from ir.cost import CostTable, build_table
from ir.errors import CapacityError
from ir.graph import IntegerGraph
from ir.plan import PrecisionPlan

MOST_SIMULATED_CYCLES = 50_000_000
"""Beyond so many predicted cycles for a cost table only its corner columns are simulated."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """What one round found. weight_bytes: of the plan's packed weights. uniform: cycles of all
    layers at b bits, for every b that fits."""

    number: int
    tuned: Tuned
    overlay: Sized
    measured: Measured
    weight_bytes: int
    table: CostTable
    uniform: dict[int, int]
    seconds: float

    @property
    def plan(self) -> PrecisionPlan:
        """The round's plan."""
        return self.tuned.plan

    @property
    def identity(self) -> tuple[PrecisionPlan, int]:
        """What must repeat for the loop to end: plan and overlay."""
        return self.plan, self.overlay.config.hash

    @property
    def table_cycles(self) -> int | None:
        """What the table says of the plan; None where it has no entry for a layer."""
        priced = all(
            bits.pair in self.table.entries[layer] for layer, bits in self.plan.layers.items()
        )
        return self.table.cost(self.plan) if priced else None


def widths_of(plan: PrecisionPlan) -> dict[str, tuple[int, int]]:
    """{layer: (w_bits of the widest channel, a_bits)}."""
    return {layer: bits.pair for layer, bits in plan.layers.items()}


def play_round(space: Workspace, networks: Networks, plan: PrecisionPlan, number: int) -> Round:
    """Fine-tune at `plan`, size an overlay to it, measure it and its cost table."""
    tuned = networks.tuned(plan)
    steps = space.steps
    sizing, measuring = f"round {number}: size an overlay", f"round {number}: measure cycles"
    overlay = size_overlay(space, tuned.graph, sizing)
    columns = _columns(space, networks)
    inputs = {
        "graph": graph_digest(tuned.graph),
        "overlay": [overlay.config.style, asdict(overlay.config)],
        "columns": {bits: plan.to_dict() for bits, plan in columns.items()},
        "latency": space.board.memory.latency_cycles,
        "memory_bytes": space.board.memory.size_bytes,
    }
    result = steps.do(
        "measure",
        measuring,
        inputs,
        lambda: _measure(space, tuned.graph, overlay, columns),
        sources=(*SOURCES, "sim_tests", "flows"),
        describe=_describe,
    )
    simulated = {int(bits): Measured(**values) for bits, values in result["columns"].items()}
    predicted = {int(bits): values for bits, values in result["predicted"].items()}
    return Round(
        number=number,
        tuned=tuned,
        overlay=overlay,
        measured=Measured(**result["plan"]),
        weight_bytes=result["plan_bytes"],
        table=_table(columns, simulated, predicted, result["weight_bytes"], space.project.choices),
        uniform={bits: found.cycles for bits, found in simulated.items()},
        seconds=round(tuned.seconds + steps.seconds[sizing] + steps.seconds[measuring], 3),
    )


def _columns(space: Workspace, networks: Networks) -> dict[int, PrecisionPlan]:
    """The uniform plans whose cycles make a cost table."""
    return {bits: networks.uniform(bits) for bits in space.project.priced}


def _measure(
    space: Workspace,
    graph: IntegerGraph,
    overlay: Sized,
    columns: Mapping[int, PrecisionPlan],
) -> dict[str, Any]:
    """{plan, plan_bytes, columns, predicted, weight_bytes, left_out}: simulated, or what the models
    gave."""
    memory = space.board.memory
    network = lower(graph, overlay.config)
    fitting, left_out = _compile(graph, overlay, columns)
    simulated = _to_simulate(fitting, memory.latency_cycles)
    titles = {f"all layers at {bits} bits": fitting[bits] for bits in simulated}
    found, bench = measure(
        {"the plan": network} | titles,
        verilog_of(overlay.config),
        latency=memory.latency_cycles,
        memory_limit=memory.size_bytes,
        workers=space.jobs,
    )
    measured = list(found.values())
    return {
        "plan": asdict(measured[0]),
        "plan_bytes": sum(weight_bytes(network).values()),
        "columns": {b: asdict(m) for b, m in zip(simulated, measured[1:], strict=True)},
        "predicted": {
            bits: _predicted(fitting[bits], memory.latency_cycles)
            for bits in fitting
            if bits not in simulated
        },
        "weight_bytes": {bits: weight_bytes(network) for bits, network in fitting.items()},
        "left_out": left_out,
        "simulator": {"built": bench.built, "cycles_per_second": round(bench.cycles_per_second)},
    }


def _compile(
    graph: IntegerGraph, overlay: Sized, columns: Mapping[int, PrecisionPlan]
) -> tuple[dict[int, CompiledNetwork], dict[int, str]]:
    """The columns that the overlay's buffers hold, and why the others do not."""
    fitting: dict[int, CompiledNetwork] = {}
    left_out: dict[int, str] = {}
    for bits, plan in columns.items():
        try:
            fitting[bits] = lower(with_bits(graph, channel_widths(plan)), overlay.config)
        except CapacityError as error:
            left_out[bits] = str(error)
    return fitting, left_out


def _to_simulate(fitting: Mapping[int, CompiledNetwork], latency: int) -> list[int]:
    """All columns, or where that takes too long the narrowest, the widest and the references."""
    timing = MemoryTiming(latency=latency)
    total = sum(predict(network, timing).cycles for network in fitting.values())
    if total <= MOST_SIMULATED_CYCLES:
        return list(fitting)
    corners = {min(fitting), max(fitting), *REFERENCE_WIDTHS}
    return [bits for bits in fitting if bits in corners]


def _predicted(network: CompiledNetwork, latency: int) -> dict[str, int]:
    layers = predict(network, MemoryTiming(latency=latency)).layers
    names = [layer.name for layer in network.layers]
    return dict(zip(names, layers, strict=True))


def _table(
    columns: Mapping[int, PrecisionPlan],
    simulated: Mapping[int, Measured],
    predicted: Mapping[int, Mapping[str, int]],
    sizes: Mapping[str, Mapping[str, int]],
    choices: tuple[int, ...],
) -> CostTable:
    """Entries of the choices alone. A prediction is used only where the model equalled the
    simulation on every measured entry, which `build_table` checks against the model's own."""
    model = {bits: found.layers_predicted for bits, found in simulated.items()} | dict(predicted)
    return build_table(
        measured=_rows(columns, {b: m.layers for b, m in simulated.items()}, choices),
        predicted=_rows(columns, model, choices),
        weight_bytes=_rows(columns, {int(b): row for b, row in sizes.items()}, choices),
    )


def _rows(
    columns: Mapping[int, PrecisionPlan],
    cycles: Mapping[int, Mapping[str, int]],
    choices: tuple[int, ...],
) -> dict[str, dict[tuple[int, int], int]]:
    """{layer: {(w_bits, a_bits): cycles}} from {bits: {layer: cycles}}."""
    rows: dict[str, dict[tuple[int, int], int]] = {}
    for bits in sorted(set(cycles) & set(choices)):
        for layer, spent in cycles[bits].items():
            rows.setdefault(layer, {})[columns[bits][layer].pair] = spent
    return rows


def _describe(result: Mapping[str, Any]) -> str:
    plan = result["plan"]
    return f"{plan['cycles']} cycles, as predicted, {len(result['columns'])} columns of the table"
