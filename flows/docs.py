"""`python -m flows.docs`: the pages of docs/ that are generated from tables in the code."""

import sys
from pathlib import Path

from ir import isa
from ir.files import write_text

ROOT = Path(__file__).parents[1]
ISA_PAGE = ROOT / "docs" / "isa.md"


def main() -> None:
    """Write every generated page."""
    write_text(ISA_PAGE, isa.markdown())
    print(f"wrote {ISA_PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
