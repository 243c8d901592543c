"""Synthesis, place and route with open tools: what a design takes, how fast it is, its bitstream.

area.py    what yosys counts            place.py  placed by nextpnr, and its bitstream
tools.py   which programs there are     boards/parts.py  which parts they know
"""

from flows.synth.area import DEFAULT_CACHE, BlockCount, Synthesis, synthesize
from flows.synth.fabric import FABRICS, find_fabric
from flows.synth.place import Design, Placement, implement
from flows.synth.tools import Tool, find_tool, find_yosys

__all__ = [
    "DEFAULT_CACHE",
    "FABRICS",
    "BlockCount",
    "Design",
    "Placement",
    "Synthesis",
    "Tool",
    "find_fabric",
    "find_tool",
    "find_yosys",
    "implement",
    "synthesize",
]
