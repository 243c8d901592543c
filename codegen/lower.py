"""IntegerGraph -> program and memory images for an overlay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from codegen.assemble import assemble, program_bytes
from codegen.bands import Band, in_bands, planned
from codegen.device_layer import DeviceLayer, device_layers
from codegen.memory import (
    pack_activations,
    unpack_activations,
    unpack_elements,
)
from codegen.placement import addresses_of, input_bytes, place_images, tensor_places
from codegen.regions import Regions
from codegen.requantizer import check_elements
from codegen.schedule import Addresses, layer_instructions
from codegen.tensors import device_precisions
from codegen.tiling import Tiling
from codegen.words import device_channels
from hw.config import OverlayConfig
from ir.errors import CapacityError
from ir.graph import IntegerGraph, Layer, accumulator_range
from ir.precision import Precision


@dataclass(frozen=True, kw_only=True)
class CompiledLayer:
    """A layer, its tiling and where its data lies.

    bands: the tilings that run one after the other, each a job of the device: the layer's own, or
    where its input does not fit the activation banks those of bands of its rows
    order: (M,) the output channel of each row
    """

    layer: Layer
    tiling: Tiling
    bands: tuple[Tiling, ...]
    addresses: Addresses
    order: np.ndarray

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def output_region(self) -> tuple[int, int]:
        """(address, bytes) of what it writes."""
        return self.addresses.output, self.tiling.output_bytes

    def unpack_output(self, raw: bytes) -> np.ndarray:
        """The bytes of its output region -> (M, H, W) int64 codes in the graph's order."""
        shape, q = self.tiling.shape, self.tiling.config.q
        size = (shape.rows, shape.out_height, shape.out_width)
        if shape.elements:
            codes = unpack_elements(raw, size)
        else:
            bits = self.tiling.row_bits
            codes = unpack_activations(raw, shape.output, size, q=q, channel_bits=bits)
        found = np.empty_like(codes)
        found[self.order] = codes
        return found


@dataclass(frozen=True, kw_only=True)
class CompiledNetwork:
    """All that a driver needs: images by address, the program's begin, and how to pack an input.

    segments: {address: bytes} to load once. The input's bytes go to `input_address`, as codes of
    `input_precision` with `input_bits` bits for a pixel's plane.
    """

    config: OverlayConfig
    graph: IntegerGraph
    layers: list[CompiledLayer]
    program_address: int
    program: bytes
    program_words: int
    input_address: int
    input_precision: Precision
    input_bits: int
    memory_bytes: int
    segments: dict[int, bytes] = field(repr=False)

    @property
    def jobs(self) -> int:
        """Layers as the device's counter LAYERS sees them: each band of rows is one of its own."""
        return sum(len(layer.bands) for layer in self.layers)

    def pack_input(self, codes: np.ndarray) -> bytes:
        """One image's codes (C, H, W) -> the bytes of the input region."""
        tensor = self.graph.tensors[self.graph.input]
        return pack_activations(
            codes.reshape(tensor.shape),
            self.input_precision,
            q=self.config.q,
            channel_bits=self.input_bits,
            bus_bytes=self.config.bus_bytes,
        )

    @property
    def registers(self) -> dict[str, int]:
        """What the driver writes before START."""
        return {
            "PROG_ADDR": self.program_address,
            "PROG_WORDS": self.program_words,
            "MEM_BASE": 0,
            "MEM_LIMIT": self.memory_bytes,
        }


def check_sums(layer: DeviceLayer, tiling: Tiling) -> None:
    """CapacityError unless the exact bound of every sum fits; 32-bit outputs pass `check_elements`.

    Bipolar activations are the bits 0 and 1 on the device, and so are rows of bipolar weights,
    which are corrected behind the accumulators.
    """
    shape, dm = tiling.shape, tiling.config.dm
    codes = Precision(1, signed=False) if shape.activations.bipolar else shape.activations
    if shape.elements:
        sums = accumulator_range(layer.weights.reshape(shape.rows, -1), codes)
        check_elements(shape.name, layer.rule, sums)
    as_bits = np.repeat(tiling.row_bipolar, dm)[: shape.rows]
    weights = layer.weights.reshape(shape.rows, -1)
    low, high = accumulator_range(np.where(as_bits[:, np.newaxis], 1, weights), codes)
    needs = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1
    if needs > tiling.config.acc_bits:
        raise CapacityError(
            f"layer {shape.name!r} needs acc_bits = {needs}, the overlay has "
            f"{tiling.config.acc_bits}"
        )


