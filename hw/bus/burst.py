"""Cutting a contiguous region into AXI bursts."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value

from hw.bus.axi import MAX_BURST, PAGE_BYTES


def burst_beats(m: Module, *, address: Value, remaining: Value, memory_bits: int) -> Signal:
    """Beats of the next burst: what remains, at most 256, never across a 4 KiB page."""
    word_bytes = memory_bits // 8
    page_words = PAGE_BYTES // word_bytes
    word = address[word_bytes.bit_length() - 1 : 12]
    to_page = Signal(range(page_words + 1))
    limit, beats = Signal(range(MAX_BURST + 1)), Signal(range(MAX_BURST + 1))
    m.d.comb += [
        to_page.eq(page_words - word),
        limit.eq(Mux(to_page > MAX_BURST, Const(MAX_BURST, 9), to_page)),
        beats.eq(Mux(remaining < limit, remaining, limit)),
    ]
    return beats
