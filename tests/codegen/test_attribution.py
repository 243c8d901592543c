"""Where cycles went, from the counters' names."""

import pytest

from codegen.attribution import Attribution

COUNTERS = {"EXEC_RUN": 60, "EXEC_WAIT_LHS": 5, "EXEC_WAIT_RHS": 7, "EXEC_WAIT_RESULT": 11}


def test_what_is_left_is_idle() -> None:
    spent = Attribution.of(COUNTERS, 100)
    assert (spent.exec, spent.weights, spent.activations, spent.result) == (60, 5, 7, 11)
    assert spent.idle == 100 - 60 - 5 - 7 - 11
    assert spent.limited_by == "exec"


@pytest.mark.parametrize(
    ("changed", "cycles", "stage"),
    [
        ({"EXEC_WAIT_LHS": 40, "EXEC_WAIT_RHS": 30}, 150, "fetch"),
        ({"EXEC_WAIT_RESULT": 80}, 200, "result"),
        ({}, 500, "idle"),
    ],
)
def test_the_stage_that_took_most_limits(changed: dict[str, int], cycles: int, stage: str) -> None:
    assert Attribution.of(COUNTERS | changed, cycles).limited_by == stage
