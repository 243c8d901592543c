"""Generated pages are what the tables say today, numbers of pictures are the code's, and links lead
somewhere."""

import importlib
import re
from pathlib import Path

import pytest

from flows.docs import ISA_PAGE, REGISTERS_PAGE, ROOT, main
from hw import csr
from hw.array import drain_latency
from hw.dpu import latency
from hw.emit import READY_TO_STEP
from hw.execute import ISSUE_TO_READ, taken_to_issue
from hw.operands import READ_LATENCY
from hw.overlays.bit_serial import BitSerial
from hw.requantize import REQUANTIZE_LATENCY
from hw.result import SELECT_TO_CODE
from ir import isa

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def test_the_generated_pages_are_fresh():
    assert ISA_PAGE.read_text() == isa.markdown(), "run: make docs"
    assert REGISTERS_PAGE.read_text() == csr.markdown(), "run: make docs"


def test_the_pages_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("ISA", "REGISTERS", "UART"):
        monkeypatch.setattr(f"flows.docs.{name}_PAGE", tmp_path / f"{name}.md")
    main()
    assert (tmp_path / "ISA.md").read_text().startswith("# Instruction set")
    assert "| 0x004 | `CONTROL` | wo |" in (tmp_path / "REGISTERS.md").read_text()
    assert (tmp_path / "UART.md").read_text().startswith("# The host link")


def test_the_picture_of_a_tile_has_the_codes_numbers():
    """docs/hw-timing.svg, of 64 portable lanes with a bit a digit; columns of 29 from 190 on."""
    picture, config = (DOCS / "hw-timing.svg").read_text(), BitSerial(dm=1, dk=64, dn=2)
    unit, drain = latency(64, 1, 1), config.latencies().issue_to_drain
    parts = f"{ISSUE_TO_READ} + {READ_LATENCY} + (1 + {unit} + 1)"
    assert drain == ISSUE_TO_READ + READ_LATENCY + drain_latency(config)
    for words in (
        f"issue_to_drain = {parts} = {drain}<",
        f"SELECT_TO_CODE = {SELECT_TO_CODE}, READY_TO_STEP = {READY_TO_STEP},",
        f">requantize: {REQUANTIZE_LATENCY}<",
        f">lanes, {unit - 1} stages<",
    ):
        assert words in picture
    first = dict(re.findall(r'right".*>([a-z ]+)[^<]*</text>\n.*<rect [^>]* x="(\d+)"', picture))
    begins = {row: (int(x) - 190) // 29 for row, x in first.items()}
    assert begins["drain chain shows"] == drain
    assert begins["codes compared"] == drain + SELECT_TO_CODE
    assert begins["planes to the ring"] == drain + SELECT_TO_CODE + READY_TO_STEP


def test_the_picture_of_the_result_stage_has_the_requantizers_latency():
    assert f"clip: {REQUANTIZE_LATENCY} cycles<" in (DOCS / "hw-result.svg").read_text()


def test_the_table_of_a_tile_has_the_codes_constants():
    """docs/hardware.md: rows whose last columns are a number and the constant that it is."""
    page = (DOCS / "hardware.md").read_text()
    rows = re.findall(r"\| (\d+) \| `(\w+)\.([A-Z_]+)` \|\n", page)
    assert len(rows) == 5
    for number, module, name in rows:
        assert getattr(importlib.import_module(f"hw.{module}"), name) == int(number), name
    (least, more) = re.findall(r"\| max\(Dn - 3, (\d)\) \+ (\d) \| `execute.taken_to_issue`", page)[
        0
    ]
    for dn in (1, 4, 5, 6, 12):
        wanted = max(dn - 3, int(least)) + int(more)
        assert taken_to_issue(BitSerial(dm=1, dk=16, dn=dn)) == wanted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_page_is_linked():
    linked = {
        link for page in PAGES for link in re.findall(r"\]\((?:docs/)?([^)#/]+)", page.read_text())
    }
    assert {page.name for page in PAGES} - linked == {"README.md"}
