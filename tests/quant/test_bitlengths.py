"""Learned bitlengths: what shares one, what they pay, how they move, the plan that comes out."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from ir.errors import ConfigError
from quant.bitlengths import Bitlengths, LearningConfig, Penalised, learn_bitlengths, minmax_net
from quant.data import Dataset
from quant.integerize import snap
from quant.layers import QuantNet
from quant.objective import Objective
from quant.penalty import bits, build_penalty, interpolated, straight_lines
from quant.prepare import QuantizerConfig
from quant.quantizers.bitpruning import BitPruning
from quant.recipe import Recipe, Schedule
from quant.train import evaluate, fine_tune, fit
from tests.quant.toy_cost import COST, MACS, cost_of

NAMES = list(MACS)


@pytest.fixture
def net(float_net: nn.Module, digits: Dataset) -> QuantNet:
    return minmax_net(float_net, digits.search, threads_used=1, per_channel=True)


def set_lengths(lengths: Bitlengths, weights: list[float], inputs: list[float]) -> None:
    with torch.no_grad():
        for name, length in zip(NAMES, weights, strict=True):
            lengths.weights(name).fill_(length)
        for name, length in zip(NAMES[1:], inputs, strict=True):
            found = lengths.inputs(name)
            assert found is not None
            found.fill_(length)


def test_granularities(net: QuantNet) -> None:
    def sizes(granularity, **how) -> list[int]:
        return [len(p) for p in Bitlengths(net, granularity, net.links, **how).parameters]

    assert sizes("network") == [1]
    assert sizes("layer") == [1] * 7  # the first layer reads the network's input
    assert sizes("channel") == [4, 8, 8, 1, 1, 1, 1]  # the last layer's channels share a step
    assert sizes("layer", tied=True) == [1] * 4


def test_layers_that_read_one_tensor_share_its_length(net: QuantNet) -> None:
    lengths = Bitlengths(net, "layer", [("conv1",), ("conv2", "conv3"), ("fc",)])
    assert lengths.inputs("conv2") is lengths.inputs("conv3")
    assert lengths.weights("conv2") is not lengths.weights("conv3")
    assert lengths.inputs("conv1") is None


def test_the_quantizers_follow_their_lengths(net: QuantNet) -> None:
    lengths = Bitlengths(net, "layer", net.links)
    for layer in net.chain:
        assert isinstance(layer.weights, BitPruning)
        assert layer.weights.bitlength is lengths.weights(layer.block_name)
    assert isinstance(net.chain[2].inputs, BitPruning)
    assert net.chain[2].inputs.bitlength is lengths.inputs("conv3")


def test_the_plan_is_rounded_up(net: QuantNet) -> None:
    lengths = Bitlengths(net, "channel", net.links)
    set_lengths(lengths, [1.0, 2.01, 7.9, 8.0], [1.0, 3.5, 4.0])
    with torch.no_grad():
        lengths.weights("conv2")[3] = 4.5
    plan = lengths.plan()
    assert plan["conv2"].w_bits == (3, 3, 3, 5, 3, 3, 3, 3)
    assert [plan[n].w_bits for n in ("conv1", "conv3", "fc")] == [1, 8, 8]
    assert [plan[n].a_bits for n in NAMES] == [5, 1, 4, 4]
    lengths.freeze()
    assert lengths.plan() == plan
    assert not any(p.requires_grad for p in lengths.parameters)
    assert lengths.weights("conv2").tolist() == [3, 3, 3, 5, 3, 3, 3, 3]


def test_every_penalty_is_one_at_eight_bits(net: QuantNet) -> None:
    lengths = Bitlengths(net, "layer", net.links)
    for name in ("bits", "ops", "memory", "cycles"):
        assert build_penalty(name, net, COST.table)(lengths).item() == pytest.approx(1)


def test_penalties_are_their_sums(net: QuantNet) -> None:
    lengths = Bitlengths(net, "layer", net.links)
    w, a = [2.0, 3.5, 4.0, 8.0], [4.5, 2.0, 6.0]
    set_lengths(lengths, w, a)
    macs, inputs = list(MACS.values()), [4 * 64, 8 * 16, 8 * 16]  # values a layer reads
    # The toy's macs are those of d4 but for its table: layer by layer from the shapes.
    true_macs = [4 * 9 * 64, 4 * 9 * 8 * 16, 8 * 9 * 8 * 16, 128 * 10]

    def paid(name) -> float:
        return build_penalty(name, net, COST.table)(lengths).item()

    assert paid("bits") == pytest.approx(sum(w + a) / (8 * 7))
    ops = sum(m * n for m, n in zip(true_macs + true_macs[1:], w + a, strict=True))
    assert paid("ops") == pytest.approx(ops / (8 * sum(true_macs + true_macs[1:])))
    sizes = [m / 8 for m in macs] + [n / 8 for n in inputs]  # the toy packs MACs * w_bits / 8
    memory = sum(size * n for size, n in zip(sizes, w + a, strict=True))
    assert paid("memory") == pytest.approx(memory / (8 * sum(sizes)))


def test_cycles_lie_on_lines_between_the_tables_widths(net: QuantNet) -> None:
    lengths = Bitlengths(net, "layer", net.links)
    set_lengths(lengths, [3.0, 4.0, 9.0 / 2, 8.0], [1.0, 2.0, 8.0])
    table = COST.table

    def cost(layer: str, number: float) -> float:
        low, high = (2, 4) if number < 4 else (4, 8)
        at = [table.cycles(layer, (b, 5 if layer == "conv1" else b)) for b in (low, high)]
        return at[0] + (number - low) / (high - low) * (at[1] - at[0])

    numbers = [3.0, 2.0, 3.0, 8.0]  # sqrt(w * a); the first layer's input is fixed
    wanted = sum(cost(n, number) for n, number in zip(NAMES, numbers, strict=True))
    whole = sum(cost(name, 8) for name in NAMES)
    found = build_penalty("cycles", net, table)(lengths)
    assert found.item() == pytest.approx(wanted / whole)
    found.backward()
    slope = (cost("conv1", 4) - cost("conv1", 2)) / 2
    gradient = lengths.weights("conv1").grad
    assert gradient is not None and gradient.item() == pytest.approx(slope / whole)


def test_lines_go_on_beyond_their_ends_and_one_point_is_constant() -> None:
    line = straight_lines({2: 10.0, 4: 30.0, 8: 40.0})
    values = [line(torch.tensor(n)).item() for n in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)]
    assert values == [0, 10, 20, 30, 35, 40]
    constant = straight_lines({4: 7.0})
    assert [constant(torch.tensor(n)).item() for n in (1.0, 8.0)] == [7, 7]


def test_wrong_penalty(net: QuantNet) -> None:
    with pytest.raises(ConfigError, match="penalty must be one of bits, ops, .* not 'cycle'"):
        build_penalty("cycle", net)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="penalty cycles needs a cost table"):
        build_penalty("cycles", net)


class PenaltyAlone(Objective):
    """Nothing but the lengths' cost."""

    def __init__(self, lengths: Bitlengths) -> None:
        self.lengths = lengths

    def __call__(self, logits, x, labels) -> torch.Tensor:
        return bits(self.lengths)


