"""FIFOs, counters and bursts stay within their bounds, and what goes in comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from amaranth.hdl import Cat, Const, Mux, Signal, Value

from flows.formal.bench import Bench
from flows.formal.environment import environment_of
from flows.formal.proof import Proof
from hw.bus.axi import PAGE_BYTES
from hw.config import OverlayConfig
from hw.fetch import ReadIssuer
from hw.gearbox import Gearbox
from hw.guard import ReadGuard, WriteGuard
from hw.kept import fetch_layout
from hw.queue import QUEUE_INSTRUCTIONS, InstructionQueue
from hw.ring import Ring, element_units, plane_units, units_per_word
from hw.writer import Writer
from ir.isa import Stage

COUNT_BITS = 16


def proofs(config: OverlayConfig) -> list[Proof]:
    """Of the parts of `config` that hold data or count."""
    wide = replace(config, memory_bits=256)
    return [
        Proof(
            name="queue.order",
            claim="instructions leave whole and in order, none lost or doubled",
            build=partial(queue_bench, wide),
            depth=8,
            bounded=True,
        ),
        Proof(
            name="queue.bounds",
            claim="no more than was written is taken, words in the RAM never pass its depth",
            build=partial(queue_bounds_bench, config),
            depth=3,
        ),
        Proof(
            name="ring.bits",
            claim="a written unit is read back until it is overwritten",
            build=partial(ring_bench, replace(config, dm=8, memory_bits=32, ring_depth=4)),
            depth=4,
            bounded=True,
        ),
        *(
            Proof(
                name=f"gearbox.grain{grain}",
                claim="what is held grows by whole words and leaves from below bit by bit",
                build=partial(gearbox_bench, grain),
                depth=2,
                quick=grain == 1,
            )
            for grain in (1, 8)
        ),
        *(
            Proof(
                name=f"window.{kind.__name__.removesuffix('Guard').lower()}",
                claim="no byte of a burst is offered outside [MEM_BASE, MEM_LIMIT)",
                build=partial(window_bench, kind, config),
                depth=3,
            )
            for kind in (ReadGuard, WriteGuard)
        ),
        _axi("read", partial(issuer_bench, config)),
        _axi("write", partial(writer_bench, config)),
    ]


def _axi(port: str, build: Callable[[], Bench]) -> Proof:
    return Proof(
        name=f"axi.{port}",
        claim="1 to 256 beats, on a bus word, within 4 KiB",
        build=build,
        depth=3,
    )


def queue_bench(config: OverlayConfig) -> Bench:
    """Any bit of word number n, any n, is seen at its place of instruction n // beats."""
    bench, queue, _ = _queue(config)
    at, place = bench.constant(5, "at"), bench.constant(2, "place")
    bit = bench.constant(1, "bit")
    written, taken = _count(bench, queue.write), _count(bench, _taken(queue))
    bench.assume(~(queue.write & (written == at)) | (queue.word.bit_select(place, 1) == bit))
    offered = queue.out.payload.as_value()
    for beat in range(queue.beats):
        low = beat * config.memory_bits
        piece = offered[low : low + config.memory_bits]
        mine = queue.out.valid & (taken * queue.beats + beat == at) & (place < len(piece))
        bench.claim(piece.bit_select(place, 1) == bit, when=mine)
    bench.claim(taken * queue.beats + queue.beats <= written, when=queue.out.valid)
    return bench


def queue_bounds_bench(config: OverlayConfig) -> Bench:
    """The pointers are as far apart as the words inside, and no word is asked for twice."""
    bench, queue, inside = _queue(config)
    environment_of(bench, queue)
    written, taken, requested = (bench.inner(n) for n in ("written", "taken", "requested"))
    in_ram = Signal(COUNT_BITS)
    bench.module.d.comb += in_ram.eq(inside - requested)
    depth = QUEUE_INSTRUCTIONS * queue.beats
    bench.claim((inside >= requested) & (inside <= depth))
    bench.claim((written - taken)[: len(written)] == in_ram[: len(written)])
    return bench


def _queue(config: OverlayConfig) -> tuple[Bench, InstructionQueue, Signal]:
    """A queue that is never given more than its depth (codegen's promise), and the words inside."""
    bench = Bench()
    queue = InstructionQueue(stage=Stage.RESULT, memory_bits=config.memory_bits)
    bench.add(queue)
    inside = bench.state(COUNT_BITS, "inside")
    bench.module.d.sync += inside.eq(inside + queue.write - Mux(_taken(queue), queue.beats, 0))
    bench.assume(~queue.write | (inside < QUEUE_INSTRUCTIONS * queue.beats - 1))
    return bench, queue, inside


def _taken(queue: InstructionQueue) -> Value:
    return queue.out.valid & queue.out.ready


def _count(bench: Bench, event: Value) -> Signal:
    """How often `event` was."""
    counter = bench.state(COUNT_BITS, f"count_{len(bench.inputs)}")
    bench.module.d.sync += counter.eq(counter + event)
    return counter


