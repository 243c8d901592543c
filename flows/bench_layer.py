"""`bitwright bench matmul | conv`: one job on an overlay, measured, predicted, bounded."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from codegen.bounds import layer_bound, utilization
from codegen.workload import Workload, operand_precisions, output_precision
from flows import bench_overlay
from flows.bench_measure import measure_graph
from flows.bench_overlay import BenchOverlay, numbers, overlay_of
from ir.errors import ConfigError
from ir.precision import Precision


def add_matmul(parser: argparse.ArgumentParser) -> None:
    """The options of `bench matmul`."""
    parser.add_argument("--shape", required=True, metavar="MxKxN")
    _add_job(parser)


def add_conv(parser: argparse.ArgumentParser) -> None:
    """The options of `bench conv`."""
    parser.add_argument("--input", required=True, metavar="HxWxC")
    parser.add_argument("--channels", required=True, type=int, help="output channels")
    parser.add_argument("--kernel", type=int, default=3)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--padding", type=int, default=None, help="default: kernel // 2")
    _add_job(parser)


def _add_job(parser: argparse.ArgumentParser) -> None:
    add_precisions(parser)
    parser.add_argument("--out", default="a", metavar="a|int32|uB|sB")
    bench_overlay.add_arguments(parser)


def add_precisions(parser: argparse.ArgumentParser) -> None:
    """The options from which `precisions_of` makes precisions, and the seed of what is random."""
    parser.add_argument("--bits", required=True, metavar="WxA", help="weights x activations")
    parser.add_argument("--signed", default="1x0", metavar="0|1x0|1")
    parser.add_argument("--seed", type=int, default=0)


def precisions_of(arguments: argparse.Namespace) -> tuple[Precision, Precision]:
    """(weights, activations). ConfigError names the option that is wrong."""
    signed = numbers(arguments.signed, 2, "signed")
    if not set(signed) <= {0, 1}:
        raise ConfigError(f"--signed must be two of 0 and 1, not {arguments.signed!r}")
    return operand_precisions(numbers(arguments.bits, 2, "bits"), signed)  # type: ignore[arg-type]


def workload_of(arguments: argparse.Namespace) -> Workload:
    """The job that the options describe."""
    weights, activations = precisions_of(arguments)
    common: dict[str, Any] = {
        "weights": weights,
        "activations": activations,
        "seed": arguments.seed,
        "output": output_precision(arguments.out, activations),
    }
    if arguments.job == "matmul":
        rows, depth, pixels = numbers(arguments.shape, 3, "shape")
        return Workload(channels=depth, height=1, width=pixels, rows=rows, **common)
    height, width, channels = numbers(arguments.input, 3, "input")
    padding = arguments.kernel // 2 if arguments.padding is None else arguments.padding
    return Workload(
        channels=channels,
        height=height,
        width=width,
        rows=arguments.channels,
        kernel=arguments.kernel,
        stride=arguments.stride,
        padding=padding,
        **common,
    )


def measure(workload: Workload, overlay: BenchOverlay, *, cache: str = "") -> dict[str, Any]:
    """Keys as the issue's contract names them."""
    measurement = measure_graph(*workload.build(), overlay, cache=cache)
    shape = measurement.network.layers[0].tiling.shape
    share, factors = utilization(shape, measurement.config, measurement.measured)
    bound = layer_bound(shape, measurement.config)
    return measurement.facts() | {
        "lower_bound": bound.cycles,
        "bound_by": bound.limited_by,
        "utilization": share,
        "factors": factors,
    }


def measure_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `bench matmul` and `bench conv` answer."""
    return measure(workload_of(arguments), overlay_of(arguments))


def describe(result: Mapping[str, Any]) -> str:
    """For a person."""
    factors = " · ".join(f"{name} {value:.3f}" for name, value in result["factors"].items())
    return "\n".join(
        [
            *describe_cycles(result),
            f"utilization {100 * result['utilization']:.1f} % = {factors}",
            f"simulated   {result['cycles_per_second']:,.0f} cycles/s",
        ]
    )


def describe_cycles(result: Mapping[str, Any]) -> list[str]:
    """The lines that every bench begins with."""
    verdict = "bit-exact" if result["bit_exact"] else "NOT BIT-EXACT"
    spent = " · ".join(f"{name} {cycles:,}" for name, cycles in result["attribution"].items())
    return [
        f"measured    {result['measured']:,} cycles ({verdict})",
        f"predicted   {result['predicted']:,}",
        f"lower bound {result['lower_bound']:,} ({result['bound_by']})",
        f"spent in    {spent}: limited by {result['limited_by']}",
    ]
