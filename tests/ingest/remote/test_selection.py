"""What users type: positions, conditions, queries; nothing of it is pasted."""

from __future__ import annotations

import numpy as np
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from catalog.errors import PhotonlakeError
from ingest.remote.conditions import check_query, parse_condition
from ingest.remote.cones import Cone, InvalidCone, parse_position, parse_radius
from ingest.remote.errors import QueryRefused
from ingest.remote.selection import Selection

places = st.tuples(st.floats(0, 359.999999), st.floats(-90, 90), st.floats(0.01, 5000))


@given(places, st.lists(st.tuples(st.floats(0, 359.999999), st.floats(-90, 90)), min_size=1, max_size=50))
def test_boxes_hold_their_cones(place, points):
    cone = Cone(*place)
    ra, dec = np.array(points).T
    inside = cone.holds(ra, dec)
    intervals, (low, high) = cone.boxes()
    boxed = (dec >= low) & (dec <= high) & np.any([(ra >= a) & (ra <= b) for a, b in intervals], axis=0)
    assert not (inside & ~boxed).any()


@given(places)
def test_cones_hold_their_own_rim(place):
    ra, dec, radius = place
    north = min(90.0, dec + 0.999 * radius / 60)
    assert Cone(ra, dec, radius).holds(np.array([ra, ra]), np.array([dec, north])).all()


@pytest.mark.parametrize(
    ("text", "ra", "dec"),
    [
        ("148.97 69.68", 148.97, 69.68),
        ("148.97,-69.68", 148.97, -69.68),
        ("09h55m52s +69d40m47s", 148.966667, 69.679722),
        ("09 55 52.2 -69 40 47", 148.9675, -69.679722),
        ("00:00:00.0 -00:00:30", 0.0, -0.008333),
        ("360 0", 0.0, 0.0),
    ],
)
def test_coordinates(text, ra, dec):
    assert parse_position(text) == pytest.approx((ra, dec), abs=1e-5)


@pytest.mark.parametrize("text", ["M 82", "NGC 253", "3C 273", "2CXO J095550.1+694046", "Sgr A*"])
def test_names_are_no_coordinates(text):
    assert parse_position(text) is None


@pytest.mark.parametrize("text", ["400 10", "10 95", "12h70m00s +10d00m00s"])
def test_places_that_are_none(text):
    with pytest.raises(InvalidCone):
        parse_position(text)


@pytest.mark.parametrize("text", ["5 parsec", "-1arcmin", "0", "100deg", ""])
def test_radii_that_are_none(text):
    with pytest.raises(InvalidCone):
        parse_radius(text)


@pytest.mark.parametrize(
    "text",
    [
        "1=1; DROP TABLE csc21.master_source",
        "theta < 1 UNION SELECT * FROM csc21.master_source",
        "obsid IN (SELECT obsid FROM csc21.observation_source)",
        "EXISTS (SELECT 1)",
        "theta < 1 ORDER BY theta",
        "xp_cmdshell('dir') = 1",
        "CASE WHEN 1=1 THEN 1 ELSE 0 END = 1",
        "theta < @@version",
        "theta < 1 INTO x",
        "",
        "theta",
        "theta < ((1",
        "mood = 'fine'",
        "hard_hs > 0",
        "sys.objects.name = 'x'",
    ],
)
def test_conditions_that_are_none(text):
    with pytest.raises(QueryRefused):
        parse_condition(text)


@given(st.text(max_size=60))
def test_any_text_is_refused_or_comes_out_as_one_comparison_tree(text):
    try:
        written = parse_condition(text)
    except QueryRefused:
        return
    (tree,) = sqlglot.parse(f"SELECT 1 WHERE {written}", dialect="tsql")
    assert isinstance(tree, exp.Select)
    assert not list(tree.find_all(exp.Subquery, exp.Union, exp.Anonymous, exp.Command))


@given(st.text(max_size=30))
def test_strings_stay_strings(text):
    written = parse_condition("instrument = '" + text.replace("'", "''") + "'")
    (tree,) = sqlglot.parse(f"SELECT 1 WHERE {written}", dialect="tsql")
    assert [str(x.this) for x in tree.args["where"].find_all(exp.Literal)] == [text]


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM csc21.master_source",
        "SELECT name FROM csc21.master_source; SELECT 1",
        "SELECT name INTO x FROM csc21.master_source",
        "SELECT name FROM master_source",
        "SELECT name FROM csc2.master_source",
        "SELECT load_file('x') FROM csc21.master_source",
        "SELECT name FROM csc21.master_source -- all of it",
        "EXEC sp_who",
    ],
)
def test_queries_that_are_refused(text):
    with pytest.raises(QueryRefused):
        check_query(text, "csc21")


@given(
    st.builds(
        Selection,
        obsids=st.lists(st.integers(1, 99999), min_size=1, max_size=3).map(tuple),
        products=st.sets(st.sampled_from(["pha", "arf", "lc"])).map(sorted).map(tuple),
        unique=st.booleans(),
        where=st.sampled_from([None, "theta < 5"]),
        release=st.sampled_from(["2.0", "2.1"]),
        service=st.sampled_from(["tap", "csccli"]),
    )
)
def test_selections_survive_being_remembered(selection):
    assert Selection.from_source(selection.to_source()) == selection


def test_a_remembered_source_that_is_none_is_an_error_of_ours():
    with pytest.raises(PhotonlakeError):
        Selection(obsids=(1,), products=("nonsense",))
