"""`make characterize`: synthesize a spread of overlays and fit the resource model to them.

Every synthesis is kept by content, so an interrupted run goes on where it stopped and an unchanged
one takes seconds. Writes codegen/resource_coefficients/<family>.json and the section "Resource
model" of docs/results.md.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from codegen.emit import emit_verilog
from codegen.resources import FOLDER, Coefficients, families, load_coefficients
from flows.nightly import commit
from flows.resource_fit import Sample, fit, table
from flows.synth import DEFAULT_CACHE, FABRICS, synthesize
from hw.config import OverlayConfig
from hw.overlays.bit_serial import BitSerial
from ir.errors import BitwrightError
from ir.files import read_text, write_json, write_text

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.md"
HEADING = "## Resource model"
COLUMNS = (
    *("dm", "dk", "dn", "memory_bits", "lhs_depth", "rhs_depth", "ring_depth", "table_depth"),
    *("acc_bits", "requant_lanes"),
)

# Small to medium, each synthesis under two minutes: 256-lane arrays of all proportions, then one
# size at a time moved away from 4x16x4.
SPREAD = (
    (4, 16, 4, 64, 1024, 512, 256, 64, 20, 1),
    (1, 16, 1, 64, 256, 256, 64, 32, 16, 1),
    (4, 64, 4, 64, 1024, 1024, 256, 128, 32, 1),
    (8, 16, 4, 64, 512, 512, 128, 64, 24, 2),
    (2, 16, 8, 32, 1024, 512, 256, 64, 16, 2),
    (4, 48, 3, 64, 512, 2048, 128, 128, 24, 4),
    (8, 64, 2, 128, 256, 4096, 128, 64, 28, 2),
    (4, 32, 8, 64, 1024, 128, 64, 256, 20, 1),
    (2, 128, 2, 64, 512, 512, 512, 64, 20, 1),
    (3, 20, 5, 64, 512, 256, 128, 64, 18, 3),
    (8, 24, 8, 128, 512, 512, 64, 64, 20, 8),
    (2, 64, 2, 64, 2048, 1024, 128, 64, 24, 1),
    (6, 16, 3, 128, 512, 1024, 128, 64, 24, 1),
    (8, 8, 8, 64, 256, 256, 64, 32, 16, 1),
    (4, 4, 16, 64, 256, 256, 64, 32, 12, 1),
    (4, 16, 4, 64, 512, 512, 256, 64, 20, 4),
    (16, 16, 2, 64, 512, 512, 64, 64, 20, 2),
    (4, 16, 12, 64, 512, 512, 256, 64, 20, 1),
)
# On ECP5, whose carries and DSPs spread more, a few more.
EXTRA = {
    "ecp5": (
        (4, 16, 8, 64, 512, 512, 256, 64, 20, 1),
        (4, 16, 1, 64, 512, 512, 256, 64, 20, 1),
        (4, 64, 2, 64, 512, 512, 256, 64, 20, 1),
        (8, 16, 8, 64, 512, 512, 128, 64, 20, 1),
        (8, 64, 4, 64, 512, 512, 64, 64, 24, 2),
        (4, 16, 4, 32, 512, 512, 256, 64, 20, 1),
        (8, 128, 2, 64, 512, 512, 64, 64, 24, 1),
    )
}
HELD_OUT_SEED, HELD_OUT = 2, 4


def spread(family: str) -> list[tuple[OverlayConfig, bool]]:
    """(overlay, held out) of a family's overlays; those held out are drawn, not chosen."""
    chosen: list[OverlayConfig] = [_overlay(row) for row in (*SPREAD, *EXTRA.get(family, ()))]
    drawn = drawn_overlays(HELD_OUT_SEED, HELD_OUT)
    return [(c, False) for c in chosen] + [(c, True) for c in drawn]


def drawn_overlays(seed: int, count: int) -> list[OverlayConfig]:
    """Random overlays of 128 to 512 lanes, as sizing would build them for small networks."""
    rng = np.random.default_rng(seed)
    found: list[OverlayConfig] = []
    while len(found) < count:
        dm, dn = int(rng.choice([2, 4, 6, 8, 12, 16])), int(rng.integers(1, 13))
        dk = int(rng.choice([4, 8, 16, 24, 32, 48, 64]))
        lanes = int(rng.choice([r for r in range(1, 5) if dm % r == 0]))
        lhs, rhs, ring, table_depth = (int(rng.choice(d)) for d in _DEPTHS)
        acc = int(rng.integers(12, 29))
        if 128 <= dm * dk * dn <= 512:
            row = (dm, dk, dn, 64, lhs, rhs, ring, table_depth, acc, lanes)
            found.append(_overlay(row))
    return found


