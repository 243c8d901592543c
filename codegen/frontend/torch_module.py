"""Torch module -> IntegerGraph.

Only a snapped network has one integer meaning; `quant.integerize.snap` makes it, and the graph with
it. What the overlay cannot compute is refused by `quant.prepare.check_supported`, before anything
slow.
"""

from dataclasses import replace

from torch import nn

from ir.errors import UnsupportedModelError
from ir.graph import IntegerGraph
from quant.snapped import SnappedNet


def to_graph(model: nn.Module, name: str = "network") -> IntegerGraph:
    """The verified graph of a snapped network.

    Tensors: ``input``, then ``<layer>.sums`` and ``<layer>.codes`` of each layer.
    UnsupportedModelError for a module that is not snapped.
    """
    if not isinstance(model, SnappedNet):
        raise UnsupportedModelError(
            f"{type(model).__name__} still computes in floats; fine-tune it at a plan and snap it "
            "(quant.train.fine_tune, quant.integerize.snap)"
        )
    return replace(model.graph, name=name)
