"""The fit of the clock model, on periods whose coefficients are known; what is placed for it."""

from dataclasses import replace

import pytest

from codegen.clock_model import predict_clock_mhz, quantities
from codegen.resources import predict_resources
from flows.characterize import main
from flows.characterize_clock import (
    FIT,
    FIT_DRAW,
    HELD_OUT,
    MOST_CELLS,
    SMALL_FIT,
    Placed,
    clock_table,
    fit,
    fitted_overlays,
    held_out_overlays,
    relative_error,
    small_overlays,
)
from hw.fabric import fabric_of
from ir.errors import ConfigError

PERIOD_NS = {"fixed": 6.0, "spread": 0.5, "rotation": 0.3, "address": 0.1}


def placed(factor: float = 1.0) -> list[Placed]:
    """Overlays as fast as PERIOD_NS says; those held out are slower by `factor`."""
    chosen = [(c, False) for c in fitted_overlays()]
    chosen += [(c, True) for c in held_out_overlays()]
    found = []
    for config, held_out in chosen:
        amounts = quantities(config, "ecp5")
        period = sum(PERIOD_NS[part] * amount for part, amount in amounts.items())
        one = Placed(
            config=config,
            held_out=held_out,
            cells=5000,
            fmax_mhz=1000 / period / (factor if held_out else 1.0),
            placer=("nextpnr-ecp5", "0.11"),
        )
        found.append(one)
    return found


def test_known_coefficients_are_found():
    found = fit("ecp5", placed(), hardware="h")
    assert found.period_ns == pytest.approx(PERIOD_NS, abs=0.01)
    assert found.errors["held_out"]["overlays"] == HELD_OUT >= 6
    assert found.errors["held_out"]["max"] < 0.001
    assert (found.tool, found.version, found.device[:5]) == ("nextpnr-ecp5", "0.11", "LFE5U")


def test_held_out_overlays_take_no_part_in_the_fit():
    found = fit("ecp5", placed(factor=1.25), hardware="h")
    assert found.period_ns == pytest.approx(PERIOD_NS, abs=0.01)
    assert found.errors["fit"]["max"] < 0.001
    assert found.errors["held_out"]["mean"] == pytest.approx(0.25, abs=0.001)


def test_a_period_is_the_sum_of_its_parts():
    one = placed()[0]
    model = replace(fit("ecp5", placed(), hardware="h"), period_ns=dict(PERIOD_NS, fixed=10.0))
    slower = 1000 / predict_clock_mhz(one.config, "ecp5", model)
    assert slower == pytest.approx(1000 / one.fmax_mhz + 4.0)


def test_the_draw_is_small_and_what_is_held_out_is_not_fitted():
    fitted, held_out = fitted_overlays(), held_out_overlays()
    assert not set(fitted) & set(held_out)
    assert len(set(fitted)) == FIT + SMALL_FIT
    assert all(c.dm * c.dn <= 12 and c.fabric == fabric_of("ecp5") for c in fitted + held_out)
    assert small_overlays(FIT_DRAW, 3) == fitted[:3]
    assert max(predict_resources(c, "ecp5").luts for c in held_out) < MOST_CELLS


def test_the_table_says_how_far_off_each_is():
    model = fit("ecp5", placed(factor=0.8), hardware="abc")
    lines = clock_table(model)
    assert "hardware of abc" in lines[0]
    assert f"| held out | {HELD_OUT} | 20.0% | 20.0% |" in lines
    assert sum(line.endswith("-20.0% | held out |") for line in lines) == HELD_OUT
    assert relative_error({"predicted_mhz": 90.0, "fmax_mhz": 100.0}) == pytest.approx(-0.1)


def test_an_unknown_part(capsys: pytest.CaptureFixture[str]):
    assert main(["clok"]) == 2
    assert "'clok' (did you mean 'clock'?); there is: xc7, ecp5, clock" in capsys.readouterr().err


def test_overlays_that_cannot_be_so_small_are_not_searched_for_ever():
    with pytest.raises(ConfigError, match="0 of 2 drawn overlays have fewer than 100 cells"):
        small_overlays(1, 2, most_cells=100)
