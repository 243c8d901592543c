"""`python -m flows.docs`: the pages of docs/ that are generated from tables in the code."""

import sys
from pathlib import Path

from hw.tops import protocol
from ir import isa
from ir.files import write_text

ROOT = Path(__file__).parents[1]
ISA_PAGE = ROOT / "docs" / "isa.md"
UART_PAGE = ROOT / "docs" / "uart.md"


def main() -> None:
    """Write every generated page."""
    for page, text in ((ISA_PAGE, isa.markdown()), (UART_PAGE, protocol.markdown())):
        write_text(page, text)
        print(f"wrote {page}", file=sys.stderr)


if __name__ == "__main__":
    main()
