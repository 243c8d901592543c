"""A frame of codes around a bipolar image: only a convolution takes it in.

That it is taken in as it was written: tests/codegen/test_qonnx_writer.py.
"""

from pathlib import Path

import numpy as np
import pytest

from codegen.frontend.qonnx.importer import import_onnx
from ir.errors import UnsupportedModelError
from tests.codegen.frontend.models import QONNX, ModelMaker


@pytest.mark.parametrize(
    ("number", "op", "message"),
    [
        (0.25, "Conv", "'pad'.*0.25 around the image is neither of its input's two values"),
        (0.5, "zeros", "'last'.*puts zeros around a frame of codes"),
        (0.5, "AveragePool", "'last'.*averages a frame of codes"),
        (0.5, "MaxPool", "'last'.*zeros around it win"),
        (0.5, "BipolarQuant", "'last'.*its input is a frame of codes"),
        (0.5, "GlobalAveragePool", "'last'.*averages a frame of codes"),
    ],
)
def test_frames_that_are_refused(number: float, op: str, message: str, tmp_path: Path) -> None:
    m = ModelMaker((1, 2, 4, 4))
    x = m.node("BipolarQuant", "x", m.constant(0.5), domain=QONNX)
    around = m.constant(np.array([0, 0, 1, 1] * 2, np.int64))
    x = m.node("Pad", x, around, m.constant(number), name="pad")
    w = m.constant(np.ones((1, 2, 3, 3)))
    match op:
        case "Conv" | "zeros":
            y = m.node("Conv", x, w, pads=[int(op == "zeros")] * 4, name="last")
        case "BipolarQuant":
            y = m.node("Conv", m.node(op, x, m.constant(1.0), domain=QONNX, name="last"), w)
        case "GlobalAveragePool":
            y = m.node(op, x, name="last")
        case _:
            y = m.node(op, x, kernel_shape=[2, 2], name="last")
    with pytest.raises(UnsupportedModelError, match=message):
        import_onnx(m.save(y, tmp_path / "m.onnx"))
