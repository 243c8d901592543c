"""The golden model against plain loops over Python integers."""

import numpy as np
import pytest

from ir.errors import ConfigError, EncodingError
from ir.golden import FLOAT64_EXACT, convolve, exact_product, execute, requantize
from ir.graph import IntegerGraph
from ir.nodes import Conv, MatMul, Requantize
from ir.precision import Precision
from ir.shapes import accumulator_range


def naive_convolution(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    images, channels, height, width = x.shape
    outputs, _, rows, columns = w.shape
    out_rows = (height + 2 * padding - rows) // stride + 1
    out_columns = (width + 2 * padding - columns) // stride + 1
    y = np.zeros((images, outputs, out_rows, out_columns), dtype=np.int64)
    for n, m, i, j in np.ndindex(*y.shape):
        total = 0
        for c, di, dj in np.ndindex(channels, rows, columns):
            row, column = i * stride + di - padding, j * stride + dj - padding
            if 0 <= row < height and 0 <= column < width:
                total += int(x[n, c, row, column]) * int(w[m, c, di, dj])
        y[n, m, i, j] = total
    return y


@pytest.mark.parametrize("seed", range(12))
def test_convolution_equals_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels, outputs = rng.integers(1, 5, 2)
    rows, columns, stride = rng.integers(1, 4, 3)
    padding = int(rng.integers(0, 3))
    height, width = rng.integers(3, 8, 2)
    x = rng.integers(-128, 256, (2, channels, height, width))
    w = rng.integers(-128, 128, (outputs, channels, rows, columns))
    found = convolve(x, w, stride=int(stride), padding=padding)
    assert found.dtype == np.int64
    assert np.array_equal(found, naive_convolution(x, w, int(stride), padding))


def test_product_takes_the_int64_way_beyond_the_float_bound() -> None:
    x = np.array([[1 << 40, 1]])
    w = np.array([[1 << 20], [1]])
    assert FLOAT64_EXACT < 1 << 61
    assert exact_product(x, w).tolist() == [[(1 << 60) + 1]]  # float64 would lose the 1


def test_product_just_inside_the_float_bound_is_exact() -> None:
    x = np.array([[(1 << 26) - 1, 1]])
    w = np.array([[(1 << 25) + 1], [1]])
    assert exact_product(x, w).tolist() == [[((1 << 26) - 1) * ((1 << 25) + 1) + 1]]


def test_empty_batch(classifier: IntegerGraph) -> None:
    found = execute(classifier.verify(), np.zeros((0, 2, 5, 4), dtype=np.int64))
    assert found["fc.codes"].shape == (0, 4, 1, 1)


def test_requantize_equals_python_integers() -> None:
    rng = np.random.default_rng(5)
    for shift in (0, 1, 12, 47):
        rule = Requantize(
            "r",
            "s",
            "y",
            rng.integers(-(1 << 15), 1 << 15, 3),
            rng.integers(-(1 << 47), 1 << 47, 3),
            shift,
            -100,
            100,
        )
        acc = rng.integers(-(1 << 31), 1 << 31, (4, 3, 5, 2))
        found = requantize(acc, rule)
        for n, c, i, j in np.ndindex(*acc.shape):
            exact = int(acc[n, c, i, j]) * int(rule.multiplier[c]) + int(rule.offset[c])
            assert found[n, c, i, j] == min(max(exact >> shift, -100), 100)


def test_the_half_in_the_offset_rounds_half_up() -> None:
    rule = Requantize("r", "s", "y", np.array([1]), np.array([2]), 2, -9, 9)  # acc / 4, half-LSB 2
    acc = np.array([-7, -6, -5, -3, -2, -1, 0, 1, 2, 3, 5, 6, 7]).reshape(-1, 1, 1, 1)
    assert requantize(acc, rule).ravel().tolist() == [-2, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 2, 2]


def test_execute_gives_every_tensor(classifier: IntegerGraph) -> None:
    x = np.random.default_rng(1).integers(0, 32, (6, 2, 5, 4))
    found = execute(classifier.verify(), x)
    assert {name: value.shape[1:] for name, value in found.items()} == {
        name: tensor.shape for name, tensor in classifier.tensors.items()
    }
    conv, head = classifier.nodes[0], classifier.nodes[2]
    assert isinstance(conv, Conv) and isinstance(head, MatMul)
    assert np.array_equal(found["conv.sums"], naive_convolution(x, conv.weight, 2, 1))
    flat = found["conv.codes"].reshape(6, -1)  # (c, y, x) order
    assert np.array_equal(found["fc.sums"][:, :, 0, 0], flat @ head.weight.T)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_an_input_reaches_each_end_of_the_accumulator_range(bits: int, signed: bool) -> None:
    weight = np.random.default_rng(bits).integers(-8, 8, (3, 4, 3, 3))
    activations = Precision(bits, signed)
    low, high = accumulator_range(weight, activations)
    rising = np.where(weight > 0, activations.max, activations.min)
    falling = np.where(weight > 0, activations.min, activations.max)
    assert convolve(rising, weight, stride=1, padding=0).max() == high
    assert convolve(falling, weight, stride=1, padding=0).min() == low


def test_inputs_of_another_shape(classifier: IntegerGraph) -> None:
    with pytest.raises(ConfigError, match=r"inputs must be \(N, \(2, 5, 4\)\), not \(1, 2, 5, 5\)"):
        execute(classifier, np.zeros((1, 2, 5, 5), dtype=np.int64))


def test_inputs_that_are_no_codes(classifier: IntegerGraph) -> None:
    x = np.zeros((1, 2, 5, 4), dtype=np.int64)
    x[0, 1, 2, 3] = 32
    with pytest.raises(
        EncodingError, match=r"x: 32 at \(0, 1, 2, 3\) is no code of 5-bit unsigned"
    ):
        execute(classifier, x)
