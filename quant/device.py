"""Where torch computes: a GPU when it sees one, and always so that a seed decides the outcome."""

import contextlib
from collections.abc import Iterator

import torch

CPU = torch.device("cpu")


def training_device() -> torch.device:
    """The GPU, or the processor. Integer networks are always evaluated on the processor."""
    return torch.device("cuda") if torch.cuda.is_available() else CPU


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Run torch on this many threads, its kernels deterministic and in full float32; then as
    before."""
    cudnn = torch.backends.cudnn
    before = torch.get_num_threads(), cudnn.allow_tf32, cudnn.deterministic
    torch.set_num_threads(count)
    cudnn.allow_tf32, cudnn.deterministic = False, True
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cudnn.allow_tf32, cudnn.deterministic = before[1:]
