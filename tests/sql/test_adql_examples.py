"""The queries that documents show, against astropy: the ADQL standard's, the Chandra catalog's, HEASARC's.

Tables and columns are those of the documents; their rows are made here.
Source: ADQL 2.1; "Using the Astronomical Data Query Language to access the CSC 2.1" (Chandra X-ray Center); "Catalog
Queries" of the NASA Astronomical Virtual Observatories workshop, on HEASARC's service.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import duckdb
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord, SkyOffsetFrame

from sql.adql import NotAdql, Offered, to_duckdb
from sql.objects import OBJECTS

N = 2000
KINDS = {"ra": ("DOUBLE", "deg"), "dec": ("DOUBLE", "deg"), "phot_cnt": ("DOUBLE", "count"), "id": ("BIGINT", "")}
OFFERED = Offered(
    renamed={"tap_upload.mysources": "mysources"}, kinds=lambda _: KINDS, factor=lambda a, b: u.Unit(a).to(u.Unit(b))
)
CORNERS = SkyCoord([10.0, 20.0, 30.0], [-10.5, 20.5, 30.5], unit="deg")
CENTRE = SkyCoord(25.4, -20.0, unit="deg")


@pytest.fixture(scope="module")
def sky():
    """Half of the positions around those of the examples, half of them all over the sky."""
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 360, N), np.degrees(np.arcsin(rng.uniform(-1, 1, N)))
    for n, (a, d) in enumerate([(10.68, 41.27), (25.4, -20), (187.7059358504, 12.39112148235), (202.48, 47.23)]):
        near = slice(n * N // 8, (n + 1) * N // 8)
        ra[near], dec[near] = a + rng.normal(0, 4 / 10**n, N // 8), d + rng.normal(0, 4 / 10**n, N // 8)
    return SkyCoord(ra, dec, unit="deg")


@pytest.fixture(scope="module")
def engine(sky):
    made = duckdb.connect()
    made.execute(next(o.body for o in OBJECTS if o.full_name == "separation_arcsec"))
    given = {"id": np.arange(N), "ra": sky.ra.deg, "dec": sky.dec.deg}
    rows = 'SELECT unnest($id) AS id, unnest($ra) AS ra, unnest($dec) AS "dec"'
    made.execute(f"CREATE TABLE alpha_source AS SELECT *, id % 1500 AS radial_velocity FROM ({rows})", given)
    for name in ("csc21", "public"):
        made.execute(f"CREATE SCHEMA {name}")
    made.execute("CREATE TABLE csc21.master_source AS SELECT 'S' || id AS name, * FROM alpha_source")
    made.execute("CREATE TABLE public.zcat AS FROM alpha_source")
    made.execute('CREATE TABLE mysources AS SELECT id, ra + 0.0001 AS ra, "dec" FROM alpha_source WHERE id % 7 = 0')
    made.execute("CREATE TABLE observed AS SELECT TIMESTAMP '2014-01-01 12:00:00' AS obstime")
    yield made
    made.close()


def answer(engine, query):
    return engine.execute(to_duckdb(query, OFFERED)).fetchall()


def ids(engine, query):
    return sorted(i for (i, *_) in answer(engine, query))


def value(engine, text):
    ((found,),) = answer(engine, f"SELECT TOP 1 {text} AS x FROM alpha_source ORDER BY id")
    return found


def excess(corners):
    """Area of a triangle of great circles, by its sides (L'Huilier) [deg**2]."""
    a, b, c = (corners[i].separation(corners[k]).rad for i, k in ((0, 1), (1, 2), (2, 0)))
    half = (a + b + c) / 2
    return (
        4 * np.arctan(np.sqrt(np.prod(np.tan([half / 2, *((half - x) / 2 for x in (a, b, c))])))) * np.degrees(1) ** 2
    )


def middle(corners):
    """Mean place of a polygon of great circles: the sum of its sides' normals, each by the side's length."""
    x = corners.cartesian.xyz.value.T
    after = np.roll(x, -1, axis=0)
    normals = np.cross(x, after)
    lengths = corners.separation(SkyCoord(np.roll(corners.ra, -1), np.roll(corners.dec, -1))).rad
    total = (normals / np.linalg.norm(normals, axis=1)[:, None] * lengths[:, None]).sum(axis=0)
    total *= np.sign(total @ x.mean(axis=0))
    made = SkyCoord(*total, representation_type="cartesian").spherical
    return [made.lon.deg, made.lat.deg]


VALUES = {
    "COORD1(POINT(25.0, -19.5))": lambda: 25,
    "COORD2(POINT(25.0, -19.5))": lambda: -19.5,
    "DISTANCE(POINT(25.0, -19.5), POINT(25.4, -20.0))": lambda: SkyCoord(25, -19.5, unit="deg").separation(CENTRE).deg,
    "DISTANCE(25.0, -19.5, 25.4, -20.0)": lambda: SkyCoord(25, -19.5, unit="deg").separation(CENTRE).deg,
    "AREA(POLYGON(10.0, -10.5, 20.0, 20.5, 30.0, 30.5))": lambda: excess(CORNERS),
    "CENTROID(POLYGON(10.0, -10.5, 20.0, 20.5, 30.0, 30.5))": lambda: middle(CORNERS),
    "CONTAINS(POINT(25.0, -19.5), CIRCLE(25.4, -20.0, 10.0))": lambda: 1,
    "CONTAINS(POINT(25.0, -19.5), CIRCLE(POINT(25.4, -20.0), 10.0))": lambda: 1,
    "INTERSECTS(CIRCLE(25.4, -20.0, 1), POLYGON(20.0, -15.0, 20.0, -5.0, 10.0, -5.0, 10.0, -15.0))": lambda: 0,
    "AREA(BOX(POINT(25.4, -20.0), 10.0, 10.0))": lambda: 4 * np.arcsin(np.sin(np.radians(5)) ** 2) * np.degrees(1) ** 2,
    "CIRCLE(12.3, 45.6, 0.5)": lambda: [12.3, 45.6, 0.5],
    "POLYGON(10.0, -10.5, 20.0, 20.5, 30.0, 30.5)": lambda: [10, -10.5, 20, 20.5, 30, 30.5],
    "CAST(3 AS REAL)": lambda: 3,
    "CAST('3.14159265358979323846' AS DOUBLE PRECISION)": lambda: np.pi,
    "CAST('2021-01-14T11:25:00' AS TIMESTAMP)": lambda: dt.datetime(2021, 1, 14, 11, 25),  # noqa: DTZ001
}


@pytest.mark.parametrize("text", VALUES)
def test_an_expression_of_the_standard_has_its_value(engine, text):
    expected = VALUES[text]()
    found = value(engine, text)
    found = float(found) if isinstance(found, Decimal) else found
    assert found == (expected if isinstance(expected, dt.datetime) else pytest.approx(expected, rel=1e-9))


def test_a_unit_of_the_standard_is_that_of_astropy(engine, sky):
    for unit in ("rad", "arcmin"):
        assert value(engine, f"IN_UNIT(ra, '{unit}')") == pytest.approx(sky.ra.to_value(unit)[0])
    for wrong in ("IN_UNIT(ra, '')", "IN_UNIT(phot_cnt, 'deg')", "IN_UNIT(ra, 'foo')", "IN_UNIT(ra, 'kg')"):
        with pytest.raises(NotAdql):
            value(engine, wrong)
    for wrong in ("IN_UNIT(42, 'kg')", "IN_UNIT(40+2, 'deg')", "IN_UNIT(sqrt(42), 'deg')"):
        with pytest.raises(NotAdql):
            value(engine, wrong)


def test_queries_of_the_standard_find_what_numpy_finds(engine, sky):
    few = [5, 6, 7, 8, 9]
    inside = "(SELECT alpha_source.id FROM alpha_source WHERE id < 10)"
    for query in (
        f"SELECT alpha_source.id FROM alpha_source WHERE alpha_source.id >= 5 AND alpha_source.id IN {inside}",
        (
            f"SELECT alpha_source.id FROM alpha_source, {inside} AS subsample "
            "WHERE alpha_source.id >= 5 AND alpha_source.id = subsample.id"
        ),
        (
            f"WITH subsample AS {inside} SELECT alpha_source.id FROM alpha_source INNER JOIN subsample USING(id) "
            "WHERE alpha_source.id >= 5"
        ),
    ):
        assert ids(engine, query) == few
    tenth = [i for i in range(0, N, 10) if 10 < sky.ra.deg[i] < 20]
    for query in (
        (
            "SELECT id, ra, dec FROM (SELECT * FROM alpha_source WHERE id % 10 = 0) AS alpha_subset "
            "WHERE ra > 10 AND ra < 20"
        ),
        (
            "WITH alpha_subset AS (SELECT * FROM alpha_source WHERE id % 10 = 0) SELECT id, ra, dec FROM alpha_subset "
            "WHERE ra > 10 AND ra < 20"
        ),
    ):
        assert ids(engine, query) == tenth
    first, last = (f"(SELECT TOP 10 id, ra, dec FROM alpha_source ORDER BY id {way})" for way in ("ASC", "DESC"))
    both = [*range(10), *range(N - 10, N)]
    assert ids(engine, f"-- take the 10 first\n{first} UNION {last} -- the 10 last") == both
    two = f"WITH tenFirst AS {first}, tenLast AS {last} SELECT * FROM tenFirst UNION SELECT * FROM tenLast"
    assert ids(engine, two) == both
    three = [f"SELECT id FROM alpha_source WHERE id < {n}" for n in (3, 20, 5)]
    assert ids(engine, f"{three[0]} UNION {three[1]} INTERSECT {three[2]}") == [0, 1, 2, 3, 4]
    assert ids(engine, f"({three[1]} EXCEPT {three[2]}) INTERSECT SELECT id FROM alpha_source WHERE id < 7") == [5, 6]
    when = "SELECT 1 AS id FROM observed WHERE obstime BETWEEN CAST('2014-01-01' AS TIMESTAMP) AND "
    assert ids(engine, f"{when} CAST('2014-01-02' AS TIMESTAMP)") == [1]
    assert ids(engine, "SELECT 1 FROM observed WHERE obstime > CAST('2015-01-01' AS TIMESTAMP)") == []


def test_shapes_of_the_standard_hold_what_astropy_finds(engine, sky):
    m31 = np.flatnonzero(sky.separation(SkyCoord(10.68, 41.27, unit="deg")).deg <= 2.5).tolist()
    assert len(m31) > 20
    for condition in (
        "DISTANCE(POINT(t.ra, t.dec), POINT(10.68, 41.27)) <= 2.5",
        "DISTANCE(t.ra, t.dec, 10.68, 41.27) <= 2.5",
        "1 = CONTAINS(POINT(t.ra, t.dec), CIRCLE(10.68, 41.27, 2.5))",
        "CONTAINS(POINT('ICRS', t.ra, t.dec), CIRCLE('ICRS', 10.68, 41.27, 2.5)) = 1",
    ):
        assert ids(engine, f"SELECT t.id FROM alpha_source AS t WHERE {condition}") == m31
    seen = sky.transform_to(SkyOffsetFrame(origin=CENTRE)).cartesian.xyz.value
    box = (abs(np.arctan2(seen[1], seen[0])) <= np.radians(5)) & (abs(np.arctan2(seen[2], seen[0])) <= np.radians(5))
    assert box.sum() > 50
    query = "SELECT id FROM alpha_source WHERE 1 = CONTAINS(POINT(ra, dec), BOX(25.4, -20.0, 10.0, 10.0))"
    assert ids(engine, query) == np.flatnonzero(box).tolist()
    beyond = np.flatnonzero(sky.separation(CENTRE).deg > 10).tolist()
    query = "SELECT id FROM alpha_source WHERE 0 = CONTAINS(POINT(ra, dec), CIRCLE(25.4, -20.0, 10.0))"
    assert ids(engine, query) == beyond
    mine = sky[::7].directional_offset_by(90 * u.deg, 0 * u.deg)
    near = SkyCoord(mine.ra + 0.0001 * u.deg, mine.dec)
    pairs = sorted(zip(*(i.tolist() for i in sky.search_around_sky(near, 0.00027 * u.deg)[:2]), strict=True))
    query = (
        "SELECT t2.id / 7, t1.id FROM alpha_source AS t1 JOIN TAP_UPLOAD.mysources AS t2 "
        "ON DISTANCE(t1.ra, t1.dec, t2.ra, t2.dec) < 0.00027"
    )
    assert sorted(answer(engine, query)) == pairs


def test_a_cone_of_the_chandra_catalogs_page_is_answered(engine, sky):
    cone = sky.separation(SkyCoord(187.7059358504, 12.39112148235, unit="deg")).arcmin
    found = [f"S{i}" for i in np.flatnonzero(cone <= 1)]
    assert found
    query = (
        "SELECT DISTINCT m.name, m.ra, m.dec FROM csc21.master_source m WHERE ((( "
        "( m.dec BETWEEN 12.374454815683332 AND 12.407788149016667 ) AND "
        "( m.ra BETWEEN 187.6888716832049 AND 187.72300001759513 ) ) AND "
        "dbo.cone_distance(m.ra,m.dec,187.7059358504,12.39112148235) <= 1.0 )) ORDER BY m.name ASC"
    )
    assert [name for name, *_ in answer(engine, query)] == sorted(found)
    far = "SELECT dbo.cone_distance(m.ra, m.dec, 10.68, 41.27) AS d FROM csc21.master_source m WHERE m.id = 5"
    assert answer(engine, far)[0][0] == pytest.approx(sky[5].separation(SkyCoord(10.68, 41.27, unit="deg")).arcmin)
    with pytest.raises(NotAdql, match=r"dbo\.now"):
        answer(engine, "SELECT dbo.now() FROM csc21.master_source")


def test_queries_of_heasarcs_pages_are_answered(engine, sky):
    m51 = SkyCoord(202.484167, 47.230556, unit="deg")
    near = sky.separation(m51).deg < 1
    velocity = np.arange(N) % 1500
    expected = np.flatnonzero(near & (velocity > 0)).tolist()
    assert expected
    query = (
        "SELECT id, ra, dec, Radial_Velocity FROM public.zcat as cat where contains(point('ICRS',cat.ra,cat.dec),"
        "circle('ICRS',202.484167,47.230556,1.0))=1 and cat.Radial_Velocity > 0 order by cat.ra"
    )
    assert ids(engine, query) == expected
    assert answer(engine, f"SELECT count(*) as n {query[query.index('FROM') : query.index('order')]}") == [
        (len(expected),)
    ]
    query = (
        "SELECT cat.id, mt.id FROM zcat cat, tap_upload.mysources mt WHERE contains(point('ICRS',cat.ra,cat.dec),"
        "circle('ICRS',mt.ra,mt.dec,0.01))=1 and cat.id = mt.id"
    ).replace("FROM zcat", "FROM public.zcat")
    assert ids(engine, query) == list(range(0, N, 7))
