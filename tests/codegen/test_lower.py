"""Lowering: what it refuses, where things lie, and programs that fetch themselves in pieces."""

from dataclasses import replace

import numpy as np
import pytest

from codegen.assemble import assemble, program_bytes
from codegen.cycles import MemoryTiming, predict, predict_program
from codegen.lower import CompiledNetwork, lower
from codegen.placeholder import with_bits
from codegen.schedule import Instruction, Plan, layer_instructions, table_base
from hw.overlays.bit_serial import BitSerial
from hw.queue import QUEUE_INSTRUCTIONS
from ir.errors import CapacityError, ConfigError, UnsupportedModelError
from ir.graph import Conv, IntegerGraph, Requantize, Tensor
from ir.isa import INSTRUCTION_BITS, Kind, Stage, decode, words_of
from ir.precision import Precision
from tests.codegen.networks import d4, mlp
from tests.hw.layers import ADDRESSES, Case

CONFIG = BitSerial(dm=4, dk=16, dn=4)
SIZE = INSTRUCTION_BITS // 8


def chain(layers: int, bits: int = 2) -> IntegerGraph:
    """1x1 convolutions one after the other on a 2x2 image of 2 channels."""
    tensors = {"x0": Tensor("x0", (2, 2, 2), Precision(bits, False))}
    nodes: list = []
    for i in range(layers):
        tensors[f"a{i}"] = Tensor(f"a{i}", (2, 2, 2), Precision(16, True))
        tensors[f"x{i + 1}"] = Tensor(f"x{i + 1}", (2, 2, 2), Precision(bits, False))
        weight = np.ones((2, 2, 1, 1), np.int64)
        ones = np.ones(2, np.int64)
        nodes.append(Conv(f"conv{i}", f"x{i}", f"a{i}", weight, Precision(2, True)))
        nodes.append(Requantize(f"q{i}", f"a{i}", f"x{i + 1}", ones, 0 * ones, 1, 0, 3))
    return IntegerGraph("chain", tensors, nodes, "x0", f"x{layers}")


def pieces(program: bytes, address: int, first: int) -> list[list[tuple[Stage, dict]]]:
    """The program's pieces in the order in which they fetch one another."""
    words = list(words_of(program))
    found, begin, count = [], 0, first
    while True:
        piece = [decode(word) for word in words[begin : begin + count]]
        found.append(piece)
        fetches = [f for s, f in piece if s is Stage.FETCH and f["kind"] == Kind.PROGRAM]
        if not fetches:
            return found
        (fetch,) = fetches
        begin = (fetch["address"] - address) // SIZE
        count = fetch["segment_beats"] * CONFIG.memory_bits // INSTRUCTION_BITS


@pytest.mark.parametrize("layers", [1, 2, 9])
def test_a_program_of_many_layers_is_cut_into_pieces(layers: int) -> None:
    network = lower(chain(layers), CONFIG)
    cut = pieces(network.program, network.program_address, network.program_words)
    assert len(cut) == layers
    assert sum(len(piece) for piece in cut) * SIZE == len(network.program)
    for before, after in zip([[], *cut], [*cut, []], strict=True):  # two pieces are in flight
        for stage in Stage:
            waiting = [s for s, _ in [*before, *after] if s is stage]
            assert len(waiting) <= QUEUE_INSTRUCTIONS
    results = [f for piece in cut for s, f in piece if s is Stage.RESULT]
    assert [f["last"] for f in results] == [0] * (layers - 1) + [1]
    waits = [f["wait_done"] for p in cut for s, f in p if s is Stage.FETCH and f["kind"] == 1]
    assert waits == [0] + [1] * (layers - 1)


def test_assemble_keeps_the_order_and_places_the_fetch_last() -> None:
    def execute(number: int) -> Instruction:
        return Stage.EXECUTE, {"row_tiles": number}

    program, first = assemble(
        [([execute(1)], [execute(2)]), ([execute(3)], [])], address=128, config=CONFIG
    )
    decoded = [decode(word) for word in words_of(program)]
    assert first == 3
    assert [f["row_tiles"] for s, f in decoded if s is Stage.EXECUTE] == [1, 2, 3]
    stage, fetch = decoded[2]
    assert (stage, fetch["kind"], fetch["address"]) == (Stage.FETCH, Kind.PROGRAM, 128 + 3 * SIZE)
    assert fetch["segment_beats"] == fetch["groups"] == 1 * INSTRUCTION_BITS // CONFIG.memory_bits
    assert fetch["hash"] == CONFIG.hash


def test_a_layer_with_more_fetches_than_a_queue_holds_takes_several_pieces() -> None:
    fetches = [(Stage.FETCH, {"kind": Kind.LHS})] * (2 * QUEUE_INSTRUCTIONS)
    parts = [(fetches, []), ([], fetches[:1])]
    program, first = assemble(parts, address=64, config=CONFIG)
    assert len(program) == program_bytes(parts)
    cut = pieces(program, 64, first)
    assert [len(piece) for piece in cut] == [QUEUE_INSTRUCTIONS, QUEUE_INSTRUCTIONS, 3, 1]


