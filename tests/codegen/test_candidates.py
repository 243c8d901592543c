"""Which arrays sizing looks at, and bounds on their cycles that nothing undercuts."""

import contextlib

import pytest

from codegen.budget import Budget
from codegen.candidates import column_choices, lane_choices, row_choices
from codegen.cycles import predict
from codegen.device_layer import layer_shapes
from codegen.fitting import Fitting
from codegen.lower import lower
from codegen.random_network import RandomNetwork
from codegen.read_timing import MemoryTiming
from codegen.styles import Style, find_styles
from hw.overlays.bit_serial import BitSerial
from ir.errors import CapacityError
from ir.graph import IntegerGraph
from ir.precision import Precision
from tests.codegen.networks import d4, image_network, mlp

D4 = d4(width=8, bits=4)


def fitting(graph: IntegerGraph, styles: list[Style], bram: int = 10**9) -> Fitting:
    """All overlays for a graph, whatever they take but block RAMs."""
    return Fitting(
        styles=styles,
        shapes=layer_shapes(graph),
        others=(),
        family="xc7",
        memory_bits=64,
        latency=20,
        budget=Budget(luts=10**9, ff=10**9, bram=bram, dsp=10**9),
    )


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (50, 90))])
@pytest.mark.parametrize("bits", [5, 8])
def test_a_bound_is_never_above_the_exact_model(first: int, bits: int):
    """Nor are an array's least cycles and LUTs above those of its overlays."""
    graph = d4(width=8, bits=bits)
    found = fitting(graph, find_styles())
    for floor, array in found.arrays[first::2000]:
        for fitted in found.overlays(array)[:: 7 if bits == 5 else 3]:
            exact = predict(lower(graph, fitted.config), MemoryTiming(latency=20)).cycles
            assert array.least <= fitted.bound <= exact
            assert floor <= fitted.resources.luts


def test_the_bound_of_a_layer_that_waits_for_its_input():
    """A large image and little to compute: most cycles are the input's."""
    network = RandomNetwork(
        "wide",
        image=(8, 24, 24),
        weights=Precision(2, signed=True),
        activations=Precision(8, signed=False),
    )
    graph = network.build(network.conv("image", "one", 4))[0]
    found = fitting(graph, [BitSerial])
    array = max((a for _, a in found.arrays if a.dn == 32), key=lambda a: (a.dm, a.dk))
    fitted = min(found.overlays(array), key=lambda f: f.bound)
    exact = predict(lower(graph, fitted.config), MemoryTiming(latency=20)).cycles
    assert 0.85 * exact < fitted.bound <= exact


def test_choices_leave_out_sizes_that_cut_nothing_finer():
    shapes = layer_shapes(D4)  # rows 8, 16, 16, 10
    assert lane_choices(BitSerial, shapes, 64) == [
        1,
        2,
        4,
        8,
        16,
        24,
        32,
        48,
        64,
    ]  # rows of the kernel in a word
    assert 13 not in row_choices(
        BitSerial, shapes, 64
    )  # as many tiles as 11, and no wider ring writes
    assert {8, 16} <= set(row_choices(BitSerial, shapes, 64))
    assert max(column_choices(BitSerial, shapes, 64)) == 64  # a whole 8x8 image


def test_rows_of_wide_digits_fit_a_bus_word():
    """A network of more rows than a bus word holds digits."""
    wide = [style for style in find_styles() if style(dm=1, dk=1, dn=1).q > 1]
    for style in wide:
        rows = row_choices(style, layer_shapes(mlp(width=64, bits=4)), 64)
        assert max(rows) == 64 // style(dm=1, dk=1, dn=1).q
        style(dm=max(rows), dk=8, dn=1)  # is not refused


def test_sums_in_parts_meet_a_bound_of_their_own():
    """It holds for any cut, also where a cut makes less to do."""
    graph = image_network()
    found = fitting(graph, [BitSerial], bram=7)
    checked = 0
    for _, array in found.arrays[::400]:
        for fitted in (overlay for overlay in found.overlays(array) if overlay.cut):
            with contextlib.suppress(CapacityError):
                cut = lower(graph, fitted.config)
                assert fitted.bound <= predict(cut, MemoryTiming(latency=20)).cycles
                checked += 1
    assert checked > 5
