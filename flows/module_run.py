"""An ordinary torch module on an overlay, in one call: quantized, compiled, proved, counted.

    from flows.module_run import accelerate
    report = accelerate(net, images, board="ulx3s_85f")

The module is written as a QONNX file, build/models/<name>.onnx, and goes the way of any such file
(flows/verify_verb.py, flows/compile.py). A float module is not trained: steps come from `images`.
One that was trained with quantizers in it (quant.train.fine_tune) goes as it was snapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from codegen.frontend.torch_module import to_graph
from codegen.frontend.torch_qonnx import Bits, to_qonnx
from codegen.qonnx_writer import write_qonnx
from flows import compile as compiling
from flows import verify_verb
from flows.project import NAME
from flows.run_folder import BUILD
from ir.errors import ConfigError, shorten
from ir.files import staged, write_bytes
from quant.integerize import snap
from quant.layers import QuantNet
from quant.snapped import SnappedNet

MODELS = "models"


def accelerate(
    model: nn.Module,
    images: Tensor,
    *,
    name: str = "network",
    board: str = "sim",
    bits: Bits | None = None,
    inputs: int = 2,
    overrides: tuple[str, ...] = (),
) -> Mapping[str, Any]:
    """What `bitwright verify` answers of the module: cycles, bound, layers, whether all was exact.

    images: (N, ...) float, typical inputs, which set the steps of a float module; the first
    `inputs` of them are simulated, none with 0: then it is what `bitwright compile` answers. bits:
    of a float module; a trained one has its own. UnsupportedModelError names what the overlay
    cannot compute, before anything is written.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"name must be letters, digits, '_', '-' and '.', not {shorten(name)}")
    if isinstance(model, QuantNet | SnappedNet):
        snapped = snap(model) if isinstance(model, QuantNet) else model
        if bits is not None:
            raise ConfigError("bits are of a float module; a trained one has its plan's")
        proto = write_qonnx(to_graph(snapped, name)).proto
        images = snapped.grid.codes(images).float()
    else:
        proto = to_qonnx(model, images, bits, name)
    path = write_bytes(BUILD / MODELS / f"{name}.onnx", proto.SerializeToString())
    settings = (f"board={board}", *overrides)
    if inputs < 1:
        return compiling.run(path, settings)
    file = _save(BUILD / MODELS / f"{name}.npy", images[:inputs].numpy())
    return verify_verb.run(path, settings, inputs_file=file)


def _save(path: Path, images: np.ndarray) -> Path:
    with staged(path) as temporary, open(temporary, "wb") as file:
        np.save(file, images)
    return path