_DEPTHS = ((128, 256, 1024, 2048), (64, 256, 512, 1024), (32, 64, 128), (32, 64, 128))


def _overlay(row: Sequence[int]) -> OverlayConfig:
    return BitSerial(**dict(zip(COLUMNS, row, strict=True)))


def characterize(family: str, *, cache: str | Path = DEFAULT_CACHE) -> Coefficients:
    """Synthesize the spread for `family` and fit; one line for each overlay as it is done."""
    samples = []
    overlays = spread(family)
    for index, (config, held_out) in enumerate(overlays, 1):
        measured = synthesize(emit_verilog(config), family=family, cache=cache)
        samples.append(Sample(config=config, held_out=held_out, measured=measured))
        print(
            f"{family} {index}/{len(overlays)}: {config.dm}x{config.dk}x{config.dn} "
            f"{measured.luts:,} LUTs, {measured.ff:,} FFs, {measured.bram} block RAMs "
            f"({measured.seconds:.0f} s)",
            flush=True,
        )
    return fit(family, samples, hardware=commit())


def write_model(model: Coefficients) -> Path:
    """The data file of a family's model."""
    return write_json(FOLDER / f"{model.family}.json", asdict(model))


def results_section(models: Sequence[Coefficients]) -> str:
    """The section of docs/results.md."""
    lines = [
        HEADING,
        "",
        "LUTs, flip-flops and block RAMs (18 Kbit) of whole overlays, counted by yosys before",
        "packing and placement, beside what `codegen/resources.py` predicts. LUTs are logic,",
        "memory and, on ECP5, two for each carry cell. Overlays marked *held out* were drawn at",
        "random and took no part in the fit. Vendor tools count differently: these are not Vivado",
        "or Diamond figures. Made by `make characterize`.",
    ]
    for model in models:
        title = f"### {model.family}: {model.tool} {model.version}, hardware of {model.hardware}"
        lines += ["", title, "", *_summary(model), ""]
        lines += table(model)
    return "\n".join(lines) + "\n"


def _summary(model: Coefficients) -> list[str]:
    lines = ["| error of the model | overlays | LUTs, mean / max | FFs, mean / max | BRAM | DSP |"]
    lines += ["|---|---|---|---|---|---|"]
    for group in ("fit", "held_out"):
        errors = {name: model.errors[name][group] for name in model.errors}
        shown = [f"{errors[n]['mean']:.1%} / {errors[n]['max']:.1%}" for n in ("luts", "ff")]
        shown += ["exact" if errors[n]["max"] == 0 else f"{errors[n]['max']:.0%}" for n in _EXACT]
        lines.append(
            f"| {group.replace('_', ' ')} | {errors['luts']['overlays']} | {' | '.join(shown)} |"
        )
    return lines


_EXACT = ("bram", "dsp")


def write_results(models: Sequence[Coefficients], path: Path = RESULTS) -> Path:
    """Put the section into docs/results.md, in place of the one that is there."""
    text = read_text(path) if path.exists() else "# Results\n"
    before, found, after = text.partition(HEADING)
    rest = after.partition("\n## ")[2] if found else ""
    parts = [before.rstrip() + "\n", results_section(models)]
    return write_text(path, "\n".join([*parts, f"## {rest}"] if rest else parts))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: the families to characterize, all of them by default."""
    parser = argparse.ArgumentParser(prog="characterize", description=__doc__)
    parser.add_argument("families", nargs="*", default=[], help=", ".join(sorted(FABRICS)))
    parser.add_argument("--cache", default=str(DEFAULT_CACHE))
    given = parser.parse_args(arguments)
    try:
        for family in given.families or sorted(FABRICS):
            print(write_model(characterize(family, cache=given.cache)))
        load_coefficients.cache_clear()
        print(write_results([load_coefficients(family) for family in families()]))
    except BitwrightError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
