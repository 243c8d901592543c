"""What allocators read from a network: entropy, profiles, one epoch's loss, curvature."""

import copy

import numpy as np
import pytest
import torch

from ir.plan import PrecisionPlan
from quant.allocator import Problem, build_allocator
from quant.allocators.alps import epoch_gains
from quant.allocators.eagl import entropies, entropy, entropy_gains, narrow
from quant.allocators.hawq import perturbation
from quant.allocators.profiled import profile
from quant.body import float_net
from quant.budget import Budget
from quant.data import Dataset
from quant.evaluations import Evaluations, Store
from quant.hessian import float_logits, hessian_traces
from quant.layers import QuantNet
from quant.recipe import Recipe
from quant.search_settings import SearchSettings
from quant.train import evaluate, fine_tune, inputs_of
from tests.quant.toy_cost import COST, QUICK, budget_at


def problem(net: QuantNet, data: Dataset, settings: SearchSettings = QUICK) -> Problem:
    return Problem(
        model=net,
        data=data.search,
        cost=COST,
        budget=Budget(cycles=budget_at(0.3)),
        seed=0,
        settings=settings,
        judge=Evaluations(net, data.search, settings, 0),
    )


def test_eagl_beats_uniform_in_its_own_measure(quant_net: QuantNet, digits: Dataset) -> None:
    gains = {layer.block_name: entropy_gains(layer, range(1, 9)) for layer in quant_net.chain}

    def total(plan: PrecisionPlan) -> float:
        return sum(gains[name][bits.widest] for name, bits in plan.layers.items())

    plans = {
        name: build_allocator(name)
        .allocate(quant_net, digits.search, COST, Budget(cycles=budget_at(0.3)), 0)
        .plan
        for name in ("eagl", "uniform")
    }
    assert total(plans["eagl"]) > total(plans["uniform"])
    assert len(plans["eagl"].widths) >= 2


def test_entropy_in_bits() -> None:
    assert entropy(np.array([3, 3, 3])) == 0.0
    assert entropy(np.array([0, 1, 2, 3])) == pytest.approx(2.0)
    assert entropy(np.array([0, 0, 0, 1])) == pytest.approx(0.811278, abs=1e-6)


def test_entropy_never_falls_and_stops_at_the_trained_width(quant_net: QuantNet) -> None:
    for layer in quant_net.chain:
        found = entropies(layer)
        assert list(found) == list(range(1, 9))
        assert all(found[b] <= found[b + 1] + 1e-12 for b in range(1, 8))
        codes = layer.weights.codes(layer.linear.weight.detach()).numpy()
        assert found[8] == pytest.approx(entropy(codes))
        assert found[2] <= 2.0 and found[1] <= 1.0


def test_of_two_widths_the_gain_is_the_entropy_at_the_wider(quant_net: QuantNet) -> None:
    for layer in quant_net.chain:
        codes = layer.weights.codes(layer.linear.weight.detach()).numpy()
        assert entropy_gains(layer, [2, 8]) == {2: 0.0, 8: pytest.approx(entropy(codes))}


def test_between_two_widths_the_gain_is_a_share_of_it(quant_net: QuantNet) -> None:
    for layer in quant_net.chain:
        found, gains = entropies(layer), entropy_gains(layer, [2, 3, 4])
        share = (found[3] - found[2]) / (found[4] - found[2])
        assert gains[2] == 0.0 and gains[4] == pytest.approx(found[4])
        assert gains[3] == pytest.approx(share * found[4])


def test_codes_that_say_nothing_gain_nothing(quant_net: QuantNet) -> None:
    layer = copy.deepcopy(quant_net.chain[0])
    with torch.no_grad():
        layer.linear.weight.fill_(0.0)
    assert entropy_gains(layer, [2, 4]) == {2: 0.0, 4: 0.0}


def test_codes_requantized_to_fewer_bits() -> None:
    codes = np.array([-7, -3, 0, 1, 7])
    assert np.array_equal(narrow(codes, 4, trained_bits=4), codes)
    assert np.array_equal(narrow(codes, 8, trained_bits=4), codes)
    assert narrow(codes, 1, trained_bits=4).tolist() == [-1, -1, 1, 1, 1]
    step = 7**0.5  # sqrt(QP 7 / QP 1)
    wanted = [int(np.floor(np.clip(c / step, -2, 1) + 0.5)) for c in codes]
    assert narrow(codes, 2, trained_bits=4).tolist() == wanted == [-2, -1, 0, 0, 1]


