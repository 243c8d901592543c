"""Cross entropy, and distillation against its formula."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from ir.plan import uniform_plan
from quant.data import Dataset
from quant.objective import Distilled, Objective
from quant.prepare import QuantizerConfig, layer_names
from quant.recipe import Distillation, Recipe
from quant.train import evaluate, fine_tune

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def teacher() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(4, 3)


def test_cross_entropy() -> None:
    wanted = -LOGITS.log_softmax(1)[torch.arange(6), LABELS].mean()
    assert float(Objective()(LOGITS, X, LABELS)) == pytest.approx(float(wanted))


@pytest.mark.parametrize(("weight", "temperature"), [(0.3, 1.0), (1.0, 4.0)])
def test_distillation_is_its_formula(weight: float, temperature: float) -> None:
    net = teacher()
    found = Distilled(net, Distillation(weight=weight, temperature=temperature))(LOGITS, X, LABELS)
    p = (net(X).detach() / temperature).softmax(1)
    q = (LOGITS / temperature).softmax(1)
    unlike = float((p * (p / q).log()).sum(dim=1).mean())
    own = float(Objective()(LOGITS, X, LABELS))
    assert float(found) == pytest.approx(
        (1 - weight) * own + weight * temperature**2 * unlike, rel=1e-5
    )


def test_a_student_like_its_teacher_has_nothing_to_learn() -> None:
    net = teacher()
    logits = net(X).detach().requires_grad_()
    Distilled(net, Distillation(weight=1.0, temperature=2.0))(logits, X, LABELS).backward()
    assert logits.grad is not None and float(logits.grad.abs().max()) < 1e-6
    assert net.weight.grad is None


def test_who_teaches_and_how_is_part_of_a_run() -> None:
    how = Distillation(weight=0.5)
    one = Distilled(teacher(), how).identity
    assert one == Distilled(teacher(), how).identity
    assert one != Distilled(nn.Linear(4, 3), how).identity
    assert one != Distilled(teacher(), replace(how, temperature=2.0)).identity
    assert Objective().identity == ""


def test_a_distilled_network_comes_nearer_to_its_teacher(
    digits: Dataset, float_net: nn.Module
) -> None:
    plan = uniform_plan(layer_names(float_net), 4, first_a_bits=5)
    recipe = Recipe(epochs=3, learning_rate=0.005)
    before = {name: value.clone() for name, value in float_net.state_dict().items()}
    divergence = []
    for weight in (0.0, 1.0):
        taught = replace(recipe, distillation=Distillation(weight=weight, temperature=2.0))
        net = fine_tune(float_net, plan, digits.search, taught, quantizer=QuantizerConfig())
        objective = Distilled(float_net, Distillation(weight=1.0))
        x = torch.from_numpy(digits.test.images).float() * digits.test.scale
        with torch.no_grad():
            labels = torch.from_numpy(digits.test.labels)
            divergence.append(float(objective(net(x), x, labels)))
        assert evaluate(net, digits.test)["accuracy"] > 0.8
    assert divergence[1] < divergence[0]
    assert all(torch.equal(before[n], v) for n, v in float_net.state_dict().items())
