"""Where the array's columns stand on the output grid, and which of them look at the image."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.kept import kept_layout, position_bits
from ir.isa import TAP, Stage, layout


@dataclass(frozen=True, kw_only=True)
class _Steps:
    """A position from `wraps_from` on moves in x by `back`, modulo 2^position_bits, and in y by
    `down`; one before it by step_x and step_y.
    """

    wraps_from: Signal
    back: Signal
    down: Signal


class Columns(wiring.Component):
    """Positions of the Dn columns, in input pixels, and their mask at a kernel position.

    A layer's output is walked on a grid of the virtual width, Dn places at a time. The first Dn
    places are laid out after `restart`, one column a cycle.

    Members
    -------
    now : In                     the execute instruction
    restart : In(1)              it is new: it stands from the next cycle on
    advance, rewind, save : In(1)    after this cycle: Dn places on, or back to the block's begin;
                                 `save` with `advance`: a new block begins there
    tap : In(TAP)                the kernel position
    valid : Out(Dn)              columns that lie inside the image at it, combinational
    """

    now: data.View
    restart: Signal
    advance: Signal
    rewind: Signal
    save: Signal
    tap: data.View
    valid: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.columns = config.dn
        self.bits = position_bits(config)
        super().__init__(
            {
                "now": In(kept_layout(config, Stage.EXECUTE)),
                "restart": In(1),
                "advance": In(1),
                "rewind": In(1),
                "save": In(1),
                "tap": In(layout(TAP)),
                "valid": Out(config.dn),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = self.now
        x, y, next_x, laid = (
            Signal(self.bits),
            Signal(self.bits),
            Signal(self.bits),
            Signal(self.columns),
        )
        m.d.comb += next_x.eq(x + now.stride)
        m.d.sync += [x.eq(next_x), laid.eq(Cat(self.restart, laid))]
        with m.If(next_x == now.wrap_x):
            m.d.sync += [x.eq(0), y.eq(y + now.stride)]
        with m.If(self.restart):
            m.d.sync += [x.eq(0), y.eq(0)]
        steps = self._steps(m)
        for n in range(self.columns):
            self._column(m, n, laid[n], x, y, steps)
        return m

    def _steps(self, m: Module) -> _Steps:
        """What a move adds to a position, for all columns: `now` stands since the setup began."""
        now = self.now
        wraps_from, back, down = (
            Signal(self.bits, name=name) for name in ("wraps_from", "back", "down")
        )
        m.d.sync += [
            wraps_from.eq(now.wrap_x - now.step_x),
            back.eq(now.step_x - now.wrap_x),
            down.eq(now.step_y + now.stride),
        ]
        return _Steps(wraps_from=wraps_from, back=back, down=down)

    def _column(
        self, m: Module, n: int, lay_out: Value, x: Signal, y: Signal, steps: _Steps
    ) -> None:
        """Column n: its position, that at the block's begin, and its bit of the mask."""
        now = self.now
        at_x, at_y, begin_x, begin_y, next_x, next_y, in_x, in_y = (
            Signal(self.bits, name=f"{name}_{n}")
            for name in ("x", "y", "begin_x", "begin_y", "next_x", "next_y", "in_x", "in_y")
        )
        wraps = at_x >= steps.wraps_from
        m.d.comb += [
            next_x.eq(at_x + Mux(wraps, steps.back, now.step_x)),
            next_y.eq(at_y + Mux(wraps, steps.down, now.step_y)),
        ]
        with m.If(lay_out):
            m.d.sync += [s.eq(x) for s in (at_x, begin_x)] + [s.eq(y) for s in (at_y, begin_y)]
        with m.Elif(self.rewind):
            m.d.sync += [at_x.eq(begin_x), at_y.eq(begin_y)]
        with m.Elif(self.advance):
            m.d.sync += [at_x.eq(next_x), at_y.eq(next_y)]
            with m.If(self.save):
                m.d.sync += [begin_x.eq(next_x), begin_y.eq(next_y)]
        # a negative position wraps to a large one, so one comparison serves both edges
        m.d.comb += [
            in_x.eq(at_x + self.tap.dx),
            in_y.eq(at_y + self.tap.dy),
            self.valid[n].eq((in_x < now.in_width) & (in_y < now.in_height)),
        ]
