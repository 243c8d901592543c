"""IntegerGraph -> program and memory images for an overlay."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from codegen.assemble import assemble, program_bytes
from codegen.memory import (
    Regions,
    pack_activations,
    pack_params,
    pack_rows,
    pack_taps,
    pack_weights,
    unpack_activations,
    unpack_elements,
)
from codegen.overlap import choose
from codegen.schedule import Addresses, layer_instructions
from codegen.shape import layer_shape
from codegen.tiling import Tiling
from hw.config import OverlayConfig
from ir.errors import CapacityError, UnsupportedModelError
from ir.graph import IntegerGraph, Layer, Linear, MatMul, Requantize, accumulator_range


@dataclass(frozen=True, kw_only=True)
class CompiledLayer:
    """A layer, its tiling and where its data lies."""

    layer: Layer
    tiling: Tiling
    addresses: Addresses

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def output_region(self) -> tuple[int, int]:
        """(address, bytes) of what it writes."""
        return self.addresses.output, self.tiling.output_bytes

    def unpack_output(self, raw: bytes) -> np.ndarray:
        """The bytes of its output region -> (M, H, W) int64 codes."""
        shape = self.tiling.shape
        size = (shape.rows, shape.out_height, shape.out_width)
        if shape.elements:
            return unpack_elements(raw, size)
        return unpack_activations(
            raw, shape.output, size, q=self.tiling.config.q, channel_bits=self.tiling.row_bits
        )


@dataclass(frozen=True, kw_only=True)
class CompiledNetwork:
    """All that a driver needs: images by address, the program's begin, and how to pack an input.

    segments: {address: bytes} to load once. The input's bytes go to `input_address`.
    """

    config: OverlayConfig
    graph: IntegerGraph
    layers: list[CompiledLayer]
    program_address: int
    program: bytes
    program_words: int
    input_address: int
    memory_bytes: int
    segments: dict[int, bytes] = field(repr=False)

    def pack_input(self, codes: np.ndarray) -> bytes:
        """One image's codes (C, H, W) -> the bytes of the input region."""
        tiling = self.layers[0].tiling
        tensor = self.graph.tensors[self.graph.input]
        return pack_activations(
            codes.reshape(tensor.shape),
            tensor.precision,
            q=self.config.q,
            channel_bits=tiling.channel_bits,
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


def _weights(layer: Layer, graph: IntegerGraph) -> np.ndarray:
    """(M, C, kh, kw): a linear layer is the convolution whose window is the whole input."""
    node = layer.linear
    assert isinstance(node, Linear)  # layer_shape refuses the others
    if isinstance(node, MatMul):
        return node.weight.reshape(-1, *graph.tensors[node.input].shape)
    return node.weight


def _check_chain(graph: IntegerGraph) -> list[Layer]:
    layers = graph.layers()
    source = graph.input
    for layer in layers:
        if layer.input != source:
            raise UnsupportedModelError(
                f"layer {layer.name!r} reads {layer.input!r}, not the output of the layer before "
                f"it ({source!r}); the overlay runs chains of layers"
            )
        source = layer.output
    return layers


def _check_accumulator(tiling: Tiling, weights: np.ndarray) -> None:
    """The exact bound must fit; one-bit digits add up {0,1} for bipolar weights."""
    shape, bits = tiling.shape, tiling.config.acc_bits
    low, high = accumulator_range(weights, shape.activations)
    if any(tiling.row_bipolar):
        low, high = accumulator_range((np.ones_like(weights)), shape.activations)
    needs = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1
    if needs > bits:
        raise CapacityError(
            f"layer {shape.name!r} needs acc_bits = {needs}, the overlay has {bits}"
        )


def lower(graph: IntegerGraph, config: OverlayConfig) -> CompiledNetwork:
    """Compile a verified graph. Raises CapacityError when a buffer of the overlay is too small."""
    layers = _check_chain(graph)
    tilings = [
        Tiling(shape=layer_shape(graph, layer), config=config, from_host=i == 0).check()
        for i, layer in enumerate(layers)
    ]
    regions, segments, compiled, parts = Regions(config), {}, [], []
    input_address = source = regions.take(_tensor_bytes(tilings[0]))
    for index, (layer, (tiling, plan)) in enumerate(zip(layers, choose(tilings), strict=True)):
        weights = _weights(layer, graph)
        _check_accumulator(tiling, weights)
        node = layer.requantize
        assert isinstance(node, Requantize)  # layer_shape refuses thresholds
        images = {
            "weights": pack_weights(weights, tiling),
            "params": pack_params(node.multiplier, node.offset, tiling),
            "taps": pack_taps(tiling),
            "rows": pack_rows(tiling),
        }
        places = {name: regions.take(len(image)) for name, image in images.items()}
        segments |= {places[name]: image for name, image in images.items()}
        at = Addresses(input=source, output=regions.take(tiling.output_bytes), **places)
        parts.append(
            layer_instructions(
                tiling,
                at,
                index=index,
                last=layer is layers[-1],
                plan=plan,
                requantize={"shift": node.shift, "lo": node.lo, "hi": node.hi},
            )
        )
        compiled.append(CompiledLayer(layer=layer, tiling=tiling, addresses=at))
        source = at.output
    program_address = regions.take(program_bytes(parts))
    program, first = assemble(parts, address=program_address, config=config)
    return CompiledNetwork(
        config=config,
        graph=graph,
        layers=compiled,
        program_address=program_address,
        program=program,
        program_words=first,
        input_address=input_address,
        memory_bytes=regions.size,
        segments={program_address: program} | segments,
    )


def _tensor_bytes(tiling: Tiling) -> int:
    """Bytes of the input tensor, to the end of its last bus word."""
    shape = tiling.shape
    bits = shape.height * shape.width * tiling.pixel_input_bits
    return -(-bits // tiling.config.memory_bits) * tiling.config.bus_bytes
