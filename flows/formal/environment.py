"""What a component may rely on: its neighbours' promises, and invariants of its own registers.

`assume` what the neighbours promise. `claim` an invariant: it is proved with the rest, and makes
the induction see that states without it are never reached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Cat, Const, Value

from flows.formal.bench import Bench
from hw.control import Control
from hw.fetch import ReadIssuer
from hw.guard import ReadGuard
from hw.port import Port
from hw.queue import InstructionQueue
from hw.writer import Writer


def environment_of(bench: Bench, component: Any) -> None:
    """Assume and claim what is known of `component`, which is the bench's `dut`."""
    for kind, describe in ENVIRONMENTS.items():
        if isinstance(component, kind):
            describe(bench, component)


def _control(bench: Bench, control: Control) -> None:
    """A write is taken when the one before is answered."""
    bench.claim(~(bench.inner("kept") & control.bvalid))


def _queue(bench: Bench, queue: InstructionQueue) -> None:
    """The loader asks for as many words as it has taken in, and for one instruction."""
    requested, arrived, arriving = (
        bench.inner(name) for name in ("requested", "arrived", "arriving")
    )
    bench.claim((requested == arrived + arriving) & (requested <= queue.beats))


def _writer(bench: Bench, writer: Writer) -> None:
    """A new output tensor begins when all is written; the ring holds its word until it is asked.

    An address and its words are not offered together; the next word is the one behind this one.
    """
    written = writer.limit == writer.position
    bench.assume(~writer.load | (writer.idle & written & bench.past(written)))
    held = writer.ring_word == bench.past(writer.ring_word)
    bench.assume(bench.first() | bench.past(writer.ring_enable) | held)
    following = bench.inner("following")
    bench.claim(~(writer.awvalid & writer.wvalid) & (writer.wvalid | ~bench.inner("went")))
    bench.claim(following == (writer.position + 1)[: len(following)])


def _issuer(bench: Bench, unit: ReadIssuer) -> None:
    """START comes to a core that was cleared: nothing else is offered, and the program stands."""
    idle, program = bench.in_state("IDLE"), Cat(unit.prog_address, unit.prog_words)
    alone = idle & ~unit.arvalid & ~unit.instructions.valid & unit.job.ready
    stood = bench.past(idle & ~unit.instructions.valid) & (program == bench.past(program))
    bench.assume(~unit.start | (alone & stood & ~bench.first()))


def _port(bench: Bench, port: Port) -> None:
    """A job is active until all of its writes are answered: no word is offered at its end."""
    owed = port.active & port.core_wvalid & ~port.wready
    bench.assume(bench.first() | ~bench.past(owed) | port.active)


def excuse(bench: Bench, component: Any, port: str) -> Value:
    """When a component need not keep a stream's contract towards its own core."""
    if isinstance(component, Port | ReadGuard) and port == "core_r":
        # the word was thrown away; the core is cleared before it is used again
        return bench.past(component.stopping)
    return Const(0)


ENVIRONMENTS: dict[type, Callable[[Bench, Any], None]] = {
    Control: _control,
    InstructionQueue: _queue,
    Port: _port,
    ReadIssuer: _issuer,
    Writer: _writer,
}