def test_lengths_learn_five_times_as_fast_and_do_not_decay(net: QuantNet, digits: Dataset) -> None:
    lengths = Bitlengths(net, "layer", net.links)
    recipe = Recipe(
        epochs=1,
        learning_rate=0.7,
        optimizer="sgd",
        batch_size=10_000,
        weight_decay=0.1,
        schedule=Schedule(final_share=1.0),
    )
    fit(net, digits.search, recipe, objective=PenaltyAlone(lengths))
    moved = 8 - 5 * 0.7 / (8 * 7)
    assert [p.item() for p in lengths.parameters] == pytest.approx([moved] * 7)


def test_more_gamma_fewer_bits_and_the_plan_can_be_deployed(
    float_net: nn.Module, digits: Dataset
) -> None:
    short = Recipe(epochs=6, learning_rate=0.01)
    plans = []
    for gamma in (0.0, 5.0):
        config = LearningConfig(gamma=gamma, recipe=short, after=replace(short, epochs=1))
        start = minmax_net(float_net, digits.search, threads_used=1)
        penalty = build_penalty("cycles", start, cost_of(tuple(range(1, 9))).table)
        learned = learn_bitlengths(float_net, digits.search, config, penalty)
        assert learned.plan["conv1"].a_bits == 5
        plans.append(learned)
    total = [sum(b.widest + b.a_bits for b in found.plan.layers.values()) for found in plans]
    assert total[1] < total[0] - 10
    deployed = fine_tune(
        plans[1].net,
        plans[1].plan,
        digits.search,
        replace(short, epochs=2),
        quantizer=QuantizerConfig(name="bitpruning"),
    )
    minmax, integers = evaluate(plans[1].net, digits.test), evaluate(snap(deployed), digits.test)
    assert minmax["accuracy"] > 0.9 and integers["accuracy"] > 0.9
    assert deployed.plan == plans[1].plan


def test_the_objective_adds_gamma_times_the_penalty(net: QuantNet) -> None:
    lengths = Bitlengths(net, "layer", net.links)
    logits, labels = torch.zeros(2, 10), torch.tensor([1, 2])
    penalty = interpolated({"fc": straight_lines({0: 0.0, 8: 8.0})})
    found = Penalised(lengths, penalty, 3.0)(logits, logits, labels)
    assert found.item() == pytest.approx(float(torch.tensor(10.0).log()) + 3)


def test_wrong_learning_config() -> None:
    with pytest.raises(ConfigError, match="granularity must be network, layer or channel, not 'a'"):
        LearningConfig(granularity="a")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="gamma must not be negative, not -1"):
        LearningConfig(gamma=-1.0)
