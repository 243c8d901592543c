"""Cutting a contiguous region into AXI bursts."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value

from hw.bus.axi import MAX_BURST, PAGE_BYTES


def burst_length(
    m: Module, *, address: Value, rest: Value, memory_bits: int
) -> tuple[Value, Value]:
    """(beats of the next burst less one, as AXI has it; it is the last): what remains, at least one
    beat, at most 256 of them and never across a 4 KiB page.

    rest: beats that remain, less one as well.
    """
    word_bytes = memory_bits // 8
    word = address[word_bytes.bit_length() - 1 : PAGE_BYTES.bit_length() - 1]
    most, beyond, last = Signal(range(MAX_BURST)), Signal(), Signal()
    to_page = ~word  # beats to the page's end, less one
    low = rest[: len(most)]
    m.d.comb += [
        beyond.eq(to_page[len(most) :].any()),
        most.eq(Mux(beyond, MAX_BURST - 1, to_page)),
        last.eq(~rest[len(most) :].any() & (beyond | (low <= to_page[: len(most)]))),
    ]
    return Mux(last, low, most), last
