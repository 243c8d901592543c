"""Styles and digits that sizing chooses among."""

import pytest

from codegen.styles import find_styles
from ir.errors import ConfigError


@pytest.mark.parametrize(
    ("style", "digits", "pairs"),
    [
        ("bit_serial", None, [(1, 1)]),
        ("bit_slice", (2, 4), [(2, 4)]),
        ("auto", (1, 1), [(1, 1)]),
        ("auto", (8, 8), [(8, 8)]),
    ],
)
def test_a_style_and_digits_can_be_fixed(
    style: str, digits: tuple[int, int] | None, pairs: list[tuple[int, int]]
):
    configs = [make(dm=1, dk=8, dn=1) for make in find_styles(style, digits)]
    assert [(config.p, config.q) for config in configs] == pairs


def test_one_bit_digits_are_looked_at_once():
    styles = [style(dm=1, dk=8, dn=1) for style in find_styles()]
    assert [c.style for c in styles if (c.p, c.q) == (1, 1)] == ["bit_serial"]
    assert len(find_styles("bit_slice")) == len(styles)


def test_digits_that_a_style_does_not_have():
    with pytest.raises(
        ConfigError, match="style 'bit_serial' has no digits of 2x2 bits; it has: 1x1"
    ):
        find_styles("bit_serial", (2, 2))
