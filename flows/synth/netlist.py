"""The netlist that nextpnr places, as Verilog for a simulator: what synthesis made of a design.

    text = netlist_verilog(Design(verilog=text, top=TOP, part="LFE5U-85F-6BG381C", clock_mhz=50))

Cells are expanded by the models that come with yosys; block RAMs and multipliers, which are black
boxes there, by those of cells/. The top keeps its name and its ports.
"""

import shutil
from pathlib import Path

from boards.parts import find_part
from flows.lock import hold
from flows.synth.launch import content_key, fresh_folder, run_yosys
from flows.synth.place import DEFAULT_CACHE, Design, synthesize_netlist
from flows.synth.tools import find_yosys
from ir.errors import ConfigError
from ir.files import read_text, write_text

CELLS = Path(__file__).with_name("cells")
MODELS = {"ecp5": ("+/ecp5/cells_sim.v", ("LUT4", "DP16KD", "MULT18X18D"))}
"""{family: (yosys' own models, cells with models of ours instead)}."""


def netlist_verilog(design: Design, cache: str | Path = DEFAULT_CACHE) -> str:
    """`design` after synthesis for its part. ConfigError: no models of the part's family.

    A cell in a mode that our models do not know is a ToolError that names it.
    """
    part = find_part(design.part)
    if part.family not in MODELS:
        raise ConfigError(
            f"netlists of family {part.family!r} cannot be simulated: there are cell models for "
            f"{', '.join(MODELS)}"
        )
    known, boxes = MODELS[part.family]
    netlist = synthesize_netlist(design, part, cache)
    models = [CELLS / f"{cell}.v" for cell in boxes]
    yosys = find_yosys()
    script = _script(design.top, known, [path.name for path in models])
    texts = [read_text(path) for path in models]
    key = content_key([netlist.parent.name, script, texts, yosys.version])
    place = Path(cache).absolute() / f"{key}.v"
    with hold(place.with_suffix(".lock")):
        if not place.is_file():
            work = fresh_folder(place.with_suffix(".work"))
            shutil.copyfile(netlist, work / "netlist.json")
            for path, text in zip(models, texts, strict=True):
                write_text(work / path.name, text)
            run_yosys(yosys, script, work, expects=["plain.v"])
            (work / "plain.v").replace(place)
            shutil.rmtree(work)
    return read_text(place)


def _script(top: str, known: str, models: list[str]) -> str:
    """Nets of cells get short names: they would be most of the text."""
    steps = [
        "read_json netlist.json",
        "delete =A:blackbox",
        f"read_verilog -overwrite {known}",
        f"read_verilog -overwrite {' '.join(models)}",
        f"hierarchy -check -top {top}",
        "proc",
        "flatten",
        "rename -hide",
        "opt_expr",
        "opt_clean -purge",
        "write_verilog -noattr plain.v",
    ]
    return "\n".join(steps) + "\n"
