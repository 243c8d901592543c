"""What a network keeps in external memory, and where: images of its layers, and tensors."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.bands import Band
from codegen.device_layer import DeviceLayer
from codegen.lanes import weight_lanes
from codegen.memory import pack_params, pack_rows, pack_taps, pack_weights
from codegen.regions import Regions
from codegen.schedule import Addresses
from codegen.tiling import Tiling
from codegen.words import ceil_div
from hw.config import OverlayConfig
from ir.graph import IntegerGraph


def place_images(
    layer: DeviceLayer,
    bands: Sequence[Band],
    regions: Regions,
    segments: dict[int, bytes],
) -> list[dict[str, int]]:
    """{image: its address} for each band, equal ones placed once; adds them to `segments`."""
    known: dict[tuple[str, bytes], int] = {}
    found = []
    for band in bands:
        images = _images(layer, band.tiling)
        for named in images.items():
            if named not in known:
                known[named] = regions.take(len(named[1]))
                segments[known[named]] = named[1]
        found.append({name: known[name, image] for name, image in images.items()})
    return found


def _images(layer: DeviceLayer, tiling: Tiling) -> dict[str, bytes]:
    """What a layer reads beside its input."""
    return {
        "weights": pack_weights(layer.weights, tiling, weight_lanes(tiling)),
        "params": pack_params(layer.rule.multiplier, layer.rule.offset, tiling),
        "taps": pack_taps(tiling),
        "rows": pack_rows(tiling),
    }


def tensor_places(
    graph: IntegerGraph,
    layers: list[DeviceLayer],
    sizes: dict[str, int],
    regions: Regions,
    *,
    reuse: bool,
) -> dict[str, int]:
    """{tensor: its address}.

    A layer's first read waits for the layer before to be done: what that one read last is free for
    the output of this one.
    """
    last = {name: index for index, layer in enumerate(layers) for name in layer.inputs}
    places = {graph.input: regions.take(sizes[graph.input])}
    for index, layer in enumerate(layers):
        output = layer.layer.output
        places[output] = regions.take(sizes[output])
        if reuse:
            for name in {*layer.inputs, output} - {graph.input, graph.output}:
                if last.get(name, index) == index:
                    regions.give(places[name])
    return places


def addresses_of(layer: DeviceLayer, places: dict[str, int], own: dict[str, int]) -> Addresses:
    """Where a layer's tensors and its own data lie."""
    first, *others = (places[name] for name in layer.inputs)
    return Addresses(input=first, others=tuple(others), output=places[layer.layer.output], **own)


def input_bytes(graph: IntegerGraph, config: OverlayConfig, bits: int, channel_bits: int) -> int:
    """Bytes of the network's input, to the end of its last bus word."""
    _, height, width = graph.tensors[graph.input].shape
    total = height * width * ceil_div(bits, config.q) * channel_bits
    return ceil_div(total, config.memory_bits) * config.bus_bytes
