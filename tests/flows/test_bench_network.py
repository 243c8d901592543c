"""`bitwright bench network`: whole networks with random weights in the harness."""

from __future__ import annotations

import json

import pytest

from flows.cli import main


def bench(capsys: pytest.CaptureFixture[str], words: str) -> dict:
    """The JSON document of a bench that passes."""
    assert main(["bench", "network", *words.split(), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", ["small_cnn --bits 2x2", "small_cnn --bits 1x3 --signed 1x1", "mlp --bits 3x2"]
)
def test_small_networks_are_exact(capsys: pytest.CaptureFixture[str], words: str) -> None:
    result = bench(capsys, f"{words} --array 2x16x2")
    assert result["bit_exact"] is True
    assert result["measured"] == result["predicted"] >= result["lower_bound"]
    assert sum(layer["measured"] for layer in result["layers"]) == result["measured"]
    assert 0 < result["utilization"] < 1
    for layer in result["layers"]:
        assert layer["measured"] == layer["predicted"] >= layer["lower_bound"]
        assert layer["bound_by"] in ("exec", "read", "write", "requantize")
        assert layer["limited_by"] in ("exec", "fetch", "result")
    for share in ("exec", "weights", "activations", "result"):
        layers = sum(layer["attribution"][share] for layer in result["layers"])
        assert layers == result["attribution"][share]
    assert sum(result["attribution"].values()) == result["measured"]
    assert result["cycles_per_second"] > 0
    assert result["clock_mhz"] == 100  # of the board `sim`
    assert result["images_per_second"] == pytest.approx(1e8 / result["measured"], rel=1e-3)


@pytest.mark.slow
def test_for_a_person_it_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "network", "mlp", "--array", "2x16x2", "--bits", "2x2"]) == 0
    text = capsys.readouterr().out
    assert "linear3" in text
    assert "a second at 100 MHz (sim's clock)" in text
    assert "bit-exact" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("resnet --array 2x16x2 --bits 2x2", "unknown network 'resnet'"),
        ("mobilenetv2 --array 2x16x2 --bits 2x2", "did you mean 'mobilenet_v2'?"),
        ("mlp --array 2x16x2 --bits 2", "--bits must have the form NxN, not '2'"),
        ("mlp --array 2x16x2 --bits 2x2 --ring-depth 100", "ring_depth must be a power of two"),
        ("mlp --array 2x16x2 --bits 2x2 --rhs-depth 16", "needs rhs_depth"),
        ("mlp --array 2x16x2", "give --bits, or --mean-bits in its place"),
        ("resnet20 --array 2x16x2 --bits 2x2 --mean-bits 3", "give --bits, or --mean-bits in"),
        ("mlp --array 2x16x2 --mean-bits 3", "--mean-bits is for torch modules: alexnet"),
        ("mlp --array 2x16x2 --bits 2x2 --board arty", "unknown board 'arty'"),
    ],
)
def test_a_wrong_argument_says_so(
    capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert main(["bench", "network", *words.split()]) == 2
    assert message in capsys.readouterr().err
