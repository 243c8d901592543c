"""One-bit weights, whatever the quantizer's name."""

import pytest
import torch

from ir import plugins
from ir.errors import UnknownPluginError
from ir.precision import Precision, weight_precision
from quant.bipolar import BipolarWeights, build_quantizer
from quant.quantizer import FOLDER, QuantizerSetup


@pytest.mark.parametrize("name", plugins.names(FOLDER))
def test_signs_times_the_mean(name: str) -> None:
    setup = QuantizerSetup(precision=weight_precision(1), role="weight", channels=2)
    quantizer = build_quantizer(name, setup)
    v = torch.tensor([[0.0, -1.0, 3.0, 4.0], [-2.0, -2.0, 2.0, 2.0]], requires_grad=True)
    found = quantizer(v)
    assert found.tolist() == [[2.0, -2.0, 2.0, 2.0], [-2.0, -2.0, 2.0, 2.0]]
    assert quantizer.codes(v).tolist() == [[1, -1, 1, 1], [-1, -1, 1, 1]]
    upstream = torch.arange(8.0).reshape(2, 4)
    found.backward(upstream)
    assert v.grad is not None and torch.equal(v.grad, upstream)
    assert not list(quantizer.parameters())


def test_other_precisions_are_the_plug_ins() -> None:
    one_bit = QuantizerSetup(precision=Precision(1, signed=False), role="activation")
    assert not isinstance(build_quantizer("lsq", one_bit), BipolarWeights)


def test_unknown_name_at_one_bit_too() -> None:
    setup = QuantizerSetup(precision=weight_precision(1), role="weight")
    with pytest.raises(UnknownPluginError, match=r"unknown quantizer 'lsp' \(did you mean 'lsq'"):
        build_quantizer("lsp", setup)
