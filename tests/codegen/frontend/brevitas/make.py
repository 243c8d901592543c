"""Makes the models of this folder with Brevitas 0.13.4, in an environment of its own:

    python3 -m venv /tmp/brevitas && /tmp/brevitas/bin/pip install \
        brevitas==0.13.4 'setuptools<81' onnxoptimizer qonnx==1.0.0 onnx==1.22.0 torch==2.13.0
    /tmp/brevitas/bin/python tests/codegen/frontend/brevitas/make.py

Brevitas is no dependency of ours: what it exports is kept beside this file.
"""

from pathlib import Path
from typing import Any

import brevitas.nn as qnn  # pyright: ignore[reportMissingImports]
import onnx
import torch
from brevitas.export import export_qonnx  # pyright: ignore[reportMissingImports]
from brevitas.quant import (  # pyright: ignore[reportMissingImports]
    Int8ActPerTensorFixedPoint,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int8WeightPerTensorFloat,
    Int16Bias,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
    Uint8ActPerTensorFixedPoint,
    Uint8ActPerTensorFloat,
)
from torch import Tensor, nn

SHAPE = (1, 3, 8, 8)


class Residual(nn.Module):
    """Batch norms, maximum, depthwise, a shortcut with a shared quantizer, an average that
    truncates."""

    def __init__(self, bits: int, weights: Any) -> None:
        super().__init__()
        kind = {"weight_bit_width": bits, "return_quant_tensor": True}
        relu = {"bit_width": bits, "return_quant_tensor": True}
        self.input = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
        self.conv1 = qnn.QuantConv2d(3, 8, 3, padding=1, bias=False, weight_quant=weights, **kind)
        self.norm1, self.relu1 = nn.BatchNorm2d(8), qnn.QuantReLU(**relu)
        self.pool = nn.MaxPool2d(2)
        each = {"groups": 8, "weight_quant": Int8WeightPerChannelFloat}
        self.depthwise = qnn.QuantConv2d(8, 8, 3, padding=1, bias=True, **each, **kind)
        self.norm2, self.relu2 = nn.BatchNorm2d(8), qnn.QuantReLU(**relu)
        self.shared = qnn.QuantIdentity(bit_width=bits, return_quant_tensor=True)
        self.conv3 = qnn.QuantConv2d(8, 8, 3, padding=1, weight_bit_width=bits, bias=False)
        self.norm3, self.relu3 = nn.BatchNorm2d(8), qnn.QuantReLU(**relu)
        self.average = qnn.TruncAvgPool2d(4, bit_width=bits, float_to_int_impl_type="floor")
        self.linear = qnn.QuantLinear(8, 10, bias=True, weight_bit_width=bits)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.norm1(self.conv1(self.input(x)))))
        x = self.shared(self.relu2(self.norm2(self.depthwise(x))))
        x = self.relu3(x + self.shared(self.norm3(self.conv3(x))))
        return self.linear(torch.flatten(self.average(x), 1))


def bipolar() -> nn.Module:
    signs = {"bias": False, "weight_quant": SignedBinaryWeightPerTensorConst}
    sign = {"act_quant": SignedBinaryActPerTensorConst}
    first = [qnn.QuantIdentity(bit_width=8), qnn.QuantConv2d(3, 8, 3, **signs), nn.BatchNorm2d(8)]
    second = [qnn.QuantConv2d(8, 8, 2, **signs), nn.BatchNorm2d(8)]
    return nn.Sequential(
        *first,
        qnn.QuantIdentity(**sign),
        nn.MaxPool2d(2),
        *second,
        qnn.QuantIdentity(**sign),
        nn.Flatten(),
        qnn.QuantLinear(32, 10, bias=True, weight_bit_width=2),
    )


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat),
        nn.Dropout(0.2),
        qnn.QuantLinear(192, 16, bias=True, weight_bit_width=3),
        nn.BatchNorm1d(16),
        qnn.QuantReLU(bit_width=3),
        qnn.QuantLinear(16, 10, bias=False, weight_bit_width=3),
        qnn.QuantIdentity(bit_width=8),
    )


def powers_of_two() -> nn.Module:
    """Scales that are powers of two: ties of half-even rounding all over."""
    signed = {"act_quant": Int8ActPerTensorFixedPoint}
    weights = {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": 4}
    return nn.Sequential(
        qnn.QuantIdentity(bit_width=8, return_quant_tensor=True, **signed),
        qnn.QuantConv2d(3, 8, 3, bias=True, bias_quant=Int16Bias, **weights),
        qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=4),
        qnn.QuantConv2d(8, 8, 3, stride=2, bias=False, **weights),
        qnn.QuantIdentity(bit_width=4, **signed),
        qnn.QuantHardTanh(bit_width=3, min_val=-1.0, max_val=1.0),
        nn.Flatten(),
        qnn.QuantLinear(32, 5, bias=False, weight_bit_width=4),
    )


def save(name: str, model: nn.Module) -> None:
    """Statistics from random images; gains of batch norms of both signs."""
    with torch.no_grad():
        for _ in range(5):
            model.train()(torch.randn(16, *SHAPE[1:]))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(-1, 1.5)
                module.bias.normal_()
    place = Path(__file__).parent / f"{name}.onnx"
    export_qonnx(model.eval(), torch.randn(*SHAPE), export_path=str(place))
    proto = onnx.load(place)
    for entry in [proto, proto.graph, *proto.graph.node, *proto.graph.value_info]:
        del entry.metadata_props[:]  # where in the exporter's sources a node came from
    place.write_bytes(proto.SerializeToString())
    place.with_suffix(".onnx.data").unlink(missing_ok=True)  # its weights are in the file now


if __name__ == "__main__":
    torch.manual_seed(0)
    save("cnn2", Residual(2, Int8WeightPerTensorFloat))
    save("cnn4", Residual(4, Int8WeightPerChannelFloat))
    save("cnn8", Residual(8, Int8WeightPerChannelFloat))
    save("bip", bipolar())
    save("mlp", perceptron())
    save("po2", powers_of_two())
