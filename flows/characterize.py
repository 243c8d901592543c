"""`make characterize`: synthesize a spread of overlays and fit the resource model to them.

Every synthesis is kept by content, so an interrupted run goes on where it stopped and an unchanged
one takes seconds. Writes codegen/resource_coefficients/<family>.json and the section "Resource
model" of docs/results.md.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from codegen.emit import emit_verilog
from codegen.resources import FOLDER, Coefficients, families, load_coefficients
from flows.nightly import commit
from flows.resource_fit import Sample, fit, table
from flows.synth import DEFAULT_CACHE, Synthesis, synthesize
from hw.config import OverlayConfig
from hw.fabric import fabric_of
from hw.overlays.bit_serial import BitSerial
from hw.overlays.bit_slice import BitSlice
from ir.errors import BitwrightError, ConfigError
from ir.files import read_text, write_json, write_text

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.md"
HEADING = "## Resource model"
FAMILIES = ("xc7", "ecp5")
COLUMNS = (
    *("dm", "dk", "dn", "memory_bits", "lhs_depth", "rhs_depth", "ring_depth", "table_depth"),
    *("rhs_ways", "acc_bits", "requant_lanes"),
)

# The corners of the space, which a draw seldom meets: single units, long words, wide and narrow
# arrays, all rows requantized at once.
CORNERS = (
    (1, 16, 1, 64, 256, 256, 64, 32, 1, 16, 1),
    (4, 64, 4, 64, 1024, 1024, 256, 128, 4, 32, 2),
    (8, 64, 8, 64, 2048, 4096, 1024, 512, 4, 32, 4),
    (2, 256, 2, 64, 512, 512, 512, 64, 1, 20, 1),
    (8, 8, 8, 64, 256, 256, 64, 32, 2, 16, 8),
    (4, 4, 16, 64, 256, 256, 64, 32, 2, 12, 1),
    (16, 16, 2, 64, 512, 512, 64, 64, 2, 20, 2),
    (3, 20, 5, 32, 512, 256, 128, 64, 1, 18, 3),
)
FIT_SEED, FIT = 11, 24
HELD_OUT_SEED, HELD_OUT = 2, 32
LEAST_LANES, MOST_LANES = 16, 2048

_DEPTHS = ((128, 256, 1024, 2048), (64, 256, 512, 1024, 4096), (32, 64, 128, 512), (32, 64, 256))
_DIGITS = ((1, 1), (1, 1), (1, 1), (1, 2), (2, 1), (2, 2), (1, 4), (2, 4), (4, 2), (4, 4))


def spread() -> list[tuple[OverlayConfig, bool]]:
    """(overlay, held out) of all overlays: corners and a draw to fit, another draw to judge."""
    fitted = [BitSerial(**dict(zip(COLUMNS, row, strict=True))) for row in CORNERS]
    fitted += drawn_overlays(FIT_SEED, FIT)
    held_out = [c for c in drawn_overlays(HELD_OUT_SEED, HELD_OUT + 8) if c not in fitted]
    return [(c, False) for c in fitted] + [(c, True) for c in held_out[:HELD_OUT]]


def drawn_overlays(seed: int, count: int) -> list[OverlayConfig]:
    """Random overlays of LEAST_LANES to MOST_LANES lanes and all sizes of digits."""
    rng = np.random.default_rng(seed)
    found: list[OverlayConfig] = []
    while len(found) < count:
        p, q = _DIGITS[rng.integers(len(_DIGITS))]
        row = {
            "dm": int(rng.choice([1, 2, 3, 4, 6, 8, 12, 16])),
            "dk": int(rng.choice([4, 8, 16, 24, 32, 48, 64, 96, 128, 256])),
            "dn": int(rng.integers(1, 13)),
            "memory_bits": int(rng.choice([32, 64, 64, 128])),
            "rhs_ways": int(rng.choice([1, 2, 4])),
            "acc_bits": int(rng.integers(12, 33)),
            "k_split": int(rng.integers(4) == 0),
        }
        names = ("lhs_depth", "rhs_depth", "ring_depth", "table_depth")
        row |= {name: int(rng.choice(depths)) for name, depths in zip(names, _DEPTHS, strict=True)}
        row["requant_lanes"] = int(rng.choice([r for r in range(1, 5) if row["dm"] % r == 0]))
        lanes = row["dm"] * row["dk"] * row["dn"]
        if not LEAST_LANES <= lanes <= MOST_LANES:
            continue
        with contextlib.suppress(ConfigError):  # sizes that do not go together
            found.append(BitSerial(**row) if p * q == 1 else BitSlice(**row, p=p, q=q))
    return found


def characterize(
    family: str,
    *,
    overlays: Sequence[tuple[OverlayConfig, bool]] | None = None,
    jobs: int = 1,
    cache: str | Path = DEFAULT_CACHE,
) -> Coefficients:
    """Synthesize the spread for `family` and fit; one line for each overlay as it is done.

    jobs: how many yosys run at once. What other overlays have in common is synthesized once.
    """
    built = {"fabric": fabric_of(family)}
    chosen = [(replace(config, **built), held_out) for config, held_out in overlays or spread()]
    samples = []
    with ProcessPoolExecutor(jobs) as pool:
        counts = [pool.submit(_measure, config, family, str(cache)) for config, _ in chosen]
        for number, ((config, held_out), count) in enumerate(zip(chosen, counts, strict=True), 1):
            try:
                measured = count.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            samples.append(Sample(config=config, held_out=held_out, measured=measured))
            print(
                f"{family} {number}/{len(chosen)}: {config.dm}x{config.dk}x{config.dn} "
                f"{measured.luts:,} LUTs, {measured.ff:,} FFs, {measured.bram} block RAMs "
                f"({measured.seconds:.0f} s)",
                flush=True,
            )
    return fit(family, samples, hardware=commit())


def _measure(config: OverlayConfig, family: str, cache: str) -> Synthesis:
    return synthesize(emit_verilog(config), family=family, cache=cache)


def write_model(model: Coefficients) -> Path:
    """The data file of a family's model."""
    return write_json(FOLDER / f"{model.family}.json", asdict(model))


def results_section(models: Sequence[Coefficients]) -> str:
    """The section of docs/results.md."""
    lines = [
        HEADING,
        "",
        "LUTs, flip-flops and block RAMs (18 Kbit) of whole overlays, counted by yosys before",
        "packing and placement, beside what `codegen/resources.py` predicts. An overlay counts as",
        "the sum of its blocks, each synthesized by itself (flows/synth/blocks.py). LUTs are",
        "logic, memory and, on ECP5, two for each carry cell. Overlays marked *held out* were",
        "drawn at random and took no part in the fit. Vendor tools count differently: these are",
        "not Vivado or Diamond figures. Made by `make characterize`.",
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
    parser.add_argument("families", nargs="*", default=[], help=", ".join(FAMILIES))
    parser.add_argument("--cache", default=str(DEFAULT_CACHE))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    given = parser.parse_args(arguments)
    try:
        for family in given.families or FAMILIES:
            model = characterize(family, jobs=max(1, given.jobs), cache=given.cache)
            print(write_model(model))
        load_coefficients.cache_clear()
        print(write_results([load_coefficients(family) for family in families()]))
    except BitwrightError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
