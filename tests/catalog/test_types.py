"""Every type of the engine, alone and inside others, in every form: the right value, or one plain line."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal

import duckdb
import pytest

from catalog.errors import PhotonlakeError, QueryError
from catalog.formats.export import FORMATS, write

BIG = 123456789012345678901234567890123456789012345678901234567890
RIGHT = {
    "340282366920938463463374607431768211455::UHUGEINT::VARCHAR": str(2**128 - 1),
    "5::UHUGEINT": 5,
    "(-5)::HUGEINT": -5,
    "7::DECIMAL(38, 0)": 7,
    "1.25::DECIMAL(38, 10)": 1.25,
    "18446744073709551615::UBIGINT": 2**64 - 1,
    "(SELECT sum(4611686018427387903) FROM range(2))": 2**63 - 2,
    "5::VARIANT": "5",
    "INTERVAL '1 month 2 days 3 seconds'": "1 month 2 days 00:00:03",
    "'0101'::BIT": "0101",
    "TIMETZ '12:00:00+02'": "12:00:00+02",
    "TIME_NS '12:00:00.123456789'": "12:00:00.123456789",
    "TIME '12:00:00.5'": time(12, 0, 0, 500_000),
    f"'{BIG}'::BIGNUM": str(BIG),
    "union_value(k := 3)": "3",
    "'12345678-1234-1234-1234-123456789012'::UUID": "12345678-1234-1234-1234-123456789012",
    "'\\xAA\\x00B'::BLOB": b"\xaa\x00B",
    "'a'::ENUM('a', 'b')": "a",
    "'{\"a\": 1}'::JSON": '{"a": 1}',
    "row(1, 'x')": {"1": 1, "2": "x"},
    "row(row(1, 2::UHUGEINT), '01'::BIT)": {"1": {"1": 1, "2": 2}, "2": "01"},
    "DATE '0001-01-01'": date(1, 1, 1),
    "DATE '9999-12-31'": date(9999, 12, 31),
    "TIMESTAMP_S '2020-01-01 00:00:01'": datetime(2020, 1, 1, 0, 0, 1),  # noqa: DTZ001 - a time without a zone
    "TIMESTAMPTZ '2020-01-01 00:00:00+02'": datetime(2019, 12, 31, 22, tzinfo=UTC),
    "true": True,
    "[1, 2]::INTEGER[2]": [1, 2],
    "{'a': [NULL, 1]}": {"a": [None, 1]},
    "NULL": None,
}
REFUSED = [
    "340282366920938463463374607431768211455::UHUGEINT",
    "170141183460469231731687303715884105727::HUGEINT",
    "99999999999999999999999999999999999999::DECIMAL(38, 0)",
    "(SELECT sum(9223372036854775807) FROM range(2))",
    "'infinity'::DATE",
    "'-infinity'::DATE",
    "'infinity'::TIMESTAMP",
    "'-infinity'::TIMESTAMP_S",
    "'infinity'::TIMESTAMP_MS",
    "'infinity'::TIMESTAMP_NS",
    "'-infinity'::TIMESTAMP_NS",
    "'infinity'::TIMESTAMPTZ",
    "'4000-01-01 (BC)'::DATE",
    "'29999-01-01'::TIMESTAMP",
    "TIME '24:00:00'",
]
INSIDE = {
    "{}": lambda v: v,
    "[NULL, {}]": lambda v: [None, v],
    "{{'f': {}}}": lambda v: {"f": v},
    "MAP {{'k': {}}}": lambda v: [("k", v)],
    "[{{'f': [{}]}}]": lambda v: [{"f": [v]}],
    "{{'f': MAP {{'k': [{}]}}}}": lambda v: {"f": [("k", [v])]},
    "array_value({}, NULL)": lambda v: [v, None],
}
FORMS = {
    "fetchall": lambda result: result.fetchall(),
    "arrow": lambda result: result.arrow(),
    "pl": lambda result: result.pl(),
    "df": lambda result: result.df(),
    "table": lambda result: result.table(),
    "repr": repr,
    "html": lambda result: result._repr_html_(),
} | {name: lambda result, name=name: write(result.reader(), io.BytesIO(), name) for name in FORMATS}


def queries(expressions):
    for expression in expressions:
        for inside, right in INSIDE.items():
            yield f"SELECT {inside.format(expression)} AS v, 1 AS one UNION ALL SELECT NULL, 2", right


def is_refused(opened, query, take):
    """Return whether it was told that a value has no place; any other error is a fault."""
    try:
        take(opened.sql(query))
    except PhotonlakeError as error:
        told = str(error)
    else:
        return False
    assert len(told.splitlines()) == 1, query
    return True


@pytest.mark.parametrize("expression", RIGHT)
def test_a_value_is_right_wherever_it_stands(opened, expression):
    for query, right in queries([expression]):
        (found, one), (none, _) = opened.sql(query).fetchall()
        assert found == right(RIGHT[expression]), query
        assert type(found) is type(right(RIGHT[expression])), query
        assert (one, none) == (1, None)


@pytest.mark.parametrize("expression", REFUSED)
def test_a_value_that_has_no_place_is_told(opened, expression):
    for query, _ in queries([expression]):
        with pytest.raises(QueryError) as caught:
            opened.sql(query).fetchall()
        assert len(str(caught.value).splitlines()) == 1, query


@pytest.mark.parametrize("form", FORMS)
def test_no_form_ends_in_a_traceback(opened, form):
    take = FORMS[form]
    for expression in (*RIGHT, *REFUSED):
        for query in (f"SELECT {inside.format(expression)} AS v" for inside in ("{}", "[{}, NULL]", "[{{'f': [{}]}}]")):
            if is_refused(opened, f"{query}, 1 AS one UNION ALL SELECT NULL, 2", take):
                assert expression in REFUSED or "UBIGINT" in expression, query


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_every_type_that_the_engine_tests_itself_with(opened, form):
    """Its smallest and largest values, one type at a time."""
    described = duckdb.sql("DESCRIBE FROM test_all_types()").fetchall()
    assert len(described) > 40
    n_taken = 0
    for name, type_, *_ in described:
        values = duckdb.sql(f'SELECT "{name}"::VARCHAR FROM test_all_types()').fetchall()
        for (text,) in values:
            value = "NULL" if text is None else "'" + text.replace("'", "''").replace("\0", "") + "'"
            query = f"SELECT try_cast({value} AS {type_}) AS v, 1 AS one UNION ALL SELECT NULL, 2"
            n_taken += not is_refused(opened, query, FORMS[form])
    assert n_taken > 100


@pytest.mark.parametrize(
    ("value", "type_", "comes_back"),
    [
        (2**63 - 1, "BIGINT", 2**63 - 1),
        (2**100, "HUGEINT", None),
        (Decimal("1.5"), "DECIMAL(3, 1)", 1.5),
        (date(2020, 1, 2), "DATE", date(2020, 1, 2)),
        (b"\x00\xff", "BLOB", b"\x00\xff"),
        ([1, None], "INTEGER[]", [1, None]),
        ({"a": 1}, "STRUCT(a INTEGER)", {"a": 1}),
        ("Löwe ☃", "VARCHAR", "Löwe ☃"),
    ],
)
def test_parameters_of_all_types_come_back(opened, value, type_, comes_back):
    query = f"SELECT $v::{type_} AS v"
    if comes_back is None:
        with pytest.raises(PhotonlakeError) as caught:
            opened.sql(query, v=value).fetchall()
        assert len(str(caught.value).splitlines()) == 1
    else:
        assert opened.sql(query, v=value).fetchall() == [(comes_back,)]
