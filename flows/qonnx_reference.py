"""What qonnx's own executor makes of a model: the reference that the importer is held against.

qonnx is no dependency, it comes with the development tools; without it there is no reference.
"""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from codegen.frontend.qonnx.file import read_onnx
from ir.errors import ToolError


def has_reference() -> bool:
    """Whether qonnx is installed."""
    return importlib.util.find_spec("qonnx") is not None


def reference(path: Path, x: np.ndarray) -> Mapping[str, np.ndarray] | None:
    """{tensor: (N, ...) float32}, every tensor of the file; None: qonnx is not installed.

    x: (N, ...) floats in the file's shape. ToolError: qonnx cannot run the model.
    """
    if not has_reference():
        return None
    model = read_onnx(path)
    with contextlib.suppress(Exception):  # many files have the batch's size in their nodes
        return _run(path, model.input, x.astype(np.float32))
    try:
        found = [_run(path, model.input, one[np.newaxis].astype(np.float32)) for one in x]
    except Exception as cause:  # qonnx throws Exception itself, onnxruntime its own kinds
        raise ToolError(
            "qonnx", reason=f"its executor cannot run {path.name}: {cause}", fix="check the model"
        ) from cause
    return {name: np.concatenate([values[name] for values in found]) for name in found[0]}


def _run(path: Path, source: str, x: np.ndarray) -> Mapping[str, np.ndarray]:
    """Every activation; constants, which have no batch, are left out."""
    import onnxruntime
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    onnxruntime.set_default_logger_severity(4)  # pyright: ignore[reportAttributeAccessIssue]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of value infos that qonnx writes itself
        wrapper = ModelWrapper(_of_batch(path, source, len(x))).transform(InferShapes())
        found = execute_onnx(wrapper, {source: x}, True)
    return {
        name: values
        for name, values in found.items()
        if isinstance(values, np.ndarray) and values.ndim > 1 and len(values) == len(x)
    }


def _of_batch(path: Path, source: str, images: int) -> onnx.ModelProto:
    """The model for so many images at once; shapes in between are left to be found again."""
    proto = onnx.load(path)
    graph = proto.graph
    for value in graph.input:
        if value.name == source:
            value.type.tensor_type.shape.dim[0].dim_value = images
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    return proto
