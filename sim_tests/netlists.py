"""Overlays after synthesis: the netlist that nextpnr places runs random jobs in the harness.

`python -m sim_tests.netlists [OVERLAY ...]`: bit-exact against the golden model, measured cycles
and counters as predicted, as for the Verilog that was synthesized; about two minutes an overlay.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from codegen.emit import emit_verilog
from flows.synth.netlist import netlist_verilog
from flows.synth.place import Design
from hw.overlay import TOP
from ir.errors import BitwrightError, ConfigError, did_you_mean
from sim_tests.random_jobs import FABRIC, random_job, run_jobs

PART = "LFE5U-85F-6BG381C"
NETLISTS = tuple(name for name in FABRIC if name.endswith("-ecp5"))
JOBS = 12


def run_netlist(overlay: str, jobs: int = JOBS) -> int:
    """The cycles that `jobs` random jobs took on the netlist of an overlay of NETLISTS.

    AssertionError with the reproducer: a result or a cycle differs.
    """
    drawn = [random_job(overlay, seed) for seed in range(jobs)]
    verilog = emit_verilog(drawn[0].network.config)
    netlist = netlist_verilog(Design(verilog=verilog, top=TOP, part=PART, clock_mhz=50.0))
    return run_jobs(drawn, verilog=netlist)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: the overlays, by default all of NETLISTS."""
    parser = argparse.ArgumentParser(prog="netlists", description=__doc__, allow_abbrev=False)
    parser.add_argument("overlays", nargs="*", default=list(NETLISTS), help=", ".join(NETLISTS))
    given = parser.parse_args(arguments)
    try:
        for overlay in given.overlays:
            if overlay not in NETLISTS:
                raise ConfigError(
                    f"no netlist {overlay!r}{did_you_mean(overlay, NETLISTS)}; there is: "
                    f"{', '.join(NETLISTS)}"
                )
        for overlay in given.overlays:
            cycles = run_netlist(overlay)
            print(f"{overlay}: {JOBS} jobs bit-exact, {cycles:,} cycles as predicted", flush=True)
    except BitwrightError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{len(given.overlays)} netlists: {len(given.overlays) * JOBS} jobs exact")
    return 0


if __name__ == "__main__":
    sys.exit(main())
