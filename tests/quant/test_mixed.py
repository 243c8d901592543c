"""Rows of different widths: each as its quantizer alone would have it."""

import torch

from ir.precision import weight_precision
from quant.bipolar import build_quantizer
from quant.mixed import MixedWeights
from quant.quantizer import Quantizer, QuantizerSetup

WIDTHS = (4, 1, 2, 4, 1, 3)


def sample() -> torch.Tensor:
    return torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(2))


def alone(name: str, w: torch.Tensor, row: int) -> torch.Tensor:
    setup = QuantizerSetup(precision=weight_precision(WIDTHS[row]), role="weight")
    quantizer = build_quantizer(name, setup)
    quantizer.initialise(w[row])
    return quantizer(w[row])


def test_each_row_has_its_width_and_step() -> None:
    w = sample()
    quantizer = MixedWeights("lsq", WIDTHS, per_channel=True)
    quantizer.initialise(w)
    found, codes, scale = quantizer(w), quantizer.codes(w), quantizer.scale(w)
    assert quantizer.w_bits == WIDTHS and quantizer.precision == weight_precision(4)
    for row, bits in enumerate(WIDTHS):
        assert torch.allclose(found[row], alone("lsq", w, row))
        assert weight_precision(bits).contains(codes[row].numpy()).all()
        assert torch.equal(codes[row] * scale[row], found[row])


def test_rows_of_one_width_share_a_step() -> None:
    w = sample()
    quantizer = MixedWeights("lsq", WIDTHS, per_channel=False)
    quantizer.initialise(w)
    scale = quantizer.scale(w).tolist()
    assert scale[0] == scale[3] and scale[1] == scale[4]
    assert len(set(scale)) == 4
    assert torch.equal(quantizer(w), quantizer.codes(w) * quantizer.scale(w).reshape(-1, 1, 1, 1))


def test_gradients_reach_every_row_and_step() -> None:
    w = sample().requires_grad_()
    quantizer = MixedWeights("lsq", WIDTHS, per_channel=True)
    quantizer.initialise(w)
    quantizer(w).square().sum().backward()
    assert w.grad is not None and bool((w.grad != 0).any(dim=(1, 2, 3)).all())
    steps = [p.grad for p in quantizer.parameters()]
    assert sum(g.numel() for g in steps if g is not None) == 4  # the bipolar rows learn none


def learned(quantizer: Quantizer) -> Quantizer:
    """With steps that no initialisation gives."""
    with torch.no_grad():
        for place, parameter in enumerate(quantizer.parameters()):
            parameter.copy_(torch.arange(parameter.numel()) + 10.0 * (place + 1))
    return quantizer


def test_rows_whose_width_stays_keep_their_steps() -> None:
    w = sample()
    fresh = MixedWeights("lsq", (4, 1, 4, 2, 1, 3), per_channel=True)
    fresh.initialise(w)
    started = fresh.scale(w).tolist()
    fresh.resume(learned(MixedWeights("lsq", WIDTHS, per_channel=True)))  # 2: 10, 3: 20, 4: 30 31
    assert fresh.scale(w).tolist() == [30.0, *started[1:5], 20.0]
    four = QuantizerSetup(precision=weight_precision(4), role="weight", channels=6)
    fresh.resume(learned(build_quantizer("lsq", four)))
    assert fresh.scale(w).tolist() == [10.0, started[1], 12.0, *started[3:5], 20.0]


def test_a_shared_step_is_kept_where_its_width_stays() -> None:
    w = sample()
    fresh = MixedWeights("lsq", (4, 1, 4, 2, 1, 2), per_channel=False)
    fresh.initialise(w)
    started = fresh.scale(w).tolist()
    four = QuantizerSetup(precision=weight_precision(4), role="weight")
    fresh.resume(learned(build_quantizer("lsq", four)))
    assert fresh.scale(w).tolist() == [10.0, started[1], 10.0, *started[3:]]
    fresh.resume(learned(build_quantizer("pact", four)))
    assert fresh.scale(w).tolist() == [10.0, started[1], 10.0, *started[3:]]
