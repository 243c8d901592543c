"""Ranges and digit planes of every operand precision."""

import numpy as np
import pytest

from ir.errors import ConfigError, EncodingError
from ir.precision import Precision, narrowest, precision_from_dict, weight_precision

OPERANDS = [Precision(bits, signed) for bits in range(1, 9) for signed in (False, True)]
EVERY = [*OPERANDS, Precision(1, True, bipolar=True)]


def all_codes(precision: Precision) -> np.ndarray:
    codes = np.arange(precision.min, precision.max + 1)
    return codes[codes != 0] if precision.bipolar else codes


@pytest.mark.parametrize("precision", EVERY, ids=str)
def test_planes_come_back(precision: Precision) -> None:
    codes = all_codes(precision)
    planes = precision.planes(codes)
    assert planes.shape == (precision.bits, len(codes))
    assert planes.dtype == np.uint8
    assert np.array_equal(precision.from_planes(planes), codes)


@pytest.mark.parametrize("precision", OPERANDS, ids=str)
def test_number_of_codes_is_two_to_the_bits(precision: Precision) -> None:
    assert precision.max - precision.min + 1 == 2**precision.bits


def test_planes_are_lsb_first_and_the_top_one_is_negative() -> None:
    assert Precision(3, True).planes(np.array([-3])).ravel().tolist() == [1, 0, 1]
    assert Precision(3, True).plane_weights == (1, 2, -4)
    assert Precision(3, False).plane_weights == (1, 2, 4)


def test_signed_single_bit_is_minus_one_and_zero() -> None:
    assert (Precision(1, True).min, Precision(1, True).max) == (-1, 0)


def test_bipolar_plane_bit_one_is_plus_one() -> None:
    assert weight_precision(1) == Precision(1, True, bipolar=True)
    assert weight_precision(1).planes(np.array([[-1, 1]])).tolist() == [[[0, 1]]]
    assert not weight_precision(1, signed=False).bipolar
    assert not weight_precision(2).bipolar


def test_widest_precision_holds_int64() -> None:
    precision = Precision(64, True)
    codes = np.array([-(2**63), 2**63 - 1, 0, -1])
    assert np.array_equal(precision.from_planes(precision.planes(codes)), codes)


@pytest.mark.parametrize("bits", [0, 65, -1])
def test_bits_out_of_range(bits: int) -> None:
    with pytest.raises(ConfigError, match=f"bits must be 1 to 64, not {bits}"):
        Precision(bits, True)


def test_bits_of_another_type() -> None:
    with pytest.raises(ConfigError, match="bits must be an integer, not True"):
        Precision(True, True)
    with pytest.raises(ConfigError, match="bits must be an integer, not 2.0"):
        Precision(2.0, True)  # pyright: ignore[reportArgumentType]


def test_bipolar_needs_one_signed_bit() -> None:
    with pytest.raises(ConfigError, match="exactly 1 bit and is signed"):
        Precision(2, True, bipolar=True)
    with pytest.raises(ConfigError, match="exactly 1 bit and is signed"):
        Precision(1, False, bipolar=True)


def test_check_names_the_first_wrong_element() -> None:
    with pytest.raises(EncodingError, match=r"weights: 4 at \(1, 0\) is no code of 3-bit signed"):
        Precision(3, True).check(np.array([[3, -4], [4, 9]]), what="weights")
    with pytest.raises(EncodingError, match="0 at .* is no code of 1-bit bipolar"):
        weight_precision(1).planes(np.array([1, 0]))
    with pytest.raises(EncodingError, match="codes must be integers, not float64"):
        Precision(3, True).check(np.array([1.0]))


def test_from_planes_needs_every_plane() -> None:
    with pytest.raises(EncodingError, match="3-bit unsigned has 3 planes"):
        Precision(3, False).from_planes(np.zeros((2, 5)))


@pytest.mark.parametrize(
    ("low", "high", "bits"), [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-4, 3, 3), (-5, 3, 4), (-4, 4, 4)]
)
def test_narrowest_holds_the_range_and_no_less(low: int, high: int, bits: int) -> None:
    found = narrowest(low, high)
    assert found == Precision(bits, True)
    assert found.min <= low and high <= found.max


@pytest.mark.parametrize("precision", EVERY, ids=str)
def test_dictionary_comes_back(precision: Precision) -> None:
    assert precision_from_dict(precision.to_dict()) == precision


def test_dictionary_that_is_none() -> None:
    with pytest.raises(ConfigError, match="not a precision: {'bits': 3}"):
        precision_from_dict({"bits": 3})
    with pytest.raises(ConfigError, match="not a precision: 3"):
        precision_from_dict(3)
    with pytest.raises(ConfigError, match="not a precision: .*'false'"):
        precision_from_dict({"bits": 3, "signed": "false", "bipolar": False})
