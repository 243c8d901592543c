"""The seeded generator of the hardware tests."""

import random

import pytest


@pytest.fixture(params=range(2), ids="seed{}".format)
def rng(request: pytest.FixtureRequest) -> random.Random:
    """One generator a seed; pytest shows the printed line only when the test fails."""
    print(f"reproduce: .venv/bin/pytest '{request.node.nodeid}'")
    return random.Random(request.param)