def test_profile_of_layers_alone(quant_net: QuantNet, digits: Dataset) -> None:
    asked = problem(quant_net, digits)
    rows = profile(asked)
    base = asked.judge(asked.space.plan((8, 8, 8, 8)), epochs=0).nll
    third = asked.judge(asked.space.plan((8, 8, 2, 8)), epochs=0).nll
    assert rows[2][2] == pytest.approx(max(third - base, rows[2][4]))
    assert all(row[2] >= row[4] >= row[8] == 0.0 for row in rows)
    assert asked.judge.trainings == 9 and asked.judge.images_seen == 0


def test_alps_gains_are_losses_after_one_epoch(quant_net: QuantNet, digits: Dataset) -> None:
    recipe = Recipe(epochs=3, learning_rate=0.004)
    settings = SearchSettings(recipe=recipe)
    asked = problem(quant_net, digits, settings)
    gains = epoch_gains(asked)
    one = Recipe(epochs=1, learning_rate=0.004)
    plans = [asked.space.plan(numbers) for numbers in ((8, 8, 8, 8), (8, 2, 8, 8))]
    losses = [
        evaluate(
            fine_tune(quant_net, plan, digits.search, one, quantizer=settings.quantizer),
            digits.search.validation,
        )["nll"]
        for plan in plans
    ]
    assert gains["conv2"][2] == pytest.approx(losses[0] - losses[1], abs=1e-12)
    assert all(row[2] <= row[4] <= row[8] for row in gains.values())
    assert asked.judge.asked == asked.judge.trainings == 9
    assert asked.judge.images_seen == 9 * len(digits.search.train)


def test_trace_of_the_last_layer_in_closed_form(quant_net: QuantNet, digits: Dataset) -> None:
    """Softmax after a linear layer: the mean of |x|^2 sum_k p_k (1 - p_k) over the images."""
    batch = digits.search.train.take(np.arange(64))
    weights = [layer.linear.weight.detach() for layer in quant_net.chain]
    seen: list[torch.Tensor] = []
    body = float_net(quant_net).eval()
    body.get_submodule("fc").register_forward_hook(lambda _, read, __: seen.append(read[0]))
    logits = body(inputs_of(batch))
    assert torch.equal(float_logits(quant_net, weights, inputs_of(batch)), logits)
    inputs, shares = seen[0], logits.softmax(dim=1)
    exact = inputs.square().sum(dim=1) * (shares * (1 - shares)).sum(dim=1)
    estimate = hessian_traces(quant_net, batch, probes=200, seed=0)
    assert estimate["fc"] == pytest.approx(float(exact.detach().mean()), rel=0.1)
    assert list(estimate) == [layer.block_name for layer in quant_net.chain]
    again = hessian_traces(quant_net, batch, probes=3, seed=7)
    assert again == hessian_traces(quant_net, batch, probes=3, seed=7)
    assert again != hessian_traces(quant_net, batch, probes=3, seed=8)


def test_perturbation_of_rounding() -> None:
    weight = torch.tensor([[-1.0, 0.3], [0.2, 1.0]])
    assert perturbation(weight, 2) == pytest.approx(0.3**2 + 0.2**2)  # step 1: -1, 0, 0, 1
    assert perturbation(weight, 1) == pytest.approx(2 * 0.375**2 + 0.325**2 + 0.425**2)
    falling = [perturbation(weight, bits) for bits in range(2, 9)]
    assert falling == sorted(falling, reverse=True) and falling[-1] < 1e-4


def test_evaluations_are_shared_and_charged_in_full(quant_net: QuantNet, digits: Dataset) -> None:
    store: Store = {}
    judges = [Evaluations(quant_net, digits.search, QUICK, 0, store) for _ in range(2)]
    plan = problem(quant_net, digits).space.plan((4, 4, 4, 4))
    first = judges[0](plan, epochs=1)
    assert len(store) == 1 and judges[0].seconds_kept == 0.0
    assert judges[1](plan, epochs=1) is first and judges[1](plan, epochs=1) is first
    assert (judges[1].asked, judges[1].trainings) == (2, 1)
    assert judges[1].seconds_kept == first.seconds > 0
    assert judges[1].images_seen == judges[0].images_seen == len(digits.search.train)
    judges[1](plan)
    assert len(store) == 2  # another length of training is another evaluation
    other = Evaluations(quant_net, digits.search, QUICK, 1, store)
    assert other(plan, epochs=1).nll != first.nll
