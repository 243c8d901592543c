"""Layers in bands on the simulated overlay: bit-exact, cycles of each layer as predicted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count, islice

import pytest

from codegen.bounds import network_bounds, total_bound
from codegen.cycles import predict
from codegen.lower import lower
from codegen.workload import Workload
from ir.errors import CapacityError
from ir.precision import Precision
from sim_tests.random_jobs import OVERLAYS, RandomJob, random_job, run_jobs

BANDED = ("2x24x3", "2x8x4-1x2")
JOBS = 24


def banded_jobs(overlay: str, number: int) -> list[RandomJob]:
    """The first random jobs in which a layer runs in bands."""
    jobs = (random_job(overlay, seed) for seed in count())
    return list(islice((job for job in jobs if in_bands(job)), number))


def in_bands(job: RandomJob) -> bool:
    return any(len(layer.bands) > 1 for layer in job.network.layers)


@pytest.mark.slow
@pytest.mark.parametrize("overlay", BANDED)
def test_bands_are_exact_and_take_the_predicted_cycles(overlay: str) -> None:
    jobs = banded_jobs(overlay, JOBS)
    layers = [layer for job in jobs for layer in job.network.layers if len(layer.bands) > 1]
    kinds = Counter(type(layer.layer.linear).__name__ for layer in layers)
    assert kinds["Conv"] and kinds["Add"] and len(kinds) > 2
    assert any(layer.tiling.shape.stride > 1 for layer in layers)
    run_jobs(jobs)
    run_jobs(jobs[:6], stall_seed=2)
    for job in jobs:
        assert total_bound(network_bounds(job.network)).cycles <= predict(job.network).cycles


def tall_job(overlay: str, *, width: int, kernel: int, stride: int) -> RandomJob:
    """Short rows, several of which make up a bus word: bands begin above their windows."""
    workload = Workload(
        channels=5,
        height=120,
        width=width,
        rows=5,
        kernel=kernel,
        stride=stride,
        padding=kernel // 2,
        weights=Precision(2, signed=True),
        activations=Precision(3, signed=False),
        output=Precision(2, signed=False),
    )
    graph, image = workload.build()
    network = lower(graph, OVERLAYS[overlay])
    return RandomJob(overlay=overlay, seed=0, network=network, image=image)


@pytest.mark.slow
@pytest.mark.parametrize("overlay", BANDED)
def test_bands_that_begin_above_their_windows(overlay: str) -> None:
    jobs = [
        tall_job(overlay, width=width, kernel=kernel, stride=stride)
        for width, kernel, stride in ((3, 3, 1), (3, 1, 1), (5, 3, 2), (2, 5, 1), (1, 3, 1))
    ]
    bands = [band for job in jobs for layer in job.network.layers for band in layer.bands]
    assert sum(band.shape.padding[0] < 0 for band in bands) > 2
    run_jobs(jobs)


def test_a_layer_that_cannot_be_cut_is_refused() -> None:
    job = banded_jobs("2x24x3", 1)[0]
    with pytest.raises(CapacityError, match=r"needs rhs_depth .* take a rhs_depth of"):
        lower(job.network.graph, replace(job.network.config, rhs_depth=4))
