"""`bitwright quantize`: train the network and choose its bitwidths, into the run's model/.

The first pass of the co-design loop: float training, an overlay for the widest uniform plan, its
measured cost table, an allocation, a fine-tuning. When the run has a model already (from here or
from `codesign`) it stays.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.artifacts import CHECKPOINT, refuse_damaged_checkpoint
from flows.build import GRAPH, PLAN, Model, publish_model, published_model
from flows.loop import allocate, cycle_budget
from flows.networks import Networks
from flows.rounds import play_round, widths_of
from flows.workspace import Workspace, open_workspace

STEPS = 5


def run(config: Path, overrides: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """Files of the model and its plan."""
    with open_workspace("quantize", config, overrides, steps=STEPS) as space:
        model = obtain_model(space)
        folder = space.run.path
        return {
            "name": space.project.name,
            "run": str(folder),
            "plan": {layer: list(pair) for layer, pair in widths_of(model.plan).items()},
            "files": [str(folder / name) for name in (PLAN, CHECKPOINT, GRAPH)],
        }


def obtain_model(space: Workspace) -> Model:
    """The run's model: what is there, or else the outcome of the first pass.

    ConfigError when its checkpoint was changed since.
    """
    refuse_damaged_checkpoint(space.run)
    networks = Networks(space)
    model = published_model(space)
    if model is not None:
        space.progress.say(f"the model of {space.run.path} stands: {model.plan}")
        return model
    first = play_round(space, networks, networks.uniform(space.project.widest), 0)
    budget = cycle_budget(space.project.cycle_budget, first)
    plan = allocate(space, networks, first, budget).plan
    return publish_model(space, networks.tuned(plan))


def describe(result: Mapping[str, Any]) -> str:
    """The plan and where it lies."""
    plan = "  ".join(f"{layer} {w}x{a}" for layer, (w, a) in result["plan"].items())
    return "\n".join([f"plan (weights x activations): {plan}", *result["files"]])
