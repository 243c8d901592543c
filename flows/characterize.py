"""`make characterize`: fit the models of area and clock to overlays, synthesized and placed.

Every synthesis and placement is kept by content: an interrupted run goes on where it stopped, and
an unchanged one takes seconds. Writes codegen/resource_coefficients/<family>.json and
codegen/clock_coefficients/<family>.json, and the section "Resource model" of docs/results.md.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from codegen.clock_model import ClockModel, clock_families, load_clock_model
from codegen.emit import emit_verilog
from codegen.resources import FOLDER, Coefficients, families, load_coefficients
from flows.characterize_clock import characterize_clock, clock_table, write_clock_model
from flows.nightly import commit
from flows.resource_fit import Sample, fit, table
from flows.spread import spread
from flows.synth import DEFAULT_CACHE, Synthesis, synthesize
from hw.config import OverlayConfig
from hw.fabric import fabric_of
from ir.errors import BitwrightError, ConfigError, did_you_mean
from ir.files import read_text, write_json, write_text

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.md"
HEADING = "## Resource model"
CLOCK = "clock"
PARTS = ("xc7", "ecp5", CLOCK)
"""The families whose area is fitted, and the clock of the one that is placed."""


def characterize(
    family: str,
    *,
    hardware: str,
    overlays: Sequence[tuple[OverlayConfig, bool]] | None = None,
    jobs: int = 1,
    cache: str | Path = DEFAULT_CACHE,
) -> Coefficients:
    """Synthesize the spread for `family` and fit; one line for each overlay as it is done.

    hardware: the commit that is synthesized. jobs: how many yosys run at once. What other overlays
    have in common is synthesized once.
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
    return fit(family, samples, hardware=hardware)


def _measure(config: OverlayConfig, family: str, cache: str) -> Synthesis:
    return synthesize(emit_verilog(config), family=family, cache=cache)


def write_model(model: Coefficients) -> Path:
    """The data file of a family's model."""
    return write_json(FOLDER / f"{model.family}.json", asdict(model))


def results_section(models: Sequence[Coefficients], clocks: Sequence[ClockModel] = ()) -> str:
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
    for clock in clocks:
        lines += ["", *clock_table(clock)]
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


def write_results(
    models: Sequence[Coefficients], clocks: Sequence[ClockModel] = (), path: Path = RESULTS
) -> Path:
    """Put the section into docs/results.md, in place of the one that is there."""
    text = read_text(path) if path.exists() else "# Results\n"
    before, found, after = text.partition(HEADING)
    rest = after.partition("\n## ")[2] if found else ""
    parts = [before.rstrip() + "\n", results_section(models, clocks)]
    return write_text(path, "\n".join([*parts, f"## {rest}"] if rest else parts))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: what to characterize, all of it by default."""
    parser = argparse.ArgumentParser(prog="characterize", description=__doc__, allow_abbrev=False)
    parser.add_argument("parts", nargs="*", default=[], help=", ".join(PARTS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    given = parser.parse_args(arguments)
    hardware = commit()  # before the first data file changes the tree
    try:
        for part in given.parts or PARTS:
            print(_characterized(part, hardware, max(1, given.jobs)))
        print(write_results(*_models()))
    except BitwrightError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _characterized(part: str, hardware: str, jobs: int) -> Path:
    """The data file of one of PARTS, made again."""
    if part not in PARTS:
        raise ConfigError(
            f"nothing to characterize is called {part!r}{did_you_mean(part, PARTS)}; there is: "
            f"{', '.join(PARTS)}"
        )
    if part == CLOCK:
        load_coefficients.cache_clear()
        return write_clock_model(characterize_clock(hardware=hardware, jobs=jobs))
    return write_model(characterize(part, hardware=hardware, jobs=jobs))


def _models() -> tuple[list[Coefficients], list[ClockModel]]:
    """What lies in the data files now."""
    load_coefficients.cache_clear()
    load_clock_model.cache_clear()
    return (
        [load_coefficients(family) for family in families()],
        [load_clock_model(family) for family in clock_families()],
    )


if __name__ == "__main__":
    sys.exit(main())
