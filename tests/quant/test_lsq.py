"""LSQ against the closed forms of the paper (equations 1 to 3), in float64."""

import pytest
import torch

from ir.precision import Precision, weight_precision
from quant.quantizer import QuantizerSetup
from quant.quantizers.lsq import Lsq


def weights(bits: int, channels: int = 1) -> Lsq:
    setup = QuantizerSetup(precision=weight_precision(bits), role="weight", channels=channels)
    return Lsq(setup).double()


def gradients(quantizer: Lsq, v: torch.Tensor, upstream: torch.Tensor) -> tuple:
    v = v.clone().requires_grad_()
    (quantizer(v) * upstream).sum().backward()
    return v.grad, quantizer.step_size.grad


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_gradients_per_tensor(bits: int) -> None:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    generator = torch.Generator().manual_seed(bits)
    v = torch.randn(5, 7, generator=generator, dtype=torch.float64) * high
    upstream = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    quantizer = weights(bits)
    step = 0.8
    with torch.no_grad():
        quantizer.step_size.fill_(step)
    to_v, to_s = gradients(quantizer, v, upstream)
    expected = 0.0
    for index in range(v.numel()):
        ratio, g = float(v.view(-1)[index]) / step, float(upstream.view(-1)[index])
        if ratio <= low:
            slope, passes = low, 0.0
        elif ratio >= high:
            slope, passes = high, 0.0
        else:
            slope, passes = float(torch.tensor(ratio + 0.5).floor()) - ratio, 1.0
        expected += slope * g
        assert to_v.view(-1)[index] == pytest.approx(passes * g)
    assert float(to_s) == pytest.approx(expected / (35 * high) ** 0.5)


def test_gradients_per_channel_are_those_of_each_channel_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(3, 4, 2, 2, generator=generator, dtype=torch.float64)
    upstream = torch.randn(3, 4, 2, 2, generator=generator, dtype=torch.float64)
    together = weights(3, channels=3)
    together.initialise(v)
    to_v, to_s = gradients(together, v, upstream)
    for channel in range(3):
        alone = weights(3)
        alone.initialise(v[channel])
        assert torch.allclose(alone.step_size[0], together.step_size[channel])
        single_v, single_s = gradients(alone, v[channel : channel + 1], upstream[channel][None])
        assert torch.allclose(single_v[0], to_v[channel])
        assert torch.allclose(single_s[0], to_s[channel])


def test_activation_features_are_counted_per_sample() -> None:
    setup = QuantizerSetup(precision=Precision(2, signed=False), role="activation")
    x = torch.ones(10, 4, 3, 3)
    assert Lsq(setup).gradient_scale(x) == pytest.approx((36 * 3) ** -0.5)


def test_start_is_twice_the_mean_over_the_root_of_qp() -> None:
    v = torch.tensor([[-1.0, 3.0], [2.0, -2.0]], dtype=torch.float64)
    quantizer = weights(3)
    quantizer.initialise(v)
    assert quantizer.step_size.item() == pytest.approx(2 * 2.0 / 3**0.5)


def test_rounding_is_half_up() -> None:
    quantizer = weights(4)  # step 1
    halves = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], dtype=torch.float64)
    assert quantizer.codes(halves).tolist() == [-2, -1, 0, 1, 2, 3]


def test_clipping_at_both_ends() -> None:
    quantizer = weights(3)
    assert quantizer.codes(torch.tensor([-99.0, 99.0]).double()).tolist() == [-4, 3]
