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
    """A new output tensor begins when all is written; complete words of the ring do not change.

    An address and its words are not offered together; the next word is the one behind this one.
    """
    following = bench.inner("following")
    bench.claim(~(writer.awvalid & writer.wvalid))
    bench.claim(following == (writer.position + 1)[: len(following)])
    bench.assume(~writer.load | (writer.idle & (writer.limit == writer.position)))
    asked = writer.ring_address
    bench.assume(
        bench.first()
        | (bench.past(asked) != bench.past(asked, 2))
        | (writer.ring_word == bench.past(writer.ring_word))
    )


def _issuer(bench: Bench, unit: ReadIssuer) -> None:
    """START comes to a core that was cleared: nothing else is offered, and the program stands."""
    idle, program = bench.in_state("IDLE"), Cat(unit.prog_address, unit.prog_words)
    alone = idle & ~unit.arvalid & ~unit.instructions.valid & unit.job.ready
    stood = bench.past(idle & ~unit.instructions.valid) & (program == bench.past(program))
    bench.assume(~unit.start | (alone & stood & ~bench.first()))


def excuse(component: Any, port: str) -> Value:
    """When a component need not keep a stream's contract towards its own core."""
    if isinstance(component, Port | ReadGuard) and port == "core_r":
        return component.stopping  # the core is cleared before it is used again
    return Const(0)


ENVIRONMENTS: dict[type, Callable[[Bench, Any], None]] = {
    Control: _control,
    InstructionQueue: _queue,
    ReadIssuer: _issuer,
    Writer: _writer,
}
