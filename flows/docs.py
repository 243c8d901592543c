"""`python -m flows.docs`: the pages of docs/ that are generated from tables in the code."""

import sys
from pathlib import Path

from hw import csr
from hw.tops import protocol
from ir import isa
from ir.files import write_text

ROOT = Path(__file__).parents[1]
ISA_PAGE = ROOT / "docs" / "isa.md"
REGISTERS_PAGE = ROOT / "docs" / "registers.md"
UART_PAGE = ROOT / "docs" / "uart.md"


def main() -> None:
    """Write every generated page."""
    pages = {
        ISA_PAGE: isa.markdown(),
        REGISTERS_PAGE: csr.markdown(),
        UART_PAGE: protocol.markdown(),
    }
    for page, text in pages.items():
        write_text(page, text)
        print(f"wrote {page}", file=sys.stderr)


if __name__ == "__main__":
    main()
