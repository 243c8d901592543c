"""The generated pages are what the tables say today, and links in the pages lead somewhere."""

import re
from pathlib import Path

import pytest

from flows.docs import ISA_PAGE, ROOT, main
from ir import isa

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_isa_page_is_fresh():
    assert ISA_PAGE.read_text() == isa.markdown(), "run: make docs"


def test_the_page_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("flows.docs.ISA_PAGE", tmp_path / "isa.md")
    main()
    assert (tmp_path / "isa.md").read_text().startswith("# Instruction set")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []
