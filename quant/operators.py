"""Torch's modules, functions and methods in ONNX's words.

Each reader takes the shape of its input (N, ...) and the arguments as torch has them, and gives
(operator, constants, attributes), or None where the overlay has nothing for it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

Parts = tuple[str, Mapping[str, Tensor], Mapping[str, Any]]
"""(ONNX's name, constants by their place's name, attributes)."""


def _pair(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else [int(entry) for entry in value]


def _sides(padding: Any, kernel: list[int], dilation: list[int]) -> list[int]:
    """[top, left, bottom, right]. "same": torch puts an odd pixel behind."""
    if padding == "same":
        total = [d * (size - 1) for d, size in zip(dilation, kernel, strict=True)]
        before = [count // 2 for count in total]
        return [*before, *(count - less for count, less in zip(total, before, strict=True))]
    rows, columns = (0, 0) if padding == "valid" else _pair(padding)
    return [rows, columns, rows, columns]


def _conv(
    shape: Any,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Parts:
    kernel = list(weight.shape[2:])
    numbers: dict[str, Any] = {"strides": _pair(stride), "dilations": _pair(dilation)}
    numbers["pads"] = _sides(padding, kernel, _pair(dilation))
    tensors = {"weight": weight} | ({} if bias is None else {"bias": bias})
    return "Conv", tensors, numbers | {"group": groups}


def _conv_module(module: nn.Conv2d, shape: Any) -> Parts | None:
    if module.padding_mode != "zeros":
        return None
    rest = (module.stride, module.padding, module.dilation, module.groups)
    return _conv(shape, module.weight, module.bias, *rest)


def _linear(shape: Any, weight: Tensor, bias: Tensor | None = None) -> Parts | None:
    if len(shape) != 2:
        return None
    return "Gemm", {"weight": weight} | ({} if bias is None else {"bias": bias}), {"transB": 1}


def _norm(module: nn.modules.batchnorm._BatchNorm, shape: Any) -> Parts | None:
    mean, variance = module.running_mean, module.running_var
    if mean is None or variance is None:
        return None
    gain = torch.ones_like(mean) if module.weight is None else module.weight
    bias = torch.zeros_like(mean) if module.bias is None else module.bias
    tensors = {"scale": gain, "bias": bias, "mean": mean, "variance": variance}
    return "BatchNormalization", tensors, {"epsilon": module.eps}


def _relu(shape: Any, inplace: bool = False) -> Parts:
    return "Relu", {}, {}


def _clip(shape: Any, min: float = 0.0, max: float = 6.0, inplace: bool = False) -> Parts | None:  # noqa: A002
    if min is None or max is None:
        return None
    return "Clip", {"min": torch.tensor(float(min)), "max": torch.tensor(float(max))}, {}


def _hardtanh(
    shape: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Parts | None:
    return _clip(shape, min_val, max_val)


def _max_pool(
    shape: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Parts | None:
    if _pair(dilation) != [1, 1] or return_indices:
        return None
    return "MaxPool", {}, _window(shape, kernel_size, stride, padding, ceil_mode)


def _average_pool(
    shape: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Parts | None:
    if divisor_override is not None:
        return None
    numbers = _window(shape, kernel_size, stride, padding, ceil_mode)
    return "AveragePool", {}, numbers | {"count_include_pad": int(count_include_pad)}


def _window(shape: Any, kernel: Any, stride: Any, padding: Any, ceil: bool) -> dict[str, Any]:
    """ceil_mode is left only where it adds a window."""
    rows, columns = _pair(padding)
    sizes, strides = _pair(kernel), _pair(kernel if stride in (None, []) else stride)
    spans = (shape[2] + 2 * rows - sizes[0], shape[3] + 2 * columns - sizes[1])
    hangs = any(span % step for span, step in zip(spans, strides, strict=True))
    return {
        "kernel_shape": sizes,
        "strides": strides,
        "pads": [rows, columns, rows, columns],
        "ceil_mode": int(ceil and hangs),
    }


def _adaptive(shape: Any, output_size: Any) -> Parts | None:
    """Into equal windows; others have windows of several sizes."""
    sizes = _pair(output_size)
    if any(size is None or shape[2 + i] % size for i, size in enumerate(sizes)):
        return None
    kernel = [shape[2 + i] // size for i, size in enumerate(sizes)]
    return _average_pool(shape, kernel, kernel)


def _mean(shape: Any, dim: Any = None, keepdim: bool = False) -> Parts | None:
    axes = [dim] if isinstance(dim, int) else list(dim or ())
    if sorted(axis % len(shape) for axis in axes) != [2, 3]:
        return None
    return "ReduceMean", {}, {"axes": [2, 3], "keepdims": int(keepdim)}


def _flatten(shape: Any, start_dim: int = 0, end_dim: int = -1) -> Parts | None:
    if start_dim != 1 or end_dim not in (-1, len(shape) - 1):
        return None
    return ("Flatten", {}, {}) if len(shape) > 2 else ("Identity", {}, {})


def _reshape(shape: Any, *sizes: Any) -> Parts | None:
    """(N, everything else)."""
    flat = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    if len(flat) != 2:
        return None
    rest = torch.Size(shape[1:]).numel()
    return ("Flatten", {}, {}) if flat[1] in (-1, rest) else None


def _add(shape: Any, other: Any, alpha: float = 1) -> Parts | None:
    return ("Add", {}, {}) if isinstance(other, fx.Node) and alpha == 1 else None


def _cat(shape: Any, dim: int = 0) -> Parts | None:
    return ("Concat", {}, {"axis": 1}) if dim in (1, 1 - len(shape)) else None


def _pad(shape: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Parts | None:
    if mode != "constant" or value or len(pad) != 4:
        return None
    left, right, top, bottom = pad
    return "Pad", {}, {"pads": [0, 0, top, left, 0, 0, bottom, right]}


def _nothing(shape: Any, *rest: Any, **named: Any) -> Parts:
    return "Identity", {}, {}


WAYS_OUT: Mapping[type[nn.Module], str] = {
    nn.RNNBase: "the overlay has no recurrence: use convolutions or linear layers",
    nn.Conv1d: "write it as a Conv2d over one row",
    nn.GELU: "use ReLU",
    nn.SiLU: "use ReLU",
    nn.Sigmoid: "use ReLU, or leave it to the host after the last layer",
    nn.Softmax: "leave it to the host: argmax does not need it",
    nn.LayerNorm: "use BatchNorm2d, which folds into the requantizer",
}
ADDS = (operator.add, operator.iadd, torch.add, "add", "add_")
MODULES: Mapping[type[nn.Module], Callable[..., Parts | None]] = {
    nn.Conv2d: _conv_module,
    nn.Linear: lambda m, s: _linear(s, m.weight, m.bias),
    nn.BatchNorm2d: _norm,
    nn.BatchNorm1d: _norm,
    nn.ReLU6: lambda m, s: _clip(s),
    nn.ReLU: lambda m, s: _relu(s),
    nn.Hardtanh: lambda m, s: _clip(s, m.min_val, m.max_val),
    nn.MaxPool2d: lambda m, s: _max_pool(
        s, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices
    ),
    nn.AvgPool2d: lambda m, s: _average_pool(
        *(s, m.kernel_size, m.stride, m.padding),
        *(m.ceil_mode, m.count_include_pad, m.divisor_override),
    ),
    nn.AdaptiveAvgPool2d: lambda m, s: _adaptive(s, m.output_size),
    nn.Flatten: lambda m, s: _flatten(s, m.start_dim, m.end_dim),
    nn.ZeroPad2d: lambda m, s: _pad(s, m.padding),
    nn.Dropout: _nothing,
    nn.Dropout2d: _nothing,
    nn.Identity: _nothing,
}
CALLS: Mapping[Any, Callable[..., Parts | None]] = {
    torch.conv2d: _conv,
    functional.conv2d: _conv,
    functional.linear: _linear,
    torch.relu: _relu,
    functional.relu: _relu,
    functional.relu6: lambda s, inplace=False: _clip(s),
    functional.hardtanh: _hardtanh,
    torch.clamp: _clip,
    functional.max_pool2d: _max_pool,
    functional.avg_pool2d: _average_pool,
    functional.adaptive_avg_pool2d: _adaptive,
    torch.mean: _mean,
    torch.flatten: _flatten,
    torch.reshape: _reshape,
    torch.cat: _cat,
    functional.pad: _pad,
    functional.dropout: _nothing,
    **dict.fromkeys((operator.add, operator.iadd, torch.add), _add),
}
METHODS: Mapping[str, Callable[..., Parts | None]] = {
    "relu": _relu,
    "clamp": _clip,
    "mean": _mean,
    "flatten": _flatten,
    "view": _reshape,
    "reshape": _reshape,
    "contiguous": _nothing,
    "add": _add,
    "add_": _add,
}
