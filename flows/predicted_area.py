"""What the resource model says of an overlay, under the keys of `bitwright bench area`."""

from typing import Any

from codegen.fitting import logic_luts
from codegen.resources import load_coefficients, predict_resources
from hw.config import OverlayConfig


def counted(config: OverlayConfig, family: str) -> dict[str, Any]:
    """Each key as docs/synthesis.md defines it, None where the model does not know.

    luts: logic, memory and what carries take, which the model adds up. lut_memory: those used as
    memory, exact. What is left is lut_cells where carries take no LUTs (xc7), and comb where they
    do (ECP5). iCE40 has the model of ECP5: only the sums stand for something.
    """
    fit, needs = load_coefficients(family), predict_resources(config, family)
    logic = logic_luts(config, family)
    return {
        "lut_cells": logic if fit.family == "xc7" else None,
        "lut_packed": None,
        "comb": logic if family == "ecp5" else None,
        "luts": needs.luts,
        "lut_memory": needs.luts - logic,
        "ff": needs.ff,
        "bram": needs.bram,
        "dsp": needs.dsp,
        "carry": None,
        "tool": f"model of {fit.tool}",
        "version": fit.version,
        "family": fit.family,
    }
