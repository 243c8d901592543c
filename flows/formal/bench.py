"""A component under proof: its inputs are free, save for what is assumed of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue]
from amaranth.hdl import (
    Assert,
    Assume,
    ClockDomain,
    ClockSignal,
    Const,
    Elaboratable,
    Fragment,
    Module,
    Mux,
    Signal,
    Value,
)
from amaranth.hdl import Shape as HdlShape
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ir.errors import ConfigError

TOP = "proof"
AGE_BITS = 8


class Bench(Elaboratable):
    """Built step by step: add components, assume, claim; then `rtlil()`.

    Registers start at their reset values and reset is never asserted: a claim holds from the first
    cycle after reset on.
    """

    def __init__(self) -> None:
        self.module = Module()
        # the control side's own domain is the same clock, with a reset of its own
        self.module.domains += [ClockDomain(name, reset_less=True) for name in ("sync", "host")]
        clock = Signal(name="clk")
        self.module.d.comb += [ClockSignal().eq(clock), ClockSignal("host").eq(clock)]
        self.inputs: list[Value] = [clock]
        self.claims = 0
        self._fragments: dict[str, Any] = {}
        self._names = 0
        self._age = Signal(AGE_BITS)
        self.module.d.sync += self._age.eq(Mux(self._age.all(), self._age, self._age + 1))

    def elaborate(self, platform: object) -> Module:
        return self.module

    def add(
        self, component: wiring.Component, *, name: str = "dut", driven: tuple[str, ...] = ()
    ) -> None:
        """Put `component` into the bench; its inputs are free but those the bench drives itself.

        driven: names of inputs ("bits") or of whole interfaces ("instructions").
        """
        self.adopt(component, Fragment.get(component, None), name=name, driven=driven)

    def adopt(
        self,
        component: wiring.Component,
        fragment: Any,
        *,
        name: str = "dut",
        driven: tuple[str, ...] = (),
    ) -> None:
        """As `add`, for a component that was elaborated before."""
        self._fragments[name] = fragment
        self.module.submodules[name] = fragment
        for path, member, value in component.signature.flatten(component):
            if member.flow is In and path[0] not in driven:
                self.inputs.append(Value.cast(value))

    def free(self, shape: object, name: str) -> Signal:
        """Any value, another one each cycle."""
        signal = Signal(HdlShape.cast(shape), name=name)  # pyright: ignore[reportArgumentType]
        self.inputs.append(signal)
        return signal

    def constant(self, shape: object, name: str) -> Signal:
        """Any value, the same for ever."""
        signal = self.free(shape, name)
        self.assume(self.first() | (signal == self.past(signal)))
        return signal

    def past(self, value: Value, cycles: int = 1) -> Value:
        """`value` so many cycles ago; zeros before the first cycle."""
        for _ in range(cycles):
            self._names += 1
            register = Signal(value.shape(), name=f"past_{self._names}")
            self.module.d.sync += register.eq(value)
            value = register
        return value

    def first(self) -> Value:
        """This is the first cycle."""
        return self._age == 0

    def since(self, cycles: int) -> Value:
        """At least so many cycles have passed."""
        return self._age >= cycles

    def state(self, shape: object, name: str, *, init: int = 0) -> Signal:
        """A register of the bench's own."""
        return Signal(HdlShape.cast(shape), name=name, init=init)  # pyright: ignore[reportArgumentType]

    def assume(self, condition: Value) -> None:
        """The environment keeps it in every cycle."""
        self.module.d.comb += Assume(condition, None, src_loc_at=1)

    def claim(self, condition: Value, *, when: Value | None = None) -> None:
        """To be proved for every cycle (in which `when` holds)."""
        self.claims += 1
        guard = Const(1) if when is None else when
        self.module.d.comb += Assert(~guard.bool() | condition, None, src_loc_at=1)

    def inner(self, path: str, *, name: str = "dut") -> Signal:
        """A signal inside, "counter" or "submodule.counter". ConfigError: there is none, or two."""
        *modules, wanted = path.split(".")
        fragment = self._fragments[name]
        for module in modules:
            named = {n: f for f, n, *_ in fragment.subfragments}
            if module not in named:
                there_is = ", ".join(map(str, named)) or "none"
                raise ConfigError(f"{path}: no submodule {module!r}; there is: {there_is}")
            fragment = named[module]
        found = [signal for signal in _driven(fragment) if signal.name == wanted]
        if not found and (port := _port(fragment, wanted)) is not None:
            return port  # an input, or an output that is constant
        if len(found) != 1:
            raise ConfigError(f"{path}: {len(found)} signals of that name in the component")
        return found[0]

    def in_state(self, state: str, *, name: str = "dut") -> Value:
        """The component's state machine is in `state`. ConfigError: it has no such state."""
        machine = self._fragments[name].generated["fsm"]
        if state not in machine.encoding:
            raise ConfigError(f"no state {state!r}; there is: {', '.join(machine.encoding)}")
        return machine.state == machine.encoding[state]

    def rtlil(self) -> str:
        """The bench as text for yosys, top module `proof`."""
        return rtlil.convert(self, name=TOP, ports=self.inputs)


def _port(fragment: Any, name: str) -> Signal | None:
    """A component's port of that name."""
    for origin in fragment.origins or ():
        if isinstance(origin, wiring.Component) and name in origin.signature.members:
            return getattr(origin, name)
    return None


def _driven(fragment: Any) -> Iterator[Signal]:
    """Signals assigned in the fragment itself."""
    seen = set()
    for statements in fragment.statements.values():
        for signal in statements._lhs_signals():
            if id(signal) not in seen:
                seen.add(id(signal))
                yield signal
