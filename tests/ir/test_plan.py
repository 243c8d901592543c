"""Plans: identity, files, and what is wrong with a bad one."""

from pathlib import Path

import pytest

from ir.errors import ConfigError
from ir.plan import LayerBits, PrecisionPlan, load_plan, plan_from_dict, uniform_plan

MIXED = PrecisionPlan(
    {
        "conv": LayerBits(w_bits=(2, 4, 3), a_bits=5),
        "fc": LayerBits(w_bits=1, a_bits=8),
    }
)


def test_file_comes_back(tmp_path: Path) -> None:
    MIXED.save(tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == MIXED
    assert MIXED.to_dict() == {
        "conv": {"w_bits": [2, 4, 3], "a_bits": 5},
        "fc": {"w_bits": 1, "a_bits": 8},
    }


def test_identity_does_not_depend_on_the_order() -> None:
    turned = PrecisionPlan({name: MIXED[name] for name in ("fc", "conv")})
    assert turned == MIXED
    assert turned.key == MIXED.key
    assert {MIXED: 1}[turned] == 1


def test_widest_channel_decides_the_pair() -> None:
    assert MIXED["conv"].pair == (4, 5)
    assert MIXED.widths == {1, 4, 5, 8}
    assert str(MIXED) == "conv:4x5 fc:1x8"


def test_uniform_keeps_the_width_of_the_input() -> None:
    plan = uniform_plan(["a", "b"], 3, first_a_bits=5)
    assert plan.to_dict() == {"a": {"w_bits": 3, "a_bits": 5}, "b": {"w_bits": 3, "a_bits": 3}}


def test_activations_may_have_a_width_of_their_own() -> None:
    plan = uniform_plan(["a", "b"], 3, first_a_bits=5, a_bits=4)
    assert [plan[name].pair for name in "ab"] == [(3, 5), (3, 4)]


def test_several_layers_may_read_the_input() -> None:
    plan = uniform_plan(["a", "b", "c"], 3, first_a_bits=5, at_input=["a", "b"])
    assert [plan[name].pair for name in "abc"] == [(3, 5), (3, 5), (3, 3)]


def test_unknown_layer() -> None:
    with pytest.raises(ConfigError, match="the plan has no layer 'pool', only conv, fc"):
        MIXED["pool"]


@pytest.mark.parametrize("bits", [0, 9, True, "4", 2.0])
def test_width_out_of_range(bits: object) -> None:
    with pytest.raises(ConfigError, match=r"layer 'fc': w_bits must be 1 to 8 bits, not"):
        plan_from_dict({"fc": {"w_bits": bits, "a_bits": 2}})
    with pytest.raises(ConfigError, match=r"layer 'fc': a_bits must be 1 to 8 bits, not"):
        plan_from_dict({"fc": {"w_bits": 2, "a_bits": bits}})


@pytest.mark.parametrize("entry", [None, 4, {"w_bits": 2}, {"w_bits": 2, "a_bits": 2, "x": 1}])
def test_layer_with_other_keys(entry: object) -> None:
    with pytest.raises(ConfigError, match="layer 'fc': needs exactly w_bits and a_bits"):
        plan_from_dict({"fc": entry})


def test_empty_plans() -> None:
    with pytest.raises(ConfigError, match="a plan needs at least one layer"):
        PrecisionPlan({})
    with pytest.raises(ConfigError, match="w_bits per channel must not be empty"):
        LayerBits(w_bits=(), a_bits=2)
    with pytest.raises(ConfigError, match="a plan must map layer names"):
        plan_from_dict([1])


def test_wrong_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"fc": {"w_bits": 9, "a_bits": 2}}')
    with pytest.raises(ConfigError, match=r"plan.json: plan, layer 'fc': w_bits must be 1 to 8"):
        load_plan(path)


def test_pruned_channels_take_one_bit_on_the_overlay() -> None:
    bits = LayerBits(w_bits=(0, 3, 0, 1), a_bits=4)
    assert bits.stored == (1, 3, 1, 1) and bits.pair == (3, 4)
    assert LayerBits(w_bits=2, a_bits=4).stored == 2
    plan = PrecisionPlan({"x": bits})
    assert plan_from_dict(plan.to_dict()) == plan
    with pytest.raises(ConfigError, match="must leave one channel that is not pruned"):
        LayerBits(w_bits=(0, 0), a_bits=4)
    with pytest.raises(ConfigError, match=r"not pruned \(0\) must be 1 to 8 bits, not 9"):
        LayerBits(w_bits=(0, 9), a_bits=4)
    with pytest.raises(ConfigError, match="w_bits must be 1 to 8 bits, not 0"):
        LayerBits(w_bits=0, a_bits=4)
