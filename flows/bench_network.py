"""`bitwright bench network NAME`: a whole network with random weights, one image, on an overlay."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from boards.loader import load_board
from codegen.attribution import COUNTED
from codegen.bounds import layer_bound, network_bounds, total_bound, utilization
from codegen.reference_networks import NETWORKS, reference_network
from codegen.traffic import layer_traffic
from flows import bench_overlay, console
from flows.bench_layer import add_precisions, describe_cycles, describe_utilization, precisions_of
from flows.bench_measure import Measurement, measure_graph
from flows.bench_overlay import BenchOverlay, overlay_of
from flows.plain_networks import PLAIN, plain_network
from ir.errors import ConfigError, did_you_mean
from ir.graph import IntegerGraph


def add_network(parser: argparse.ArgumentParser) -> None:
    """The options of `bench network`."""
    known = "; ".join(f"{name}: {network.about}" for name, network in NETWORKS.items())
    plain = f"; as torch modules, calibrated: {', '.join(PLAIN)}"
    parser.add_argument("network", metavar="NAME", help=known + plain)
    add_precisions(parser, required=False)
    parser.add_argument(
        "--mean-bits",
        type=float,
        metavar="M",
        help="of a torch module, instead of --bits: its layers' widths have this mean",
    )
    parser.add_argument(
        "--board",
        default="sim",
        metavar="NAME",
        help="whose clock says how many images a second that is (default sim); not its size",
    )
    bench_overlay.add_arguments(parser)


def measure_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `bench network` answers."""
    overlay, clock = overlay_of(arguments), load_board(arguments.board).clock
    started = time.perf_counter()
    graph, image = _network(arguments)
    seconds = round(time.perf_counter() - started, 3)
    result = measure(graph, image, overlay)
    return result | {
        "import_seconds": seconds,
        "clock_mhz": clock.frequency_hz / 1e6,
        "images_per_second": round(clock.frequency_hz / result["measured"], 3),
    }


def _network(arguments: argparse.Namespace) -> tuple[IntegerGraph, np.ndarray]:
    """The network and an image (C, H, W) of codes."""
    name, mean, seed = arguments.network, arguments.mean_bits, arguments.seed
    if name not in (known := [*NETWORKS, *PLAIN]):
        raise ConfigError(
            f"unknown network {name!r}{did_you_mean(name, known)}; there is: {', '.join(known)}"
        )
    if (arguments.bits is None) == (mean is None):
        raise ConfigError("give --bits, or --mean-bits in its place")
    if name in PLAIN:
        return plain_network(name, mean if mean is not None else _pair(arguments), seed=seed)
    if mean is not None:
        raise ConfigError(f"--mean-bits is for torch modules: {', '.join(PLAIN)}")
    weights, activations = precisions_of(arguments)
    return reference_network(name, weights=weights, activations=activations, seed=seed)


def _pair(arguments: argparse.Namespace) -> tuple[int, int]:
    weights, activations = precisions_of(arguments)
    return weights.bits, activations.bits


def measure(
    graph: IntegerGraph, image: np.ndarray, overlay: BenchOverlay, *, cache: str = ""
) -> dict[str, Any]:
    """One image (C, H, W) of codes through `graph`; keys as the issue's contract names them."""
    measurement = measure_graph(graph, image, overlay, cache=cache)
    bound = total_bound(network_bounds(measurement.network))
    return measurement.facts() | {
        "lower_bound": bound.cycles,
        "bound_by": bound.limited_by,
        **_utilization(measurement),
        "layers": _layers(measurement),
    }


def _utilization(measurement: Measurement) -> dict[str, Any]:
    """Useful bit products of all layers against the array's peak, and its four factors."""
    shape = bits = 0.0
    bounds = network_bounds(measurement.network)
    for layer, bound in zip(measurement.network.layers, bounds, strict=True):
        _, own = utilization(layer.tiling.shape, measurement.config, bound.cycles)
        shape += bound.exec * own["shape"]
        bits += bound.exec * own["shape"] * own["bits"]
    total = total_bound(bounds)
    factors = {
        "shape": shape / total.exec,
        "bits": bits / shape,
        "memory": total.exec / total.cycles,
        "sequence": total.cycles / measurement.measured,
    }
    return {"utilization": bits / measurement.measured, "factors": factors}


def _layers(measurement: Measurement) -> list[dict[str, Any]]:
    layers = measurement.network.layers
    bounds = [
        layer_bound(layer.tiling.shape, measurement.config, ahead=index > 0)
        for index, layer in enumerate(layers)
    ]
    rows = zip(
        layers,
        measurement.run.layers,
        measurement.predicted.layers,
        bounds,
        measurement.layers,
        layer_traffic(measurement.network),
        strict=True,
    )
    return [
        {
            "name": layer.name,
            "bands": len(layer.bands),
            "measured": measured,
            "predicted": predicted,
            "lower_bound": bound.cycles,
            "bound_by": bound.limited_by,
            "limited_by": spent.limited_by,
            "attribution": asdict(spent),
            "bytes": asdict(moved),
        }
        for layer, measured, predicted, bound, spent, moved in rows
    ]


def describe(result: Mapping[str, Any]) -> str:
    """For a person: the network's figures and a table of its layers."""
    shares = tuple(COUNTED)
    columns = ("layer", "measured", "predicted", "bound", "of it", *shares, "bytes", "limited by")
    rows = [
        [
            layer["name"],
            f"{layer['measured']:,}",
            f"{layer['predicted']:,}",
            f"{layer['lower_bound']:,}",
            f"{100 * layer['lower_bound'] / layer['measured']:.1f} %",
            *(f"{layer['attribution'][share]:,}" for share in shares),
            f"{sum(layer['bytes'].values()):,}",
            layer["limited_by"],
        ]
        for layer in result["layers"]
    ]
    seconds, speed = result["seconds"], result["cycles_per_second"]
    return "\n".join(
        [
            console.table(columns, rows).rstrip("\n"),
            *describe_cycles(result),
            describe_utilization(result),
            f"images      {result['images_per_second']:,.1f} a second at "
            f"{result['clock_mhz']:g} MHz ({result['arguments']['board']}'s clock)",
            f"simulated   in {seconds:.1f} s, {speed:,.0f} cycles/s; made in "
            f"{result['import_seconds']:.1f} s, compiled in {result['compile_seconds']:.1f} s, "
            f"golden model {result['golden_seconds']:.1f} s",
        ]
    )
