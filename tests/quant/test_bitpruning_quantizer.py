"""BitPruning against its closed forms: fractional bitlengths, their gradient, what is deployed."""

import math

import pytest
import torch
from torch import nn

from ir.precision import Precision, weight_precision
from quant.quantizer import QuantizerSetup
from quant.quantizers.bitpruning import BitPruning


def weights(bits: int = 8, channels: int = 1) -> BitPruning:
    setup = QuantizerSetup(precision=weight_precision(bits), role="weight", channels=channels)
    return BitPruning(setup).double()


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def min_max(v: float, low: float, high: float, bits: int) -> float:
    step = (high - low) / (2**bits - 1)
    return low + step * math.floor((v - low) / step + 0.5)


def learning(length: float | list[float], channels: int = 1) -> BitPruning:
    quantizer = weights(channels=channels)
    quantizer.learn(nn.Parameter(torch.tensor(length, dtype=torch.float64).reshape(-1)))
    return quantizer


@pytest.mark.parametrize("length", [1.0, 1.5, 2.0, 3.25, 7.9, 8.0])
def test_fractional_bitlength_and_its_gradients(length: float) -> None:
    quantizer = learning(length)
    v, upstream = random(50, seed=3).requires_grad_(), random(50, seed=4)
    found = quantizer(v)
    values = v.tolist()
    low, high, whole = min(values), max(values), math.floor(length)
    shorter = [min_max(x, low, high, whole) for x in values]
    longer = [min_max(x, low, high, whole + 1) for x in values]
    share = length - whole
    pairs = list(zip(shorter, longer, strict=True))
    assert found.tolist() == pytest.approx([(1 - share) * a + share * b for a, b in pairs])
    found.backward(upstream)
    to_n = sum(g * (b - a) for g, (a, b) in zip(upstream.tolist(), pairs, strict=True))
    assert quantizer.bitlength is not None and quantizer.bitlength.grad is not None
    assert quantizer.bitlength.grad.item() == pytest.approx(to_n)
    assert v.grad is not None and torch.equal(v.grad, upstream)


def test_channels_have_lengths_and_ranges_of_their_own() -> None:
    lengths = [1.25, 2.5, 4.0]
    together = learning(lengths, channels=3)
    v, upstream = random(3, 4, 2, 2), random(3, 4, 2, 2, seed=1)
    together(v).backward(upstream)
    assert together.bitlength is not None and together.bitlength.grad is not None
    for channel, length in enumerate(lengths):
        alone = learning(length)
        row = alone(v[channel])
        row.backward(upstream[channel])
        assert torch.allclose(row, together(v)[channel])
        assert alone.bitlength is not None and alone.bitlength.grad is not None
        assert torch.allclose(alone.bitlength.grad[0], together.bitlength.grad[channel])


def test_channels_that_share_a_length() -> None:
    v = random(3, 5)
    shared, each = learning(2.5, channels=3), learning([2.5] * 3, channels=3)
    shared(v).sum().backward()
    each(v).sum().backward()
    assert shared.bitlength is not None and each.bitlength is not None
    assert shared.bitlength.grad is not None and each.bitlength.grad is not None
    assert torch.allclose(shared.bitlength.grad, each.bitlength.grad.sum())


def test_activations_in_use_are_seen_through_the_running_range() -> None:
    setup = QuantizerSetup(precision=Precision(8, signed=False), role="activation")
    quantizer = BitPruning(setup).double()
    quantizer.initialise(torch.tensor([0.0, 2.0]).double())
    quantizer.learn(nn.Parameter(torch.tensor([2.0], dtype=torch.float64)))
    batch = torch.tensor([0.0, 1.0, 4.0], dtype=torch.float64)
    assert quantizer(batch).tolist() == pytest.approx([0, 4 / 3, 4])  # the batch's own range
    quantizer.eval()
    high = 2 + 0.1 * (4 - 2)
    found = quantizer(batch.requires_grad_())
    assert found.tolist() == pytest.approx([0, high / 3, high])
    found.sum().backward()
    assert batch.grad is not None and batch.grad.tolist() == [1, 1, 0]
    assert quantizer(batch).tolist() == found.tolist()  # and it stays


def test_lengths_stay_between_one_and_eight() -> None:
    quantizer = learning([0.2, 5.5, 11.0], channels=3)
    quantizer.project()
    assert quantizer.bitlength is not None
    assert quantizer.bitlength.tolist() == [1.0, 5.5, 8.0]


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_deployed_weights_keep_the_step_and_drop_the_offset(bits: int) -> None:
    quantizer, v = weights(bits), random(200)
    quantizer.initialise(v)
    step = (v.max() - v.min()).item() / (2**bits - 1)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    wanted = [min(max(math.floor(x / step + 0.5), low), high) for x in v.tolist()]
    assert quantizer.codes(v).tolist() == wanted
    assert quantizer.scale(v).item() == pytest.approx(step)


def test_deployed_unsigned_activations_are_the_papers() -> None:
    setup = QuantizerSetup(precision=Precision(3, signed=False), role="activation")
    deployed, x = BitPruning(setup).double(), random(200).relu()
    deployed.initialise(x)
    assert torch.allclose(deployed(x), learning(3.0)(x))


def test_no_codes_while_lengths_are_learned() -> None:
    with pytest.raises(AssertionError, match="deploy the plan"):
        learning(3.0).codes(random(4))