def test_weights_run_ahead_of_the_layer_before_as_the_plan_says() -> None:
    tiling = Case(channels=8, height=4, width=4, rows=8).tiling(BitSerial(dm=2, dk=8, dn=2))
    kinds = {}
    for ahead, cut in ((4, 0), (0, 0), (1, 8)):
        parts = layer_instructions(
            tiling,
            ADDRESSES,
            index=1,
            requantize={"shift": 0, "lo": 0, "hi": 1},
            last=True,
            plan=Plan(ahead=ahead, cut=cut),
        )
        kinds[ahead] = [[f["kind"] for s, f in part if s is Stage.FETCH] for part in parts]
    tables = [Kind.TAPS, Kind.PARAMS]
    assert kinds[4] == [[*tables, Kind.LHS], [Kind.RHS]]
    assert kinds[0] == [tables, [Kind.RHS, Kind.LHS]]
    assert kinds[1] == [[*tables, Kind.LHS], [Kind.RHS, Kind.LHS, Kind.RHS]]
    assert table_base(tiling, 1) == tiling.config.table_depth // 2 != table_base(tiling, 2)


def regions(network: CompiledNetwork) -> list[tuple[int, int]]:
    """(begin, end) of everything that has a place in memory."""
    tensor = network.graph.tensors[network.graph.input]
    packed = network.pack_input(np.zeros(tensor.shape, np.int64))
    places = [(at, at + len(data)) for at, data in network.segments.items()]
    places.append((network.input_address, network.input_address + len(packed)))
    outputs = [layer.output_region for layer in network.layers]
    return sorted(places + [(at, at + size) for at, size in outputs])


@pytest.mark.parametrize("graph", [d4(width=4, bits=2), mlp(width=8, bits=3)], ids=["d4", "mlp"])
def test_regions_are_disjoint_and_inside(graph: IntegerGraph) -> None:
    network = lower(graph, CONFIG)
    places = regions(network)
    for (_, end), (begin, _) in zip(places, places[1:], strict=False):
        assert end <= begin
    assert places[-1][1] <= network.memory_bytes
    assert network.registers == {
        "PROG_ADDR": network.program_address,
        "PROG_WORDS": network.program_words,
        "MEM_BASE": 0,
        "MEM_LIMIT": network.memory_bytes,
    }


def test_tensors_whose_readers_are_done_give_their_memory_back() -> None:
    graph = chain(6)
    kept, reused = lower(graph, CONFIG), lower(graph, CONFIG, reuse=True)
    assert kept.memory_bytes - reused.memory_bytes == 4 * 64  # two tensors swap
    outputs = [layer.addresses.output for layer in reused.layers]
    assert outputs[0] == outputs[2] == outputs[4] != outputs[1] == outputs[3] == outputs[5]
    inputs = [reused.input_address, *outputs[:-1]]
    assert [layer.addresses.input for layer in reused.layers] == inputs
    constants = set(reused.segments)
    assert len({len(kept.segments), len(reused.segments)}) == 1
    assert not constants & {reused.input_address, *outputs}


def test_an_output_the_device_cannot_write_is_refused() -> None:
    graph = chain(1)
    tensors = graph.tensors | {"x1": Tensor("x1", (2, 2, 2), Precision(12, True))}
    with pytest.raises(
        UnsupportedModelError, match="layer 'conv0': .* 1 to 8 bits or 32-bit sums, not 12 bits"
    ):
        lower(replace(graph, tensors=tensors), CONFIG)


@pytest.mark.parametrize(("weight", "needs"), [([1, 1], 4), ([-2, -2], 5), ([1, -2], 4)])
def test_sums_beyond_the_accumulator_are_refused(weight: list[int], needs: int) -> None:
    """Activations 0..3: 2 channels reach 6, -12, or -6 to 3."""
    graph = chain(1)
    node = replace(graph.nodes[0], weight=np.array([weight, weight]).reshape(2, 2, 1, 1))
    graph = replace(graph, nodes=[node, graph.nodes[1]])
    lower(graph, replace(CONFIG, acc_bits=max(4, needs)))
    if needs > 4:
        with pytest.raises(CapacityError, match="'conv0' needs acc_bits = 5, the overlay has 4"):
            lower(graph, replace(CONFIG, acc_bits=4))


def test_a_network_beyond_a_buffer_names_the_layer() -> None:
    with pytest.raises(CapacityError, match="layer 'conv2' needs rhs_depth"):
        lower(d4(width=32, bits=4), replace(CONFIG, rhs_depth=32))


def test_with_bits_changes_what_is_named_and_nothing_else() -> None:
    graph = d4(width=4, bits=3)
    wide = with_bits(graph, {"conv2": (1, 5), "fc": (8, 2)})
    before, after = graph.layer_precisions(), wide.layer_precisions()
    assert {name: (w.bits, a.bits) for name, (w, a) in after.items()} == {
        name: (w.bits, a.bits) for name, (w, a) in before.items()
    } | {"conv2": (1, 5), "fc": (8, 2)}
    assert wide.tensors["x0"] == graph.tensors["x0"]
    assert after["conv2"][0].bipolar


def test_prediction_shares_sum_to_the_whole() -> None:
    network = lower(d4(width=4, bits=2), CONFIG)
    slow, fast = (predict(network, MemoryTiming(latency=latency)) for latency in (40, 2))
    for prediction in (slow, fast):
        assert sum(prediction.layers) == prediction.cycles
        assert len(prediction.layers) == len(network.layers)
    assert (
        slow.cycles
        > fast.cycles
        > sum(
            layer.tiling.words_per_tile * layer.tiling.row_tiles * layer.tiling.col_tiles
            for layer in network.layers
        )
    )


def test_more_bits_cost_more_cycles() -> None:
    graph = d4(width=4, bits=2)
    plans = [{}, {"conv2": (4, 2)}, {"conv2": (4, 4)}, {"conv2": (8, 8)}]
    cycles = [predict(lower(with_bits(graph, plan), CONFIG)).cycles for plan in plans]
    assert cycles == sorted(set(cycles))


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="nothing of the program lies at 0x40"):
        predict_program(CONFIG, {}, address=64, instructions=1, memory=MemoryTiming())
