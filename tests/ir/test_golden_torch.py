"""Every node against torch, exactly: torch computes on integers in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from ir.golden import run_node
from ir.nodes import (
    Add,
    AveragePool,
    Concat,
    Conv,
    GlobalAveragePool,
    MaxPool,
    Node,
    Padding,
    Threshold,
    sides,
)
from ir.precision import Precision, weight_precision

BIPOLAR = weight_precision(1)


def floats(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).to(torch.float64)


def same(node: Node, expected: torch.Tensor, *inputs: np.ndarray) -> None:
    found = run_node(node, *inputs)
    assert found.dtype == np.int64
    assert np.array_equal(found, expected.numpy())


def around(x: torch.Tensor, padding: Padding, value: float) -> torch.Tensor:
    top, left, bottom, right = sides(padding)
    return functional.pad(x, (left, right, top, bottom), value=value)


CONVOLUTIONS = [
    {"kernel": (1, 5), "padding": (0, 2, 0, 2)},
    {"kernel": (3, 2), "padding": (2, 0, 1, 1), "stride": 2},
    {"kernel": (3, 3), "padding": 2, "dilation": 2},
    {"kernel": (2, 3), "dilation": 3, "stride": 2, "padding": 1},
    {"kernel": (3, 3), "padding": 1, "groups": 2},
    {"kernel": (3, 3), "padding": 1, "groups": 6},
    {"kernel": (1, 1), "groups": 3, "stride": 3},
    {"kernel": (3, 3), "padding": 1, "groups": 6, "outputs": 12, "dilation": 2},
]


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(len(str(case)))
    fields = dict(case)
    kernel, outputs = fields.pop("kernel"), fields.pop("outputs", 6)
    groups = fields.get("groups", 1)
    x = rng.integers(-8, 8, (2, 6, 9, 10))
    weight = rng.integers(-4, 4, (outputs, 6 // groups, *kernel))
    node = Conv("c", "x", "s", weight, Precision(3, True), **fields)
    expected = functional.conv2d(
        around(floats(x), node.padding, 0),
        floats(weight),
        stride=node.stride,
        dilation=node.dilation,
        groups=groups,
    )
    same(node, expected, x)


@pytest.mark.parametrize("value", [-1, 1])
def test_convolution_of_bipolar_codes(value: int) -> None:
    rng = np.random.default_rng(3)
    x = 2 * rng.integers(0, 2, (2, 4, 5, 6)) - 1
    weight = 2 * rng.integers(0, 2, (3, 4, 3, 3)) - 1
    node = Conv("c", "x", "s", weight, BIPOLAR, padding=(1, 0, 2, 1), pad_value=value)
    same(node, functional.conv2d(around(floats(x), node.padding, value), floats(weight)), x)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((2, 2), 2, 0), ((3, 3), 2, 1), ((3, 2), 1, (1, 1, 0, 0))]
)
def test_pools(kernel: tuple[int, int], stride: int, padding: Padding) -> None:
    x = np.random.default_rng(4).integers(-128, 128, (2, 5, 8, 7))
    greatest = functional.max_pool2d(around(floats(x), padding, -torch.inf), kernel, stride)
    same(MaxPool("p", "x", "y", kernel, stride, padding), greatest, x)
    mean = functional.avg_pool2d(around(floats(x), padding, 0), kernel, stride)
    sums = mean * (kernel[0] * kernel[1])
    same(AveragePool("p", "x", "y", kernel, stride, padding), sums.round(), x)


def test_global_pool_add_and_concat() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.integers(-8, 8, (2, 2, 3, 4, 5))
    same(GlobalAveragePool("p", "x", "y"), floats(a).sum(dim=(2, 3), keepdim=True), a)
    same(Add("p", ("x", "z"), "y"), floats(a) + floats(b), a, b)
    same(Concat("p", ("x", "z", "x"), "y"), torch.cat([floats(v) for v in (a, b, a)], 1), a, b, a)


def test_thresholds_equal_bucketize() -> None:
    rng = np.random.default_rng(6)
    acc = rng.integers(-40, 40, (3, 5, 4, 2))
    limits = np.sort(rng.integers(-30, 30, (5, 7)), axis=1)
    sign = np.array([1, -1, 1, -1, -1])
    found = run_node(Threshold("t", "s", "y", limits, sign, base=-4), acc)
    for channel in range(5):
        values = torch.from_numpy(acc[:, channel] * sign[channel])
        expected = torch.bucketize(values, torch.from_numpy(limits[channel]), right=True) - 4
        assert np.array_equal(found[:, channel], expected.numpy())


def test_a_threshold_makes_the_sign() -> None:
    acc = np.array([-3, -1, 0, 1]).reshape(1, 1, 1, 4)
    rising = Threshold("t", "s", "y", np.array([[0]]), np.array([1]), base=-1, step=2)
    falling = Threshold("t", "s", "y", np.array([[0]]), np.array([-1]), base=-1, step=2)
    assert run_node(rising, acc).ravel().tolist() == [-1, -1, 1, 1]
    assert run_node(falling, acc).ravel().tolist() == [1, 1, 1, -1]
    assert (rising.lo, rising.hi) == (-1, 1)
