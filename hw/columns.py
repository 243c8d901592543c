"""Where the array's columns stand on the output grid, and which of them look at the image."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.kept import kept_layout, position_bits
from ir.isa import TAP, Stage, layout


def taken_to_columns(config: OverlayConfig) -> int:
    """Cycles from taking an instruction to the first `move`: two column tiles are laid out."""
    return 2 * config.dn + 2


class Columns(wiring.Component):
    """Positions of the Dn columns, in input pixels, and their mask at a kernel position.

    A layer's output is walked on a grid of the virtual width, Dn places at a time. One walker lays
    the next column tile out, a column a cycle, while the tile under way is computed: that takes no
    longer than the tile ahead takes to drain, Dn columns of a cycle at least. Only the layer's
    second tile may have to wait for it (`lays`).

    Members
    -------
    now : In                     the execute instruction
    restart : In(1)              two cycles after it was taken; tile 0 moves in by itself, Dn cycles
                                 later, with `back` and `save` as for any
    move : In(1)                 after this cycle the tile that was laid out is under way; another
                                 one is laid out behind it:
    back : In(1)                 with `move`: the block's first; else the next one on the grid
    save : In(1)                 with `move`: a new block begins with it
    lays : Out(1)                `move` has to wait in the next cycle
    tap : In(TAP)                the kernel position
    valid : Out(Dn)              columns that lie inside the image at it, a cycle later: between the
                                 two stands a register with their places in the image
    """

    now: data.View
    restart: Signal
    move: Signal
    back: Signal
    save: Signal
    lays: Signal
    tap: data.View
    valid: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.columns = config.dn
        self.bits = position_bits(config)
        super().__init__(
            {
                "now": In(kept_layout(config, Stage.EXECUTE)),
                "restart": In(1),
                "move": In(1),
                "back": In(1),
                "save": In(1),
                "lays": Out(1),
                "tap": In(layout(TAP)),
                "valid": Out(config.dn),
            }
        )
        self.width, self.height = (
            Signal.like(self.now[name], name=name) for name in ("in_width", "in_height")
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, moves, arrives, active = Signal(), Signal(), Signal(), Signal()
        lay = Signal(self.columns)  # one-hot: which column the walker stands at
        m.d.comb += moves.eq(self.move | (first & lay[-1]))
        m.d.sync += [
            lay.eq(Cat(moves, lay)),
            active.eq(moves | (active & ~lay[-1])),
            first.eq(first & ~lay[-1]),
            arrives.eq(moves),
        ]
        if self.columns > 1:  # else a tile is laid out in the cycle behind `move`
            laying = Signal()
            m.d.comb += self.lays.eq(moves | (laying & ~lay[-2]))
            m.d.sync += laying.eq(self.lays)
        with m.If(self.restart):
            m.d.sync += [lay.eq(1), active.eq(1), first.eq(1), arrives.eq(0)]
        x, y = self._walker(m, moves, active)
        # the image's size as it was for the place that is compared
        m.d.sync += [self.width.eq(self.now.in_width), self.height.eq(self.now.in_height)]
        for n in range(self.columns):
            self._column(m, n, lay[n], arrives, x, y)
        return m

    def _walker(self, m: Module, moves: Signal, active: Signal) -> tuple[Signal, Signal]:
        """The place that comes next on the grid, where blocks begin, and the way between them."""
        now, last_x, wraps, saves = self.now, Signal(self.bits), Signal(), Signal()
        x, y, begin_x, begin_y = (Signal(self.bits) for _ in range(4))
        m.d.sync += last_x.eq(now.wrap_x - now.stride)
        m.d.sync += saves.eq(moves & self.save)
        m.d.comb += wraps.eq(x == last_x)
        down = active & wraps
        m.d.sync += x.eq(Mux(down, 0, x + Mux(active, now.stride, 0)))
        with m.If(down):
            m.d.sync += y.eq(y + now.stride)
        with m.If(saves):
            m.d.sync += [begin_x.eq(x), begin_y.eq(y)]
        with m.If(self.move & self.back):  # the layer's first move is no way back
            m.d.sync += [x.eq(begin_x), y.eq(begin_y)]
            if self.columns == 1:  # a block may have begun in this very cycle
                m.d.sync += [x.eq(Mux(saves, x, begin_x)), y.eq(Mux(saves, y, begin_y))]
        with m.If(self.restart):
            m.d.sync += [s.eq(0) for s in (x, y, begin_x, begin_y, saves)]
        return x, y

    def _column(
        self, m: Module, n: int, lay_out: Value, arrives: Signal, x: Signal, y: Signal
    ) -> None:
        """Column n: its position in the tile under way and in the next one; its bit of the mask."""
        at_x, at_y, next_x, next_y, in_x, in_y = (
            Signal(self.bits, name=f"{name}_{n}")
            for name in ("x", "y", "next_x", "next_y", "in_x", "in_y")
        )
        with m.If(lay_out):
            m.d.sync += [next_x.eq(x), next_y.eq(y)]
        with m.If(arrives):
            m.d.sync += [at_x.eq(next_x), at_y.eq(next_y)]
        # a negative position wraps to a large one, so one comparison serves both edges
        m.d.sync += [in_x.eq(at_x + self.tap.dx), in_y.eq(at_y + self.tap.dy)]
        m.d.comb += self.valid[n].eq((in_x < self.width) & (in_y < self.height))
