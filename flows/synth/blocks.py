"""A design as blocks, each synthesized once however often it is instantiated, and then kept.

A block is the top, a module with more than one instance anywhere, and, where a report by stages is
wanted, each module directly below the top. Modules inside a block are flattened into it; blocks
below it are black boxes. So nothing is optimized across the border of a block, and what a block
takes depends on its own text alone: it is the same in every overlay that has it.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from codegen.modules import instances, split_modules, totals
from ir.errors import ConfigError

_NUMBER = re.compile(r"\$\d+")
_PORT = re.compile(r"^  (?:input|output|inout) [^;]*;\n", re.M)
_HEADER = re.compile(r"^module .*?\);\n", re.M | re.S)
ALL_BLOCKS = "all_blocks"


@dataclass(frozen=True, kw_only=True)
class Block:
    """text: the block's module and those flattened into it. below: blocks it instantiates.

    count: how many of it the design has. own: how many it instantiates of each block.
    """

    name: str
    count: int
    text: str
    below: tuple[str, ...]
    stub: str

    def digest(self, stubs: Mapping[str, str]) -> str:
        """Of all that its synthesis depends on: its text and the ports of what is below.

        Numbers that Amaranth gives to names differ between overlays: they are counted anew.
        """
        return hashlib.sha256(
            _canonical("\n".join([self.text, *(stubs[name] for name in self.below)])).encode()
        ).hexdigest()


def find_blocks(verilog: str, top: str, *, by_child: bool = True) -> dict[str, Block]:
    """{name: block}, the top first. ConfigError: there is no module `top`.

    by_child: modules directly below the top are blocks, though there is one of each.
    """
    modules = split_modules(verilog)
    if top not in modules:
        raise ConfigError(f"the Verilog has no module {top}")
    counts = totals(verilog, top)
    children = instances(modules[top]) if by_child else ()
    roots = {top, *(name for name in children if name in modules)}
    roots |= {name for name in counts if _times(modules, counts, name) > 1}
    ordered = [top, *(name for name in modules if name in roots and name != top)]
    return {name: _block(modules, counts, roots, name) for name in ordered if name in counts}


def _times(modules: Mapping[str, str], counts: Counter[str], name: str) -> int:
    """How many places of the text instantiate `name`."""
    return sum(instances(modules[parent])[name] for parent in counts)


def _block(modules: Mapping[str, str], counts: Counter[str], roots: set[str], name: str) -> Block:
    texts, below, waiting = [], {}, [name]
    seen = {name}
    while waiting:
        text = modules[waiting.pop()]
        texts.append(text)
        for child in instances(text):
            if child in roots:
                below[child] = None
            elif child in modules and child not in seen:
                seen.add(child)
                waiting.append(child)
    return Block(
        name=name,
        count=counts[name],
        text="\n".join(texts),
        below=tuple(below),
        stub=_stub(modules[name]),
    )


def _stub(text: str) -> str:
    """The module with its ports and nothing in it."""
    header = _HEADER.search(text)
    ports = "".join(_PORT.findall(text))
    return f"(* blackbox *)\n{header[0] if header else ''}{ports}endmodule\n"


def batch_text(blocks: Mapping[str, Block], chosen: list[str]) -> str:
    """Verilog of the `chosen` blocks under one top, ALL_BLOCKS; others are black boxes."""
    stubs = {name for block in chosen for name in blocks[block].below} - set(chosen)
    uses = "".join(f"  (* keep *) {name} block_{i} ();\n" for i, name in enumerate(chosen))
    return "\n".join(
        [
            f"module {ALL_BLOCKS};\n{uses}endmodule\n",
            *(blocks[name].stub for name in sorted(stubs)),
            *(_kept(blocks[name]) for name in chosen),
        ]
    )


def _kept(block: Block) -> str:
    """The block's text, its own module marked to stay a module."""
    return block.text.replace(
        f"module {block.name}", f"(* keep_hierarchy *)\nmodule {block.name}", 1
    )


def _canonical(text: str) -> str:
    """`text` with the numbers behind $ counted in the order of their appearance."""
    seen: dict[str, str] = {}
    return _NUMBER.sub(lambda found: seen.setdefault(found[0], f"${len(seen)}"), text)
