"""Emitting a module once, however often it is instantiated.

Amaranth writes one copy of a component for each instance. A Verilog emitter passes a `Library` as
the platform: the component is then written once and instantiated by name, which makes the Verilog,
its simulator and its synthesis smaller and faster. Without one (in Amaranth's simulator) every
instance is the component itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect, flipped


class Library:
    """The platform that collects shared components: {module name: component}."""

    def __init__(self) -> None:
        self.modules: dict[str, Any] = {}


class Shared(wiring.Component):
    """One instance of a component that may be emitted as a module of its own.

    Parameters
    ----------
    make : a new component, all of it in the domain `sync`
    signature : its ports, which are this component's too
    name : module name, which must tell apart components that differ
    """

    def __init__(self, make: Callable[[], Any], *, signature: wiring.Signature, name: str) -> None:
        self.make, self.name = make, name
        super().__init__(signature)

    def elaborate(self, platform: object) -> Module | Instance:
        if not isinstance(platform, Library):
            m = Module()
            m.submodules.component = component = self.make()
            connect(m, flipped(self), component)
            return m
        if self.name not in platform.modules:
            platform.modules[self.name] = self.make()
        ports = {
            f"{'i' if member.flow is In else 'o'}_{name}": Value.cast(getattr(self, name))
            for name, member in self.signature.members.items()
        }
        return Instance(self.name, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)
