"""One training step under LSQ beside the same step in floats and under Brevitas.

Runs in the environment that `flows/bench_quant.py` makes, the only one that has Brevitas:

    python -m flows.bench_quant_steps RESULT.json --width 16 --size 32 --batch 64 --rounds 30

The same net, batch, widths and optimizer; both quantized nets learn one step size a tensor. The
three take turns, so that whatever else the machine does meets all of them.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import brevitas.nn as brevitas_nn  # pyright: ignore[reportMissingImports]
import torch
from brevitas.inject.enum import ScalingImplType  # pyright: ignore[reportMissingImports]
from brevitas.quant.scaled_int import (  # pyright: ignore[reportMissingImports]
    Int8WeightPerTensorFloat,
    Uint8ActPerTensorFloat,
)
from torch import Tensor, nn
from torch.nn import functional

from ir.files import write_text
from ir.plan import uniform_plan
from ir.precision import Precision
from quant.data import Task
from quant.device import threads
from quant.layers import QuantNet
from quant.net import NetConfig, build_net
from quant.prepare import QuantizerConfig, layer_names, prepare

BITS = 4
WARM_UP = 3
START = 1.5  # of Brevitas's learned activation ranges; ours are calibrated


class LearnedWeights(Int8WeightPerTensorFloat):
    """A learned scale that starts from the weights."""

    bit_width = BITS
    narrow_range = False
    scaling_impl_type = ScalingImplType.PARAMETER_FROM_STATS


class LearnedActivations(Uint8ActPerTensorFloat):
    """A learned scale without the phase that collects statistics, which would be slower."""

    bit_width = BITS
    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = START


@dataclass(frozen=True, kw_only=True)
class Case:
    """width: channels of d4's first layer; size: pixels of a side; batch: images of a step."""

    width: int
    size: int
    batch: int

    @property
    def task(self) -> Task:
        """Three colours of eight bits, ten classes."""
        precision = Precision(8, signed=False)
        shape = (3, self.size, self.size)
        return Task(name="random", shape=shape, classes=10, precision=precision, scale=1 / 256)


def networks(case: Case, x: Tensor) -> dict[str, nn.Module]:
    """d4 in floats, under our LSQ, and as Brevitas's layers."""
    net = build_net(NetConfig(width=case.width), case.task)
    ours = prepare(
        net,
        uniform_plan(layer_names(net), BITS, first_a_bits=8),
        task=case.task,
        calibration=x,
        quantizer=QuantizerConfig(name="lsq", granularity="per_tensor"),
    )
    return {"float": net, "ours": ours, "brevitas": brevitas_net(case)}


def brevitas_net(case: Case) -> nn.Module:
    """d4 (quant/nets/d4.py) of Brevitas's layers."""

    def block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        convolution = brevitas_nn.QuantConv2d(
            inputs, outputs, 3, stride=stride, padding=1, bias=False, weight_quant=LearnedWeights
        )
        relu = brevitas_nn.QuantReLU(act_quant=LearnedActivations)
        return [convolution, nn.BatchNorm2d(outputs), relu]

    first, later = case.width, 2 * case.width
    side = -(-case.size // 2)
    return nn.Sequential(
        *block(3, first, 1),
        *block(first, later, 2),
        *block(later, later, 1),
        nn.Flatten(),
        brevitas_nn.QuantLinear(later * side**2, 10, bias=True, weight_quant=LearnedWeights),
    )


def stepper(net: nn.Module, x: Tensor, labels: Tensor) -> Callable[[], None]:
    """One step of SGD with momentum."""
    optimizer = torch.optim.SGD(net.train().parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(net(x), labels).backward()
        optimizer.step()
        if isinstance(net, QuantNet):
            net.project()

    return step


def measure(case: Case, rounds: int) -> dict[str, dict[str, float]]:
    """{net: {"wall", "processor": milliseconds of a step, the median}}; one thread."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (case.batch, *case.task.shape), generator=generator)
    labels = torch.randint(0, 10, (case.batch,), generator=generator)
    x = pixels.float() / 256
    with threads(1):
        steps = {name: stepper(net, x, labels) for name, net in networks(case, x).items()}
        for step in list(steps.values()) * WARM_UP:
            step()
        taken = [{name: _timed(step) for name, step in steps.items()} for _ in range(rounds)]
    return {
        name: {
            clock: 1e3 * statistics.median(turn[name][index] for turn in taken)
            for index, clock in enumerate(("wall", "processor"))
        }
        for name in steps
    }


def _timed(step: Callable[[], None]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Write what was measured as JSON."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("result", type=Path)
    for name in ("width", "size", "batch", "rounds"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    case = Case(width=given.width, size=given.size, batch=given.batch)
    write_text(given.result, json.dumps(measure(case, given.rounds)))


if __name__ == "__main__":
    main()
