"""Sizing: the fastest overlay within a budget, what limits it, and that nothing is missed."""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from codegen import clock_model
from codegen.budget import Budget
from codegen.buffers import fit_buffers, worst_case_acc_bits
from codegen.clock_model import ClockModel
from codegen.cycles import predict
from codegen.device_layer import layer_shapes
from codegen.lower import lower
from codegen.placeholder import with_bits
from codegen.read_timing import MemoryTiming
from codegen.resources import predict_resources
from codegen.sizing import Sizing, size
from codegen.styles import find_styles
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import CapacityError, ConfigError
from ir.files import write_json
from ir.graph import IntegerGraph
from tests.codegen.networks import d4, image_network, mlp

D4, MLP = d4(width=8, bits=4), mlp(width=32, bits=3)
BOARD: dict[str, Any] = {"family": "xc7", "memory_bits": 64, "latency": 20}
LIMITS = {"ff": 100_000, "bram": 200, "dsp": 200}


def within(luts: int, **limits: int) -> Budget:
    has = LIMITS | limits
    return Budget(luts=luts, ff=has["ff"], bram=has["bram"], dsp=has["dsp"])


@cache
def sized(graph: IntegerGraph, luts: int, **changed: Any) -> Sizing:
    limits = {name: changed.pop(name) for name in LIMITS if name in changed}
    return size(graph, budget=within(luts, **limits), **(BOARD | changed))


def cycles_on(graph: IntegerGraph, found: Sizing) -> int:
    return predict(lower(graph, found.config), MemoryTiming(latency=20)).cycles


@pytest.mark.parametrize("graph", [D4, MLP], ids=["d4", "mlp"])
def test_the_answer_keeps_the_budget_and_its_cycles_are_the_models(graph: IntegerGraph):
    found = sized(graph, 9000)
    assert found.resources["luts"] <= 9000
    assert found.resources["bram"] <= 200
    assert found.cycles == cycles_on(graph, found)
    assert found.resources["provenance"] == "predicted"
    assert found.resources["budget"] == {"luts": 9000} | LIMITS
    counts = predict_resources(found.config, "xc7").as_dict()
    assert {name: found.resources[name] for name in counts} == counts


def test_nothing_faster_fits():
    """The search leaves most arrays out: trying all of them finds no better one."""
    found = sized(MLP, 8000)
    shapes = layer_shapes(MLP)
    fastest = None
    for dm, dk, lanes in itertools.product(range(1, 33), (1, 2, 4, 8, 16, 24, 32), (1, 2, 4)):
        if dm % lanes:
            continue
        array = BitSerial(
            dm=dm,
            dk=dk,
            dn=1,
            requant_lanes=lanes,
            acc_bits=worst_case_acc_bits(shapes),
            fabric="xc7",
        )
        for most_lhs in (1, 1 << 15):  # weights streamed, weights resident
            config = fit_buffers(array, shapes, most_lhs=most_lhs)
            if predict_resources(config, "xc7").luts <= 8000:
                cycles = predict(lower(MLP, config), MemoryTiming(latency=20)).cycles
                fastest = cycles if fastest is None else min(fastest, cycles)
    assert fastest is not None
    assert found.cycles <= fastest


def test_a_larger_budget_is_never_slower():
    found = [sized(D4, luts) for luts in (7000, 8000, 9000)]
    cycles = [sizing.cycles for sizing in found]
    assert cycles == sorted(cycles, reverse=True)
    assert len(set(cycles)) == 3


def test_the_front_falls_and_ends_behind_the_budget():
    found = sized(D4, 9000)
    assert [p.luts for p in found.pareto] == sorted(p.luts for p in found.pareto)
    cycles = [p.cycles for p in found.pareto]
    assert cycles == sorted(set(cycles), reverse=True)
    inside, beyond = found.pareto[-2:]
    assert inside.config == found.config
    assert beyond.luts > 9000
    used = found.resources["luts"]
    assert found.limit == f"LUT: {used:,} of 9,000; the next faster size needs {beyond.luts:,}"


def test_the_budget_of_the_next_size_buys_it():
    beyond = sized(D4, 9000).pareto[-1]
    assert sized(D4, beyond.luts).config == beyond.config


