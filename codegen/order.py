"""In which order the channels of each tensor lie on the device.

A row tile takes as many cycles as its widest row needs: output channels are sorted by their bits,
the widest first. Whatever reads a tensor follows its order. Where several layers decide over one
order (the partners of an addition, what pools and depthwise layers make of it), the order that
costs the least of all is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ir.graph import Concat, Conv, IntegerGraph, Linear, Node, Rule


def is_depthwise(node: Node, channels: int) -> bool:
    """Whether each output channel of a convolution reads the input channel of its number."""
    return isinstance(node, Conv) and node.groups == channels == node.weight.shape[0]


def channel_orders(
    graph: IntegerGraph, *, dm: int, digit: int, sort: bool
) -> dict[str, np.ndarray]:
    """{tensor of codes: (C,) the channel that lies at each place}.

    dm: rows of a tile; digit: bits of a weight digit. Without `sort` every channel keeps its place.
    """
    channels = {name: tensor.shape[0] for name, tensor in graph.tensors.items()}
    orders = {name: np.arange(count) for name, count in channels.items()}
    if not sort:
        return orders
    shared = _Shared(graph)
    for names in shared.classes():
        if not names & shared.kept:
            order = _best(shared.deciders(names), dm=dm, digit=digit)
            orders |= dict.fromkeys(names, order) if order is not None else {}
    for node in graph.nodes:
        if isinstance(node, Concat):
            places = np.cumsum([0, *(channels[name] for name in node.inputs)])
            parts = [p + orders[n] for p, n in zip(places, node.inputs, strict=False)]
            orders[node.output] = np.concatenate(parts)
    return orders


class _Shared:
    """Which tensors have one order, and which keep the channels' own.

    kept: the network's input, whatever grouped convolutions read and write, and the parts of a
    concatenation that is read by nodes whose output follows its order.
    """

    def __init__(self, graph: IntegerGraph) -> None:
        self.graph = graph
        self.of = {name: name for name in graph.tensors}
        self.kept = {graph.input}
        rules = {node.input: node.output for node in graph.nodes if isinstance(node, Rule)}
        joined = {node.output: node for node in graph.nodes if isinstance(node, Concat)}
        self.producers: dict[str, Linear] = {}
        for node in graph.nodes:
            output = rules.get(node.output, node.output)
            if isinstance(node, Rule | Concat):
                continue
            groups = node.groups if isinstance(node, Conv) else 1
            if isinstance(node, Linear):
                self.producers[output] = node
            if not isinstance(node, Linear) or is_depthwise(
                node, graph.tensors[node.input].shape[0]
            ):
                self._join([*node.inputs, output])
            elif groups > 1:
                self.kept |= {node.input, output}
            if groups > 1 or not isinstance(node, Linear):
                for name in node.inputs:
                    self._keep_parts(name, joined)

    def _join(self, names: Iterable[str]) -> None:
        roots = {self.of[name] for name in names}
        first = min(roots)
        self.of = {name: first if root in roots else root for name, root in self.of.items()}

    def _keep_parts(self, name: str, joined: dict[str, Concat]) -> None:
        if name in joined:
            self.kept.add(name)
            for part in joined[name].inputs:
                self.kept.add(part)
                self._keep_parts(part, joined)

    def classes(self) -> list[set[str]]:
        """Sets of tensors of one order."""
        roots = dict.fromkeys(self.of.values())
        return [{name for name, root in self.of.items() if root == of} for of in roots]

    def deciders(self, names: Iterable[str]) -> list[tuple[np.ndarray, int]]:
        """(widths of the rows, cycles of a row tile a bit) of the layers whose rows differ."""
        found = []
        for name in sorted(names):
            node = self.producers.get(name)
            if node is not None and node.row_bits is not None:
                pixels = int(np.prod(self.graph.tensors[name].shape[1:]))
                a_bits = self.graph.tensors[node.input].precision.bits
                found.append((np.array(node.row_bits), node.weight[0].size * pixels * a_bits))
        return found


def _best(layers: Sequence[tuple[np.ndarray, int]], *, dm: int, digit: int) -> np.ndarray | None:
    """The cheapest of: each layer's own order, and that of their widths weighted by cost."""
    if not layers:
        return None
    keys = [widths.astype(float) for widths, _ in layers]
    keys.append(sum((widths * float(cost) for widths, cost in layers), np.zeros(len(keys[0]))))
    orders = [np.argsort(-key, kind="stable") for key in keys]

    def cycles(order: np.ndarray) -> int:
        return sum(cost * sum_of_maxima(-(-widths[order] // digit), dm) for widths, cost in layers)

    return min(orders, key=cycles)


def sum_of_maxima(widths: np.ndarray, dm: int) -> int:
    """Sum over row tiles of dm rows of the largest width in each."""
    return int(np.maximum.reduceat(widths, np.arange(0, len(widths), dm)).sum())