def ring_bench(config: OverlayConfig) -> Bench:
    """Any one unit of any word: what a run wrote there last is what a read shows."""
    bench = Bench()
    ring = Ring(config=config)
    bench.add(ring)
    per_word, width = units_per_word(config), config.write_unit
    units = config.ring_depth * per_word
    at = bench.constant(range(units), "at")
    known, value = bench.state(1, "known"), bench.state(width, "value")
    whole, few = element_units(config), ring.write.units <= plane_units(config)
    aligned = ring.write.place % whole == 0
    bench.assume(Mux(ring.write.element, aligned, few))
    position = Signal(range(units))  # of the unit within the run that is written
    bench.module.d.comb += position.eq(at - ring.write.place)
    reaches = position < Mux(ring.write.element, whole, ring.write.units)
    wrote = bench.past(ring.write.valid & reaches, 2)  # a run is registered twice
    unit = bench.past(ring.write.bits.word_select(position[:8], width), 2)
    with bench.module.If(wrote):
        bench.module.d.sync += [known.eq(1), value.eq(unit)]
    asked = ring.read_enable & (ring.read_address == at // per_word)
    shown = ring.word.word_select((at % per_word)[:8], width)
    bench.claim(shown == bench.past(value), when=bench.past(asked & known))
    return bench


def gearbox_bench(grain: int) -> Bench:
    """A word goes on top of what is held, a piece is taken from below; no bit between is touched.

    The reference shifts what it holds, with operators; the gearbox cuts where the string stands,
    with a network of multiplexers.
    """
    bench = Bench()
    box = Gearbox(memory_bits=16, piece_bits=24, grain=grain)
    bench.add(box)
    begun = bench.since(1)  # the first piece is known
    bench.assume(box.busy | box.anew)
    for bits in (box.first, box.tail, box.whole):
        bench.assume((bits >= 1) & (bits <= box.piece_bits))
    length, skip = bench.inner("length"), bench.inner("skip")
    if grain != 1:
        _grained(bench, box, length)
    words = Cat(bench.inner("word_0"), bench.inner("word_1"))
    offset, at = bench.inner("offset"), bench.inner("at")
    words_held = at[1:]  # none, one, or two, as bits
    bench.claim((at == 1) | (at == 2) | (at == 4))
    _claim_ends(bench, box, length, begun)
    need = (offset + length + box.memory_bits - 1) // box.memory_bits
    bench.claim((words_held < 2) | ((words_held == 2) & (need > 2)), when=begun)
    bench.claim((words_held != 0) | (offset == 0))
    have = words_held * box.memory_bits - offset
    held = (words >> offset) & ((1 << have.as_unsigned()[:6]) - 1)
    take = box.word_ready & box.word_valid
    content = held | Mux(take, box.word << have.as_unsigned()[:6], 0)
    count = have + Mux(take, box.memory_bits, 0)
    cuts = box.emit & ~skip
    drops = ~box.busy | (box.emit & box.anew)
    left = Mux(drops, 0, Mux(cuts, Mux(box.flush, 0, content >> length), content))
    left_count = Mux(drops, 0, Mux(cuts, Mux(box.flush, 0, count - length), count))
    bench.claim(~bench.since(1) | (held == bench.past(left)) & (have == bench.past(left_count)))
    bench.claim(box.emit == (box.busy & (skip | (count >= length))))
    bench.claim(box.steps == (box.emit | ~box.busy))
    mask = Mux(skip, 0, (1 << length) - 1)
    bench.claim(box.piece == bench.past(content & mask), when=bench.past(box.emit))
    return bench


def _claim_ends(bench: Bench, box: Gearbox, length: Signal, begun: Value) -> None:
    """What the gearbox keeps of the next piece, from its length and place."""
    offset, words_held = bench.inner("offset"), bench.inner("at")[1:]
    end, missing, there, one = (bench.inner(n) for n in ("end", "missing", "there", "one"))
    last = offset + length + box.memory_bits - 1
    bench.claim(end == last[:4], when=begun)
    bench.claim(missing + words_held == last >> 4, when=begun)
    bench.claim((there == (missing == 0)) & (one == (missing == 1)), when=begun)
    skip, free, completes = (bench.inner(name) for name in ("skip", "free", "completes"))
    bench.claim(free == (box.busy & (skip | there)))
    bench.claim(bench.inner("unbound") == (free | ~box.busy))
    bench.claim(completes == (box.busy & ~skip & one))
    bench.claim(box.word_ready == (box.busy & ~skip & ~there))
    bench.claim((length >= 1) & (length <= box.piece_bits), when=begun)
    bench.claim(begun | ((words_held == 0) & (offset == 0)))


def _grained(bench: Bench, box: Gearbox, length: Signal) -> None:
    """Pieces are whole bytes, or all of one length 1, 2 or 4 from the first on."""
    unit = bench.free(4, "unit")
    anew = bench.past(~box.busy | (box.emit & box.anew))
    kept = bench.first() | anew | (unit == bench.past(unit))
    bench.assume(kept & ((unit == 1) | (unit == 2) | (unit == 4) | (unit == 8)))
    for bits in (bench.past(box.first), Mux(box.tails, box.tail, box.whole)):
        bench.assume(Mux(unit == 8, bits[:3] == 0, bits == unit))
    bench.claim((bench.inner("offset") & (unit - 1)) == 0)
    bench.claim(Mux(unit == 8, length[:3] == 0, (length == unit) | (length == 0)))


def issuer_bench(config: OverlayConfig) -> Bench:
    """Bursts of fetches that begin on a bus word and are not empty, as codegen makes them."""
    bench = Bench()
    unit = ReadIssuer(config=config)
    bench.add(unit)
    payload = unit.instructions.payload
    bench.assume(_aligned(payload.address, config) & _aligned(unit.prog_address, config))
    bench.assume((payload.segment_beats != 0) & (unit.prog_words != 0))
    environment_of(bench, unit)
    now, rest = fetch_layout(config)(bench.inner("now")), bench.inner("rest")
    bench.claim(_aligned(unit.arnext, config) & _aligned(unit.araddr, config))
    bench.claim(_aligned(now.address, config))
    last, idle = bench.inner("last_burst"), bench.in_state("IDLE")
    bench.claim(bench.inner("idle") == idle)
    bench.claim(bench.inner("free") == (idle & ~unit.arvalid))
    bench.claim(unit.arlen <= rest, when=bench.in_state("STEP"))
    bench.claim(last == (unit.arlen == rest), when=bench.in_state("STEP"))
    _claim_burst(
        bench, config, valid=unit.arvalid, address=unit.araddr, ahead=unit.arnext, length=unit.arlen
    )
    return bench


def writer_bench(config: OverlayConfig) -> Bench:
    """Bursts of outputs that begin on a bus word."""
    bench = Bench()
    unit = Writer(config=config)
    bench.add(unit)
    bench.assume(_aligned(unit.address, config))
    environment_of(bench, unit)
    bench.claim(_aligned(bench.inner("address"), config))
    _claim_burst(
        bench, config, valid=unit.awvalid, address=unit.awaddr, ahead=unit.awaddr, length=unit.awlen
    )
    return bench


def window_bench(kind: type[ReadGuard] | type[WriteGuard], config: OverlayConfig) -> Bench:
    """Whatever the core asks for, and whenever the job is stopped; the window stays (R4)."""
    bench = Bench()
    guard = kind(config=config)
    bench.add(guard)
    environment_of(bench, guard)
    for bound in (guard.base, guard.limit):
        bench.assume(bench.first() | (bound == bench.past(bound)))
    name = guard.name
    address, length = getattr(guard, f"{name}addr"), getattr(guard, f"{name}len")
    valid, core_valid = (getattr(guard, f"{side}_{name}valid") for side in ("port", "core"))
    waits = bench.past(core_valid & ~getattr(guard, f"core_{name}ready"))
    asked = Cat(address, length, core_valid)
    bench.assume(~waits | (asked == bench.past(asked)))  # the core keeps its stream's contract
    new, ahead = core_valid & ~bench.past(core_valid), getattr(guard, f"{name}next")
    bench.assume(~new | (~bench.first() & (address == bench.past(ahead))))  # axi.read, axi.write
    handed = bench.past(core_valid & getattr(guard, f"core_{name}ready"))
    bench.assume(~handed | ~core_valid)  # as well: between two bursts there is a cycle
    end = address + (length + 1) * config.bus_bytes
    page_end = Cat(Const(0, 12), address[12:] + 1)
    bench.assume(end <= page_end)  # as well
    begins, whole, room = (bench.inner(n) for n in ("begins", "whole", "room"))  # compared ahead
    reaches = Mux(whole, page_end, address + room * config.bus_bytes) <= guard.limit
    bench.claim((address >= guard.base) & reaches, when=core_valid & begins)
    bench.claim((address >= guard.base) & (end <= guard.limit), when=valid)
    return bench


def _aligned(address: Value, config: OverlayConfig) -> Value:
    return address[: config.bus_bytes.bit_length() - 1] == 0


def _claim_burst(
    bench: Bench,
    config: OverlayConfig,
    *,
    valid: Value,
    address: Value,
    ahead: Value,
    length: Value,
) -> None:
    """A legal AXI burst: aligned, and its last byte is in the page of its first."""
    end = address[:12] + (length + 1) * config.bus_bytes
    bench.claim(_aligned(address, config) & (end <= PAGE_BYTES), when=valid)
    # the window is checked a cycle ahead: the address is known before it is offered
    bench.claim(bench.since(1), when=valid)
    bench.claim(address == bench.past(Mux(valid, address, ahead)), when=valid)
