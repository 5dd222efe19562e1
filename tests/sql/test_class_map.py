"""The class map: the view is what the tables make, and statements are read as the page beside them says."""

from __future__ import annotations

import pytest

from sql.class_map import VIEW, classes, tasks, terms, view


def test_the_view_is_the_one_that_the_tables_make():
    assert VIEW.read_text(encoding="utf-8") == view(), "run: python -m sql.class_map"


def test_terms_are_unique_and_stand_for_known_classes():
    seen = [(vocabulary, term.lower()) for vocabulary, term, _ in terms()]
    assert len(seen) == len(set(seen))
    assert {class_ for _, _, class_ in terms()} <= classes().keys()
    assert {class_ for task in tasks().values() for class_ in task} <= classes().keys()


def say(engine, *statements):
    engine.execute("DELETE FROM csc.classification")
    for row, (name, authority, otype, class_, predicted) in enumerate(statements):
        engine.execute(
            'INSERT INTO csc.classification BY NAME SELECT 1 AS file_id, ? AS "row", ? AS name, ? AS authority, '
            "? AS otype, ? AS class, ? AS predicted",
            [row, name, authority, otype, class_, predicted],
        )


@pytest.mark.parametrize(
    ("otype", "class_", "expected"),
    [
        ("Orion_V*", None, ("YSO", False)),
        ("OrionV*", None, ("YSO", False)),
        ("or*", None, ("YSO", False)),
        ("Candidate_YSO", None, ("YSO", True)),
        ("YSO_Candidate", None, ("YSO", True)),
        ("ULX?", None, ("ULX", True)),
        ("V*?_Candidate", None, ("STAR", True)),
        ("X", None, (None, False)),
        ("HE", "NS_BIN", ("LMXB", False)),
        ("B0.5", "HM-STAR", ("HM-STAR", False)),
        ("QSO", "QSO", ("AGN", False)),
        ("HMXB", "XB", ("HMXB", False)),
        ("Sy1", None, ("AGN", False)),
        ("Sy*", None, ("SYMBIOTIC", False)),
    ],
)
def test_what_is_said_has_a_class(engine, otype, class_, expected):
    say(engine, ("a", "simbad", otype, class_, False))
    assert engine.execute("SELECT class, candidate FROM analysis.source_class").fetchall() == [expected]


def test_most_statements_decide_and_contradictions_are_marked(engine):
    say(
        engine,
        ("a", "simbad", "QSO", None, False),
        ("a", "simbad", "AGN", None, False),
        ("a", "simbad", "Star", None, False),
        ("b", "simbad", "QSO", None, False),
        ("b", "simbad", "AGN", None, False),
        ("b", "umlcaxs", "YSO", "YSO", True),
    )
    rows = engine.execute(
        "SELECT name, authority, class, n_statements, n_agreeing, conflicting, predicted "
        "FROM analysis.authority_class ORDER BY ALL"
    ).fetchall()
    assert rows == [
        ("a", "simbad", "AGN", 3, 2, True, False),
        ("b", "simbad", "AGN", 2, 2, False, False),
        ("b", "umlcaxs", "YSO", 1, 1, False, True),
    ]
    conflicts = engine.execute("SELECT * FROM analysis.class_conflict").fetchall()
    assert conflicts == [("a", ["AGN", "STAR"], ["simbad: AGN", "simbad: STAR"], True)]


def test_a_source_has_one_class_by_the_order_of_belief(engine):
    say(
        engine,
        ("a", "umlcaxs", "YSO", "YSO", True),
        ("a", "simbad", "QSO", None, False),
        ("a", "literature", "CV", "CV", False),
        ("b", "umlcaxs", "YSO", "YSO", True),
        ("b", "zoo", "Candidate_QSO", None, False),
        ("b", "simbad", "X", None, False),
        ("c", "axia", "HMXB", None, False),
        ("c", "simbad", "HMXB", None, False),
        ("d", "simbad", "X", None, False),
    )
    rows = engine.execute("SELECT * EXCLUDE (candidate) FROM analysis.source_class ORDER BY name").fetchall()
    assert rows == [
        ("a", "CV", "CV", "literature", False, True, 3, ["simbad: AGN (QSO)", "umlcaxs: YSO, predicted"]),
        ("b", "AGN", "Candidate_QSO", "zoo", False, False, 3, ["umlcaxs: YSO, predicted", "simbad: X"]),
        ("c", "HMXB", "HMXB", "simbad", False, False, 2, ["axia: HMXB"]),
        ("d", None, "X", "simbad", False, False, 1, []),
    ]
    joined = (
        "SELECT count(*) FROM (SELECT DISTINCT name FROM csc.classification) JOIN analysis.source_class USING (name)"
    )
    assert engine.execute(joined).fetchall() == [(4,)]


def test_a_coarser_class_is_no_contradiction(engine):
    say(
        engine,
        ("a", "simbad", "Star", None, False),
        ("a", "literature", "O5", "HM-STAR", False),
        ("b", "simbad", "YSO", None, False),
        ("b", "literature", "O5", "HM-STAR", False),
    )
    assert engine.execute("SELECT name, within_one FROM analysis.class_conflict").fetchall() == [("b", False)]
