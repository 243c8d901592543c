"""Arithmetic with constants, batch normalization, ReLU, clip: steps that wait for a quantizer."""

from __future__ import annotations

import numpy as np

from codegen.frontend.qonnx.call import Call, aligned
from codegen.frontend.qonnx.constants import Constant
from codegen.frontend.qonnx.joins import add_values
from codegen.frontend.qonnx.problems import RefusalError
from codegen.frontend.qonnx.steps import Clip, From, Minus, Norm, Over, Plus, Step, Times
from codegen.frontend.qonnx.value import Value

TOP = np.float32(np.finfo(np.float32).max)


def identity(call: Call) -> Value:
    """The same."""
    return call.value()


def negative(call: Call) -> Value:
    """-x."""
    return call.value().then(Times(constants=(np.full(1, -1, np.float32),)))


def add(call: Call) -> Value:
    """A constant, or a second activation."""
    value, constant = _sides(call)
    if constant is None:
        return add_values(call)
    return value.then(Plus(constants=(_number(constant, value),)))


def subtract(call: Call) -> Value:
    """x - c or c - x."""
    value, constant = _sides(call)
    if constant is None:
        raise RefusalError(
            "the difference of two activations", "add them, with weights of the other sign"
        )
    kind = Minus if isinstance(call.operands[1], Constant) else From
    return value.then(kind(constants=(_number(constant, value),)))


def multiply(call: Call) -> Value:
    """x * c."""
    value, constant = _sides(call)
    if constant is None:
        raise RefusalError("the product of two activations", "use layers with constant weights")
    return value.then(Times(constants=(_number(constant, value),)))


def divide(call: Call) -> Value:
    """x / c."""
    value, constant = _sides(call)
    if constant is None or not isinstance(call.operands[1], Constant):
        raise RefusalError("a division by an activation", "divide by a constant")
    divisor = _number(constant, value)
    if not divisor.all():
        raise RefusalError("it divides by zero", "train or export the model again")
    return value.then(Over(constants=(divisor,)))


def batch_norm(call: Call) -> Value:
    """Gain and offset from four constants, one each for a channel."""
    if call.attribute("training_mode", 0):
        raise RefusalError("it is in training mode", "export the model in evaluation mode")
    names = ("scale", "bias", "mean", "variance")
    constants = [call.numbers(place + 1, name).ravel() for place, name in enumerate(names)]
    epsilon = np.float32(call.attribute("epsilon", 1e-5))
    if (constants[3] + epsilon <= 0).any():
        raise RefusalError("its variance is not positive", "train or export the model again")
    value = call.value()
    tail = (1,) * (len(value.shape) - 1)
    shaped = tuple(aligned(c.reshape(-1, *tail), value.shape) for c in constants)
    return value.then(Norm(constants=shaped, epsilon=epsilon))


def relu(call: Call) -> Value:
    """max(x, 0)."""
    return call.value().then(_clip(np.float32(0), TOP))


def clip(call: Call) -> Value:
    """Limits as attributes up to opset 10, as inputs since."""
    low, high = -TOP, TOP
    if call.opset() < 11:
        low = np.float32(call.attribute("min", float(low)))
        high = np.float32(call.attribute("max", float(high)))
    else:
        if call.given(1):
            low = call.numbers(1, "least value").ravel()[0]
        if call.given(2):
            high = call.numbers(2, "greatest value").ravel()[0]
    if low > high:
        raise RefusalError(f"its limits {low} and {high} are the wrong way round", "swap them")
    return call.value().then(_clip(low, high))


def _clip(low: np.float32, high: np.float32) -> Step:
    return Clip(constants=(np.full(1, low, np.float32), np.full(1, high, np.float32)))


def _sides(call: Call) -> tuple[Value, Constant | None]:
    """(the activation, the constant); None: both are activations."""
    if len(call.operands) != 2:
        raise RefusalError(f"two inputs expected, not {len(call.operands)}", "check the file")
    first, second = call.operands
    if isinstance(first, Constant):
        return call.value(1), first
    if isinstance(second, Constant):
        return call.value(0), second
    call.value(1)
    return call.value(0), None


def _number(constant: Constant, value: Value) -> np.ndarray:
    values = constant.values.astype(np.float32)
    if not np.isfinite(values).all():
        raise RefusalError("its constant is not finite", "train or export the model again")
    return aligned(values, value.shape)
