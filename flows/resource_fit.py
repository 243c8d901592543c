"""Fits the resource model to synthesized overlays, and says how far off it is.

Each stage of the hardware is fitted by itself, to the blocks that make it. Coefficients are those
that minimise the squared relative error and are not negative: a part cannot take less than nothing.
Held-out overlays take no part in the fit.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from codegen.block_ram import map_memories
from codegen.quantities import STAGES, quantities
from codegen.resources import Coefficients, Resources, predict_resources
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

    def stage(self, name: str) -> tuple[int, int]:
        """(LUTs, flip-flops) of a stage's blocks; LUTs that are memory are a stage of their own."""
        if name == "memory":
            known = map_memories(self.config, self.measured.family).luts
            return max(0, self.measured.lut_memory - known), 0
        blocks = [b for b in self.measured.blocks if stage_of(b.name) == name]
        luts = sum(b.count * (b.luts - b.lut_memory) for b in blocks)
        return luts, sum(b.count * b.ff for b in blocks)


def stage_of(block: str) -> str:
    """The stage of STAGES that a block belongs to, by its module's name."""
    name = block.removeprefix("\\").removeprefix("bitwright_overlay.")
    if name.startswith("dpu_"):
        return "array"
    first = re.split(r"[.$]", name)[0]
    return first if first in STAGES else "control"


def fit(family: str, samples: Sequence[Sample], *, hardware: str) -> Coefficients:
    """The model of `family`, with its errors and the overlays behind it.

    hardware: the commit that was synthesized.
    """
    used = [sample for sample in samples if not sample.held_out]
    newest = samples[0].measured
    luts: dict[str, float] = {}
    ff: dict[str, float] = {}
    for stage in STAGES:
        counts = [sample.stage(stage) for sample in used]
        luts |= _solve(used, stage, [count for count, _ in counts])
        ff |= _solve(used, stage, [count for _, count in counts])
    bare = Coefficients(
        family=family,
        tool=newest.tool,
        version=newest.version,
        hardware=hardware,
        luts=luts,
        ff=ff,
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
        "| array | digits | F | R | acc | LUTs | model | error | FFs | model | error "
        "| BRAM | model | DSP | model | |",
        "|---" * 16 + "|",
    ]
    for row in sorted(model.overlays, key=lambda r: r["held_out"]):
        c, cells = row["config"], []
        for name in ("luts", "ff"):
            cells += [f"{row[k][name]:,}" for k in ("measured", "predicted")]
            cells += [f"{relative_error(row, name):+.1%}"]
        for name in ("bram", "dsp"):
            cells += [f"{row[k][name]}" for k in ("measured", "predicted")]
        sizes = [f"{c['dm']}x{c['dk']}x{c['dn']}", f"{c.get('p', 1)}x{c.get('q', 1)}"]
        sizes += [c["memory_bits"], c["requant_lanes"]]
        cells = [*map(str, sizes), str(c["acc_bits"]), *cells]
        lines.append(f"| {' | '.join(cells)} | {'held out' if row['held_out'] else 'fit'} |")
    return lines


def _solve(samples: Sequence[Sample], stage: str, totals: Sequence[int]) -> dict[str, float]:
    """{part: coefficient} of a stage: least squares relative to the whole overlay's size.

    An error of a stage counts as much as it changes the sum: small stages may be coarse.
    """
    amounts = [quantities(sample.config, sample.measured.family) for sample in samples]
    parts = [part for part in amounts[0] if part.startswith(f"{stage}.")]
    matrix = np.array([[row[part] for part in parts] for row in amounts], float)
    weight = 1 / np.array([sample.measured.luts for sample in samples], float)
    scale = np.maximum(np.abs(matrix).max(axis=0), 1.0)  # columns of like size: a stable solution
    solution, _ = nnls(matrix * weight[:, None] / scale, np.array(totals, float) * weight)
    values = (float(f"{value:.6g}") for value in solution / scale)
    return dict(zip(parts, values, strict=True))


def _row(sample: Sample, predicted: Resources) -> dict[str, Any]:
    return {
        "style": sample.config.style,
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
