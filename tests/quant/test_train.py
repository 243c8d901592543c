"""Training: deterministic, resumable to the bit, and good enough on digits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from ir.errors import ConfigError
from ir.plan import uniform_plan
from ir.precision import Precision
from quant.checkpoint import load_checkpoint, save_checkpoint
from quant.data import Augmentation, Dataset
from quant.integerize import snap
from quant.net import NetConfig, build_net
from quant.prepare import QuantizerConfig, layer_names
from quant.quantizer import QuantizerSetup
from quant.quantizers.pact import Pact
from quant.recipe import Recipe
from quant.train import _optimizer, evaluate, fine_tune, fit, threads, train_float

NET = NetConfig(name="mlp", width=16)
RECIPE = Recipe(epochs=6, learning_rate=0.01, checkpoint_every_epochs=2)


class Killed(Exception):
    """Stands for a kill at the end of an epoch."""


def state_of(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.double().flatten() for value in model.state_dict().values()])


def killed_after(epochs: int):
    def progress(done: int, total: int, loss: float) -> None:
        if done == epochs:
            raise Killed

    return progress


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_resumed_training_equals_uninterrupted(
    digits: Dataset, tmp_path: Path, epochs: int, optimizer
) -> None:
    recipe = replace(RECIPE, optimizer=optimizer)
    whole = train_float(NET, digits.search, recipe)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        train_float(NET, digits.search, recipe, checkpoint=path, progress=killed_after(epochs))
    resumed = train_float(NET, digits.search, recipe, checkpoint=path)
    assert torch.equal(state_of(resumed), state_of(whole))


def test_resumed_fine_tuning_equals_uninterrupted(
    digits: Dataset, float_net: nn.Module, tmp_path: Path
) -> None:
    plan = uniform_plan(layer_names(float_net), 3, first_a_bits=5)
    recipe = Recipe(epochs=4, learning_rate=0.003, frozen_norm_epochs=2, checkpoint_every_epochs=1)
    path = tmp_path / "checkpoint.pt"

    def tune(checkpoint: Path | None, progress=None):
        return fine_tune(
            float_net,
            plan,
            digits.search,
            recipe,
            quantizer=QuantizerConfig(),
            checkpoint=checkpoint,
            progress=progress,
        )

    whole = tune(None)
    with pytest.raises(Killed):
        tune(path, killed_after(3))
    assert torch.equal(state_of(tune(path)), state_of(whole))
    assert torch.equal(state_of(tune(path)), state_of(whole))  # a finished run is only loaded


def test_same_weights_whatever_the_number_of_threads_before(digits: Dataset) -> None:
    states = []
    for count in (1, 2):
        with threads(count):
            states.append(state_of(train_float(NET, digits.search, RECIPE)))
            assert torch.get_num_threads() == count
    assert torch.equal(*states)


def test_seed_changes_the_order_of_images(digits: Dataset) -> None:
    first = train_float(NET, digits.search, RECIPE)
    second = train_float(NET, digits.search, replace(RECIPE, seed=1))
    assert not torch.equal(state_of(first), state_of(second))


def test_losses_fall_and_progress_is_told(digits: Dataset) -> None:
    model = build_net(NET, digits.task)
    told = []
    losses = fit(model, digits.search, RECIPE, progress=lambda *args: told.append(args))
    assert losses[-1] < 0.3 * losses[0]
    assert told == [(i + 1, 6, loss) for i, loss in enumerate(losses)]
    assert not model.training


def test_augmented_training_sees_other_images(digits: Dataset) -> None:
    losses = []
    for how in (Augmentation(), Augmentation(shift_px=2), Augmentation(shift_px=2)):
        model = build_net(NET, digits.task)
        data = replace(digits.search, augmentation=how)
        losses.append(fit(model, data, Recipe(epochs=2, learning_rate=0.01)))
    assert losses[1] == losses[2]
    assert losses[0][-1] < losses[1][-1]


def test_frozen_norms_keep_their_statistics(digits: Dataset) -> None:
    model = build_net(NET, digits.task)
    norm = model.get_submodule("norm1")
    fit(model, digits.search, replace(RECIPE, frozen_norm_epochs=6))
    assert torch.equal(norm.get_buffer("running_mean"), torch.zeros(16))
    assert norm.get_buffer("num_batches_tracked") == 0


def test_learned_steps_move_and_stay_positive(digits: Dataset, float_net: nn.Module) -> None:
    plan = uniform_plan(layer_names(float_net), 2, first_a_bits=5)
    steps = []
    for epochs_rate in (1e-9, 0.05):
        recipe = Recipe(epochs=1, learning_rate=epochs_rate)
        net = fine_tune(float_net, plan, digits.search, recipe, quantizer=QuantizerConfig())
        found = [v for n, v in net.state_dict().items() if n.endswith("step_size")]
        steps.append(torch.cat(found))
    assert not torch.allclose(*steps, rtol=0.01)
    assert bool((steps[1] > 0).all())


def test_steps_of_lsq_move_slowly_under_adamw(digits: Dataset, float_net: nn.Module) -> None:
    """Its first update is as large as the learning rate, whatever the gradient is."""
    plan = uniform_plan(layer_names(float_net), 4, first_a_bits=5)
    steps = []
    for rate in (1e-12, 1e-3):  # a batch of all images: one update
        recipe = Recipe(epochs=1, learning_rate=rate, optimizer="adamw", batch_size=4096)
        net = fine_tune(float_net, plan, digits.search, recipe, quantizer=QuantizerConfig())
        found = [v for n, v in net.state_dict().items() if n.endswith("step_size")]
        steps.append(torch.cat(found))
    moved = (steps[1] - steps[0]).abs()
    assert torch.allclose(moved, torch.full_like(moved, 1e-4), rtol=1e-2)


@pytest.mark.slow
def test_accuracy_on_one_fold(digits: Dataset) -> None:
    recipe = Recipe(epochs=40, learning_rate=0.01)
    model = train_float(NetConfig(width=8), digits.search, recipe)
    assert evaluate(model, digits.test)["accuracy"] > 0.96
    for bits, least in ((8, 0.96), (4, 0.96), (2, 0.95)):
        plan = uniform_plan(layer_names(model), bits, first_a_bits=5)
        tuned = fine_tune(
            model,
            plan,
            digits.search,
            replace(recipe, learning_rate=0.003),
            quantizer=QuantizerConfig(),
        )
        before, after = evaluate(tuned, digits.test), evaluate(snap(tuned), digits.test)
        assert before["accuracy"] > least
        assert abs(before["accuracy"] - after["accuracy"]) <= 0.01


def test_evaluate_counts_right_answers_and_restores_the_mode(digits: Dataset) -> None:
    head = nn.Linear(64, 10)
    model = nn.Sequential(nn.Flatten(), head)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.nn.functional.one_hot(torch.tensor(3), 10))
    model.train()
    found = evaluate(model, digits.test)
    threes = float((digits.test.labels == 3).mean())
    assert found["accuracy"] == pytest.approx(threes)
    uniform = torch.tensor([1.0] + [0.0] * 9).log_softmax(0)
    wanted = -(threes * float(uniform[0]) + (1 - threes) * float(uniform[1]))
    assert found["nll"] == pytest.approx(wanted, rel=1e-6)
    assert model.training


def test_checkpoint_of_another_run(digits: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    short = replace(RECIPE, epochs=1)
    train_float(NET, digits.search, short, checkpoint=path)
    for other in (replace(short, seed=1), replace(short, learning_rate=0.02)):
        with pytest.raises(ConfigError, match="checkpoint.pt belongs to another run"):
            train_float(NET, digits.search, other, checkpoint=path)
    with pytest.raises(ConfigError, match="belongs to another run"):
        train_float(replace(NET, seed=1), digits.search, short, checkpoint=path)


def test_corrupt_checkpoints(digits: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    short = replace(RECIPE, epochs=1)
    train_float(NET, digits.search, short, checkpoint=path)
    payload = load_checkpoint(path)
    for key, value in (("optimizer", {}), ("losses", None), ("optimizer", 3)):
        save_checkpoint(path, payload | {key: value})
        with pytest.raises(ConfigError, match="is corrupt: its optimizer state does not fit"):
            train_float(NET, digits.search, short, checkpoint=path)
    save_checkpoint(path, payload | {"model": {}})
    with pytest.raises(ConfigError, match="its weights belong to another network"):
        train_float(NET, digits.search, short, checkpoint=path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ConfigError, match="checkpoint.pt is corrupt"):
        train_float(NET, digits.search, short, checkpoint=path)


def test_divergence_is_named(digits: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"training diverged in epoch \d; lower learning_rate"):
        train_float(NET, digits.search, replace(RECIPE, learning_rate=1e30, optimizer="sgd"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs must be a positive integer, not 0"),
        ({"epochs": 2.5}, "epochs must be a positive integer, not 2.5"),
        ({"batch_size": "64"}, "batch_size must be a positive integer, not '64'"),
        ({"threads": True}, "threads must be a positive integer, not True"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, not 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive, not nan"),
        ({"weight_decay": -1.0}, "weight_decay must not be negative, not -1.0"),
        ({"optimizer": "lion"}, "optimizer must be adamw or sgd, not 'lion'"),
    ],
)
def test_wrong_recipe(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recipe(**{"epochs": 1, "learning_rate": 0.1, **fields})


@pytest.mark.parametrize(
    ("optimizer", "moved"), [("adamw", 0.01), ("sgd", 0.01 * 1e-3 * 6.0)], ids=["adamw", "sgd"]
)
def test_decay_of_a_clipping_point_is_a_term_of_the_loss(optimizer: str, moved: float) -> None:
    """Where nothing is clipped it alone moves the point; weights decay times the rate in both."""
    net = nn.Sequential(
        Pact(QuantizerSetup(precision=Precision(2, signed=False), role="activation")),
        nn.Linear(3, 2, bias=False),
    )
    parameters = [parameter.data.fill_(6.0) for parameter in net.parameters()]
    recipe = Recipe(epochs=1, learning_rate=0.01, weight_decay=1e-3, optimizer=optimizer)  # type: ignore[arg-type]
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    _optimizer(net, recipe).step()
    clip, weight = parameters
    assert 6.0 - clip.item() == pytest.approx(moved, rel=0.02)
    assert 6.0 - weight[0, 0].item() == pytest.approx(0.01 * 1e-3 * 6.0, rel=0.02)
