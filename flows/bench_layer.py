"""`bitwright bench matmul | conv`: one job on an overlay, measured, predicted, bounded."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from codegen.bounds import layer_bound, utilization
from codegen.buffers import fit_buffers
from codegen.cycles import predict
from codegen.emit import emit_verilog
from codegen.lower import lower
from codegen.read_timing import MemoryTiming
from codegen.shape import layer_shape
from codegen.workload import Workload, operand_precisions, output_precision
from flows import console
from flows.execute import bench_of, expected_outputs, run_images
from flows.harness import simulate
from flows.simulator import DEFAULT_CACHE
from hw.config import OverlayConfig
from ir.errors import ConfigError
from ir.plugins import load

TABLE = (
    "matmul --array 8x64x8 --shape 128x1152x256 --bits 2x2",
    "matmul --array 8x64x8 --shape 128x1152x256 --bits 4x4",
    "matmul --array 8x64x8 --shape 16x144x1024 --bits 3x3",
    "matmul --array 8x64x8 --shape 64x576x64 --bits 3x3",
    "matmul --array 8x64x8 --shape 64x576x64 --bits 3x3 --out int32",
    "matmul --array 8x64x8 --shape 33x100x5 --bits 5x3 --signed 1x1",
    "conv --array 8x48x8 --input 32x32x16 --channels 16 --kernel 3 --bits 3x3",
    "conv --array 8x64x8 --input 16x16x64 --channels 64 --kernel 3 --stride 2 --bits 3x3",
)
"""What `bench table` runs."""

STANDARD = {"lhs_depth": 2048, "rhs_depth": 4096, "ring_depth": 1024, "table_depth": 512}
"""Buffers of a bench's overlay: one simulator serves nearly all jobs of an array."""


@dataclass(frozen=True, kw_only=True)
class BenchJob:
    """A workload on an array of dm x dk x dn, with buffers made to fit it."""

    workload: Workload
    array: tuple[int, int, int]
    memory_bits: int = 64
    memory_latency: int = 20
    style: str = "bit_serial"

    def overlay(self) -> OverlayConfig:
        """The array's standard overlay; a job that needs deeper buffers gets deeper ones."""
        dm, dk, dn = self.array
        style = load("hw/overlays", self.style, OverlayConfig)
        config = style(dm=dm, dk=dk, dn=dn, memory_bits=self.memory_bits)
        graph, _ = self.workload.build()
        shapes = [layer_shape(graph, layer) for layer in graph.layers()]
        fitted = fit_buffers(replace(config, requant_lanes=half_the_rows(dm)), shapes)
        return replace(
            fitted, **{name: max(depth, getattr(fitted, name)) for name, depth in STANDARD.items()}
        )


