from __future__ import annotations

import pytest

from catalog.query.provenance import trace
from catalog.schema import TABLES


def units(query, *names):
    return [c.unit if c else None for c in trace(query, names)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT time_s, energy_ev FROM product.event", ["s", "eV"]),
        ("SELECT e.time_s AS t, x FROM product.event AS e", ["s", "pixel"]),
        ("FROM product.good_time SELECT start_s, stop_s", ["s", "s"]),
        ("SELECT 2 * energy_ev, energy_ev + 1, 'eV' FROM product.event", [None, None, None]),
        ("SELECT median(energy_ev), max(time_s), avg(x) FROM product.event", ["eV", "s", "pixel"]),
        ("SELECT count(energy_ev), variance(energy_ev), sqrt(energy_ev) FROM product.event", [None, None, None]),
        ("SELECT max(energy_ev) FILTER (x > 3), lag(time_s) OVER (ORDER BY time_s) FROM product.event", ["eV", "s"]),
        ("SELECT energy_ev::DOUBLE, (energy_ev), -energy_ev, round(energy_ev, 1) FROM product.event", ["eV"] * 4),
        ("WITH a AS (SELECT energy_ev AS e FROM product.event) SELECT e FROM a", ["eV"]),
        ("WITH a(e) AS (SELECT energy_ev FROM product.event) SELECT e FROM a", ["eV"]),
        ("WITH a AS (FROM product.event), b AS (FROM a) SELECT energy_ev FROM b", ["eV"]),
        ("SELECT e FROM (SELECT energy_ev AS e FROM product.event)", ["eV"]),
        ("SELECT e FROM (SELECT energy_ev FROM product.event) AS t(e)", ["eV"]),
        ("SELECT energy_ev FROM product.event UNION ALL SELECT 1", ["eV"]),
        ("SELECT separation_arcsec(1, 2, 3, 4), separation_arcsec FROM cone(1, 2, 3)", ["arcsec", "arcsec"]),
        ("SELECT rate, counts FROM light_curve('1.0.1', 5)", ["count/s", "count"]),
        ("SELECT theta FROM csc.observation_source o JOIN csc.master_source m USING (name)", ["arcmin"]),
        ("SELECT m.ra, e.ra FROM csc.master_source m, (SELECT 1 AS ra) e", ["deg", None]),
        ("SELECT ra_pnt FROM product.observation WHERE obsid IN (SELECT obsid FROM product.event)", ["deg"]),
        ("SELECT theta FROM csc.observation_source SEMI JOIN (SELECT 1 AS theta) USING (theta)", ["arcmin"]),
        ("SELECT nonsense FROM product.event", [None]),
        ("SELECT x FROM nowhere", [None]),
        ("SUMMARIZE product.event", [None, None]),
        ("this is no SQL", [None]),
    ],
)
def test_units_follow_columns(query, expected):
    assert units(query, *(f"c{i}" for i in range(len(expected)))) == expected


def test_stars_are_spread():
    names = ["file_id", "obsid", "obi", "ccd_id", "start_s", "stop_s"]
    assert units("SELECT * FROM product.good_time", *names) == ["", "", "", "", "s", "s"]
    assert units("SELECT * EXCLUDE (file_id, obi) FROM product.good_time", "obsid", "ccd_id", "a", "b") == [
        "",
        "",
        "s",
        "s",
    ]
    assert units("SELECT * REPLACE (start_s / 60 AS start_s) FROM product.good_time", *names)[4:] == [None, "s"]
    assert units("SELECT 1, g.* FROM product.good_time AS g", "one", *names) == [None, "", "", "", "", "s", "s"]


def test_a_star_over_something_unknown_goes_by_names():
    query = "SELECT * FROM product.good_time JOIN range(3) AS r(i) ON true"
    assert units(query, "file_id", "obsid", "obi", "ccd_id", "start_s", "stop_s", "i")[4:] == ["s", "s", None]


def test_a_star_over_a_store_whose_columns_came_later_goes_by_names():
    query = "SELECT * FROM product.good_time"
    as_now = [c.name for c in TABLES["product.good_time"].columns]
    as_then = [*as_now[:2], *as_now[3:], as_now[2]]
    found = {c.name: c.description for c in trace(query, as_then)}
    assert found == {c.name: c.description for c in TABLES["product.good_time"].columns}


def test_columns_that_using_merges_are_counted_once():
    names = ["file_id", "obsid", "obi", "ccd_id", "start_s", "stop_s", "x", "y"]
    query = "SELECT * FROM product.good_time JOIN (SELECT file_id, x, y FROM product.event) USING (file_id)"
    assert units(query, *names)[4:] == ["s", "s", "pixel", "pixel"]


def test_the_meaning_of_an_aggregate_says_so():
    (column,) = trace("SELECT median(energy_ev) FROM product.event", ["m"])
    assert column.name == "m"
    assert column.description.startswith("median of: Energy")
    assert column.ucd == ""
