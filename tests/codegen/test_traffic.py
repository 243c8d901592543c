"""Bytes by layer; the overlay's own counters: tests/flows/test_model_run.py."""

import numpy as np

from codegen.lower import lower
from codegen.reference_networks import reference_network
from codegen.traffic import layer_traffic
from hw.overlays.bit_serial import BitSerial
from ir.isa import Kind, Stage, decode, words_of
from ir.precision import Precision, weight_precision

OVERLAY = BitSerial(dm=4, dk=32, dn=4, lhs_depth=256, rhs_depth=2048, ring_depth=64, acc_bits=24)


def test_words_of_all_layers_are_those_of_the_program() -> None:
    graph, _ = reference_network(
        "small_cnn", weights=weight_precision(3), activations=Precision(4, False)
    )
    network = lower(graph, OVERLAY)
    found = layer_traffic(network)
    assert len(found) == len(network.layers) == 4
    words = [decode(word) for word in words_of(network.program)]
    fetches = [v for stage, v in words if stage is Stage.FETCH and v["kind"] != Kind.PROGRAM]
    beats = sum(v["segments"] * v["repeats"] * v["segment_beats"] for v in fetches)
    assert sum(entry.read for entry in found) == OVERLAY.bus_bytes * beats
    weights = [len(network.segments[layer.addresses.weights]) for layer in network.layers]
    images = [np.prod(graph.tensors[layer.layer.input].shape) for layer in network.layers]
    for entry, packed, values in zip(found, weights, images, strict=True):
        assert entry.read >= packed + values * 4 // 8
        assert entry.read % OVERLAY.bus_bytes == 0 and entry.written > 0
