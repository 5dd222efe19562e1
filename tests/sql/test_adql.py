"""ADQL: what is offered gives what the standard says, and what is not offered is refused by its name."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord, SkyOffsetFrame

from sql.adql import NotAdql, Offered, to_duckdb
from sql.objects import OBJECTS

KINDS = {"n": ("INTEGER", ""), "m": ("BIGINT", ""), "x": ("DOUBLE", "erg"), "ra": ("DOUBLE", "deg")}
OFFERED = Offered(
    functions=["cluster_of"],
    table_functions={"nearest": ("space", "target", "k"), "cone": ("ra", "dec", "radius_arcsec")},
    renamed={"tap_upload.mine": "__tap_upload_mine"},
    kinds=lambda table: KINDS if table == "t" else {},
    factor=lambda a, b: (1 * u.Unit(a)).to_value(b),
)


@pytest.fixture(scope="module")
def engine():
    made = duckdb.connect()
    made.execute(next(o.body for o in OBJECTS if o.full_name == "separation_arcsec"))
    made.execute(
        "CREATE TABLE t AS SELECT * FROM (VALUES (7, 2, 1.5::DOUBLE, 'Ab'), (-7, 2, 2.5, NULL)) AS v(n, m, x, s)"
    )
    made.execute("CREATE TABLE __tap_upload_mine AS SELECT 7 AS n, 'here' AS place")
    yield made
    made.close()


@pytest.fixture(scope="module")
def sky(engine):
    """5,000 positions all over the sky, and as many near the poles and near 0/360."""
    rng = np.random.default_rng(1)
    ra = np.concatenate([rng.uniform(0, 360, 10_000), rng.uniform(-5, 5, 5_000) % 360])
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, 15_000)))
    dec[5_000:7_500] = 90 - rng.uniform(0, 5, 2_500)
    dec[7_500:10_000] = -90 + rng.uniform(0, 5, 2_500)
    dec[10_000:] = rng.uniform(-5, 5, 5_000)
    table = {"id": np.arange(15_000), "ra": ra, "dec": dec}
    engine.execute(
        "CREATE TABLE sky AS SELECT * FROM (SELECT unnest($id) AS id, unnest($ra) AS ra, unnest($dec) AS dec)", table
    )
    return SkyCoord(ra, dec, unit="deg")


def answer(engine, query):
    return engine.execute(to_duckdb(query, OFFERED)).fetchall()


def found(engine, condition):
    return [i for (i,) in answer(engine, f"SELECT id FROM sky WHERE {condition} ORDER BY id")]


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("n / m", 3),
        ("7.0 / 2", 3.5),
        ("n / 2.0", 3.5),
        ("x / 2", 0.75),
        ("(n + 1) / (m + 1) / 2", 1),
        ("CAST(n AS DOUBLE PRECISION) / 2", 3.5),
        ("CAST(x AS INTEGER) / 2", 1),
        ("COALESCE(n, 0) / 2", 3),
        ("10 - 7 / 2 * 2", 4),
        ("0x1F", 31),
        ("MOD(-7, 3)", -1),
        ("POWER(2, 10)", 1024),
        ("LOG(EXP(2.0))", 2),
        ("LOG10(1000)", 3),
        ("TRUNCATE(-1.7)", -1),
        ("TRUNCATE(1.789, 2)", 1.78),
        ("ROUND(1.789, 1)", 1.8),
        ("CEILING(1.2)", 2),
        ("DEGREES(PI())", 180),
        ("ATAN2(1, 1)", math.pi / 4),
        ("COT(1)", 1 / math.tan(1)),
        ("n & 3", 3),
        ("n ^ 2", 5),
        ("LOWER(s) || UPPER(s)", "abAB"),
        ("COALESCE(s, 'none')", "Ab"),
        ("CAST(n AS VARCHAR(3))", "7"),
        ("IN_UNIT(x, 'J')", 1.5e-7),
        ("CASE WHEN s ILIKE 'AB' THEN 1 ELSE 0 END", 1),
        ("COORD2(POINT('ICRS', 1, 2))", 2),
        ("COORD1(CENTROID(CIRCLE(POINT(1, 2), 3)))", 1),
        ("COORDSYS(POINT('ICRS', 1, 2))", "ICRS"),
        ("POINT(1, 2)", [1, 2]),
        ("CIRCLE(1, 2, 3)", [1, 2, 3]),
        ("AREA(CIRCLE(0, 90, 90))", 2 * math.pi * math.degrees(1) ** 2),
        ("AREA(POLYGON(0, 0, 90, 0, 0, 89.9999999))", math.pi / 2 * math.degrees(1) ** 2),
    ],
)
def test_a_value_is_that_of_the_standard(engine, asked, value):
    ((one,),) = answer(engine, f"SELECT TOP 1 {asked} FROM t ORDER BY n DESC")
    assert (one if isinstance(value, str | list) else float(one)) == (
        value if isinstance(value, str) else pytest.approx(value)
    )


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT TOP 1 n FROM t ORDER BY n OFFSET 1", [(7,)]),
        ("SELECT TOP 0 n FROM t", []),
        ("SELECT TOP 1 n FROM t WHERE n > 0 UNION ALL SELECT TOP 1 m FROM t", [(7,), (2,)]),
        ("SELECT n FROM t EXCEPT SELECT n FROM t WHERE n < 0", [(7,)]),
        ("SELECT n FROM t INTERSECT SELECT -7 FROM t", [(-7,)]),
        ("WITH w AS (SELECT n FROM t WHERE n > 0) SELECT w.n FROM w", [(7,)]),
        ("SELECT m, COUNT(*) AS c, COUNT(DISTINCT n) AS d FROM t GROUP BY m HAVING COUNT(*) > 1", [(2, 2, 2)]),
        ("SELECT mine.place FROM t JOIN TAP_UPLOAD.mine USING (n)", [("here",)]),
        ("SELECT a.place FROM t NATURAL JOIN TAP_UPLOAD.mine AS a -- a comment", [("here",)]),
        ("SELECT n FROM t WHERE s IS NULL AND NOT EXISTS (SELECT * FROM t WHERE n = 0)", [(-7,)]),
        ("SELECT n FROM (SELECT n / m AS n FROM t) AS inside WHERE n BETWEEN -5 AND 0", [(-3,)]),
    ],
)
def test_a_query_gives_its_rows(engine, query, rows):
    assert answer(engine, query) == rows


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DROP TABLE t", "found DROP"),
        ("SELECT n FROM t; DROP TABLE t", "2 statements"),
        ("SELECT n INTO u FROM t", "into"),
        ("SELECT n FROM t LIMIT 5", "SELECT TOP"),
        ("SELECT TOP 5 PERCENT n FROM t", "limit_options"),
        ("SELECT read_text('/etc/passwd') FROM t", "no function READ_TEXT"),
        ("SELECT * FROM read_csv('/etc/passwd')", "no table function read_csv"),
        ("SELECT RAND(3) FROM t", "no seed"),
        ("SELECT REGION('CIRCLE 1 2 3') FROM t", "no function REGION"),
        ("SELECT n FROM t WHERE 1 = CONTAINS(POINT('GALACTIC', 1, 2), CIRCLE(1, 2, 3))", "'GALACTIC'"),
        ("SELECT n FROM t WHERE 1 = CONTAINS(s, CIRCLE(1, 2, 3))", "no column holds one"),
        ("SELECT POLYGON(1, 2, 3, 4) FROM t", "three or more"),
        ("SELECT POLYGON(n, 2, 3, 4, 5, 6) FROM t", "not columns"),
        ("SELECT POLYGON(0, 0, 120, 0, 240, 0) FROM t", "half the sky"),
        ("SELECT IN_UNIT(n, 'J') FROM t", "has no unit"),
        ("SELECT CAST(n AS BLOB) FROM t", "not ADQL"),
        ("SELECT COUNT(*) OVER (PARTITION BY n) FROM t", "WINDOW"),
        ("SELECT nearest('a', 'b') FROM t", "no function NEAREST"),
        ("SELECT * FROM nearest('a', 'b', 3, 4)", "no place for 4"),
        ("SELECT n FROM t WHERE n =", "cannot|can be read"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(query, said):
    with pytest.raises(NotAdql, match=said):
        to_duckdb(query, OFFERED)


def test_a_view_of_the_service_is_asked_as_a_table_and_its_circle_as_a_shape(engine):
    columns = {"ra": ("DOUBLE", "deg"), "shape": ("VARCHAR", ""), "wide": ("DOUBLE", "deg")}
    offered = Offered(
        views={"ivoa.obscore": "SELECT x AS ra, 0 AS decl, n / 7.0 AS wide, 'Circle' AS shape FROM t"},
        circles={"ivoa.obscore.shape": ("ra", "decl", "wide")},
        kinds=lambda table: columns if table == "ivoa.obscore" else {},
        factor=OFFERED.factor,
    )
    for query, rows in {
        "SELECT ra FROM ivoa.ObsCore WHERE 1 = CONTAINS(POINT(1.9, 0), shape)": [(1.5,)],
        "SELECT o.ra FROM ivoa.obscore AS o WHERE INTERSECTS(o.shape, CIRCLE(1.9, 0, 0.01)) = 1": [(1.5,)],
        "SELECT ivoa.obscore.ra FROM ivoa.obscore WHERE CONTAINS(POINT(2.1, 0), ivoa.obscore.shape) = 1": [],
        "SELECT a.ra, b.x FROM ivoa.obscore AS a JOIN t AS b ON a.ra = b.x AND b.n > 0": [(1.5, 1.5)],
        "SELECT IN_UNIT(wide, 'arcmin'), shape FROM ivoa.obscore WHERE wide > 0": [(60, "Circle")],
        "WITH o AS (SELECT * FROM ivoa.obscore) SELECT COUNT(*) FROM o": [(2,)],
    }.items():
        assert engine.execute(to_duckdb(query, offered)).fetchall() == rows
    made = to_duckdb("SELECT TAP_UPLOAD.mine.place FROM TAP_UPLOAD.mine WHERE TAP_UPLOAD.mine.n = 7", OFFERED)
    assert engine.execute(made).fetchall() == [("here",)]


def test_a_table_function_gets_its_arguments_by_name():
    made = to_duckdb("SELECT n.id FROM nearest('spectrum', '1.0.1', 20) AS n", OFFERED)
    assert "'spectrum'" in made
    assert '"k" := 20' in made
    assert "CONE(1, 2, 3)" in to_duckdb("SELECT c.name FROM cone(1, 2, 3) AS c", OFFERED)


@pytest.mark.parametrize(
    ("ra", "dec", "radius"), [(10, 20, 9), (0, 0, 3), (359.9, 1, 2), (123, 90, 2), (7, -89, 3), (50, 0, 120)]
)
def test_a_circle_holds_what_astropy_finds_in_it(engine, sky, ra, dec, radius):
    distances = sky.separation(SkyCoord(ra, dec, unit="deg")).deg
    expected = np.flatnonzero(distances <= radius).tolist()
    assert found(engine, f"1 = CONTAINS(POINT(ra, dec), CIRCLE({ra}, {dec}, {radius}))") == expected
    assert found(engine, f"INTERSECTS(CIRCLE({ra}, {dec}, {radius}), POINT('ICRS', ra, dec)) = 1") == expected
    assert found(engine, f"DISTANCE(POINT(ra, dec), POINT({ra}, {dec})) <= {radius}") == expected
    assert len(found(engine, f"0 = CONTAINS(POINT(ra, dec), CIRCLE({ra}, {dec}, {radius}))")) == 15_000 - len(expected)
    overlapping = np.flatnonzero(distances <= radius + 1).tolist()
    assert found(engine, f"1 = INTERSECTS(CIRCLE(ra, dec, 1), CIRCLE({ra}, {dec}, {radius}))") == overlapping
    within = np.flatnonzero(distances <= radius - 1).tolist()
    assert found(engine, f"1 = CONTAINS(CIRCLE(ra, dec, 1), CIRCLE({ra}, {dec}, {radius}))") == within


@pytest.mark.parametrize(("ra", "dec"), [(10, 20), (0, 1), (359, -2), (40, 90), (200, -88)])
def test_a_box_is_a_cross_with_sides_at_right_angles(engine, sky, ra, dec):
    seen = sky.transform_to(SkyOffsetFrame(origin=SkyCoord(ra, dec, unit="deg"))).cartesian.xyz.value
    along_ra, along_dec = (np.degrees(np.arctan2(seen[i], seen[0])) for i in (1, 2))
    expected = np.flatnonzero((abs(along_ra) <= 3) & (abs(along_dec) <= 2)).tolist()
    assert expected
    assert found(engine, f"1 = CONTAINS(POINT(ra, dec), BOX({ra}, {dec}, 6, 4))") == expected
    # from columns: the centre is then no constant
    assert found(engine, f"1 = CONTAINS(POINT(ra, dec), BOX({ra} + 0 * ra, {dec}, 6, 4))") == expected


def half_spaces(sky, corners):
    """Tell which positions lie on the inner side of every side of a convex polygon."""
    points = sky.cartesian.xyz.value.T
    a = SkyCoord(*np.array(corners).T, unit="deg").cartesian.xyz.value.T
    normals = np.cross(a, np.roll(a, -1, axis=0))
    normals *= np.sign(normals @ a.mean(axis=0))[:, None]
    return (points @ normals.T >= 0).all(axis=1)


CONVEX = {
    "usual": [(5, 10), (20, 12), (18, 30), (4, 25)],
    "clockwise": [(4, 25), (18, 30), (20, 12), (5, 10)],
    "0/360": [(358, -3), (3, -2), (2, 4), (357, 3)],
    "north pole": [(0, 87), (90, 88), (180, 86.5), (270, 88)],
    "south pole": [(10, -87), (130, -86), (250, -87)],
    "large": [(0, 0), (90, 0), (45, 70)],
}


@pytest.mark.parametrize("corners", CONVEX.values(), ids=CONVEX)
def test_a_polygon_holds_what_lies_inside_all_its_sides(engine, sky, corners):
    text = ", ".join(f"{a}, {d}" for a, d in corners)
    inside = half_spaces(sky, corners)
    assert found(engine, f"1 = CONTAINS(POINT(ra, dec), POLYGON('ICRS', {text}))") == np.flatnonzero(inside).tolist()
    # A circle around each position, against the sides cut into small steps
    a = SkyCoord(*np.array(corners).T, unit="deg").cartesian.xyz.value.T
    steps = np.linspace(0, 1, 2001)[:, None]
    sides = np.concatenate([b * (1 - steps) + c * steps for b, c in zip(a, np.roll(a, -1, axis=0), strict=True)])
    sides /= np.linalg.norm(sides, axis=1)[:, None]
    some = np.arange(0, 15_000, 37)
    to_side = np.degrees(np.arccos(np.clip((sky[some].cartesian.xyz.value.T @ sides.T).max(axis=1), -1, 1)))
    sure = abs(to_side - 1) > 1e-3
    for function, expected in {
        "INTERSECTS": inside[some] | (to_side <= 1),
        "CONTAINS": inside[some] & (to_side >= 1),
    }.items():
        made = set(found(engine, f"1 = {function}(CIRCLE(ra, dec, 1), POLYGON({text})) AND MOD(id, 37) = 0"))
        assert made & set(some[sure].tolist()) == set(some[expected & sure].tolist())


def test_a_polygon_may_have_a_dent_and_its_border_is_inside(engine, sky):
    whole, notch = [(0, 0), (10, 0), (10, 10), (0, 10)], [(0, 10), (5, 3), (10, 10)]
    dented = "POLYGON(0, 0, 10, 0, 10, 10, 5, 3, 0, 10)"
    expected = np.flatnonzero(half_spaces(sky, whole) & ~half_spaces(sky, notch)).tolist()
    assert expected
    assert found(engine, f"1 = CONTAINS(POINT(ra, dec), {dented})") == expected
    for ra, dec in ((0, 0), (5, 3), (7, 0), (10, 4)):
        assert answer(engine, f"SELECT CONTAINS(POINT({ra}, {dec}), {dented}) FROM t")[0] == (1,)
    assert answer(engine, "SELECT CONTAINS(POINT(0, 1), CIRCLE(0, 0, 1)) FROM t")[0] == (1,)
    assert answer(engine, "SELECT CONTAINS(POINT(26.4, -20), BOX(25.4, -20, 2, 2)) FROM t")[0] == (1,)
    for a, b, contains, intersects in (
        ("BOX(5, 1, 1, 1)", dented, 1, 1),
        ("BOX(5, 3, 1, 1)", dented, 0, 1),
        ("BOX(5, 8, 1, 1)", dented, 0, 0),
        ("BOX(5, 6, 30, 1)", dented, 0, 1),
        ("POLYGON(1, 1, 2, 1, 1, 2)", "CIRCLE(1.3, 1.3, 1)", 1, 1),
    ):
        assert answer(engine, f"SELECT CONTAINS({a}, {b}), INTERSECTS({a}, {b}) FROM t")[0] == (contains, intersects)


def circle(corners, radius=1.0, ra=10.0):
    turns = [2 * math.pi * i / corners for i in range(corners)]
    return f"POLYGON({', '.join(f'{ra + radius * math.cos(t):.6f}, {radius * math.sin(t):.6f}' for t in turns)})"


@pytest.mark.parametrize(
    "expression",
    [
        "/".join(["s"] * 40),
        "(" * 8 + "s" + "/s)" * 8,
        f"CONTAINS({circle(100)}, {circle(100, 2)})",
        f"INTERSECTS({circle(100)}, {circle(100, 2)})",
    ],
)
def test_a_short_query_stays_short(expression):
    made = to_duckdb(f"SELECT {expression} AS x FROM t", OFFERED)
    assert len(made) < 400 * len(expression)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("+".join(["1"] * 3000), "nested too deep"),
        ("(" * 400 + "1" + ")" * 400, "nested too deep"),
        (f"CONTAINS({circle(300)}, {circle(300)})", "pairs of sides"),
        ("CONTAINS(POINT(" + "+".join(["ra"] * 300) + f", 1), {circle(200)})", "too long"),
    ],
)
def test_what_would_keep_the_service_busy_is_refused(expression, said):
    with pytest.raises(NotAdql, match=said):
        to_duckdb(f"SELECT {expression} AS x FROM t", OFFERED)


def test_constant_shapes_are_compared_as_they_are_for_columns(engine):
    rng = np.random.default_rng(3)
    outer, clockwise = "POLYGON(10, 0, 20, 0, 20, 10, 10, 10)", "POLYGON(10, 10, 20, 10, 20, 0, 10, 0)"
    for ra, dec in [(10, 0), (20, 5), (15, 0), (25, 5), *rng.uniform(8, 22, (2, 2)).round(3).tolist()]:
        for shape in (outer, clockwise):
            constant = f"CONTAINS(POINT({ra}, {dec}), {shape})"
            column = f"CONTAINS(POINT({ra} + 0 * n, {dec} + 0 * n), {shape})"
            ((a, b),) = answer(engine, f"SELECT TOP 1 {constant} AS a, {column} AS b FROM t")
            assert a == b


def test_a_quotient_of_unknown_kinds_is_of_its_own_sides_whatever_tables_and_columns_are_called(engine):
    x = "WITH x AS (SELECT 10 AS c, 4 AS d, 7 AS a, 2 AS b, 5 AS p, 3 AS l, 9 AS r) SELECT"
    for t in ("p", "a", "l", "r", "q", "o"):
        query = f"{x} {t}.c / {t}.d, {t}.r / {t}.l, max({t}.c) / count(*) FROM x AS {t} GROUP BY 1, 2"
        assert answer(engine, query) == [(2, 3, 10)]
    assert answer(engine, f"{x} a / b, c / p, r / l FROM x") == [(3, 2, 3)]


def test_a_quotient_of_unknown_kinds_is_of_integers_where_both_are(engine):
    query = "SELECT TOP 1 (SELECT 7 AS b) / 2 AS a, (SELECT 7.0 AS b) / 2 AS b, (SELECT 7 AS b) / 2.0 AS c FROM t"
    assert answer(engine, query) == [(3, 3.5, 3.5)]
