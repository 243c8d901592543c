"""`bitwright size`: the overlay that runs a network in the fewest cycles on a board.

    bitwright size examples/digits.yaml --board ulx3s_85f
    bitwright size build/digits/latest/model/plan.json --board arty_a7_100
    bitwright size examples/digits.yaml --board ulx3s_85f --set overlay.style=auto

Cycles depend on shapes and widths, not on weights: nothing is trained. A plan has its own widths, a
config every layer at its widest choice.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codegen.frontend.torch_module import to_graph
from codegen.lower import lower
from codegen.search import Point
from codegen.sizing import size
from flows.compile import describe_overlay
from flows.console import table
from flows.hardware import sizing_question
from flows.measure import check_memory
from flows.networks import untrained
from flows.project import Project, load_project
from flows.run_folder import CONFIG
from ir.errors import ConfigError
from ir.plan import PrecisionPlan, load_plan, uniform_plan
from quant.data import Dataset, load_data
from quant.integerize import snap
from quant.net import build_net
from quant.prepare import check_supported

COLUMNS = ("style", "digits", "array", "requantizers")
COLUMNS += ("LUTs", "flip-flops", "18 Kbit blocks", "DSPs", "cycles")
COUNTED = {"luts": "LUTs", "ff": "flip-flops", "bram": "block RAMs of 18 Kbit", "dsp": "DSPs"}


def run(
    config: Path, overrides: tuple[str, ...] = (), board: str | None = None
) -> Mapping[str, Any]:
    """config: a YAML file, or the plan.json of a run, whose config lies beside its folder.

    The sizes, predicted cycles and resources beside the budget, what limits them, and the front.
    CapacityError: no overlay fits, or the network does not fit the board's memory.
    """
    is_plan = config.suffix == ".json"
    settings = (*overrides, *([f"board={board}"] if board else []))
    project = load_project(_config_beside(config) if is_plan else config, settings)
    data, target = load_data(project.data), project.load_board()
    plan = load_plan(config) if is_plan else _widest_plan(project, data)
    graph = to_graph(snap(untrained(project, data, plan)), project.name)
    found = size(graph, **sizing_question(project.overlay, target))
    needs = check_memory(lower(graph, found.config), target.memory.size_bytes)
    return {
        "name": project.name,
        "board": target.name,
        "plan": plan.to_dict(),
        "overlay": describe_overlay(found.config),
        "config": asdict(found.config),
        "cycles": {"predicted": found.cycles},
        "microseconds": round(found.cycles * target.clock.clk_period_ns / 1e3, 3),
        "resources": dict(found.resources),
        "memory": {"needs": needs, "has": target.memory.size_bytes},
        "clock": found.clock and dict(found.clock),
        "limit": found.limit,
        "pareto": [_plain(point) for point in found.pareto],
    }


def describe(result: Mapping[str, Any]) -> str:
    """The overlay, what it takes, why it is no faster, and the front it was chosen from."""
    need, overlay = result["resources"], result["overlay"]
    budget = need["budget"]
    front = [
        [value if isinstance(value, str) else f"{value:,}" for value in point.values()]
        for point in result["pareto"]
    ]
    lines = [
        f"{result['name']} on {result['board']}: {overlay['style']} "
        f"{overlay['Dm']}x{overlay['Dk']}x{overlay['Dn']}, digits of {overlay['p']}x{overlay['q']} "
        f"bits, {result['config']['requant_lanes']} requantizers",
        f"{result['cycles']['predicted']:,} cycles an image, {result['microseconds']:,} us; "
        f"{', '.join(f'{need[n]:,} of {budget[n]:,} {words}' for n, words in COUNTED.items())}: "
        f"predicted by the model of {need['family']}",
        *_clock_line(result["clock"]),
        f"limit: {result['limit']}",
        table(COLUMNS, front, "from fewer LUTs to fewer cycles"),
    ]
    return "\n".join(lines)


def _clock_line(clock: Mapping[str, Any] | None) -> list[str]:
    """What the clock model says, if there is one for the board's family."""
    if clock is None:
        return []
    return [
        f"clock: {clock['needed_mhz']:g} MHz; {clock['mhz']:g} MHz predicted for {clock['device']}"
    ]


def _config_beside(plan: Path) -> Path:
    """The config of the run in whose model/ a plan lies."""
    place = plan.absolute().parent.parent / CONFIG
    if not place.is_file():
        raise ConfigError(
            f"{plan} must lie in the model/ of a run, whose {CONFIG} says what network it is for; "
            f"there is no {place}"
        )
    return place


def _widest_plan(project: Project, data: Dataset) -> PrecisionPlan:
    """Every layer at the widest choice: where the loop starts."""
    names = check_supported(build_net(project.network.setup(project.seed), data.task), data.task)
    return uniform_plan(names, project.widest, first_a_bits=data.task.precision.bits)


def _plain(point: Point) -> dict[str, Any]:
    config = point.config
    return {
        "style": config.style,
        "digits": f"{config.p}x{config.q}",
        "array": f"{config.dm}x{config.dk}x{config.dn}",
        "requant_lanes": config.requant_lanes,
        **point.resources.as_dict(),
        "cycles": point.cycles,
    }
