"""The cycle figures that the overlay must reach, and the jobs that show them.

Source of the targets: the design notes on the overlay. ``must`` and ``aim`` are lower limits of a
utilization, upper limits of cycles and of ratios of cycles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a row is judged by.

    quantity  utilization (at least), cycles (at most), ratio (of its cycles to those of another
              row, at most `tolerance` away from `must`), bound (cycles over the lower bound, at
              most)
    """

    quantity: str
    must: float | None = None
    aim: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """words: what stands behind `bitwright bench`. base: index of the row of its section with
    which a ratio compares.
    """

    words: str
    target: Target | None = None
    base: int = 0


@dataclass(frozen=True, kw_only=True)
class Section:
    """Rows under one heading."""

    title: str
    rows: Sequence[Row]


def _utilization(must: float | None, aim: float | None = None) -> Target:
    return Target(quantity="utilization", must=must, aim=aim)


def _cycles(must: float, aim: float) -> Target:
    return Target(quantity="cycles", must=must, aim=aim)


_MATMUL = "matmul --array 8x64x8 --shape"
_CONV = "conv --array"

JOBS = Section(
    title="Single jobs, 64 bits a cycle, latency 20",
    rows=(
        Row(words=f"{_MATMUL} 128x1152x256 --bits 2x2", target=_utilization(0.94, 0.96)),
        Row(words=f"{_MATMUL} 128x1152x256 --bits 4x4", target=_utilization(0.97, 0.988)),
        Row(words=f"{_MATMUL} 64x576x64 --bits 3x3", target=_utilization(0.83, 0.865)),
        Row(words=f"{_MATMUL} 16x144x1024 --bits 3x3", target=_utilization(0.70)),
        Row(
            words="matmul --array 8x48x8 --shape 16x144x1024 --bits 3x3",
            target=_utilization(None, 0.95),
        ),
        Row(words=f"{_MATMUL} 64x576x64 --bits 3x3 --out int32"),
        Row(words=f"{_MATMUL} 33x100x5 --bits 5x3 --signed 1x1"),
        Row(words=f"{_CONV} 8x48x8 --input 32x32x16 --channels 16 --kernel 3 --bits 3x3"),
        Row(
            words=f"{_CONV} 8x64x8 --input 16x16x64 --channels 64 --kernel 3 --stride 2 --bits 3x3"
        ),
    ),
)

NETWORKS = Section(
    title="Whole networks, latency 20",
    rows=(
        Row(words="network resnet18_cifar --array 8x64x8 --bits 2x2 --memory-bits 64"),
        Row(
            words="network resnet18_cifar --array 8x64x8 --bits 2x2 --memory-bits 128",
            target=_cycles(565_000, 550_000),
        ),
    ),
)


def _digit_rows() -> list[Row]:
    """w4a4, then w3a4 and w3a3 beside it, for each size of digits."""
    rows: list[Row] = []
    for digits, ratios in (("1x1", (3 / 4, 9 / 16)), ("2x2", (1, 1)), ("4x4", (1, 1))):
        words = f"{DIGITS_JOB} --style bit_slice --digits {digits} --bits"
        base = len(rows)
        rows.append(Row(words=f"{words} 4x4"))
        for bits, ratio in zip(("3x4", "3x3"), ratios, strict=True):
            target = Target(quantity="ratio", must=ratio)
            rows.append(Row(words=f"{words} {bits}", target=target, base=base))
    return rows


DIGITS_JOB = "matmul --array 4x16x4 --shape 64x1152x128 --memory-bits 128"
"""Bound by the array at every size of digits: less than a quarter of its cycles goes into reads."""

DIGITS = Section(title="Bits against digits, 128 bits a cycle, latency 20", rows=_digit_rows())

_ROWS_JOB = f"{_MATMUL} 128x1152x256 --bits 6x4 --row-bits random:1-6"

ROWS = Section(
    title="Weight bits by output channel, 64 bits a cycle, latency 20",
    rows=(
        Row(words=f"{_ROWS_JOB} --unsorted"),
        Row(words=_ROWS_JOB, target=Target(quantity="bound", must=1.03)),
    ),
)

SECTIONS: tuple[Section, ...] = (JOBS, NETWORKS, DIGITS, ROWS)
"""What `bench table` runs."""
