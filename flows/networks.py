"""The networks of a run: float, fine-tuned at a plan, snapped to integers.

Training resumes from its own checkpoint in `steps/`; the outcome is the same as without a break.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from codegen.frontend.torch_module import to_graph
from flows.project import Project
from flows.run_folder import file_digest
from flows.steps import FOLDER, step_key
from flows.workspace import Workspace
from ir.config import plain
from ir.graph import IntegerGraph
from ir.plan import PrecisionPlan, uniform_plan
from quant.checkpoint import load_checkpoint, load_weights
from quant.data import Dataset
from quant.integerize import snap
from quant.layers import QuantNet
from quant.net import build_net
from quant.prepare import check_supported, prepare
from quant.snapped import SnappedNet
from quant.train import (
    CALIBRATION_IMAGES,
    Progress,
    evaluate,
    fine_tune,
    inputs_of,
    threads,
    train_float,
)

SOURCES = ("ir", "quant")


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """A network fine-tuned at a plan. loss, accuracy: on the validation images, of the snapped
    network. checkpoint: the file that holds its weights."""

    plan: PrecisionPlan
    model: QuantNet
    snapped: SnappedNet
    graph: IntegerGraph
    checkpoint: Path
    loss: float
    accuracy: float
    seconds: float


class Networks:
    """Trains what is asked for, once."""

    def __init__(self, space: Workspace) -> None:
        self._space = space
        self._float: nn.Module | None = None
        self._tuned: dict[PrecisionPlan, Tuned] = {}
        self.names = check_supported(self._fresh(), space.data.task)

    def _fresh(self) -> nn.Module:
        project = self._space.project
        return build_net(project.network.setup(project.seed), self._space.data.task)

    def uniform(self, bits: int) -> PrecisionPlan:
        """Every layer at `bits`; the first reads the input's own width."""
        first = self._space.data.task.precision.bits
        return uniform_plan(self.names, bits, first_a_bits=first)

    def float_net(self) -> nn.Module:
        """The float network, trained here or read from the config's checkpoint."""
        if self._float is None:
            self._float = self._make_float()
        return self._float

    def tuned(self, plan: PrecisionPlan) -> Tuned:
        """The network fine-tuned at `plan`, starting from the float one."""
        if plan not in self._tuned:
            self._tuned[plan] = self._tune(plan)
        return self._tuned[plan]

    def _make_float(self) -> nn.Module:
        space, project = self._space, self._space.project
        if project.network.checkpoint is not None:
            return self._read_float(project.network.checkpoint)
        recipe = project.training.of_float(project.seed)
        inputs = self._inputs() | {"recipe": plain(recipe)}

        def train(checkpoint: Path) -> nn.Module:
            return train_float(
                project.network.setup(project.seed),
                space.data.search,
                recipe,
                checkpoint=checkpoint,
                progress=self._epochs,
            )

        model, _, _ = self._trained("float", "train in floats", inputs, train, lambda net: net)
        return model

    def _read_float(self, path: Path) -> nn.Module:
        model = self._fresh()
        payload = load_checkpoint(path)
        load_weights(model, payload.get("model", payload), path)
        return model.eval()

    def _tune(self, plan: PrecisionPlan) -> Tuned:
        space, project = self._space, self._space.project
        source = self.float_net()
        recipe = project.training.of_plan(plan, project.seed)
        inputs = self._inputs() | {
            "recipe": plain(recipe),
            "float": plain(project.training.of_float(project.seed)),
            "quantizer": plain(project.weights_quantizer),
            "plan": plan.to_dict(),
        }

        def train(checkpoint: Path) -> QuantNet:
            return fine_tune(
                source,
                plan,
                space.data.search,
                recipe,
                quantizer=project.weights_quantizer,
                checkpoint=checkpoint,
                progress=self._epochs,
            )

        title = f"fine-tune {plan}"
        model, result, checkpoint = self._trained("tune", title, inputs, train, snap)
        assert isinstance(model, QuantNet)
        snapped = snap(model)
        return Tuned(
            plan=plan,
            model=model,
            snapped=snapped,
            graph=to_graph(snapped, project.name),
            checkpoint=checkpoint,
            loss=result["nll"],
            accuracy=result["accuracy"],
            seconds=space.steps.seconds[title],
        )

    def _trained(
        self,
        name: str,
        title: str,
        inputs: Mapping[str, Any],
        train: Callable[[Path], nn.Module],
        judged: Callable[[Any], nn.Module],
    ) -> tuple[nn.Module, dict[str, Any], Path]:
        """(model, {nll, accuracy} on the validation images of what `judged` makes of it, file)."""
        space = self._space
        checkpoint = space.run / FOLDER / f"{name}-{step_key(name, inputs, SOURCES)}.pt"
        fresh: list[nn.Module] = []

        def work() -> Mapping[str, Any]:
            fresh.append(train(checkpoint))
            return evaluate(judged(fresh[0]), space.data.search.validation)

        result = space.steps.do(
            name, title, inputs, work, sources=SOURCES, describe=describe_quality
        )
        # A finished training is only loaded; a checkpoint that was damaged since is refused.
        return (fresh[0] if fresh else train(checkpoint)), result, checkpoint

    def _inputs(self) -> dict[str, Any]:
        """What every training depends on, files by their content."""
        project, search = self._space.project, self._space.data.search
        pixels = hashlib.sha256()
        for split in (search.train, search.validation):
            pixels.update(split.images.tobytes() + split.labels.tobytes())
        trained = project.network.checkpoint
        return {
            "network": plain(project.network),
            "weights": None if trained is None else file_digest(trained),
            "images": pixels.hexdigest(),
            "seed": project.seed,
        }

    @property
    def _epochs(self) -> Progress:
        return lambda done, total, _: self._space.progress.inside(done, total, "epoch")


def untrained(project: Project, data: Dataset, plan: PrecisionPlan) -> QuantNet:
    """The network quantized at `plan`, its weights as they are drawn."""
    model = build_net(project.network.setup(project.seed), data.task)
    with threads(1):
        sample = inputs_of(data.search.train)[:CALIBRATION_IMAGES]
        return prepare(
            model,
            plan,
            task=data.task,
            calibration=sample,
            quantizer=project.weights_quantizer,
        )


def load_tuned(space: Workspace, plan: PrecisionPlan, path: Path) -> QuantNet:
    """The network of a fine-tuning's checkpoint; ConfigError when the file is corrupt."""
    payload = load_checkpoint(path)
    net = untrained(space.project, space.data, plan)
    load_weights(net, payload.get("model"), path)
    return net.eval()


def describe_quality(result: Mapping[str, Any]) -> str:
    """A step's note."""
    return f"validation accuracy {result['accuracy']:.3f}, loss {result['nll']:.4f}"
