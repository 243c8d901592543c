"""A node with what it reads, as the functions that take it in see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from codegen.frontend.qonnx.build import GraphBuilder
from codegen.frontend.qonnx.constants import Constant
from codegen.frontend.qonnx.file import OnnxModel, OnnxNode
from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.quantizers import Quantizer
from codegen.frontend.qonnx.value import Value

BAKE = "make it a constant of the model"


class UnknownError(Exception):
    """It reads what a node before it, which was refused, would have written."""


class Unknown:
    """What a refused node would have written."""


Operand = Value | Constant | Unknown | None
"""None: an optional input that is not given."""


class Inputs(Protocol):
    """Who knows how the network's input comes."""

    def integer_input(self, value: Value) -> Value:
        """As integers, with the steps behind them."""
        ...

    def quantized_input(self, value: Value, quantizer: Quantizer) -> Value:
        """As the codes that the host makes of it."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """A node that reads `operands`."""

    node: OnnxNode
    operands: tuple[Operand, ...]
    builder: GraphBuilder
    model: OnnxModel
    inputs: Inputs

    @property
    def name(self) -> str:
        """The node's."""
        return self.node.name

    def opset(self, domain: str = "") -> int:
        """The version of a domain's operators, 1 where the file does not say."""
        return self.model.opsets.get(domain, 1)

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute of the default's kind; RefusalError for another kind."""
        value = self.node.attributes.get(name, default)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        numbers = isinstance(default, float) and isinstance(value, int)
        if not (isinstance(value, type(default)) or numbers):
            raise RefusalError(f"attribute {name} is no {type(default).__name__}", "check the file")
        return value

    def given(self, place: int) -> bool:
        """Whether it has that input."""
        return place < len(self.operands) and self.operands[place] is not None

    def value(self, place: int = 0) -> Value:
        """An activation. UnknownError: of a refused node."""
        found = self.operands[place] if place < len(self.operands) else None
        if isinstance(found, Unknown):
            raise UnknownError
        if not isinstance(found, Value):
            raise RefusalError(
                f"input {place} is a constant, an activation is expected", "swap its inputs"
            )
        return found

    def constant(self, place: int, what: str) -> Constant:
        """A constant; RefusalError says `what` it is when the model computes it."""
        found = self.operands[place] if place < len(self.operands) else None
        if isinstance(found, Unknown):
            raise UnknownError
        if found is None:
            raise RefusalError(f"it has no {what}", "check the file")
        if not isinstance(found, Constant):
            raise RefusalError(f"its {what} is computed by the model", BAKE)
        return found

    def numbers(self, place: int, what: str) -> np.ndarray:
        """A constant's values as float32; RefusalError for one that is not finite."""
        values = self.constant(place, what).values
        if not np.isfinite(values.astype(np.float64)).all():
            raise RefusalError(f"its {what} is not finite", "train or export the model again")
        return values.astype(np.float32)

    def integers(self, place: int, what: str, default: list[int] | None = None) -> list[int]:
        """A list of integers from a constant input."""
        if default is not None and not self.given(place):
            return default
        return [int(value) for value in self.constant(place, what).values.ravel()]


def aligned(constant: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A constant that broadcasts against (N, *shape), for use against `shape`."""
    if constant.ndim == len(shape) + 1 and constant.shape[0] == 1:
        constant = constant[0]
    try:
        fits = np.broadcast_shapes(constant.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise RefusalError(
            f"its constant of shape {constant.shape} does not fit an activation of {shape}",
            "use one value, or one for each channel",
        )
    return constant if constant.ndim else constant.reshape(1)
