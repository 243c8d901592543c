"""Fits the resource model to synthesized overlays, and says how far off it is.

Coefficients are those that minimise the squared relative error and are not negative: a part cannot
take less than nothing. Held-out overlays take no part in the fit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from codegen.block_ram import memory_luts
from codegen.resources import (
    FF_PARTS,
    LUT_PARTS,
    Coefficients,
    Resources,
    predict_resources,
    quantities,
)
from flows.synth import Synthesis
from hw.config import OverlayConfig

COUNTED = ("luts", "ff", "bram", "dsp")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An overlay and what its synthesis counted."""

    config: OverlayConfig
    held_out: bool
    measured: Synthesis

    def counts(self) -> dict[str, int]:
        """What the model predicts, as measured."""
        return {name: getattr(self.measured, name) for name in COUNTED}


def fit(family: str, samples: Sequence[Sample], *, hardware: str) -> Coefficients:
    """The model of `family`, with its errors and the overlays behind it.

    hardware: the commit that was synthesized.
    """
    used = [sample for sample in samples if not sample.held_out]
    newest = samples[0].measured
    bare = Coefficients(
        family=family,
        tool=newest.tool,
        version=newest.version,
        hardware=hardware,
        luts=_solve(
            used,
            LUT_PARTS,
            [s.measured.luts for s in used],
            [memory_luts(s.config, family) for s in used],
        ),
        ff=_solve(used, FF_PARTS, [s.measured.ff for s in used], [0] * len(used)),
        errors={},
        overlays=(),
    )
    rows = [_row(sample, predict_resources(sample.config, family, bare)) for sample in samples]
    errors = {name: _errors(rows, name) for name in COUNTED}
    return Coefficients(**vars(bare) | {"errors": errors, "overlays": tuple(rows)})


def relative_error(row: Mapping[str, Any], name: str) -> float:
    """(predicted - measured) / measured of an overlay's row; 0 where both are 0."""
    measured, predicted = row["measured"][name], row["predicted"][name]
    return (predicted - measured) / max(measured, 1)


def table(model: Coefficients) -> list[str]:
    """A Markdown table: every overlay, measured and predicted, the held-out ones last."""
    lines = [
        "| array | F | R | acc | LUTs | model | error | FFs | model | error | BRAM | model | DSP "
        "| model | |",
        "|---" * 15 + "|",
    ]
    for row in sorted(model.overlays, key=lambda r: r["held_out"]):
        c, cells = row["config"], []
        for name in ("luts", "ff"):
            cells += [f"{row[k][name]:,}" for k in ("measured", "predicted")]
            cells += [f"{relative_error(row, name):+.1%}"]
        for name in ("bram", "dsp"):
            cells += [f"{row[k][name]}" for k in ("measured", "predicted")]
        sizes = [f"{c['dm']}x{c['dk']}x{c['dn']}", c["memory_bits"], c["requant_lanes"]]
        cells = [*map(str, sizes), str(c["acc_bits"]), *cells]
        lines.append(f"| {' | '.join(cells)} | {'held out' if row['held_out'] else 'fit'} |")
    return lines


def _solve(
    samples: Sequence[Sample], parts: Sequence[str], totals: Iterable[int], exact: Iterable[int]
) -> dict[str, float]:
    """{part: coefficient}: relative least squares of totals - exact over the parts' quantities."""
    amounts = [quantities(sample.config) for sample in samples]
    matrix = np.array([[row[part] for part in parts] for row in amounts], float)
    weight = 1 / np.array(list(totals), float)
    target = 1 - np.array(list(exact), float) * weight
    scale = np.maximum(np.abs(matrix).max(axis=0), 1.0)  # columns of like size: a stable solution
    solution, _ = nnls(matrix * weight[:, None] / scale, target)
    values = (float(f"{value:.6g}") for value in solution / scale)
    return dict(zip(parts, values, strict=True))


def _row(sample: Sample, predicted: Resources) -> dict[str, Any]:
    return {
        "config": asdict(sample.config),
        "held_out": sample.held_out,
        "measured": sample.counts(),
        "predicted": predicted.as_dict(),
        "seconds": sample.measured.seconds,
        "verilog_sha256": sample.measured.verilog_sha256,
    }


def _errors(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """{fit, held_out: {overlays, mean, max}}: absolute relative errors."""
    found = {}
    for group, held_out in (("fit", False), ("held_out", True)):
        errors = [abs(relative_error(r, name)) for r in rows if r["held_out"] == held_out]
        if errors:
            mean, largest = float(np.mean(errors)), max(errors)
            found[group] = {
                "overlays": len(errors),
                "mean": round(mean, 5),
                "max": round(largest, 5),
            }
    return found
