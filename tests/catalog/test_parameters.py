"""Values of $parameters: quantities take the unit of what they meet, a position stands for two numbers."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.time import Time
from factories.store import NAMES

from catalog.errors import QueryError

HERE = SkyCoord("05h35m00s", "-05d24m00s")


def test_a_position_stands_for_ra_and_dec(opened):
    query = "SELECT name, round(separation_arcsec, 3) FROM cone($here, $r)"
    expected = [(NAMES[0], 0.0), (NAMES[1], 14.336)]
    for here in (HERE, HERE.galactic, HERE.transform_to("fk5")):
        result = opened.sql(query, here=here, r=0.5 * u.arcmin)
        assert result.fetchall() == [(n, pytest.approx(s, abs=0.01)) for n, s in expected]
    assert set(result.parameters) == {"here_ra", "here_dec", "r"}
    again = opened.sql(result.query, **result.parameters)
    assert again.fetchall() == result.fetchall()
    apart = "SELECT count(*) FROM csc.master_source WHERE separation_arcsec(ra, dec, $here) < $r"
    assert opened.sql(apart, here=HERE, r=Angle("1m")).fetchall() == [(2,)]
    with pytest.raises(QueryError, match="2 positions"):
        opened.sql(query, here=SkyCoord([1, 2], [3, 4], unit="deg"), r=1)


@pytest.mark.parametrize(
    ("query", "given", "expected"),
    [
        ("SELECT $e FROM product.event WHERE energy_ev > $e LIMIT 1", {"e": 2 * u.keV}, 2000.0),
        ("SELECT $e FROM product.event AS p WHERE $e <= p.energy_ev LIMIT 1", {"e": 2 * u.keV}, 2000.0),
        (
            "SELECT $a FROM product.event WHERE energy_ev BETWEEN $a AND $b LIMIT 1",
            {"a": 0.5 * u.keV, "b": 7 * u.keV},
            500.0,
        ),
        (
            "WITH t AS (SELECT max(energy_ev) AS e FROM product.event) SELECT $x FROM t WHERE e > $x",
            {"x": 1 * u.keV},
            1000.0,
        ),
        ("SELECT $t FROM product.event WHERE time_s > $t LIMIT 1", {"t": 10 * u.ks}, 10_000.0),
        (
            "SELECT $t FROM product.event WHERE time_s > $t LIMIT 1",
            {"t": Time(50814.5, format="mjd", scale="tt")},
            43_200.0,
        ),
        ('SELECT $r FROM cone(ra := 83.75, "dec" := -5.4, radius_arcsec := $r) LIMIT 1', {"r": 1 * u.arcmin}, 60.0),
        ("SELECT $r FROM cone($here,$r) LIMIT 1", {"here": HERE, "r": 2 * u.arcmin}, 120.0),
        ("SELECT $r FROM cone($here, $r) LIMIT 1", {"r": 2 * u.arcmin, "here": HERE}, 120.0),
        ("SELECT $r FROM cone($ra,$dec,$r) LIMIT 1", {"r": 60, "ra": HERE.ra, "dec": HERE.dec}, 60.0),
        ("SELECT $ra FROM cone($ra, $dec, 60) LIMIT 1", {"ra": HERE.ra, "dec": HERE.dec}, 83.75),
    ],
)
def test_a_quantity_takes_the_unit_of_what_it_meets(opened, query, given, expected):
    assert opened.sql(query, **given).fetchall() == [(pytest.approx(expected),)]


@pytest.mark.parametrize(
    ("query", "given", "says"),
    [
        (
            "SELECT 1 FROM product.event WHERE energy_ev > $e",
            2 * u.arcmin,
            r"\$e is 2.0 arcmin and stands where eV is wanted",
        ),
        ("SELECT $e + 1", 2 * u.keV, "meets nothing that has a unit; give a number"),
        ("SELECT 1 FROM product.event WHERE energy_ev > $e OR time_s > $e", 2 * u.keV, "eV and s are wanted"),
        ("SELECT 1 FROM product.event WHERE energy_ev > $e", Time(50814.5, format="mjd"), "is a time"),
        ("SELECT 1 FROM product.event WHERE energy_ev > $e", object(), "Unable to transform python value"),
    ],
)
def test_a_quantity_that_does_not_fit_is_refused(opened, query, given, says):
    with pytest.raises(QueryError, match=says):
        opened.sql(query, e=given)


def test_numbers_of_numpy_are_numbers(opened):
    given = {"a": np.float32(1.5), "b": np.array([1, 2]), "c": np.int64(3)}
    assert opened.sql("SELECT $a, $b, $c", **given).fetchall() == [(1.5, [1, 2], 3)]