def lower(
    graph: IntegerGraph, config: OverlayConfig, *, sort: bool = True, reuse: bool = False
) -> CompiledNetwork:
    """Compile a verified graph.

    sort: output channels lie in order of their weights' bits. reuse: tensors whose readers are done
    give their memory to later ones, so that only the network's output can be read afterwards.
    Raises CapacityError when a buffer of the overlay is too small, UnsupportedModelError for what
    it cannot compute.
    """
    layers = device_layers(graph, dm=config.dm, digit=config.p, sort=sort)
    packed = _host_packed(graph, layers)
    tilings = [
        Tiling(shape=layer.shape, config=config, from_host=own)
        for layer, own in zip(layers, packed, strict=True)
    ]
    layer_bands = planned([in_bands(tiling) for tiling in tilings])
    precision, bits = _input_format(graph, config, tilings, packed)
    regions, segments, images = Regions(config), {}, []
    sizes = {graph.input: input_bytes(graph, config, precision.bits, bits)}
    for layer, tiling, bands in zip(layers, tilings, layer_bands, strict=True):
        check_sums(layer, tiling)
        images.append(place_images(layer, bands, regions, segments))
        sizes[layer.layer.output] = tiling.output_bytes
    places = tensor_places(graph, layers, sizes, regions, reuse=reuse)
    compiled, jobs = [], []
    for layer, tiling, bands, own in zip(layers, tilings, layer_bands, images, strict=True):
        at = [addresses_of(layer, places, constants) for constants in own]
        jobs += [(layer, band, band.addresses(a)) for band, a in zip(bands, at, strict=True)]
        compiled.append(_compiled(layer, tiling, bands, at[0]))
    parts = [
        layer_instructions(
            band.tiling,
            at,
            index=index,
            last=index + 1 == len(jobs),
            plan=band.plan,
            requantize=layer.rule.fields,
        )
        for index, (layer, band, at) in enumerate(jobs)
    ]
    program_address = regions.take(program_bytes(parts), fresh=True)
    program, first = assemble(parts, address=program_address, config=config)
    return CompiledNetwork(
        config=config,
        graph=graph,
        layers=compiled,
        program_address=program_address,
        program=program,
        program_words=first,
        input_address=places[graph.input],
        input_precision=precision,
        input_bits=bits,
        memory_bytes=regions.size,
        segments={program_address: program} | segments,
    )


def _compiled(
    layer: DeviceLayer, whole: Tiling, bands: Sequence[Band], at: Addresses
) -> CompiledLayer:
    run = tuple(band.tiling for band in bands)
    return CompiledLayer(
        layer=layer.layer,
        tiling=run[0] if len(run) == 1 else whole,
        bands=run,
        addresses=at,
        order=layer.order,
    )


def _host_packed(graph: IntegerGraph, layers: list[DeviceLayer]) -> list[bool]:
    """Whether each layer reads the network's input as the driver packs it for that layer alone."""
    readers = Counter(name for layer in layers for name in layer.inputs)
    return [layer.inputs == (graph.input,) and readers[graph.input] == 1 for layer in layers]


def _input_format(
    graph: IntegerGraph, config: OverlayConfig, tilings: list[Tiling], packed: list[bool]
) -> tuple[Precision, int]:
    """(precision, bits of a pixel's plane) of the network's input on the device."""
    precision = device_precisions(graph)[graph.input]
    own = [tiling.channel_bits for tiling, alone in zip(tilings, packed, strict=True) if alone]
    channels = graph.tensors[graph.input].shape[0]
    return precision, own[0] if own else device_channels(channels * config.q)