def test_block_rams_limit_too():
    rich = sized(MLP, 9000)
    poor = sized(MLP, 9000, bram=12)
    assert poor.resources["bram"] <= 12 < rich.resources["bram"]
    assert poor.cycles > rich.cycles
    used = poor.resources["bram"]
    assert f"BRAM: {used} of 12; the next faster size needs " in poor.limit


@pytest.mark.parametrize(("name", "label"), [("ff", "FF"), ("dsp", "DSP")])
def test_flip_flops_and_dsps_limit_as_well(name: str, label: str):
    rich = sized(MLP, 9900)
    has = rich.resources[name] - 1
    poor = sized(MLP, 9900, **{name: has})
    assert poor.resources[name] <= has and poor.cycles > rich.cycles
    assert f"{label}: {poor.resources[name]:,} of {has:,}; the next faster size needs" in poor.limit
    quick = size(MLP, budget=within(9900, **{name: has}), most=10_000, **BOARD)
    assert quick.resources[name] <= has and quick.cycles == poor.cycles


def test_a_limit_says_when_it_is_the_configs():
    budget = replace(within(8000), keys={"luts": "overlay.luts"})
    found = size(MLP, budget=budget, **BOARD)
    used = found.resources["luts"]
    assert found.limit.startswith(f"LUT: {used:,} of the config's overlay.luts 8,000; the next ")
    assert found.resources["capped_by"] == {"luts": "overlay.luts"}
    few = replace(budget, luts=3000)
    with pytest.raises(CapacityError, match=r"has 3,000 \(the config's overlay.luts\), 100,000, "):
        size(MLP, budget=few, **BOARD)


def test_all_styles_and_digits_are_looked_at():
    """The best of all is the best of the best of each."""
    styles = find_styles()
    assert len(styles) == 3 * 3 + 1
    graph, styles = mlp(width=8, bits=4), styles[::4]  # 1x1, 2x2, 4x4
    each = [size(graph, budget=within(7200), styles=[s], **BOARD) for s in styles]
    found = size(graph, budget=within(7200), styles=styles, **BOARD)
    assert found.cycles == min(one.cycles for one in each) < each[0].cycles
    assert len({one.cycles for one in each}) == len(styles)
    assert isinstance(found.config, BitSlice)
    points = {(p.luts, p.cycles) for one in each for p in one.pareto if p.luts <= 7200}
    best = {
        point
        for point in points
        if not any(o[0] <= point[0] and o[1] <= point[1] for o in points - {point})
    }
    assert {(p.luts, p.cycles) for p in found.pareto if p.luts <= 7200} == best


@pytest.mark.slow
@pytest.mark.parametrize("others", [(), (with_bits(D4, {"fc": (8, 5)}),)], ids=["alone", "and-d4"])
def test_few_block_rams_are_met_by_bands_of_rows(others: tuple[IntegerGraph, ...]):
    """Whole layers would leave room for a third of the array: twice the cycles."""
    graph = image_network()
    found = sized(graph, 9500, must_run=others, bram=8)
    assert found.resources["bram"] <= 8
    assert all(len(layer.bands) > 1 for layer in lower(graph, found.config).layers)
    assert found.cycles == cycles_on(graph, found)
    whole = fit_buffers(found.config, layer_shapes(graph))
    assert predict_resources(whole, "xc7").bram > 8
    for other in others:
        lower(other, found.config)


def test_weights_are_streamed_where_that_is_no_slower():
    """Several blocks of d4's column tiles would need its weights again; mlp has one column."""
    kept, streamed = sized(D4, 9000), sized(mlp(width=64, bits=6), 9000, bram=12)
    for layer in lower(D4, kept.config).layers:
        assert layer.tiling.order.resident or layer.tiling.order.block >= layer.tiling.col_tiles
    graph = mlp(width=64, bits=6)
    tiling = lower(graph, streamed.config).layers[0].tiling
    assert not tiling.order.resident and tiling.lhs_words_total > streamed.config.lhs_depth


def test_room_for_the_next_layers_weights_is_taken_where_it_is_faster():
    """They come while the layer before still runs."""
    point = sized(D4, 9000).pareto[-2]
    needed = fit_buffers(point.config, layer_shapes(D4)).lhs_depth
    assert point.config.lhs_depth == 2 * needed
    tight = replace(point.config, lhs_depth=needed)
    assert predict(lower(D4, tight), MemoryTiming(latency=20)).cycles > point.cycles


