"""The clock part of `make characterize`: place small overlays and fit the clock model to them.

One seed an overlay, as many at once as there are processors. Placements are kept by content, so an
interrupted run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from codegen.clock_model import FOLDER, ClockModel, predict_clock_mhz, quantities
from codegen.emit import emit_verilog
from codegen.resources import predict_resources
from flows.synth.fmax import DEVICES, measure_fmax
from flows.synth.place import DEFAULT_CACHE, Placement
from hw.config import OverlayConfig
from hw.fabric import fabric_of
from hw.overlay import TOP
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import ConfigError
from ir.files import write_json

FAMILY = "ecp5"
SEED = 1
MOST_CELLS = 9_000
"""Predicted LUTs of what is held out: placed it takes up to a tenth more, so fewer than 10,000."""
FIT_DRAW, FIT = 21, 8
SMALL_FIT_DRAW, SMALL_FIT = 22, 6
HELD_OUT_DRAW, HELD_OUT = 23, 6
CELL = {"ecp5": "TRELLIS_COMB"}
_DIGITS = ((1, 1), (1, 1), (1, 2), (2, 2))
_SIZES = {
    "dm": (1, 2, 3),
    "dk": (8, 16, 24, 32),
    "dn": (1, 2, 3, 4),
    "memory_bits": (32, 32, 64),
    "lhs_depth": (128, 256, 1024),
    "rhs_depth": (256, 512, 2048),
    "ring_depth": (64, 128, 512),
    "table_depth": (32, 64, 256),
}


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An overlay and what one placement of it reached. cells: of the kind that holds logic."""

    config: OverlayConfig
    held_out: bool
    cells: int
    fmax_mhz: float
    placer: tuple[str, str]


def small_overlays(
    seed: int, count: int, family: str = FAMILY, *, most_cells: float = inf
) -> list[OverlayConfig]:
    """Random overlays with arrays of few units, below `most_cells` predicted cells.

    ConfigError: hardly any is that small.
    """
    rng = np.random.default_rng(seed)
    found: list[OverlayConfig] = []
    for _ in range(1000 * count):
        if len(found) == count:
            return found
        p, q = _DIGITS[rng.integers(len(_DIGITS))]
        sizes = {name: int(rng.choice(choices)) for name, choices in _SIZES.items()}
        sizes |= {"acc_bits": int(rng.integers(12, 25)), "requant_lanes": 1, "rhs_ways": 1}
        style = BitSerial(**sizes) if p * q == 1 else BitSlice(**sizes, p=p, q=q)
        config = replace(style, fabric=fabric_of(family))
        if config not in found and predict_resources(config, family).luts < most_cells:
            found.append(config)
    raise ConfigError(
        f"{len(found)} of {count} drawn overlays have fewer than {most_cells:,} cells"
    )


def fitted_overlays(family: str = FAMILY) -> list[OverlayConfig]:
    """Those whose placements the model is fitted to: SMALL_FIT of them below MOST_CELLS."""
    small = small_overlays(SMALL_FIT_DRAW, SMALL_FIT, family, most_cells=MOST_CELLS)
    return small_overlays(FIT_DRAW, FIT, family) + small


def held_out_overlays(family: str = FAMILY) -> list[OverlayConfig]:
    """Those that judge it: another draw, below MOST_CELLS."""
    return small_overlays(HELD_OUT_DRAW, HELD_OUT, family, most_cells=MOST_CELLS)


def characterize_clock(
    family: str = FAMILY,
    *,
    hardware: str,
    overlays: Sequence[tuple[OverlayConfig, bool]] | None = None,
    jobs: int = 1,
    cache: str | Path = DEFAULT_CACHE,
) -> ClockModel:
    """Place the (overlay, held out) and fit; one line for each as it is done.

    hardware: the commit that is placed. jobs: how many at once.
    """
    chosen = overlays or [
        *((config, False) for config in fitted_overlays(family)),
        *((config, True) for config in held_out_overlays(family)),
    ]
    found = []
    with ProcessPoolExecutor(jobs) as pool:
        runs = [pool.submit(_place, config, family, str(cache)) for config, _ in chosen]
        for number, ((config, held_out), run) in enumerate(zip(chosen, runs, strict=True), 1):
            try:
                placement = run.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            found.append(_placed(config, held_out, placement, family))
            print(f"{family} clock {number}/{len(chosen)}: {_line(found[-1])}", flush=True)
    return fit(family, found, hardware=hardware)


