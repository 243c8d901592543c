"""`bitwright bench network NAME`: a whole network with random weights, one image, on an overlay."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from codegen.bounds import network_bounds, total_bound, utilization
from codegen.random_network import RandomNetwork
from codegen.reference_networks import NETWORKS, reference_network
from flows import bench_overlay, console
from flows.bench_layer import add_precisions, describe_cycles, precisions_of
from flows.bench_measure import Measurement, measure_graph
from flows.bench_overlay import BenchOverlay, overlay_of


def add_network(parser: argparse.ArgumentParser) -> None:
    """The options of `bench network`."""
    known = "; ".join(f"{name}: {network.about}" for name, network in NETWORKS.items())
    parser.add_argument("network", metavar="NAME", help=known)
    add_precisions(parser)
    bench_overlay.add_arguments(parser)


def measure_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `bench network` answers."""
    weights, activations = precisions_of(arguments)
    network = reference_network(
        arguments.network, weights=weights, activations=activations, seed=arguments.seed
    )
    return measure(network, overlay_of(arguments))


def measure(network: RandomNetwork, overlay: BenchOverlay, *, cache: str = "") -> dict[str, Any]:
    """Keys as the issue's contract names them."""
    measurement = measure_graph(*network.build(), overlay, cache=cache)
    bound = total_bound(network_bounds(measurement.network))
    return measurement.facts() | {
        "lower_bound": bound.cycles,
        "bound_by": bound.limited_by,
        "utilization": _utilization(measurement),
        "layers": _layers(measurement),
    }


def _utilization(measurement: Measurement) -> float:
    """Useful bit products of all layers against the array's peak in the measured cycles."""
    return sum(
        utilization(layer.tiling.shape, measurement.config, measurement.measured)[0]
        for layer in measurement.network.layers
    )


def _layers(measurement: Measurement) -> list[dict[str, Any]]:
    rows = zip(
        measurement.network.layers,
        measurement.run.layers,
        measurement.predicted.layers,
        network_bounds(measurement.network),
        strict=True,
    )
    return [
        {
            "name": layer.name,
            "measured": measured,
            "predicted": predicted,
            "lower_bound": bound.cycles,
            "limited_by": bound.limited_by,
        }
        for layer, measured, predicted, bound in rows
    ]


def describe(result: Mapping[str, Any]) -> str:
    """For a person: the network's figures and a table of its layers."""
    columns = ("layer", "measured", "predicted", "bound", "of it", "limited by")
    rows = [
        [
            layer["name"],
            f"{layer['measured']:,}",
            f"{layer['predicted']:,}",
            f"{layer['lower_bound']:,}",
            f"{100 * layer['lower_bound'] / layer['measured']:.1f} %",
            layer["limited_by"],
        ]
        for layer in result["layers"]
    ]
    seconds, speed = result["seconds"], result["cycles_per_second"]
    return "\n".join(
        [
            console.table(columns, rows).rstrip("\n"),
            *describe_cycles(result),
            f"utilization {100 * result['utilization']:.1f} %",
            f"simulated   in {seconds:.1f} s, {speed:,.0f} cycles/s",
        ]
    )
