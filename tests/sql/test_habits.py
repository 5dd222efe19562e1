"""Habits of other dialects are answered with the right spelling."""

from __future__ import annotations

import pytest

from catalog.query.admission import admit
from sql.habits import advice, misspelt

FROM = "FROM csc.master_source"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (f"SELECT TOP 5 name {FROM}", f"SELECT name {FROM} LIMIT 5"),
        (f"select distinct top (10) name {FROM} ;", f"SELECT distinct name {FROM} LIMIT 10"),
        (f"SELECT name {FROM} LIMIT 5, 10", f"SELECT name {FROM} LIMIT 10 OFFSET 5"),
        (f"SELECT `name`, `a b` {FROM}", f'SELECT name, "a b" {FROM}'),
        (f"SELECT ISNULL(name, 'x') {FROM}", f"SELECT coalesce(name, 'x') {FROM}"),
        (f"SELECT NVL(name, 'x') {FROM}", f"SELECT coalesce(name, 'x') {FROM}"),
        (f"SELECT CONVERT(FLOAT, ra) {FROM}", f"SELECT CAST(ra AS FLOAT) {FROM}"),
        ("SELECT GETDATE()", "SELECT now()"),
        (f"SELECT IIF(ra > 1, 1, 2) {FROM}", f"SELECT if(ra > 1, 1, 2) {FROM}"),
        (f"SELECT STDEV(ra) {FROM}", f"SELECT stddev(ra) {FROM}"),
        (f"SELECT SQUARE(ra) {FROM}", f"SELECT (ra) ** 2 {FROM}"),
        ("SELECT 1 FROM dual", "SELECT 1"),
        (f"SELECT name {FROM} WHERE rownum <= 5", f"SELECT name {FROM} LIMIT 5"),
        (f"SELECT name {FROM} m CROSS APPLY cone(m.ra, m.dec, 5)", f"SELECT name {FROM} m , cone(m.ra, m.dec, 5)"),
        (f"SELECT name {FROM} WITH (NOLOCK)", f"SELECT name {FROM}"),
        (f"SELECT name {FROM} WHERE name LIKE 2CXO%", f"SELECT name {FROM} WHERE name LIKE '2CXO%'"),
        (f"SELECT ra {FROM} WHERE ra BETWEEN 1 TO 2", f"SELECT ra {FROM} WHERE ra BETWEEN 1 AND 2"),
        ("SELECT * FROM light_curve(4736.0.79, 100)", "SELECT * FROM light_curve('4736.0.79', 100)"),
        (
            f"SELECT ra {FROM} WHERE name = 2CXO J140515.6+542458",
            f"SELECT ra {FROM} WHERE name = '2CXO J140515.6+542458'",
        ),
        ("SELECT * FROM cone(14:03:12, +54:21:00, 60)", "SELECT * FROM cone('14:03:12', '+54:21:00', 60)"),
        (
            "SELECT * FROM cone(ra := 1, dec := 2, radius_arcsec := 3)",
            'SELECT * FROM cone(ra := 1, "dec" := 2, radius_arcsec := 3)',
        ),
        (f"SELECT ra {FROM} WHERE name = ‘2CXO J1’", f"SELECT ra {FROM} WHERE name = '2CXO J1'"),  # noqa: RUF001
        (
            f"SELECT name {FROM} WHERE 1=CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 210.8, 54.35, 0.1))",
            f"SELECT name {FROM} WHERE separation_arcsec(ra, dec, 210.8, 54.35) <= 360",
        ),
        (
            f"SELECT TOP 3 m.name {FROM} m WHERE CONTAINS(POINT(m.ra, m.dec), CIRCLE(POINT(210.8, 54.35), $r)) = 1",
            f"SELECT m.name {FROM} m WHERE separation_arcsec(m.ra, m.dec, 210.8, 54.35) <= 3600 * $r LIMIT 3",
        ),
        (
            f"SELECT DISTANCE(POINT('ICRS', ra, dec), POINT('ICRS', 1, 2)) AS d {FROM}",
            f"SELECT separation_arcsec(ra, dec, 1, 2) / 3600 AS d {FROM}",
        ),
        (
            f"SELECT name {FROM} WHERE dbo.cone_distance(ra, dec, 1, 2) < 1",
            f"SELECT name {FROM} WHERE separation_arcsec(ra, dec, 1, 2) / 60 < 1",
        ),
        (".tables", "SHOW TABLES"),
        ("\\dt", "SHOW TABLES"),
        ("\\d csc.master_source", "DESCRIBE csc.master_source"),
        ("SHOW COLUMNS FROM csc.master_source;", "DESCRIBE csc.master_source"),
    ],
)
def test_the_right_spelling_is_written_out_and_passes(typed, meant):
    assert advice(typed).partition("write: ")[2] == meant
    admit(meant)


@pytest.mark.parametrize("typed", ["SELECT POINT(1, 2)", "SELECT INTERSECTS(BOX(1, 2, 3, 4), POLYGON(1, 2, 3, 4))"])
def test_geometry_that_is_not_a_cone_is_told_what_there_is(typed):
    assert "separation_arcsec(ra, dec, 210.8, 54.35) <= 60 or FROM cone(210.8, 54.35, 60)" in advice(typed)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 'TOP 5', 'ISNULL(a, b)' FROM t",
        "SELECT a FROM t -- TOP 5, `b`",
        'SELECT "POINT(1)" /* CIRCLE( */ FROM t',
        "SELECT stop, list_distance(a, b) FROM t LIMIT 5",
    ],
)
def test_texts_comments_and_other_names_are_no_habits(query):
    assert not advice(query)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELCT name FROM t", "did you mean SELECT for SELCT?"),
        ("SELECT name FORM t", "did you mean FROM for FORM?"),
        ("SELECT name FROM t WERE ra > 1", "did you mean WHERE for WERE?"),
        ("SELECT name FROM t WHERE note = 'FORM'", ""),
    ],
)
def test_a_misspelt_word_of_the_language_is_named(query, says):
    assert misspelt(query) == says
