"""Layers at the limits of a small overlay's buffers: long rows, many channels, many row tiles.

Random jobs are small in every direction at once; these move the upper bits of counters and fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from codegen.lower import lower
from codegen.workload import Workload
from ir.errors import CapacityError, UnsupportedModelError
from ir.graph import INT32
from ir.precision import Precision, weight_precision
from sim_tests.random_jobs import OVERLAYS, RandomJob

CODE, BYTE = Precision(1, signed=False), Precision(8, signed=True)
SHAPES: tuple[Mapping[str, int], ...] = (
    {"width": 1000},
    {"height": 1000},
    {"width": 900, "rows": 3},
    {"rows": 120, "channels": 24},
    {"channels": 1000},
    {"channels": 4000},
    {"height": 28, "width": 28, "kernel": 7, "padding": 3, "stride": 7},
    {"height": 16, "width": 16, "kernel": 11, "padding": 10},
    {"height": 20, "width": 20, "channels": 16, "rows": 20, "stride": 3},
    {
        "height": 31,
        "width": 32,
        "kernel": 2,
        "padding": 1,
        "rows": 2,
    },  # more pixels than its input has
    {"height": 44, "width": 45, "kernel": 2, "padding": 1, "rows": 3},
    {"rows": 60, "channels": 16, "width": 30},  # weights that come several times
    {"rows": 60, "channels": 36, "width": 60},
)


def large_jobs(overlay: str) -> list[RandomJob]:
    """Each shape with outputs of codes and of sums, in one bit and in eight, as far as they fit."""
    found = []
    for number, shape in enumerate(SHAPES):
        for output in (CODE, BYTE, INT32):
            for bits in (1, 8):
                job = _job(overlay, number, shape, output, bits)
                if job is not None:
                    found.append(job)
    return found


def _job(
    overlay: str, number: int, shape: Mapping[str, int], output: Precision, bits: int
) -> RandomJob | None:
    sizes: dict[str, Any] = {"channels": 1, "height": 1, "width": 1, "rows": 1} | dict(shape)
    workload = Workload(
        **sizes,
        weights=weight_precision(bits, True),
        activations=Precision(bits, signed=False),
        output=output,
        seed=number,
    )
    graph, image = workload.build()
    try:
        network = lower(graph, OVERLAYS[overlay])
    except (CapacityError, UnsupportedModelError):
        return None
    return RandomJob(overlay=overlay, seed=number, network=network, image=np.asarray(image))