def fit(family: str, placed: Sequence[Placed], *, hardware: str) -> ClockModel:
    """The model, with its errors and the overlays behind it: least squares of relative errors."""
    used = [one for one in placed if not one.held_out]
    rows = [quantities(one.config, family) for one in used]
    parts = list(rows[0])
    periods = np.array([1000 / one.fmax_mhz for one in used])
    matrix = np.array([[row[part] for part in parts] for row in rows])
    solution, _ = nnls(matrix / periods[:, None], np.ones(len(used)))
    tool, version = placed[0].placer
    bare = ClockModel(
        family=family,
        device=DEVICES[family],
        tool=tool,
        version=version,
        hardware=hardware,
        period_ns={part: float(f"{x:.5g}") for part, x in zip(parts, solution, strict=True)},
        errors={},
        overlays=(),
    )
    overlays = [_row(one, predict_clock_mhz(one.config, family, bare)) for one in placed]
    return replace(bare, errors=_errors(overlays), overlays=tuple(overlays))


def write_clock_model(model: ClockModel) -> Path:
    """The data file of a family's model."""
    return write_json(FOLDER / f"{model.family}.json", asdict(model))


def clock_table(model: ClockModel) -> list[str]:
    """Markdown: the errors, and every overlay, the held-out ones last."""
    lines = [
        f"### Clock, {model.family}: {model.tool} {model.version} on {model.device}, seed {SEED}, "
        f"hardware of {model.hardware}",
        "",
        "| error of the model | overlays | mean | max |",
        "|---|---|---|---|",
    ]
    for group, found in model.errors.items():
        shown = f"{found['overlays']} | {found['mean']:.1%} | {found['max']:.1%}"
        lines.append(f"| {group.replace('_', ' ')} | {shown} |")
    lines += ["", "| array | digits | F | cells | MHz | model | error | |", "|---" * 8 + "|"]
    for row in sorted(model.overlays, key=lambda r: r["held_out"]):
        c = row["config"]
        sizes = [f"{c['dm']}x{c['dk']}x{c['dn']}", f"{c.get('p', 1)}x{c.get('q', 1)}"]
        cells = [*sizes, str(c["memory_bits"]), f"{row['cells']:,}", f"{row['fmax_mhz']:.1f}"]
        cells += [f"{row['predicted_mhz']:.1f}", f"{relative_error(row):+.1%}"]
        lines.append(f"| {' | '.join(cells)} | {'held out' if row['held_out'] else 'fit'} |")
    return lines


def relative_error(row: Mapping[str, Any]) -> float:
    """(predicted - placed) / placed of an overlay's row."""
    return row["predicted_mhz"] / row["fmax_mhz"] - 1


def _place(config: OverlayConfig, family: str, cache: str) -> Placement:
    return measure_fmax(
        emit_verilog(config), top=TOP, part=DEVICES[family], seeds=[SEED], cache=cache
    ).placements[0]


def _placed(config: OverlayConfig, held_out: bool, found: Placement, family: str) -> Placed:
    return Placed(
        config=config,
        held_out=held_out,
        cells=found.utilization[CELL[family]]["used"],
        fmax_mhz=found.fmax_mhz,
        placer=(found.tool, found.version),
    )


def _line(one: Placed) -> str:
    size = f"{one.config.dm}x{one.config.dk}x{one.config.dn}"
    return f"{size} {one.cells:,} cells, {one.fmax_mhz:.1f} MHz"


def _row(one: Placed, predicted: float) -> dict[str, Any]:
    return {
        "style": one.config.style,
        "config": asdict(one.config),
        "held_out": one.held_out,
        "cells": one.cells,
        "fmax_mhz": one.fmax_mhz,
        "predicted_mhz": round(predicted, 2),
    }


def _errors(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """{fit, held_out: {overlays, mean, max}}: absolute relative errors of the clock."""
    found = {}
    for group, held_out in (("fit", False), ("held_out", True)):
        errors = [abs(relative_error(row)) for row in rows if row["held_out"] == held_out]
        if errors:
            mean, largest = round(float(np.mean(errors)), 5), round(max(errors), 5)
            found[group] = {"overlays": len(errors), "mean": mean, "max": largest}
    return found
