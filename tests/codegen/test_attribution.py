"""Where cycles went, from the counters' names."""

import pytest

from codegen.attribution import Attribution, total

COUNTERS = {
    "CYCLES": 100,
    "EXEC_RUN": 60,
    "EXEC_WAIT_LHS": 5,
    "EXEC_WAIT_RHS": 7,
    "EXEC_WAIT_RESULT": 11,
}


def test_what_is_left_is_idle() -> None:
    spent = Attribution.of(COUNTERS)
    assert spent == Attribution(exec=60, weights=5, activations=7, result=11)
    assert spent.idle(100) == 100 - 60 - 5 - 7 - 11


@pytest.mark.parametrize(
    ("changed", "stage"),
    [
        ({}, "exec"),
        ({"EXEC_WAIT_LHS": 40, "EXEC_WAIT_RHS": 30}, "fetch"),
        ({"EXEC_WAIT_RESULT": 80}, "result"),
    ],
)
def test_the_stage_that_took_most_limits(changed: dict[str, int], stage: str) -> None:
    assert Attribution.of(COUNTERS | changed).limited_by == stage


def test_layers_add_up() -> None:
    first, second = Attribution.of(COUNTERS), Attribution.of(COUNTERS | {"EXEC_RUN": 1})
    assert total([first, second]) == Attribution(exec=61, weights=10, activations=14, result=22)
