"""crossmatch() in SQL: the same pairs as astropy, everywhere on the sky; ids, units and errors of any table."""

from __future__ import annotations

import shutil
from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from factories.store import NAMES, write
from typer.testing import CliRunner

from catalog.__main__ import app
from catalog.catalog import Catalog
from catalog.errors import ForbiddenStatement, PhotonlakeError, QueryError, UnknownName

ELLIPSE = {"err_ellipse_r0": 1.2, "err_ellipse_r1": 0.4, "err_ellipse_ang": 30.0}


@pytest.fixture(scope="module")
def cat(made_store, tmp_path_factory):
    """The small store, with an ellipse on one source and a view of things without an id."""
    store = Path(shutil.copytree(made_store, tmp_path_factory.mktemp("match") / "s"))
    write(store, "csc.master_source", {"name": "2CXO J000000.0-900000", "ra": 12.0, "dec": -90.0} | ELLIPSE)
    with Catalog(store) as opened:
        yield opened


def sky(rng, n):
    """Positions everywhere, many of them close to a pole, or to 0/360."""
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    ra[: n // 4] = rng.normal(0, 0.01, n // 4) % 360
    dec[: n // 4] = rng.normal(0, 0.01, n // 4)
    pole = slice(n // 4, n // 2)
    dec[pole] = np.sign(dec[pole]) * (90 - np.abs(rng.normal(0, 0.01, n // 4)))
    dec[n // 2 : n // 2 + 3] = [90, -90, 90]
    return ra, dec


def register(cat, name, ra, dec, **more):
    cat.register(name, pa.table({"id": np.arange(len(ra)), "ra": ra, "dec": dec} | more))


@pytest.mark.parametrize("arcsec", [0.0, 5.0, 60.0, 3600.0, 200_000.0, 648_000.0])
def test_all_pairs_are_those_that_astropy_finds(cat, any_seed, arcsec):
    rng = np.random.default_rng(any_seed)
    sizes = (200, 1000) if arcsec < 3600 else (80, 40)  # the shorter is the first, or the second
    a, b = (sky(rng, n) for n in sizes)
    for k in (0, 1):  # some places stand in both
        b[k][-9:] = a[k][-9:]
    register(cat, "a", *a)
    register(cat, "b", *b)
    found = cat.sql("FROM crossmatch('a', 'b', $r, find := 'all')", r=arcsec).arrow()
    first, second = (SkyCoord(*p, unit="deg") for p in (a, b))
    apart = first[:, None].separation(second[None]).arcsec
    left, right = np.nonzero(apart <= arcsec)
    pairs = dict(zip(zip(left.tolist(), right.tolist(), strict=True), apart[left, right], strict=True))
    mine = zip(found["id_1"].to_pylist(), found["id_2"].to_pylist(), strict=True)
    mine = dict(zip(mine, found["separation_arcsec"].to_pylist(), strict=True))
    assert len(mine) == found.num_rows
    assert len(pairs) >= 9
    at_the_edge = {p for p in mine.keys() ^ pairs.keys() if abs(mine.get(p, pairs.get(p)) - arcsec) < 1e-6}
    assert mine.keys() ^ pairs.keys() == at_the_edge
    assert all(mine[p] == pytest.approx(pairs[p], abs=1e-7) for p in mine.keys() & pairs.keys())


def test_best_is_the_nearest_to_each_row_and_mutual_is_each_others(cat, any_seed):
    rng = np.random.default_rng(any_seed)
    a, b = sky(rng, 600), sky(rng, 700)
    register(cat, "a", *a)
    register(cat, "b", *b)
    best = {r[0]: r[1] for r in cat.sql("FROM crossmatch('a', 'b', 60)").fetchall()}
    first, second = (SkyCoord(*p, unit="deg") for p in (a, b))
    forth, apart, _ = first.match_to_catalog_sky(second)
    back = second.match_to_catalog_sky(first)[0]
    near = {i: int(forth[i]) for i in range(600) if apart[i].arcsec <= 60}
    apart = first[:, None].separation(second[None]).arcsec
    assert best.keys() == near.keys()
    assert len(best) > 100
    assert all(apart[i, best[i]] == pytest.approx(apart[i, near[i]], abs=1e-7) for i in best)
    mutual = cat.sql("SELECT id_1, id_2 FROM crossmatch('a', 'b', 60, find := 'mutual')").fetchall()
    assert {i for i, _ in mutual} <= best.keys()
    assert len({j for _, j in mutual}) == len(mutual) < len(best)
    assert sum(back[j] == i for i, j in mutual) >= len(mutual) - 3  # the poles stand in there more than once


def test_sigma_is_by_both_ellipses_wherever_north_is(cat):
    """Against covariances added in one tangent plane, drawn at the place between."""
    rng = np.random.default_rng(1)
    n = 60
    dec = np.concatenate([rng.uniform(-80, 80, n - 20), 90 - np.abs(rng.normal(0, 2 / 3600, 20))])
    first = SkyCoord(rng.uniform(0, 360, n), dec, unit="deg")
    second = first.directional_offset_by(rng.uniform(0, 360, n) * u.deg, rng.uniform(0.1, 3, n) * u.arcsec)
    shapes = [(rng.uniform(0.5, 2, n), rng.uniform(0.1, 0.5, n), rng.uniform(0, 180, n)) for _ in range(2)]
    for name, place, (r0, r1, angle) in zip("ab", (first, second), shapes, strict=True):
        ellipse = {"err_ellipse_r0": r0, "err_ellipse_r1": r1, "err_ellipse_ang": angle}
        register(cat, name, place.ra.deg, place.dec.deg, **ellipse)
    rows = cat.sql("FROM crossmatch('a', 'b', 5, find := 'all', ellipses := true) WHERE id_1 = id_2").fetchall()
    assert len(rows) == n
    one_sigma = np.sqrt(-2 * np.log(0.05))
    for i, _, apart, sigma in rows:
        total = np.zeros((2, 2))
        there = (first[i].position_angle(second[i]), second[i].position_angle(first[i]) + 180 * u.deg)
        for (r0, r1, angle), direction in zip(shapes, there, strict=True):
            t = np.radians(angle[i]) - direction.rad
            turned = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
            total += turned @ np.diag([r0[i] ** 2, r1[i] ** 2]) @ turned.T / one_sigma**2
        assert sigma == pytest.approx(np.sqrt(apart**2 * np.linalg.inv(total)[0, 0]), rel=1e-4)


def test_a_table_of_ones_own_meets_the_catalog_and_what_is_found_can_be_kept(cat):
    cat.register("mine", {"target": ["x", "far", "none"], "RAJ2000": [83.75003, 10.0, None], "DEJ2000": [-5.4, 1, 2]})
    found = cat.sql("FROM crossmatch('mine', 'csc.master_source', radius_arcsec := 2)")
    assert found.fetchall() == [("x", NAMES[0], pytest.approx(0.03 / 1000 * 3600 * np.cos(np.radians(5.4)), rel=1e-6))]
    assert [(d.unit, d.ucd) for d in found.described][-1] == ("arcsec", "pos.angDistance")
    cat.register("matches", cat.sql("FROM crossmatch('mine', 'csc.master_source', 20, find := 'all')").arrow())
    query = (
        "SELECT m.id_1, s.significance FROM matches m JOIN csc.master_source s ON s.name = m.id_2 ORDER BY 2 NULLS LAST"
    )
    assert cat.sql(query).fetchall() == [("x", 12.5), ("x", None)]
    assert cat.sql(
        "SELECT count(*) FROM crossmatch('csc.master_source', 'csc.master_source', 20, find := 'all') WHERE id_1 < id_2"
    ).fetchall() == [(1,)]
    cat.register("nothing", {"ra": [], "dec": []})
    assert cat.sql("FROM crossmatch('csc.master_source', 'nothing', 20)").fetchall() == []


@pytest.mark.parametrize(
    "table",
    [
        Table({"lon": np.radians([83.75]) * u.rad, "lat": np.radians([-5.4]) * u.rad}),
        Table({"ra": [83.75 / 15] * u.hourangle, "dec": [-5.4 * 60] * u.arcmin}),
        {"ra": ["05:35:00"], "dec": ["-05:24:00"]},
        {"RA": [83.75 - 360], "DEC": [-5.4]},
        {"Right_Ascension": [83.75], "Declination": [-5.4]},
        Table({"place": SkyCoord([83.75], [-5.4], unit="deg").galactic}),
    ],
    ids=["by UCD, in radians", "in hours", "text", "less than 0", "long names", "SkyCoord"],
)
def test_positions_are_found_by_ucd_or_name_in_any_unit(cat, table):
    if "lon" in getattr(table, "colnames", ()):
        table["lon"].info.meta, table["lat"].info.meta = {"ucd": "pos.eq.ra;meta.main"}, {"ucd": "pos.eq.dec;meta.main"}
    cat.register("mine", table)
    assert [r[:2] for r in cat.sql("FROM crossmatch('mine', 'csc.master_source', 0.01)").fetchall()] == [(1, NAMES[0])]


def test_columns_can_be_told_and_rows_chosen(cat):
    mine = {"a": ["p", "q"], "b": [83.75, 83.75], "c": [-5.4, -5.4], "err": [0.5, 0.5], "ok": [False, True]}
    cat.register("mine", mine)
    told = "ra_1 := 'b', dec_1 := 'c', where_1 := 'ok', where_2 := 'significance IS NULL'"
    query = f"FROM crossmatch('mine', 'csc.master_source', 60, {told}, error_1 := 'err', ellipses := true)"
    (row,) = cat.sql(query).fetchall()
    assert row[:2] == (2, NAMES[1])  # the number of the row in the table, not among the chosen
    assert row[3] is None  # the source has no ellipse
    only_mine = query.replace("'csc.master_source'", "'other'").replace("significance IS NULL", "true")
    cat.register("other", {"name": ["o"], "ra": [83.75], "dec": [-5.3999]})
    assert cat.sql(only_mine).fetchall()[0][3] == pytest.approx(0.36 / 0.5, rel=1e-6)
    at_90 = only_mine.replace("ellipses", "confidence_1 := 0.9, id_1 := 'a', ellipses")
    row = cat.sql(at_90).fetchall()[0]
    assert (row[0], row[3]) == ("q", pytest.approx(0.36 / 0.5 * np.sqrt(-2 * np.log(0.1)), rel=1e-6))


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        ("'mine', 'lit.paper', 2", QueryError, "no column of lit.paper is a right ascension"),
        ("'mine', 'csc.mastersource', 2", UnknownName, "csc.master_source"),
        ("'mine', 'csc.master_source', -1", QueryError, "from 0 to 648000"),
        ("'mine', 'csc.master_source', 2, find := 'bst'", QueryError, "did you mean best"),
        ("'mine', 'csc.master_source', 2, ra_1 := 'rra'", QueryError, "did you mean ra"),
        ("'mine; DROP TABLE x', 'csc.master_source', 2", QueryError, "name of a table"),
        ("'mine', 'duckdb_databases', 2", ForbiddenStatement, "engine"),
        ("'mine', 'csc.master_source', 2, where_1 := 'true); DROP TABLE x; --'", PhotonlakeError, "where_1"),
        ("'mine', 'mine', 2, ellipses := true", QueryError, "error_1"),
        ("'two', 'mine', 2", QueryError, "several columns of two could be the right ascension: a, b"),
        ("'wrong', 'mine', 2", QueryError, "from -90 to 90; wrong has 95"),
        ("'flux', 'mine', 2", QueryError, "expected an angle"),
    ],
)
def test_what_cannot_be_matched_is_told(cat, call, kind, said):
    cat.register("mine", {"ra": [1.0], "dec": [2.0]})
    two = {n: pa.field(n, pa.float64(), metadata={"ucd": "pos.eq.ra"}) for n in "ab"}
    cat.register("two", pa.table({"a": [1.0], "b": [1.0], "dec": [1.0]}))
    cat._questions.own["two"] = pa.table([[1.0], [1.0], [1.0]], pa.schema([*two.values(), ("dec", pa.float64())]))
    cat.register("wrong", {"ra": [1.0], "dec": [95.0]})
    cat.register("flux", Table({"ra": [1.0] * u.mJy, "dec": [1.0] * u.deg}))
    with pytest.raises(kind, match=said):
        cat.sql(f"FROM crossmatch({call})").fetchall()


def test_the_command_line_matches_a_file(cat, tmp_path):
    (tmp_path / "mine.csv").write_text("id,ra,dec\n7,83.75,-5.4\n")
    query = "SELECT id_1, id_2 FROM crossmatch('mine', 'csc.master_source', 1)"
    args = ["sql", "--store", str(cat.path), query, "--with", f"mine={tmp_path / 'mine.csv'}", "-f", "csv"]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == f'7,"{NAMES[0]}"'
    in_time = cat.sql("FROM crossmatch('csc.master_source', 'csc.master_source', 1)", timeout_s=60)
    assert len(in_time.fetchall()) == 4
