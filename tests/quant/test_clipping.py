"""PACT, DoReFa, WRPN and FAQ against their papers' formulas, value by value."""

import math

import pytest
import torch

from ir.precision import Precision, weight_precision
from quant.quantizer import Quantizer, QuantizerSetup
from quant.quantizers.dorefa import Dorefa
from quant.quantizers.faq import Faq
from quant.quantizers.pact import Pact
from quant.quantizers.wrpn import Wrpn

CLIPPING = [Pact, Dorefa, Wrpn, Faq]


def activations(bits: int, *, signed: bool = False) -> QuantizerSetup:
    return QuantizerSetup(precision=Precision(bits, signed), role="activation")


def weights(bits: int, channels: int = 1) -> QuantizerSetup:
    return QuantizerSetup(precision=weight_precision(bits), role="weight", channels=channels)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def half_up(x: float) -> int:
    return math.floor(x + 0.5)


def gradients(quantizer: Quantizer, v: torch.Tensor, upstream: torch.Tensor) -> list[float]:
    v = v.clone().requires_grad_()
    quantizer(v).backward(upstream)
    assert v.grad is not None
    return v.grad.flatten().tolist()


@pytest.mark.parametrize("kind", CLIPPING)
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_largest_weight_is_not_clipped(kind: type[Quantizer], bits: int) -> None:
    v = random(40, 9, seed=bits).float() * 0.3
    quantizer = kind(weights(bits, channels=40))
    quantizer.initialise(v)
    upstream = torch.ones_like(v)
    found = torch.tensor(gradients(quantizer, v, upstream)).reshape(v.shape)
    bent = 1 - torch.tanh(v) ** 2 if kind in (Pact, Dorefa) else upstream
    assert torch.allclose(found, bent)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_pact_forward_and_gradients(bits: int) -> None:
    alpha = 1.3
    quantizer = Pact(activations(bits)).double()
    with torch.no_grad():
        quantizer.clip.fill_(alpha)
    x, upstream = random(60, seed=bits) * 1.5, random(60, seed=99)
    values = x.tolist()
    step = alpha / (2**bits - 1)
    expected = [half_up(min(max(v, 0.0), alpha) / step) * step for v in values]
    assert quantizer(x).tolist() == pytest.approx(expected)
    assert min(values) < 0 and max(values) > alpha
    to_x = gradients(quantizer, x, upstream)
    passes = [1.0 if 0 < v < alpha else 0.0 for v in values]
    assert to_x == pytest.approx([p * g for p, g in zip(passes, upstream.tolist(), strict=True)])
    to_alpha = sum(g for v, g in zip(values, upstream.tolist(), strict=True) if v >= alpha)
    assert quantizer.clip.grad is not None
    assert quantizer.clip.grad.item() == pytest.approx(to_alpha)


def test_pact_signed_clips_at_both_ends() -> None:
    quantizer = Pact(activations(3, signed=True)).double()
    with torch.no_grad():
        quantizer.clip.fill_(0.9)
    x = torch.tensor([-5.0, -0.9, -0.3, 0.3, 0.9, 5.0], dtype=torch.float64)
    assert quantizer.codes(x).tolist() == [-3, -3, -1, 1, 3, 3]
    gradients(quantizer, x, torch.tensor([1.0, 10, 100, 1000, 1e4, 1e5], dtype=torch.float64))
    assert quantizer.clip.grad is not None
    assert quantizer.clip.grad.item() == pytest.approx(1e4 + 1e5 - 1 - 10)


def test_pact_starts_at_the_largest_activation_and_decays() -> None:
    quantizer = Pact(activations(4))
    quantizer.initialise(torch.tensor([[0.0, 2.5], [1.0, 0.5]]))
    assert quantizer.clip.tolist() == [2.5]
    assert Pact.decays and not Dorefa.decays


@pytest.mark.parametrize("kind", [Pact, Dorefa])
@pytest.mark.parametrize("bits", [2, 3, 8])
def test_tanh_weights(kind: type[Dorefa], bits: int) -> None:
    quantizer = kind(weights(bits)).double()
    w, upstream = random(40, seed=bits), random(40, seed=98)
    bent = [math.tanh(v) for v in w.tolist()]
    reach = max(abs(v) for v in bent)
    step = reach / (2 ** (bits - 1) - 1)
    assert quantizer.codes(w).tolist() == [half_up(v / step) for v in bent]
    assert quantizer(w).tolist() == pytest.approx([half_up(v / step) * step for v in bent])
    found = gradients(quantizer, w, upstream)
    largest = max(range(40), key=lambda i: abs(bent[i]))  # at the clip itself nothing passes
    for i in (i for i in range(40) if i != largest):
        assert found[i] == pytest.approx(upstream[i].item() * (1 - bent[i] ** 2))


def test_tanh_weights_per_channel() -> None:
    w = random(3, 4, 2, 2)
    together = Dorefa(weights(3, channels=3)).double()
    for channel in range(3):
        alone = Dorefa(weights(3)).double()
        assert torch.equal(together.codes(w)[channel], alone.codes(w[channel]))
        assert together.scale(w)[channel] == alone.scale(w[channel])


@pytest.mark.parametrize("kind", [Dorefa, Wrpn])
def test_activations_are_clipped_at_one(kind: type[Dorefa]) -> None:
    quantizer = kind(activations(2)).double()
    x = torch.tensor([-1.0, 0.0, 0.1, 0.2, 0.5, 0.9, 1.0, 3.0], dtype=torch.float64)
    assert quantizer.codes(x).tolist() == [0, 0, 0, 1, 2, 3, 3, 3]
    assert quantizer.scale(x).item() == pytest.approx(1 / 3)
    assert gradients(quantizer, x, torch.ones_like(x)) == [0, 0, 1, 1, 1, 1, 0, 0]


def test_wrpn_weights_keep_the_first_reach() -> None:
    quantizer = Wrpn(weights(3)).double()
    quantizer.initialise(torch.tensor([0.3, -0.6], dtype=torch.float64))
    w = torch.tensor([-9.0, -0.5, -0.2, 0.1, 0.35, 0.7], dtype=torch.float64)
    assert quantizer.codes(w).tolist() == [-3, -2, -1, 1, 2, 3]
    assert quantizer.scale(w).item() == pytest.approx(0.2)
    assert gradients(quantizer, w, torch.ones_like(w)) == [0, 1, 1, 1, 1, 0]


def test_faq_calibrates_by_maximum_at_eight_bits_and_by_percentile_below() -> None:
    x = torch.arange(10_001, dtype=torch.float64).reshape(1, -1)
    wide, narrow = Faq(activations(8)).double(), Faq(activations(4)).double()
    wide.initialise(x)
    narrow.initialise(x)
    assert wide.scale(x).item() == pytest.approx(10_000 / 255)
    assert narrow.scale(x).item() == pytest.approx(9_990 / 15)


def test_faq_does_not_move() -> None:
    quantizer = Faq(weights(4, channels=2))
    quantizer.initialise(torch.tensor([[1.0, -7.0], [0.5, 0.25]]))
    assert quantizer.scale(torch.zeros(2, 2)).tolist() == pytest.approx([1.0, 0.5 / 7])
    assert not list(quantizer.parameters())


@pytest.mark.parametrize("kind", CLIPPING)
def test_the_lowest_signed_code_is_not_used(kind: type[Quantizer]) -> None:
    quantizer = kind(weights(3))
    w = random(1000).float()
    quantizer.initialise(w)
    assert quantizer.codes(w * 3).unique().tolist() == [-3, -2, -1, 0, 1, 2, 3]
