"""What a training minimises: cross entropy, alone or with a teacher."""

import hashlib
from dataclasses import asdict

import torch
from torch import Tensor, nn
from torch.nn import functional

from quant.recipe import Distillation


class Objective:
    """Mean cross entropy, nats."""

    def __call__(self, logits: Tensor, x: Tensor, labels: Tensor) -> Tensor:
        """logits: (N, classes); x: (N, C, H, W), what they are of; labels: (N,) -> () float."""
        return functional.cross_entropy(logits, labels)

    def to(self, device: torch.device) -> None:
        """Follow the network to where it is trained."""

    @property
    def identity(self) -> str:
        """What of it decides a training's outcome, apart from the network's own state."""
        return ""


class Distilled(Objective):
    """Cross entropy and the likeness to a teacher, see `Distillation`."""

    def __init__(self, teacher: nn.Module, how: Distillation) -> None:
        self.teacher = teacher
        self.how = how

    def __call__(self, logits: Tensor, x: Tensor, labels: Tensor) -> Tensor:
        """See `Objective`."""
        with torch.no_grad():
            wanted = functional.log_softmax(self.teacher(x) / self.how.temperature, dim=1)
        found = functional.log_softmax(logits / self.how.temperature, dim=1)
        unlike = functional.kl_div(found, wanted, reduction="batchmean", log_target=True)
        own = super().__call__(logits, x, labels)
        weight = self.how.weight
        return (1 - weight) * own + weight * self.how.temperature**2 * unlike

    def to(self, device: torch.device) -> None:
        """The teacher's weights too."""
        self.teacher.to(device)

    @property
    def identity(self) -> str:
        """How, and by whom."""
        return f"{asdict(self.how)} {weights_digest(self.teacher)}"


def weights_digest(model: nn.Module) -> str:
    """Of names, shapes and values of everything a network holds."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
