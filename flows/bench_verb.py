"""The `bench` verb: its jobs, each with its options, what it measures and how it is described."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flows import (
    bench_area,
    bench_area_table,
    bench_layer,
    bench_network,
    bench_quant,
    bench_table,
    console,
)
from flows.parser import Parser

HELP = "cycles of a layer or network on an overlay, and its area"


@dataclass(frozen=True, kw_only=True)
class Job:
    """add: its options. measure: arguments -> answer, with `ok`. describe: answer -> text."""

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    measure: Callable[[argparse.Namespace], dict[str, Any]]
    describe: Callable[[Mapping[str, Any]], str]


def _measure_table(arguments: argparse.Namespace) -> dict[str, Any]:
    return bench_table.measure_table(measure_line, word=arguments.section)


def _measure_area_table(arguments: argparse.Namespace) -> dict[str, Any]:
    return bench_area_table.measure_table(
        measure_line, word=arguments.only, place=not arguments.no_fmax
    )


JOBS = {
    "matmul": Job(
        help="weights M x K times activations K x N",
        add=bench_layer.add_matmul,
        measure=bench_layer.measure_arguments,
        describe=bench_layer.describe,
    ),
    "conv": Job(
        help="one convolution with zero padding",
        add=bench_layer.add_conv,
        measure=bench_layer.measure_arguments,
        describe=bench_layer.describe,
    ),
    "network": Job(
        help="a whole network with random weights, one image",
        add=bench_network.add_network,
        measure=bench_network.measure_arguments,
        describe=bench_network.describe,
    ),
    "area": Job(
        help="LUTs, flip-flops and block RAMs of a unit, an array or an overlay, and its clock",
        add=bench_area.add_area,
        measure=bench_area.measure_arguments,
        describe=bench_area.describe,
    ),
    "area-table": Job(
        help="area and clock beside what they must be and what others reach",
        add=bench_area_table.add_area_table,
        measure=_measure_area_table,
        describe=bench_area_table.describe,
    ),
    "quant": Job(
        help="a training step under LSQ beside floats and Brevitas",
        add=bench_quant.add_quant,
        measure=bench_quant.measure_arguments,
        describe=bench_quant.describe,
    ),
    "table": Job(
        help="the figures of docs/results.md, one line each",
        add=bench_table.add_table,
        measure=_measure_table,
        describe=bench_table.describe,
    ),
}


def add_arguments(verbs: Any) -> None:
    """The verb and its jobs."""
    bench = verbs.add_parser("bench", help=HELP)
    jobs = bench.add_subparsers(dest="job", required=True, metavar="|".join(JOBS))
    for name, job in JOBS.items():
        parser = jobs.add_parser(name, help=job.help)
        job.add(parser)
        parser.add_argument("--json", action="store_true", help="stdout is one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 when something is not bit-exact, or measured and predicted differ."""
    job = JOBS[arguments.job]
    with console.quiet_stdout(arguments.json):
        result = job.measure(arguments)
    result["arguments"] = {k: v for k, v in vars(arguments).items() if k not in ("verb", "json")}
    console.print_result(result, job.describe, arguments.json)
    return 0 if result["ok"] else 1


def measure_line(line: str) -> dict[str, Any]:
    """The answer to the words behind `bitwright bench`."""
    arguments = parse_line(line)
    return JOBS[arguments.job].measure(arguments)


def parse_line(line: str) -> argparse.Namespace:
    """The arguments of the words behind `bitwright bench`."""
    parser = Parser()
    add_arguments(parser.add_subparsers())
    return parser.parse_args(["bench", *line.split()])
