"""Cost tables: sums, provenance, files."""

from pathlib import Path

import pytest

from ir.cost import CostEntry, CostTable, build_table, load_table
from ir.errors import ConfigError, MismatchError
from ir.plan import LayerBits, PrecisionPlan, uniform_plan

MEASURED = {"conv": {(2, 5): 100, (4, 5): 190}, "fc": {(2, 2): 30}}
PREDICTED = {"conv": {(2, 5): 100}, "fc": {(2, 2): 30, (4, 4): 70}}


@pytest.fixture
def table() -> CostTable:
    return build_table(measured=MEASURED, predicted=PREDICTED)


def test_cost_is_the_sum_over_the_layers(table: CostTable) -> None:
    assert table.cost(uniform_plan(["conv", "fc"], 2, first_a_bits=5)) == 130
    assert table.cost(uniform_plan(["conv", "fc"], 4, first_a_bits=5)) == 260


def test_provenance_of_each_entry(table: CostTable) -> None:
    assert table.entry("fc", (2, 2)) == CostEntry(cycles=30, provenance="measured")
    assert table.entry("fc", (4, 4)) == CostEntry(cycles=70, provenance="predicted")
    assert (table.count("measured"), table.count("predicted")) == (3, 1)
    assert table.layers == ["conv", "fc"]
    assert table.choices("conv") == [(2, 5), (4, 5)]


def test_widest_channel_is_priced(table: CostTable) -> None:
    plan = PrecisionPlan({"conv": LayerBits(w_bits=(2, 4), a_bits=5)})
    assert table.cost(plan) == 190


def test_channels_of_several_widths_cost_what_their_row_tiles_do() -> None:
    table = build_table(
        measured={"conv": {(w, 2): 100 * w for w in (1, 2, 4)}}, predicted={"conv": {}}
    )
    plan = PrecisionPlan({"conv": LayerBits(w_bits=(1, 4, 2, 1, 4, 1), a_bits=2)})
    assert table.cost(plan) == 400
    assert table.cost(plan, row_tile=6) == 400
    assert table.cost(plan, row_tile=2) == (400 + 200 + 100 + 2) // 3  # 4 4, 2 1, 1 1: rounded up
    assert table.cost(plan, row_tile=1) == (2 * 400 + 200 + 3 * 100 + 5) // 6
    uneven = PrecisionPlan({"conv": LayerBits(w_bits=(3, 4), a_bits=2)})
    with pytest.raises(ConfigError, match=r"no entry for 'conv' at \(3, 2\)"):
        table.cost(uneven, row_tile=1)


def test_model_that_was_wrong_once_prices_nothing() -> None:
    wrong = {"conv": {(2, 5): 101}}
    with pytest.raises(MismatchError, match=r"'conv' at \(2, 5\): measured 100 .* predicted 101"):
        build_table(measured=MEASURED, predicted=wrong)


def test_file_comes_back(table: CostTable, tmp_path: Path) -> None:
    table.save(tmp_path / "cost_table.json")
    assert load_table(tmp_path / "cost_table.json") == table


def test_missing_entry(table: CostTable) -> None:
    with pytest.raises(ConfigError, match=r"no entry for 'fc' at \(8, 8\)"):
        table.cycles("fc", (8, 8))
    with pytest.raises(ConfigError, match=r"no entry for 'pool' at \(2, 2\)"):
        table.cycles("pool", (2, 2))


def test_values_that_are_no_costs() -> None:
    with pytest.raises(ConfigError, match="cycles must be a non-negative integer, not -1"):
        CostEntry(cycles=-1, provenance="measured")
    with pytest.raises(ConfigError, match="provenance must be measured or predicted, not 'felt'"):
        CostEntry(cycles=1, provenance="felt")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="needs at least one layer"):
        CostTable({})
    with pytest.raises(ConfigError, match="layer 'a': no entry"):
        CostTable({"a": {}})
    entry = CostEntry(cycles=1, provenance="measured")
    with pytest.raises(ConfigError, match="layer 'a': w_bits must be 1 to 8 bits, not 9"):
        CostTable({"a": {(9, 2): entry}})


@pytest.mark.parametrize("text", ["[]", '{"a": 3}', '{"a": [{"w_bits": 2}]}', '{"a": [[]]}'])
def test_file_that_is_no_table(text: str, tmp_path: Path) -> None:
    path = tmp_path / "cost_table.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="cost_table.json: not a cost table"):
        load_table(path)


def test_file_with_a_wrong_value(tmp_path: Path) -> None:
    path = tmp_path / "cost_table.json"
    row = '{"w_bits": 2, "a_bits": 2, "cycles": 1.5, "provenance": "measured"}'
    path.write_text('{"a": [' + row + "]}")
    with pytest.raises(
        ConfigError, match=r"cost_table.json: cycles must be a non-negative integer"
    ):
        load_table(path)
