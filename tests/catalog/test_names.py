"""What is not there is told with what is near."""

from __future__ import annotations

import pytest
from factories.store import NAMES, make_store, write

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName
from catalog.query.names import unknown


@pytest.fixture(scope="module")
def cat(tmp_path_factory):
    store = make_store(tmp_path_factory.mktemp("near") / "s")
    rows = [(732, 1, NAMES[0]), (732, 2, NAMES[0]), (733, 1, NAMES[1])]
    ids = [{"detection_id": f"{o}.0.{r}", "obsid": o, "obi": 0, "region_id": r, "name": n} for o, r, n in rows]
    write(store, "csc.observation_source", *ids)
    write(store, "csc.classification", {"name": NAMES[0], "authority": "simbad", "otype": "AGN", "file_id": 1})
    with Catalog(store) as opened:
        yield opened


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            f"SELECT ra FROM csc.master_source WHERE name = '{NAMES[0][:-1]}9'",
            [f"no name '{NAMES[0][:-1]}9'; nearest: '{NAMES[0]}'"],
        ),
        ("SELECT 1 FROM csc.observation_source WHERE detection_id = '732.0.77'", ["did you mean 732.0.1 or 732.0.2?"]),
        ("SELECT 1 FROM csc.observation_source o WHERE o.obsid IN (734)", ["no obsid 734; nearest: 732, 733"]),
        ("SELECT 1 FROM csc.object_type WHERE otype = 'agn'", ["csc.object_type has no otype 'agn'; nearest: 'AGN'"]),
        ("SELECT 1 FROM analysis.run WHERE run_id = 3", ["analysis.run has no rows"]),
        ("SELECT 1 FROM lit.paper WHERE doi = NULL", ["doi = NULL is never true; write doi IS NULL"]),
        ("SELECT 1 FROM lit.paper WHERE year > 3000", []),
        ("SELECT 1 FROM lit.paper WHERE year = 2001 AND title = $title", ["no title 'nothing'"]),
        ("SELECT 1 WHERE false", []),
        ("SELECT count(*) FROM lit.paper WHERE bibcode = 'x'", []),
    ],
)
def test_an_answer_without_rows_is_told_why(cat, query, says):
    result = cat.sql(query, **({"title": "nothing"} if "$title" in query else {}))
    assert len(result.remarks) == len(says), result.remarks
    for said, expected in zip(result.remarks, says, strict=True):
        assert expected in said
        assert said in repr(result)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("732.0.77", r"did you mean 732\.0\.1 or 732\.0\.2\?"),
        ("7320.1", r"did you mean 732\.0\.1"),
        ("733", r"did you mean 733\.0\.1\?"),
        (NAMES[0].lower(), rf"{NAMES[0]} is a source, with the detections 732\.0\.1, 732\.0\.2".replace("+", r"\+")),
        ("nothing like it", "takes an id$"),
    ],
)
def test_an_error_of_a_macro_about_a_detection_is_told_what_is_near(cat, given, says):
    with pytest.raises(QueryError, match=says):
        cat.sql("SELECT error('the store has no detection ' || $id || '; this takes an id')", id=given).fetchall()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("master_source", "csc.master_source"),
        ("csc21.master_source", "csc.master_source"),
        ("csc.master_sources", "csc.master_source"),
        ("event", "product.event"),
        ("papers", "lit.paper"),
        ("spectra", "product.spectrum"),
        ("lit.papr", "lit.paper"),
    ],
)
def test_a_table_is_found_by_part_of_its_name(typed, meant):
    assert f"did you mean {meant}" in str(unknown(typed))
    assert "did you mean" not in str(unknown("qqqqqq"))


def test_a_name_that_an_older_snapshot_lacks_is_told_as_such(cat):
    with pytest.raises(UnknownName, match=r"snapshot 0 has no lit\.paper; ask the newest"):
        cat.sql("SELECT * FROM lit.paper", snapshot=0)
