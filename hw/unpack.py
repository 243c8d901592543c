"""The fetch stage's data half: bus words become pieces, written where they belong."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import OverlayConfig
from hw.fetch import FETCH
from hw.gearbox import Gearbox
from ir.isa import ENTRY_BITS, INSTRUCTION_BITS, Kind, Stage


def piece_bits(config: OverlayConfig) -> int:
    """Longest piece: a padded word of digits, a table entry, or a bus word of the program."""
    return max(-(-config.dk // 8) * 8 + (7 if config.dk % 8 else 0), ENTRY_BITS, config.memory_bits)


def write_layout(config: OverlayConfig) -> data.StructLayout:
    """A piece on its way to a buffer, one cycle after it left the gearbox."""
    return data.StructLayout(
        {
            "lhs": unsigned(1),
            "rhs": unsigned(1),
            "params": unsigned(1),
            "taps": unsigned(1),
            "bank": unsigned(8),
            "address": unsigned(24),
            "piece": unsigned(piece_bits(config)),
        }
    )


class Unpacker(wiring.Component):
    """Cuts the read data of each fetch instruction into pieces and addresses them.

    Pieces come in groups (`chunks` pieces, the last of them `tail_bits` long), groups in units.
    What a unit is depends on the kind: a row tile (lhs), a pixel (rhs). Pixels are spread over the
    Dn banks by their flat index on a grid of the layer's virtual width, one such grid for each of
    the stride^2 phases, so that the Dn neighbours which a column tile needs at any kernel position
    lie in Dn different banks.

    One piece a cycle; one idle cycle between instructions.

    Members
    -------
    job : In(stream)                  the instruction, from the issuer
    rdata, rvalid, rready             the read data channel
    write : Out(write_layout)         registered, to the operand buffers and tables
    queue_write : Out(3)              registered, one for each stage; `write.piece` is the word
    lhs_token, rhs_token : Out(1)     a row tile, or Dn pixels (or the last), left the gearbox
    """

    job: stream.Interface
    rdata: Signal
    rvalid: Signal
    rready: Signal
    write: data.View
    queue_write: Signal
    lhs_token: Signal
    rhs_token: Signal

    def __init__(self, *, config: OverlayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "job": In(stream.Signature(FETCH)),
                "rdata": In(config.memory_bits),
                "rvalid": In(1),
                "rready": Out(1),
                "write": Out(write_layout(config)),
                "queue_write": Out(len(Stage)),
                "lhs_token": Out(1),
                "rhs_token": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.gearbox = box = Gearbox(
            memory_bits=config.memory_bits,
            piece_bits=piece_bits(config),
            grain=1 if config.dk % 8 else 8,
        )
        slot, full = Signal(FETCH), Signal()
        now, busy = Signal(FETCH), Signal()
        m.d.comb += self.job.ready.eq(~full)
        with m.If(self.job.valid & self.job.ready):
            m.d.sync += [slot.eq(self.job.payload), full.eq(1)]
        with m.If(full & ~busy):
            m.d.sync += [now.eq(slot), busy.eq(1), full.eq(0)]

        chunk, group, unit = Signal(16), Signal(24), Signal(24)
        chunk_end, group_end, unit_end = Signal(), Signal(), Signal()
        is_lhs = now.kind == Kind.LHS
        m.d.comb += [
            box.word.eq(self.rdata),
            box.word_valid.eq(self.rvalid),
            self.rready.eq(box.word_ready),
            box.enable.eq(busy),
            box.length.eq(Mux(chunk + 1 == now.chunks, now.tail_bits, now.piece_bits)),
            chunk_end.eq(box.emit & (chunk + 1 == now.chunks)),
            group_end.eq(chunk_end & (group + 1 == now.groups)),
            unit_end.eq(group_end & (unit + 1 == now.units)),
            box.flush.eq(unit_end | (group_end & is_lhs)),
        ]
        with m.If(box.emit):
            m.d.sync += chunk.eq(Mux(chunk_end, 0, chunk + 1))
        with m.If(chunk_end):
            m.d.sync += group.eq(Mux(group_end, 0, group + 1))
        with m.If(group_end):
            m.d.sync += unit.eq(Mux(unit_end, 0, unit + 1))
        with m.If(unit_end):
            m.d.sync += busy.eq(0)

        lhs_address = Signal(range(config.lhs_depth))
        with m.If(chunk_end & is_lhs):
            m.d.sync += lhs_address.eq(lhs_address + 1)
        bank, address = self._pixel(m, now, box.emit, group_end, unit_end)
        self._outputs(m, now, box, chunk, group, lhs_address, bank, address)
        m.d.comb += self.lhs_token.eq(group_end & is_lhs)
        return m

    def _outputs(
        self,
        m: Module,
        now: data.View,
        box: Gearbox,
        chunk: Signal,
        group: Signal,
        lhs_address: Signal,
        bank: Signal,
        address: Signal,
    ) -> None:
        """Registered write port: which buffer, which bank, where."""
        write = self.write
        m.d.sync += [
            write.lhs.eq(box.emit & (now.kind == Kind.LHS)),
            write.rhs.eq(box.emit & (now.kind == Kind.RHS)),
            write.params.eq(box.emit & (now.kind == Kind.PARAMS)),
            write.taps.eq(box.emit & (now.kind == Kind.TAPS)),
            write.piece.eq(box.piece),
            write.bank.eq(chunk),
            write.address.eq(now.base + group),
        ]
        with m.Switch(now.kind):
            with m.Case(Kind.LHS):
                m.d.sync += write.address.eq(lhs_address)
            with m.Case(Kind.RHS):
                m.d.sync += [write.bank.eq(bank), write.address.eq(address)]
        beats = INSTRUCTION_BITS // self.config.memory_bits
        header, destination = Signal(), Signal(2)
        m.d.comb += [
            header.eq(group[: (beats - 1).bit_length()] == 0),
            destination.eq(Mux(header, box.piece[:2], destination_register := Signal(2))),
        ]
        with m.If(box.emit):
            m.d.sync += destination_register.eq(destination)
        to_queue = box.emit & (now.kind == Kind.PROGRAM)
        m.d.sync += [
            self.queue_write[stage].eq(to_queue & (destination == stage)) for stage in Stage
        ]

    def _pixel(
        self, m: Module, now: data.View, emit: Signal, pixel_end: Signal, tensor_end: Signal
    ) -> tuple[Signal, Signal]:
        """Bank and address of an activation piece: a walk over the tensor in raster order."""
        columns = self.config.dn
        x, px, py = Signal(16), Signal(4), Signal(4)
        bank, words = Signal(range(columns)), Signal(24)
        row_bank, row_words = Signal(range(columns)), Signal(24)
        phase, phase_row, inner = Signal(24), Signal(24), Signal(24)
        tile_pixel = Signal(range(columns))
        is_rhs = now.kind == Kind.RHS
        address = Signal(24)
        m.d.comb += address.eq(phase + words + inner)
        with m.If(emit):
            m.d.sync += inner.eq(inner + 1)
        with m.If(pixel_end & is_rhs):
            m.d.sync += [inner.eq(0), x.eq(x + 1), px.eq(px + 1), phase.eq(phase + now.phase_words)]
            with m.If(px + 1 == now.stride):
                m.d.sync += [px.eq(0), phase.eq(phase_row), bank.eq(bank + 1)]
                with m.If(bank == columns - 1):
                    m.d.sync += [bank.eq(0), words.eq(words + now.tile_stride)]
            with m.If(x + 1 == now.width):
                self._next_row(
                    m, now, (x, px, py), (bank, words), (row_bank, row_words), (phase, phase_row)
                )
        m.d.comb += self.rhs_token.eq(
            pixel_end & is_rhs & ((tile_pixel == columns - 1) | tensor_end)
        )
        with m.If(pixel_end & is_rhs):
            m.d.sync += tile_pixel.eq(Mux(self.rhs_token, 0, tile_pixel + 1))
        with m.If(tensor_end):
            m.d.sync += [
                s.eq(0)
                for s in (x, px, py, bank, words, row_bank, row_words, phase, phase_row, inner)
            ]
        return bank, address

    def _next_row(
        self,
        m: Module,
        now: data.View,
        place: tuple[Signal, Signal, Signal],
        pixel: tuple[Signal, Signal],
        row: tuple[Signal, Signal],
        phases: tuple[Signal, Signal],
    ) -> None:
        """At a row's end: the next row of phases, or a step of the virtual width in the first."""
        x, px, py = place
        (bank, words), (row_bank, row_words), (phase, phase_row) = pixel, row, phases
        columns = self.config.dn
        total = Signal(range(2 * columns + 256))
        next_bank, next_words = Signal.like(bank), Signal.like(words)
        m.d.comb += total.eq(row_bank + now.pitch_banks)
        with m.If(py + 1 != now.stride):
            m.d.comb += [next_bank.eq(row_bank), next_words.eq(row_words)]
            next_phase = phase_row + now.phase_row_words
            m.d.sync += [py.eq(py + 1), phase_row.eq(next_phase), phase.eq(next_phase)]
        with m.Else():
            wraps = Signal()
            m.d.comb += [
                wraps.eq(total >= columns),
                next_bank.eq(Mux(wraps, total - columns, total)),
                next_words.eq(row_words + now.pitch_words + Mux(wraps, now.tile_stride, 0)),
            ]
            m.d.sync += [py.eq(0), phase_row.eq(0), phase.eq(0)]
        m.d.sync += [
            x.eq(0),
            px.eq(0),
            bank.eq(next_bank),
            words.eq(next_words),
            row_bank.eq(next_bank),
            row_words.eq(next_words),
        ]
