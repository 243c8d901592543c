"""Every message says what is wrong, where, and the way out; errors survive pickling."""

import pickle

import pytest

from ir.errors import (
    BitwrightError,
    CapacityError,
    ConfigError,
    EncodingError,
    MismatchError,
    ToolError,
    UnknownPluginError,
    UnsupportedModelError,
    did_you_mean,
    shorten,
)

INPUT_ERRORS = [ConfigError, UnsupportedModelError, CapacityError, EncodingError]


@pytest.mark.parametrize("kind", INPUT_ERRORS)
def test_input_errors_exit_with_2(kind: type[BitwrightError]):
    assert kind("x").exit_code == 2
    assert str(kind("lanes too few")) == "lanes too few"


def test_unknown_plugin_lists_what_there_is_and_the_nearest():
    error = UnknownPluginError("allocator", "eagel", ["eagl", "uniform"])
    assert error.exit_code == 2
    assert str(error) == (
        "unknown allocator 'eagel' (did you mean 'eagl'?); there is: eagl, uniform"
    )


def test_unknown_plugin_without_any_and_with_a_long_name():
    text = str(UnknownPluginError("board", "x" * 5000))
    assert text.endswith("there is: none")
    assert len(text) < 150


def test_tool_error_says_command_exit_code_log_output_and_fix():
    error = ToolError(["g++", "a b.cpp"], 1, "/run/make.log", "make setup", output="one\ntwo")
    assert error.exit_code == 3
    assert str(error).splitlines() == [
        "g++ 'a b.cpp': failed with exit code 1",
        "  log: /run/make.log",
        "  | one",
        "  | two",
        "  fix: make setup",
    ]


@pytest.mark.parametrize(
    ("returncode", "text"),
    [(None, "could not be started"), (-9, "was killed by signal 9"), (3, "exit code 3")],
)
def test_tool_error_tells_how_the_program_ended(returncode: int | None, text: str):
    assert text in str(ToolError("yosys", returncode))


def test_tool_error_keeps_the_exit_code_beside_a_reason():
    assert "exit code: 0" in str(ToolError("yosys", 0, reason="left no netlist"))


def test_tool_error_cuts_a_long_command():
    assert len(str(ToolError(["g++", *["-Ifolder"] * 1000], 1))) < 500


def test_mismatch_names_layer_element_and_cycle():
    error = MismatchError("RTL is not golden", layer="conv2", element=(3, 0, 7), cycle=412)
    assert error.exit_code == 1
    assert str(error) == "RTL is not golden (at layer conv2, element (3, 0, 7), cycle 412)"
    assert str(MismatchError("they differ")) == "they differ"


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("bits"),
        UnknownPluginError("board", "simm", ["sim"]),
        ToolError(["a", "b"], 2, "log", "fix", "reason", "output"),
        MismatchError("m", "layer", 3, 4),
    ],
)
def test_errors_survive_pickling(error: BitwrightError):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_shorten_cuts_what_is_printed():
    assert shorten("ab") == "'ab'"
    assert shorten("x" * 1000) == "'" + "x" * 76 + "..."
    assert shorten(list(range(1000)), 20) == "[0, 1, 2, 3, 4, 5..."
    assert "\n" not in shorten("a\nb")


def test_did_you_mean_names_the_nearest_or_nothing():
    assert did_you_mean("epoch", ["epochs", "seed"]) == " (did you mean 'epochs'?)"
    assert did_you_mean("zzz", ["epochs", "seed"]) == ""
    assert did_you_mean(3, ["epochs"]) == ""