def test_no_size_is_faster_than_the_network_allows():
    found = sized(mlp(width=4, bits=2), 500_000)
    assert found.limit.startswith("the network: no larger array is faster (")
    assert found.pareto[-1].config == found.config


def test_no_size_is_faster_than_the_memory_allows():
    found = sized(mlp(width=64, bits=2), 500_000)
    assert found.limit.startswith("the memory's 64 bits a cycle: no larger array is faster (")


def test_other_graphs_run_on_it_as_well():
    wide = with_bits(D4, {layer.name: (8, 8) for layer in D4.layers()})
    alone = sized(D4, 9000)
    with pytest.raises(CapacityError, match="needs"):
        lower(wide, alone.config)
    both = sized(D4, 9000, must_run=(wide,))
    assert cycles_on(wide, both) > cycles_on(D4, both) == both.cycles


def test_the_accumulator_does_not_change_with_training():
    quiet = replace(D4, nodes=[_silenced(node) for node in D4.nodes]).verify()
    assert sized(quiet, 9000).config == sized(D4, 9000).config
    shapes = layer_shapes(D4)
    assert sized(D4, 9000).config.acc_bits == worst_case_acc_bits(shapes) == 16


def _silenced(node: Any) -> Any:
    return replace(node, weight=0 * node.weight) if hasattr(node, "weight") else node


def test_the_same_question_has_the_same_answer():
    assert size(D4, budget=within(9000), **BOARD) == sized(D4, 9000)


def test_a_budget_that_no_overlay_fits():
    with pytest.raises(CapacityError, match=r"smallest needs 6,\d+ LUTs.*budget has 3,000, 100"):
        sized(D4, 3000)
    with pytest.raises(
        CapacityError, match=r"(\d+) block RAMs.*has 9,000, 100,000, 2 and 200 \(predicted by"
    ):
        sized(D4, 9000, bram=2)


def test_a_budget_of_nothing():
    with pytest.raises(ConfigError, match="luts must be positive, not 0"):
        within(0)
    with pytest.raises(ConfigError, match="dsp must not be negative, not -1"):
        within(9000, dsp=-1)


def test_a_family_without_a_model():
    with pytest.raises(ConfigError, match="no resource model for family 'max10'"):
        sized(D4, 9000, family="max10")


def test_narrower_widths_are_not_slower_on_an_overlay_of_their_own():
    wide = d4(width=4, bits=8)
    names = [layer.name for layer in wide.layers()]
    narrow = with_bits(wide, dict(zip(names, [(4, 8), (4, 4), (5, 5), (5, 5)], strict=True)))
    before = sized(wide, 11_200)
    assert sized(narrow, 11_200, must_run=(wide,)).cycles <= cycles_on(narrow, before)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock model of two parts: 5 ns, and 2 ns for each doubling of the LUTs over 1,024."""
    model = ClockModel(
        family="xc7",
        device="none",
        tool="none",
        version="0",
        hardware="0",
        period_ns={"fixed": 5.0, "spread": 2.0},
        errors={},
        overlays=(),
    )
    monkeypatch.setattr(clock_model, "FOLDER", tmp_path)
    write_json(tmp_path / "xc7.json", asdict(model))
    clock_model.load_clock_model.cache_clear()
    yield
    clock_model.load_clock_model.cache_clear()


def test_overlays_that_miss_the_clock_are_left_out(clock: None) -> None:
    any_clock = size(MLP, budget=within(9000), **BOARD)
    assert any_clock.clock and any_clock.clock["needed_mhz"] == 0
    needed = any_clock.clock["mhz"] + 1
    found = size(MLP, budget=within(9000), clock_mhz=needed, **BOARD)
    assert found.clock and found.clock["mhz"] >= needed
    assert found.cycles > any_clock.cycles and found.resources["luts"] < any_clock.resources["luts"]
    assert f"clock: {needed:g} MHz; next size would reach" in found.limit
    quick = size(MLP, budget=within(9000), clock_mhz=needed, most=10_000, **BOARD)
    assert quick.cycles == found.cycles
    with pytest.raises(CapacityError, match=r"no overlay reaches 1000 MHz on xc7: the fastest"):
        size(MLP, budget=within(9000), clock_mhz=1000, **BOARD)


def test_without_a_clock_model_none_is_predicted() -> None:
    assert size(MLP, budget=within(9000), clock_mhz=1e6, **BOARD).clock is None
