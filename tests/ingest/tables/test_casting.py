"""Values as files spell them: nothing is lost, nothing is invented."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.tables.casting import as_text, cast_angle, cast_column, cast_name


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.none()))
def test_floats_come_back_exactly_and_never_as_nan(values):
    text = [None if v is None else repr(v) for v in values]
    back = cast_column(pa.array(text, pa.string()), pa.float64())
    finite = [None if v is None or not math.isfinite(v) else v for v in values]
    assert back.values.to_pylist() == finite
    assert back.misfits is None


@given(st.lists(st.text(max_size=12)))
def test_any_text_becomes_a_number_null_or_a_misfit(values):
    cast = cast_column(pa.array(values, pa.string()), pa.float64())
    misfits = cast.misfits.to_pylist() if cast.misfits is not None else [False] * len(values)
    for value, number, misfit in zip(
        as_text(pa.array(values, pa.string())).to_pylist(), cast.values.to_pylist(), misfits, strict=True
    ):
        assert number is None or math.isfinite(number)
        assert not (misfit and number is not None)
        assert value is not None or not misfit


@pytest.mark.parametrize(
    ("text", "expected"),
    [("  TRUE", True), ("F", False), ("0", False), ("1", True), ("false ", False), ("", None), ("NaN", None)],
)
def test_booleans_as_real_files_pad_and_spell_them(text, expected):
    cast = cast_column(pa.array([text]), pa.bool_())
    assert (cast.values[0].as_py(), cast.misfits) == (expected, None)


@pytest.mark.parametrize("text", ["", "NaN", "-2147483648", "  ", "null", "--", "-2147483648.0"])
def test_integer_sentinels_are_null(text):
    assert cast_column(pa.array([text]), pa.int32()) == (pa.array([None], pa.int32()), None)


@pytest.mark.parametrize("text", ["40000", "1.5", "1e300", "-1e19", "seven"])
def test_what_does_not_fit_an_integer_column_is_a_misfit(text):
    cast = cast_column(pa.array([text, "7", "9.0"]), pa.int16())
    assert cast.values.to_pylist() == [None, 7, 9]
    assert cast.misfits.to_pylist() == [True, False, False]


@pytest.mark.parametrize("type_", [pa.int16(), pa.int32(), pa.float64(), pa.bool_(), pa.string()])
@given(values=st.lists(st.floats() | st.none(), max_size=20))
def test_numbers_from_binary_tables_fit_every_type_or_are_misfits(type_, values):
    cast = cast_column(pa.array(values, pa.float64()), type_)
    assert cast.values.type == type_
    assert len(cast.values) == len(values)


def test_booleans_from_binary_tables_go_into_number_columns():
    assert cast_column(pa.array([True, None]), pa.float64()).values.to_pylist() == [1.0, None]
    assert cast_column(pa.array([True, None]), pa.int32()).values.to_pylist() == [1, None]


def test_sexagesimal_and_decimal_positions_may_stand_in_one_column():
    cast = cast_angle(pa.array([" 08 42 29.22", "130.6", "8h42m29.22s", "", "east"]), hours=True)
    assert cast.values.to_pylist() == pytest.approx([130.62175, 130.6, 130.62175, None, None], nan_ok=True)
    assert cast.misfits.to_pylist() == [False, False, False, False, True]
    assert cast_angle(pa.array(["-00 30 36.0"]), hours=False).values[0].as_py() == pytest.approx(-0.51)


def test_source_names_are_brought_into_one_form():
    names = [" 2CXO J084229.2-480705", "2cxo  j031948.1+413046x", "2CXOJ004243.8+411629A", "M 82", ""]
    cast = cast_name(pa.array(names))
    assert cast.values.to_pylist()[:3] == ["2CXO J084229.2-480705", "2CXO J031948.1+413046X", "2CXO J004243.8+411629A"]
    assert cast.values.to_pylist()[3:] == [None, None]
    assert cast.misfits.to_pylist() == [False, False, False, True, False]