def half_the_rows(dm: int) -> int:
    """The standard number of requantizer lanes: the largest divisor of dm up to dm / 2."""
    return max((lanes for lanes in range(1, dm // 2 + 1) if dm % lanes == 0), default=1)


def measure(job: BenchJob, *, cache: str = str(DEFAULT_CACHE)) -> dict[str, Any]:
    """Compile, predict, simulate, compare. Keys as the issue's contract names them."""
    config = job.overlay()
    graph, image = job.workload.build()
    network = lower(graph, config)
    predicted = predict(network, MemoryTiming(latency=job.memory_latency)).cycles
    run = run_images(
        network,
        bench_of([network], emit_verilog(config), latency=job.memory_latency),
        [image],
        partial(simulate, cache=cache),
    )
    expected = expected_outputs(network, [image])
    exact = all(np.array_equal(run.outputs[name], codes) for name, codes in expected.items())
    shape = network.layers[0].tiling.shape
    share, factors = utilization(shape, config, run.measured[0])
    bound = layer_bound(shape, config)
    return {
        "measured": run.measured[0],
        "predicted": predicted,
        "lower_bound": bound.cycles,
        "limited_by": bound.limited_by,
        "utilization": share,
        "factors": factors,
        "bit_exact": exact,
        "counters": run.counters,
        "overlay": asdict(config),
        "seconds": run.result.seconds,
        "cycles_per_second": run.result.cycles_per_second,
        "build_seconds": run.result.build_seconds,
        "ok": exact and run.measured[0] == predicted == run.counters["CYCLES"],
    }


def add_arguments(verbs: Any) -> None:
    """The `bench` verb and its two jobs."""
    bench = verbs.add_parser("bench", help="cycles of one matmul or convolution on an overlay")
    jobs = bench.add_subparsers(dest="job", required=True, metavar="matmul|conv|table")
    table = jobs.add_parser("table", help="the jobs of docs/results.md, one line each")
    table.add_argument("--json", action="store_true", help="stdout is one JSON document")
    matmul = jobs.add_parser("matmul", help="weights M x K times activations K x N")
    matmul.add_argument("--shape", required=True, metavar="MxKxN")
    conv = jobs.add_parser("conv", help="one convolution with zero padding")
    conv.add_argument("--input", required=True, metavar="HxWxC")
    conv.add_argument("--channels", required=True, type=int, help="output channels")
    conv.add_argument("--kernel", type=int, default=3)
    conv.add_argument("--stride", type=int, default=1)
    conv.add_argument("--padding", type=int, default=None, help="default: kernel // 2")
    for parser in (matmul, conv):
        parser.add_argument("--array", required=True, metavar="DMxDKxDN")
        parser.add_argument("--bits", required=True, metavar="WxA", help="weights x activations")
        parser.add_argument("--signed", default="1x0", metavar="0|1x0|1")
        parser.add_argument("--out", default="a", metavar="a|int32|uB|sB")
        parser.add_argument("--memory-bits", type=int, default=64)
        parser.add_argument("--memory-latency", type=int, default=20)
        parser.add_argument("--style", default="bit_serial")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--json", action="store_true", help="stdout is one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """The verb; exit code 1 when not bit-exact, or measured and predicted differ."""
    if arguments.job == "table":
        return _run_table(arguments)
    with console.quiet_stdout(arguments.json):
        result = measure(_job(arguments))
    result["arguments"] = {k: v for k, v in vars(arguments).items() if k not in ("verb", "json")}
    console.print_result(result, describe, arguments.json)
    return 0 if result["ok"] else 1


def _run_table(arguments: argparse.Namespace) -> int:
    """Every line of TABLE, and a check that failed when one of them did."""
    parser = argparse.ArgumentParser()
    add_arguments(parser.add_subparsers())
    rows = []
    with console.quiet_stdout(arguments.json):
        for line in TABLE:
            print(f"bench {line}", file=sys.stderr, flush=True)
            rows.append({"job": line} | measure(_job(parser.parse_args(["bench", *line.split()]))))
    result = {"rows": rows, "ok": all(row["ok"] for row in rows)}
    console.print_result(result, describe_table, arguments.json)
    return 0 if result["ok"] else 1


def describe_table(result: Mapping[str, Any]) -> str:
    """The table of docs/results.md."""
    columns = (
        "job",
        "measured",
        "predicted",
        "bound",
        "utilization",
        "shape",
        "memory",
        "sequence",
        "exact",
    )
    rows = [
        [
            row["job"],
            f"{row['measured']:,}",
            f"{row['predicted']:,}",
            f"{row['lower_bound']:,} {row['limited_by']}",
            f"{100 * row['utilization']:.1f} %",
            *(f"{row['factors'][name]:.3f}" for name in ("shape", "memory", "sequence")),
            "yes" if row["bit_exact"] else "NO",
        ]
        for row in result["rows"]
    ]
    return console.table(columns, rows)


def _numbers(text: str, count: int, option: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d{1,6}(x\d{1,6})*", text) or text.count("x") != count - 1:
        form = "x".join(["N"] * count)
        raise ConfigError(f"--{option} must have the form {form}, not {text!r}")
    return tuple(int(part) for part in text.split("x"))


def _job(arguments: argparse.Namespace) -> BenchJob:
    signed = _numbers(arguments.signed, 2, "signed")
    if not set(signed) <= {0, 1}:
        raise ConfigError(f"--signed must be two of 0 and 1, not {arguments.signed!r}")
    weights, activations = operand_precisions(_numbers(arguments.bits, 2, "bits"), signed)  # type: ignore[arg-type]
    common: dict[str, Any] = {
        "weights": weights,
        "activations": activations,
        "seed": arguments.seed,
        "output": output_precision(arguments.out, activations),
    }
    if arguments.job == "matmul":
        rows, depth, pixels = _numbers(arguments.shape, 3, "shape")
        workload = Workload(channels=depth, height=1, width=pixels, rows=rows, **common)
    else:
        height, width, channels = _numbers(arguments.input, 3, "input")
        padding = arguments.kernel // 2 if arguments.padding is None else arguments.padding
        workload = Workload(
            channels=channels,
            height=height,
            width=width,
            rows=arguments.channels,
            kernel=arguments.kernel,
            stride=arguments.stride,
            padding=padding,
            **common,
        )
    return BenchJob(
        workload=workload,
        array=_numbers(arguments.array, 3, "array"),  # type: ignore[arg-type]
        memory_bits=arguments.memory_bits,
        memory_latency=arguments.memory_latency,
        style=arguments.style,
    )


def describe(result: Mapping[str, Any]) -> str:
    """For a person."""
    factors = " · ".join(f"{name} {value:.3f}" for name, value in result["factors"].items())
    verdict = "bit-exact" if result["bit_exact"] else "NOT BIT-EXACT"
    return "\n".join(
        [
            f"measured    {result['measured']:,} cycles ({verdict})",
            f"predicted   {result['predicted']:,}",
            f"lower bound {result['lower_bound']:,} ({result['limited_by']})",
            f"utilization {100 * result['utilization']:.1f} % = {factors}",
            f"simulated   {result['cycles_per_second']:,.0f} cycles/s",
        ]
    )
