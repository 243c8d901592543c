"""A traced network's graph with quantizers put in, and taken out again."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn

from quant.layers import JOINS, Activations, QuantLayer, QuantNet
from quant.quantizer import Quantizer
from quant.structure import WEIGHTED, Structure, node_of
from quant.trace import Operation, Traced

Weights = Callable[[str, nn.Conv2d | nn.Linear], Quantizer]
"""(layer's name, its module) -> what quantizes its weights."""


def quantized_body(
    traced: Traced, structure: Structure, inputs: Mapping[str, Activations], weights: Weights
) -> fx.GraphModule:
    """A copy of the graph. inputs: {group: its quantizer}."""
    body = copy.deepcopy(traced.module)
    _put_layers(body, traced.operations, structure, inputs, weights)
    _put_joins(body, structure, inputs)
    body.delete_all_unused_submodules()
    body.recompile()
    return body


def float_net(net: QuantNet) -> fx.GraphModule:
    """The float network inside, with its present weights; a copy."""
    body = copy.deepcopy(net.body)
    for layer in [module for module in body.modules() if isinstance(module, QuantLayer)]:
        body.set_submodule(layer.block_name, layer.linear)
    for node in list(body.graph.nodes):
        if node.op == "call_module" and str(node.target).startswith(f"{JOINS}."):
            node.replace_all_uses_with(node.args[0])
            body.graph.erase_node(node)
    body.delete_all_unused_submodules()
    body.recompile()
    return body


def _put_layers(
    body: fx.GraphModule,
    operations: list[Operation],
    structure: Structure,
    inputs: Mapping[str, Activations],
    weights: Weights,
) -> None:
    """Quantized layers instead of convolutions and linear layers."""
    nodes = {node.name: node for node in body.graph.nodes}
    for operation in operations:
        if operation.op not in WEIGHTED:
            continue
        node, name = nodes[node_of(operation)], operation.name
        linear = _linear(body, node, operation)
        read = inputs[structure.read_by(operation)]
        layer = QuantLayer(name=name, linear=linear, inputs=read, weights=weights(name, linear))
        body.set_submodule(name, layer)
        if node.op == "call_function":
            with body.graph.inserting_before(node):
                call = body.graph.call_module(name, (node.args[0],))
            node.replace_all_uses_with(call)
            _drop(body, node)


def _drop(body: fx.GraphModule, node: fx.Node) -> None:
    """A call of a function, and the parameters that it read."""
    parameters = [source for source in node.all_input_nodes if source.op == "get_attr"]
    body.graph.erase_node(node)
    for source in parameters:
        path, _, name = str(source.target).rpartition(".")
        delattr(body.get_submodule(path), name)
        body.graph.erase_node(source)


def _linear(body: fx.GraphModule, node: fx.Node, operation: Operation) -> nn.Conv2d | nn.Linear:
    """The layer's module; for a call of a function one with the same parameters."""
    if node.op == "call_module":
        found = body.get_submodule(str(node.target))
        assert isinstance(found, nn.Conv2d | nn.Linear)
        return found
    weight, bias = operation.tensors["weight"], operation.tensors.get("bias")
    numbers: Mapping[str, Any] = operation.numbers
    before, behind = (tuple(numbers.get("pads", ())[i : i + 2]) for i in (0, 2))
    with torch.device("meta"):
        linear = (
            nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
            if operation.op == "Gemm"
            else nn.Conv2d(
                weight.shape[1] * numbers["group"],
                weight.shape[0],
                (weight.shape[2], weight.shape[3]),
                stride=tuple(numbers["strides"]),
                padding=before if before == behind else "same",
                dilation=tuple(numbers["dilations"]),
                groups=numbers["group"],
                bias=bias is not None,
            )
        )
    linear.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        linear.bias = nn.Parameter(bias.detach().clone())
    return linear


def _put_joins(
    body: fx.GraphModule, structure: Structure, inputs: Mapping[str, Activations]
) -> None:
    """Quantizers before additions and averages."""
    nodes = {node.name: node for node in body.graph.nodes}
    for reader in structure.readers:
        if reader.op in WEIGHTED:
            continue
        group = structure.read_by(reader)
        body.add_submodule(f"{JOINS}.{group}", inputs[group])
        node = nodes[node_of(reader)]
        for source in list(node.all_input_nodes):
            with body.graph.inserting_before(node):
                codes = body.graph.call_module(f"{JOINS}.{group}", (source,))
            node.replace_input_with(source, codes)
