"""QONNX in: an ONNX file with quantizers as an IntegerGraph whose golden meaning is the file's own.

The nodes are walked in running order. Constants are computed; element-wise operations wait; a
quantizer makes a rule of all that waited since the layer before it, by asking it about every sum
that can be (build.py). Nothing is rounded on the way, and what cannot be taken is listed by node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from codegen.device_layer import layer_shapes
from codegen.frontend.qonnx import elementwise, joins, places, quantize, weights, windows
from codegen.frontend.qonnx.build import GraphBuilder, device_problem, image_shape
from codegen.frontend.qonnx.call import Call, Operand, Unknown, UnknownError
from codegen.frontend.qonnx.constants import Constant, fold
from codegen.frontend.qonnx.file import OnnxModel, OnnxNode, read_onnx
from codegen.frontend.qonnx.head import IMAGE, NUMBERS, Head, parse_precision
from codegen.frontend.qonnx.problems import Problem, RefusalError, misfit, refuse_all
from codegen.frontend.qonnx.value import NO_PADS, Value
from ir.errors import BitwrightError, ConfigError
from ir.graph import IntegerGraph
from ir.precision import Precision

QONNX_DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
STANDARD_DOMAINS = ("", "ai.onnx")
OPSETS = range(7, 26)

Taker = Callable[[Call], Value | Constant]

QUANTIZERS: Mapping[str, Taker] = {
    "Quant": quantize.quant,
    "IntQuant": quantize.quant,
    "BipolarQuant": quantize.bipolar_quant,
    "Trunc": quantize.trunc,
    "MultiThreshold": quantize.multi_threshold,
}
STANDARD: Mapping[str, Taker] = {
    "Add": elementwise.add,
    "AveragePool": windows.average_pool,
    "BatchNormalization": elementwise.batch_norm,
    "Cast": elementwise.identity,
    "Clip": elementwise.clip,
    "Concat": joins.concat,
    "Conv": weights.conv,
    "Div": elementwise.divide,
    "Dropout": elementwise.identity,
    "Flatten": places.flatten,
    "Gemm": weights.gemm,
    "GlobalAveragePool": windows.global_average_pool,
    "Identity": elementwise.identity,
    "MatMul": weights.matmul,
    "MaxPool": windows.max_pool,
    "Mul": elementwise.multiply,
    "Neg": elementwise.negative,
    "Pad": places.pad,
    "ReduceMean": windows.reduce_mean,
    "Relu": elementwise.relu,
    "Reshape": places.reshape,
    "Squeeze": places.squeeze,
    "Sub": elementwise.subtract,
    "Transpose": places.transpose,
    "Unsqueeze": places.unsqueeze,
}
WAYS_OUT = {
    "Sigmoid": "use ReLU, or leave it to the host behind the last layer",
    "Tanh": "use ReLU, or clip",
    "Softmax": "leave it to the host: argmax does not need it",
    "LogSoftmax": "leave it to the host: argmax does not need it",
    "ArgMax": "leave it to the host",
    "TopK": "leave it to the host",
    "Gelu": "use ReLU",
    "Erf": "use ReLU",
    "Elu": "use ReLU",
    "PRelu": "use ReLU",
    "HardSwish": "use ReLU",
    "LSTM": "the overlay has no recurrence: use convolutions or linear layers",
    "GRU": "the overlay has no recurrence: use convolutions or linear layers",
    "LayerNormalization": "use batch normalization",
    "ConvTranspose": "use a convolution",
    "Resize": "use a convolution with a stride",
    "QuantizeLinear": "convert the model from QCDQ to QONNX (qonnx has a transformation)",
    "DequantizeLinear": "convert the model from QCDQ to QONNX (qonnx has a transformation)",
    "If": "export with a fixed path",
    "Loop": "export with the loop unrolled",
}


HOSTILE = (ArithmeticError, LookupError, MemoryError, TypeError, ValueError)
"""What numbers and shapes that do not fit together make numpy and Python throw."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Imported:
    """A model in integers. codes: {tensor of the file: its Value}, of every tensor of codes.

    input_shape: of one input, as the file has it. output_name: the file's. notes: what was assumed,
    or taken inexactly because it was asked for.
    """

    graph: IntegerGraph
    input_shape: tuple[int, ...]
    head: Head
    output: Value
    output_name: str
    codes: Mapping[str, Value]
    notes: tuple[str, ...] = ()

    def encode(self, x: np.ndarray) -> np.ndarray:
        """The file's input (N, ...) -> codes (N, C, H, W) of the graph's input."""
        return self.head.encode(x)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Codes (N, C, H, W) of the graph's output -> the file's output (N, ...), float32."""
        return self.output.reals(codes.reshape(len(codes), *self.output.shape))


def import_onnx(path: Path, *, input_precision: str = "", inexact: bool = False) -> Imported:
    """The verified graph of a QONNX file.

    input_precision: of integers that come without a quantizer at the input (u8, s4, bipolar ...).
    inexact: take the nearest rule where none is exact, and note it. ConfigError: the file is
    broken. UnsupportedModelError: lists every node in the way.
    """
    found, problems = examine_onnx(path, input_precision=input_precision, inexact=inexact)
    refuse_all(path.name, problems)
    assert found is not None
    return found


def examine_onnx(
    path: Path, *, input_precision: str = "", inexact: bool = False
) -> tuple[Imported | None, list[Problem]]:
    """(the model, the problems): one of them is missing. ConfigError: the file is broken."""
    wanted = parse_precision(input_precision) if input_precision else None
    model = read_onnx(path)
    version = model.opsets.get("", model.opsets.get("ai.onnx", 0))
    if version not in OPSETS:
        raise ConfigError(
            f"{path}: ONNX opset {version}; {OPSETS.start} to {OPSETS.stop - 1} are read"
        )
    return _Walk(model=model, builder=GraphBuilder(inexact=inexact), wanted=wanted).run()


@dataclass(kw_only=True, eq=False)
class _Walk:
    """One import. known: what each tensor of the file is."""

    model: OnnxModel
    builder: GraphBuilder
    wanted: Precision | None
    known: dict[str, Operand] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    head: Head | None = None

    def run(self) -> tuple[Imported | None, list[Problem]]:
        model = self.model
        self.known[model.input] = Value(kind="input", shape=model.input_shape[1:])
        self.known |= {n: Constant(values=v) for n, v in model.constants.items()}
        for node in model.nodes:
            found = self._taken(node, lambda node=node: self._take(node))
            self.known |= dict.fromkeys(filter(None, node.outputs), found)
        last = model.nodes[-1]
        ends = self._taken(last, lambda: self._end(last))
        if self.problems or not isinstance(ends, Value) or self.head is None:
            return None, self.problems
        return self._finish(last, ends), self.problems

    def _taken(self, node: OnnxNode, work: Callable[[], Operand]) -> Operand:
        """What `work` makes of a node; Unknown, with a problem listed, where it is refused."""
        try:
            return work()
        except UnknownError:
            return Unknown()
        except RefusalError as refusal:
            self._problem(node, refusal)
        except BitwrightError as error:
            self._problem(node, device_problem(error))
        except HOSTILE as error:
            self._problem(node, misfit(error))
        return Unknown()

    def _problem(self, node: OnnxNode, refusal: RefusalError) -> None:
        entry = Problem(node=node.name, op=node.op, why=refusal.why, rewrite=refusal.rewrite)
        self.problems.append(entry)

    def _take(self, node: OnnxNode) -> Operand:
        operands = tuple(self.known[name] if name else None for name in node.inputs)
        call = Call(
            node=node, operands=operands, builder=self.builder, model=self.model, inputs=self
        )
        taker = self._taker(node)
        if node.op == "Shape" and isinstance(operands[0], Value):
            return self._shape(node, operands[0])
        if taker is None or node.domain in STANDARD_DOMAINS:
            constants = [o for o in operands if isinstance(o, Constant) or o is None]
            if len(constants) == len(operands) and node.op != "Dropout":
                return fold(node, constants, self.model.opsets)
            if any(isinstance(o, Unknown) for o in operands) and taker is None:
                self._refuse_operator(node)
        if taker is None:
            self._refuse_operator(node)
        assert taker is not None
        return taker(call)

    def _taker(self, node: OnnxNode) -> Taker | None:
        if node.domain in QONNX_DOMAINS:
            return QUANTIZERS.get(node.op)
        return STANDARD.get(node.op) if node.domain in STANDARD_DOMAINS else None

    def _refuse_operator(self, node: OnnxNode) -> None:
        domain = f" of domain {node.domain!r}" if node.domain else ""
        default = "use the operators that docs/networks.md lists"
        raise RefusalError(
            f"the overlay has no operator {node.op!r}{domain}", WAYS_OUT.get(node.op, default)
        )

    def _shape(self, node: OnnxNode, value: Value) -> Constant:
        sizes = [self.model.input_shape[0], *value.shape]
        start, end = node.attributes.get("start", 0), node.attributes.get("end", len(sizes))
        return Constant(values=np.array(sizes[start:end], np.int64))

    def integer_input(self, value: Value) -> Value:
        """The network's input as integers that come as they are."""
        if self.head is not None and self.head.quantizer is not None:
            raise RefusalError(
                "it reads the input beside its quantizer", "read the quantized input everywhere"
            )
        if self.head is None:
            precision = self._input_precision(value)
            tensor = self.builder.input(self.model.input, value.shape, precision)
            self.head = Head(tensor=tensor, value=value)
        tensor = self.head.tensor
        return Value(
            kind="codes", shape=value.shape, tensor=tensor.name, steps=value.steps, pads=value.pads
        )

    def quantized_input(self, value: Value, quantizer: quantize.Quantizer) -> Value:
        """The network's input as the codes that the host makes of it."""
        value.unpadded()
        if self.head is not None:
            raise RefusalError("the input is quantized twice", "quantize the input once")
        lo, hi = quantizer.lo, quantizer.hi
        if lo is None or hi is None:
            raise RefusalError("it truncates the network's input", "put a Quant before it")
        coding = quantizer.coding(lo, hi)
        tensor = self.builder.input(self.model.input, value.shape, coding.precision)
        self.head = Head(tensor=tensor, value=value, quantizer=quantizer, coding=coding)
        return Value(
            kind="codes",
            shape=value.shape,
            tensor=tensor.name,
            scale=coding.scale,
            offset=coding.offset,
        )

    def _input_precision(self, value: Value) -> Precision:
        if self.wanted is not None:
            return self.wanted
        annotated = self.model.datatypes.get(self.model.input)
        if annotated:
            return parse_precision(annotated)
        channels, height, width = image_shape(value.shape)
        assumed = IMAGE if height * width > 1 else NUMBERS
        self.builder.notes.append(
            f"input {self.model.input!r} has no quantizer: taken as {assumed} integers; "
            "--input-precision says others (u1 to u8, s2 to s8, bipolar)"
        )
        return assumed

    def _end(self, last: OnnxNode) -> Operand:
        """The network's output as codes of the graph."""
        found = self.known[self.model.output]
        if isinstance(found, Constant):
            raise RefusalError("the output does not depend on the input", "check the model")
        if not isinstance(found, Value):
            return Unknown()
        if found.kind == "input":
            raise RefusalError("the network has no layer", "check the model")
        value = found.unpadded()
        return value if value.kind == "codes" else self.builder.raw_output(value, last.name)

    def _finish(self, last: OnnxNode, output: Value) -> Imported | None:
        assert self.head is not None
        builder = self.builder
        graph = IntegerGraph(
            self.model.name,
            builder.tensors,
            builder.nodes,
            self.head.tensor.name,
            output.tensor,
        )

        def check() -> Operand:
            layer_shapes(graph.verify())
            return None

        self._taken(last, check)
        if self.problems:
            return None
        codes = {
            name: value
            for name, value in self.known.items()
            if isinstance(value, Value) and value.kind == "codes" and value.pads == NO_PADS
        }
        return Imported(
            graph=graph,
            input_shape=self.model.input_shape[1:],
            head=self.head,
            output=output,
            output_name=self.model.output,
            codes=codes,
            notes=tuple(builder.notes),
        )
