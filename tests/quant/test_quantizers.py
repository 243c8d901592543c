"""Conformance: what every quantizer promises, over the names that are found."""

import pytest
import torch

from ir import plugins
from ir.errors import UnknownPluginError
from ir.precision import Precision, weight_precision
from quant.bipolar import build_quantizer
from quant.quantizer import FOLDER, Quantizer, QuantizerSetup

WEIGHTS = [QuantizerSetup(precision=weight_precision(b), role="weight") for b in range(1, 9)]
PER_CHANNEL = [
    QuantizerSetup(precision=weight_precision(b), role="weight", channels=6) for b in (1, 2, 4, 8)
]
ACTIVATIONS = [
    QuantizerSetup(precision=Precision(b, signed), role="activation")
    for b in (1, 2, 5, 8)
    for signed in (False, True)
]


def label(setup: QuantizerSetup) -> str:
    return f"{setup.role} {setup.precision} x{setup.channels}"


@pytest.fixture(params=plugins.names(FOLDER))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[*WEIGHTS, *PER_CHANNEL, *ACTIVATIONS], ids=label)
def setup(request: pytest.FixtureRequest) -> QuantizerSetup:
    return request.param


def sample(setup: QuantizerSetup) -> torch.Tensor:
    x = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(7)) * 0.3
    unsigned = setup.role == "activation" and not setup.precision.signed
    return x.relu() if unsigned else x


def built(name: str, setup: QuantizerSetup) -> tuple[Quantizer, torch.Tensor]:
    quantizer = build_quantizer(name, setup)
    x = sample(setup)
    quantizer.initialise(x)
    return quantizer, x


def test_codes_are_codes_of_the_precision(name: str, setup: QuantizerSetup) -> None:
    quantizer, x = built(name, setup)
    codes = quantizer.codes(x)
    assert codes.dtype == torch.int64 and codes.shape == x.shape
    assert setup.precision.contains(codes.numpy()).all()


def test_forward_is_codes_times_scale(name: str, setup: QuantizerSetup) -> None:
    quantizer, x = built(name, setup)
    scale = quantizer.scale(x)
    assert scale.shape == (setup.channels,) and bool((scale > 0).all())
    grid = quantizer.codes(x) * quantizer.spread(scale, x)
    assert torch.equal(quantizer(x), grid)


def test_twice_is_once(name: str, setup: QuantizerSetup) -> None:
    quantizer, x = built(name, setup)
    once = quantizer(x).detach()
    again = quantizer.latent(once)
    assert torch.equal(quantizer.codes(again), quantizer.codes(x))
    assert torch.allclose(quantizer(again), once, rtol=1e-6, atol=0)


def test_more_values_than_one_are_used(name: str, setup: QuantizerSetup) -> None:
    quantizer, x = built(name, setup)
    assert len(quantizer.codes(x).unique()) >= 2


def test_gradients_are_finite_and_reach_the_input(name: str, setup: QuantizerSetup) -> None:
    quantizer, x = built(name, setup)
    x.requires_grad_()
    quantizer(x).square().sum().backward()
    assert x.grad is not None and x.grad.shape == x.shape
    assert bool(x.grad.isfinite().all()) and bool((x.grad != 0).any())
    for parameter in quantizer.parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all())


def test_project_keeps_scales_positive(name: str, setup: QuantizerSetup) -> None:
    quantizer, x = built(name, setup)
    with torch.no_grad():
        for parameter in quantizer.parameters():
            parameter.fill_(-3.0)
    quantizer.project()
    assert bool((quantizer.scale(x) > 0).all())


def test_all_zero_input_is_no_accident(name: str, setup: QuantizerSetup) -> None:
    quantizer = build_quantizer(name, setup)
    zeros = torch.zeros(6, 5)
    quantizer.initialise(zeros)
    assert bool(quantizer(zeros).isfinite().all())
    assert bool((quantizer.scale(zeros) > 0).all())


def test_unknown_name() -> None:
    with pytest.raises(UnknownPluginError, match=r"unknown quantizer 'lsp' \(did you mean 'lsq'"):
        build_quantizer("lsp", WEIGHTS[0])
