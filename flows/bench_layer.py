"""`bitwright bench matmul | conv`: one job on an overlay, measured, predicted, bounded."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from codegen.bounds import layer_bound, utilization
from codegen.shape import LayerShape
from codegen.workload import Workload, operand_precisions, output_precision
from flows import bench_overlay
from flows.bench_measure import measure_graph
from flows.bench_overlay import BenchOverlay, numbers, overlay_of
from hw.config import OverlayConfig
from ir.errors import ConfigError
from ir.precision import MAX_OPERAND_BITS, Precision


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
    parser.add_argument("--dilation", type=int, default=1)
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument(
        "--padding", type=int, default=None, help="default: dilation * (kernel // 2)"
    )
    _add_job(parser)


def _add_job(parser: argparse.ArgumentParser) -> None:
    add_precisions(parser)
    parser.add_argument("--out", default="a", metavar="a|int32|uB|sB")
    parser.add_argument(
        "--row-bits",
        metavar="B,B,...",
        help="weight bits of each output channel, or random:LOW-HIGH, in place of W",
    )
    parser.add_argument("--unsorted", action="store_true", help="channels stay in their order")
    bench_overlay.add_arguments(parser)


def add_precisions(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The options from which `precisions_of` makes precisions, and the seed of what is random."""
    parser.add_argument("--bits", required=required, metavar="WxA", help="weights x activations")
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
    rows = rows_of(arguments)
    common: dict[str, Any] = {
        "weights": weights,
        "activations": activations,
        "seed": arguments.seed,
        "output": output_precision(arguments.out, activations),
        "rows": rows,
        "row_bits": row_widths(arguments.row_bits, rows, arguments.seed),
    }
    if arguments.job == "matmul":
        _, depth, pixels = numbers(arguments.shape, 3, "shape")
        return Workload(channels=depth, height=1, width=pixels, **common)
    height, width, channels = numbers(arguments.input, 3, "input")
    same = arguments.dilation * (arguments.kernel // 2)
    return Workload(
        channels=channels,
        height=height,
        width=width,
        kernel=arguments.kernel,
        stride=arguments.stride,
        padding=same if arguments.padding is None else arguments.padding,
        dilation=arguments.dilation,
        groups=arguments.groups,
        **common,
    )


def rows_of(arguments: argparse.Namespace) -> int:
    """Output channels."""
    if arguments.job == "matmul":
        return numbers(arguments.shape, 3, "shape")[0]
    return arguments.channels


def row_widths(text: str | None, rows: int, seed: int) -> tuple[int, ...] | None:
    """The widths that --row-bits names, one for each output channel.

    random:LOW-HIGH draws them, all equally likely, from `seed`.
    """
    if text is None:
        return None
    if drawn := re.fullmatch(r"random:(\d)-(\d)", text):
        low, high = int(drawn[1]), int(drawn[2])
        if not 1 <= low <= high <= MAX_OPERAND_BITS:
            raise ConfigError(f"--row-bits random:LOW-HIGH must lie in 1 to 8 bits, not {text!r}")
        return tuple(int(n) for n in np.random.default_rng(seed).integers(low, high + 1, rows))
    if not re.fullmatch(r"[1-8](,[1-8])*", text):
        raise ConfigError(
            f"--row-bits must be widths of 1 to 8 bits with commas between, or random:LOW-HIGH, "
            f"not {text!r}"
        )
    widths = tuple(int(part) for part in text.split(","))
    if len(widths) != rows:
        raise ConfigError(f"--row-bits must name {rows} widths, one a channel, not {len(widths)}")
    return widths


def measure(
    workload: Workload, overlay: BenchOverlay, *, sort: bool = True, cache: str = ""
) -> dict[str, Any]:
    """Keys as the issue's contract names them; tile_maxima only where widths differ by channel."""
    measurement = measure_graph(*workload.build(), overlay, sort=sort, cache=cache)
    (layer,) = measurement.network.layers
    shape = layer.tiling.shape
    share, factors = utilization(shape, measurement.config, measurement.measured)
    bound = layer_bound(shape, measurement.config)
    return measurement.facts() | {
        "lower_bound": bound.cycles,
        "bound_by": bound.limited_by,
        "bands": len(layer.bands),
        "utilization": share,
        "factors": factors,
        **_tile_maxima(workload, shape, measurement.config),
    }


def _tile_maxima(workload: Workload, shape: LayerShape, config: OverlayConfig) -> dict[str, Any]:
    """{tile_maxima: {sorted, unsorted}}: cycles of the array, tiles at their widest row's bits."""
    if workload.row_bits is None:
        return {}
    widest_first = tuple(sorted(workload.row_bits, reverse=True))
    orders = {"sorted": widest_first, "unsorted": workload.row_bits}
    return {
        "tile_maxima": {
            name: layer_bound(replace(shape, row_bits=widths), config).exec
            for name, widths in orders.items()
        }
    }


def measure_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `bench matmul` and `bench conv` answer."""
    return measure(workload_of(arguments), overlay_of(arguments), sort=not arguments.unsorted)


def describe(result: Mapping[str, Any]) -> str:
    """For a person."""
    maxima = result.get("tile_maxima", {})
    return "\n".join(
        [
            *describe_cycles(result),
            *([f"bands       {result['bands']} of output rows"] if result["bands"] > 1 else []),
            *(f"channels {name}: tile maxima {cycles:,}" for name, cycles in maxima.items()),
            describe_utilization(result),
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


def describe_utilization(result: Mapping[str, Any]) -> str:
    """The share of the array's peak, and what it is made of."""
    factors = " · ".join(f"{name} {value:.3f}" for name, value in result["factors"].items())
    return f"utilization {100 * result['utilization']:.1f} % = {factors}"
