"""Observations, object types, sources, hardness from counts, the ledger's views."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from factories.engine import insert
from factories.sky import add_region, circle

NAME = "2CXO J053500.0-052400"


def one(engine, query):
    (row,) = engine.execute(query).fetchall()
    return row


@pytest.mark.parametrize(
    ("energy_ev", "pi_stored", "expected"),
    [
        (1000.0, None, 69),
        (0.0, None, 1),
        (-5.0, None, 1),
        (14.6, None, 2),
        (14.59, None, 1),
        (1e6, None, 1024),
        (1000.0, 70, 70),
        (1000.0, 0, None),
        (None, None, None),
        (None, 12, 12),
    ],
)
def test_pi_follows_from_energy_unless_it_is_stored(engine, energy_ev, pi_stored, expected):
    insert(engine, "product.event_stored", {"file_id": 1, "row": 0, "energy_ev": energy_ev, "pi_stored": pi_stored})
    assert one(engine, "SELECT pi FROM product.event") == (expected,)


def test_the_best_file_tells_of_an_observation(engine):
    base = {"obsid": 5, "obi": 0}
    insert(
        engine,
        "product.header",
        base | {"file_id": 1, "kind": "light_curve", "object": "curve", "grating": "NONE"},
        base | {"file_id": 2, "kind": "spectrum", "object": "spectrum", "exposure_s": 1.0},
        base | {"file_id": 3, "kind": "events", "region_id": 7, "object": "region", "exposure_s": 2.0, "version": 99},
        base | {"file_id": 4, "kind": "events", "object": "old field", "exposure_s": 3.0, "version": 1},
        base | {"file_id": 5, "kind": "events", "exposure_s": 4.0, "version": 2},
        {"file_id": 6, "kind": "events", "obsid": None, "object": "merged"},
    )
    query = "SELECT obsid, obi, exposure_s, object, grating, n_files FROM product.observation"
    # the newest field has no object: the next best file's is taken
    assert one(engine, query) == (5, 0, 4.0, "old field", "NONE", 5)


def test_a_file_without_obi_counts_to_the_only_one(engine):
    insert(
        engine,
        "product.header",
        {"file_id": 1, "kind": "events", "obsid": 5, "obi": 2},
        {"file_id": 2, "kind": "events", "obsid": 5, "obi": None},
        {"file_id": 3, "kind": "events", "obsid": 6, "obi": 0},
        {"file_id": 4, "kind": "events", "obsid": 6, "obi": 1},
        {"file_id": 5, "kind": "events", "obsid": 6, "obi": None},
    )
    rows = engine.execute("SELECT obsid, obi, n_files FROM product.observation ORDER BY ALL").fetchall()
    assert rows == [(5, 2, 2), (6, 0, 1), (6, 1, 1), (6, None, 1)]
    assert engine.execute("SELECT count(*) FROM product.observation_summary").fetchone() == (4,)


def test_what_is_held_of_an_observation(engine):
    base = {"obsid": 5, "obi": 0}
    insert(
        engine,
        "product.header",
        base | {"file_id": 1, "kind": "events", "n_rows": 100},
        base | {"file_id": 2, "kind": "events", "n_rows": 90},
        base | {"file_id": 3, "kind": "events", "n_rows": 9, "region_id": 1, "detection_id": "5.0.1"},
        base | {"file_id": 4, "kind": "events", "n_rows": 9, "region_id": 2, "detection_id": "5.0.2"},
        base | {"file_id": 5, "kind": "spectrum", "region_id": 1, "detection_id": "5.0.1"},
        base | {"file_id": 6, "kind": "light_curve", "region_id": 1, "detection_id": "5.0.1"},
    )
    insert(
        engine,
        "product.spectrum",
        base | {"spectrum_id": "a", "file_id": 5, "role": "source"},
        base | {"spectrum_id": "b", "file_id": 5, "role": "source"},
        base | {"spectrum_id": "c", "file_id": 5, "role": "background"},
    )
    insert(
        engine,
        "csc.observation_source",
        *(base | {"detection_id": f"5.0.{i}", "region_id": i, "name": NAME} for i in (1, 2, 3)),
    )
    query = (
        "SELECT n_files, n_field_events, n_region_files, n_spectra, n_light_curves, n_detections "
        "FROM product.observation_summary"
    )
    assert one(engine, query) == (6, 100, 2, 2, 1, 3)


def statement(row, otype, authority="simbad", **more):
    return {"file_id": 1, "row": row, "name": NAME, "authority": authority, "otype": otype} | more


def test_the_type_most_statements_give(engine):
    insert(
        engine,
        "csc.classification",
        statement(0, "QSO", reference="B"),
        statement(1, "QSO", reference="A", **{"class": "AGN"}),
        statement(2, "Star"),
        statement(3, None, "umlcaxs", **{"class": "YSO", "predicted": True, "probability": 0.8}),
        statement(4, None),
        {"file_id": 1, "row": 5, "name": None, "authority": "simbad", "otype": "X"},
    )
    rows = engine.execute("FROM csc.object_type ORDER BY authority").fetchall()
    assert rows == [
        (NAME, "simbad", "QSO", "AGN", 3, 2, True, False, None, "A; B"),
        (NAME, "umlcaxs", "YSO", "YSO", 1, 1, False, True, 0.8, None),
    ]


def test_of_equally_many_the_first_in_the_alphabet(engine):
    insert(engine, "csc.classification", statement(0, "YSO"), statement(1, "AGN"))
    assert one(engine, "SELECT otype, conflicting, n_agreeing FROM csc.object_type") == ("AGN", True, 1)


def test_types_of_one_class_do_not_contradict_each_other(engine):
    rows = [("A0", "LM-STAR"), ("F0", "LM-STAR"), ("F0", "LM-STAR"), ("TT*", "YSO"), ("TT*", "YSO")]
    insert(engine, "csc.classification", *(statement(i, o, **{"class": c}) for i, (o, c) in enumerate(rows)))
    query = "SELECT otype, class, n_statements, n_agreeing, conflicting FROM csc.object_type"
    assert one(engine, query) == ("F0", "LM-STAR", 5, 3, True)
    engine.execute("DELETE FROM csc.classification WHERE class = 'YSO'")
    assert one(engine, query) == ("F0", "LM-STAR", 3, 3, False)


def test_counts_of_a_source_do_not_multiply_each_other(engine):
    insert(engine, "csc.master_source", {"name": NAME, "ra": 1.0, "dec": 2.0, "significance": 7.0})
    other = NAME.replace("J0535", "J0536")
    for obsid in (5, 6):
        key = {"detection_id": f"{obsid}.0.1", "obsid": obsid, "obi": 0, "region_id": 1}
        insert(engine, "csc.observation_source", key | {"name": NAME})
        insert(engine, "product.header", key | {"file_id": obsid, "kind": "events", "n_rows": 3})
        insert(engine, "product.event_stored", *(key | {"file_id": obsid, "row": i, "x": 1, "y": 1} for i in range(3)))
        add_region(engine, circle(1.0, 1.0, 2.0), **key)
        insert(engine, "product.spectrum", key | {"spectrum_id": f"s{obsid}", "file_id": 10 + obsid, "role": "source"})
        insert(engine, "product.header", key | {"file_id": 20 + obsid, "kind": "light_curve"})
    insert(engine, "csc.observation_source", {"detection_id": "9.0.1", "obsid": 9, "name": other})
    insert(engine, "lit.paper_source", *({"bibcode": b, "name": NAME, "method": m} for b in "ab" for m in "xyz"))
    query = (
        "SELECT name, ra, n_detections, n_observations, n_events, n_spectra, n_light_curves, n_papers "
        "FROM csc.source_summary ORDER BY name"
    )
    assert engine.execute(query).fetchall() == [
        (NAME, 1.0, 2, 2, 6, 2, 2, 2),
        (other, None, 1, 1, 0, 0, 0, 0),
    ]


def test_a_link_that_is_not_sure_counts_nowhere(engine):
    link = {"name": NAME}
    insert(engine, "csc.master_source", {"name": NAME, "ra": 1.0, "dec": 2.0})
    insert(
        engine,
        "lit.paper_source",
        link | {"bibcode": "told by a catalog", "method": "class reference", "confidence": None},
        link | {"bibcode": "told by a catalog", "method": "name in text", "confidence": 0.3},
        link | {"bibcode": "sure", "method": "name in text", "confidence": 0.5},
        link | {"bibcode": "sure", "method": "position in text", "confidence": 0.85},
        link | {"bibcode": "unsure", "method": "name in text", "confidence": 0.49},
    )
    assert engine.execute("SELECT bibcode, methods, confidence FROM lit.confident_link ORDER BY 1").fetchall() == [
        ("sure", ["name in text", "position in text"], 0.85),
        ("told by a catalog", ["class reference"], None),
    ]
    assert one(engine, "SELECT n_papers FROM csc.source_summary") == (2,)
    assert one(engine, "SELECT n_papers, bibcodes, methods, n_unsure FROM lit.source_paper") == (
        2,
        ["told by a catalog", "sure"],
        ["class reference", "name in text", "position in text"],
        1,
    )


def test_a_source_with_unsure_links_alone_has_no_papers(engine):
    insert(engine, "lit.paper_source", {"name": NAME, "bibcode": "b", "method": "name in text", "confidence": 0.1})
    assert one(engine, "SELECT n_papers, bibcodes, methods, n_unsure FROM lit.source_paper") == (0, [], [], 1)


def test_whoever_asks_for_papers_of_sources_asks_for_the_links_that_count():
    root = Path(__file__).parents[2]
    files = [
        p
        for folder in ("sql", "catalog", "ingest", "embed", "analysis", "examples")
        for p in root.glob(f"{folder}/**/*")
    ]
    readers = {
        str(p.relative_to(root))
        for p in files
        if p.suffix in {".py", ".sql", ".js"} and re.search(r"(FROM|JOIN)\s+(lake\.)?lit\.paper_source", p.read_text())
    }
    assert readers == {
        "sql/views/lit.confident_link.sql",  # the rule
        "sql/views/lit.source_paper.sql",  # counts the others
        "ingest/paper_links.py",  # writes them
        "ingest/screen.py",  # shows how to see the others
        "catalog/serve/detection_facts.py",  # marks in an abstract what links that count are made by
    }


def test_hardness_from_counts_by_band(engine):
    key = {"detection_id": "5.0.1", "obsid": 5, "obi": 0, "region_id": 1, "file_id": 1}
    insert(engine, "product.header", key | {"kind": "events", "n_rows": 9})
    energies = [499.0, 500.0, 1199.0, 1200.0, 1999.0, 2000.0, 6999.0, 6000.0, 7000.0, None]
    add_region(engine, circle(1.0, 1.0, 2.0))
    event = key | {"x": 1, "y": 1}
    insert(engine, "product.event_stored", *(event | {"row": i, "energy_ev": e} for i, e in enumerate(energies)))
    query = "SELECT counts_s, counts_m, counts_h, hr_counts_hs, hr_counts_hm, hr_counts_ms FROM product.count_hardness"
    assert one(engine, query) == (2, 2, 3, 0.2, 0.2, 0.0)


def interval(engine, soft, hard):
    return engine.execute(
        "SELECT hr_counts($1, $2), hr_counts_lolim($1, $2), hr_counts_hilim($1, $2)", [soft, hard]
    ).fetchone()


def test_hardness_without_counts_is_null(engine):
    assert interval(engine, 0, 0) == (None, None, None)


@pytest.mark.parametrize(("soft", "hard"), [(0, 1), (1, 0), (0, 500), (3, 7), (1000, 10), (10**6, 10**6)])
def test_the_interval_lies_around_the_ratio_and_within_bounds(engine, soft, hard):
    ratio, low, high = interval(engine, soft, hard)
    assert -1 <= low <= ratio <= high <= 1
    mirrored = interval(engine, hard, soft)
    assert mirrored == pytest.approx((-ratio, -high, -low))


def test_the_interval_covers_the_truth_as_often_as_it_says(engine):
    n = 12
    hard = np.arange(n + 1)
    limits = np.array([interval(engine, int(n - h), int(h))[1:] for h in hard])
    shares = np.linspace(0.02, 0.98, 97)
    weights = np.array([[math.comb(n, h) * p**h * (1 - p) ** (n - h) for h in hard] for p in shares])
    covered = (limits[:, 0] <= 2 * shares[:, None] - 1) & (2 * shares[:, None] - 1 <= limits[:, 1])
    assert (weights * covered).sum(axis=1).mean() == pytest.approx(0.683, abs=0.03)


@pytest.mark.parametrize(("n", "tolerance"), [(1, 0.08), (6, 0.01), (30, 0.005)])
def test_the_interval_is_close_to_the_exact_bayesian_one(engine, n, tolerance):
    share = (np.arange(200_000) + 0.5) / 200_000
    for hard in range(n + 1):
        # the beta distribution of Jeffreys' prior and its 15.87 % and 84.13 % points, summed on a fine grid
        log_density = (hard - 0.5) * np.log(share) + (n - hard - 0.5) * np.log1p(-share)
        cumulative = np.cumsum(np.exp(log_density - log_density.max()))
        exact = np.interp([0.158655, 0.841345], cumulative / cumulative[-1], share) * 2 - 1
        assert interval(engine, n - hard, hard)[1:] == pytest.approx(exact, abs=tolerance)


def test_the_ledger_by_kind_and_what_failed(engine):
    insert(
        engine,
        "meta.file",
        {
            "file_id": 1,
            "path": "a",
            "kind": "events",
            "status": "loaded",
            "n_rows": 5,
            "bytes": 10,
            "flags": ["x", "y"],
        },
        {"file_id": 2, "path": "b", "kind": "events", "status": "loaded", "n_rows": 6, "bytes": 10, "flags": []},
        {"file_id": 3, "path": "c", "kind": "arf", "status": "failed", "error": "expected, found", "bytes": 7},
    )
    assert engine.execute("FROM meta.file_summary").fetchall() == [
        ("arf", "failed", 1, 0, 7),
        ("events", "loaded", 2, 11, 20),
    ]
    assert engine.execute("SELECT path, error FROM meta.failed").fetchall() == [("c", "expected, found")]
    assert engine.execute("SELECT path, flag FROM meta.flagged ORDER BY flag").fetchall() == [("a", "x"), ("a", "y")]
