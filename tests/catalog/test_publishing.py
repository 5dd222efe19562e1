"""A store published: HATS catalogs that hats and LSDB take, the same rows in them, margins that are whole, a MOC."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import SkyCoord
from factories.engine import insert
from typer.testing import CliRunner

from catalog.__main__ import app
from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName
from catalog.store import lake

nested = pytest.importorskip("cdshealpix.nested")
from catalog.publish import partitions  # noqa: E402 - as above
from catalog.publish.coverage import write_moc  # noqa: E402
from catalog.publish.hats_catalog import write_hats  # noqa: E402

N = 400


@pytest.fixture(scope="module")
def cat(empty_store, tmp_path_factory):
    """Sources in a few crowded fields: on a pole, on 0/360, on the corner of a base pixel; one has no position."""
    store = Path(shutil.copytree(empty_store, tmp_path_factory.mktemp("published") / "s"))
    rng = np.random.default_rng(3)
    centres = SkyCoord(
        np.repeat([10.0, 0.0, 45.0, 200.0], N // 4), np.repeat([90.0, 0.0, 0.0, 41.8], N // 4), unit="deg"
    )
    places = centres.directional_offset_by(
        rng.uniform(0, 360, N) * centres.ra.unit, rng.exponential(0.05, N) * centres.ra.unit
    )
    rows = [
        {"name": f"2CXO {i:04d}", "ra": p.ra.deg, "dec": p.dec.deg, "significance": i / 2} for i, p in enumerate(places)
    ]
    detections = [{"detection_id": f"{i}.0.1", "obsid": i, "name": f"2CXO {i:04d}", "theta": i / 8} for i in range(50)]
    spectra = [
        {
            "spectrum_id": f"{i:016x}",
            "detection_id": f"{i}.0.1",
            "role": "source",
            "first_channel": 1,
            "counts": [i, 2, 3],
        }
        | {"exposure_s": 10.0 * i, "spec_num": 1}
        for i in range(0, 50, 2)
    ]
    with lake.lock(store, "test"):
        connection = lake.connect(store, read_only=False)
        with lake.transaction(connection, "test"):
            insert(connection, "csc.master_source", *rows, {"name": "nowhere"})
            insert(connection, "csc.observation_source", *detections)
            insert(connection, "product.spectrum", *spectra)
        connection.close()
    with Catalog(store) as opened:
        yield opened


@pytest.fixture(scope="module")
def published(cat, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "chandra"
    return folder, write_hats(cat, folder, "csc.master_source", most_rows=20, margin_arcsec=10)


def read(folder):
    """Rows of all partitions of one catalog: (order, pixel) -> table."""
    found = {}
    for path in sorted((folder / "dataset").glob("Norder=*/Dir=*/Npix=*.parquet")):
        order, pixel = int(path.parts[-3].split("=")[1]), int(path.stem.split("=")[1])
        found[order, pixel] = pq.ParquetFile(path).read()
    return found


def test_every_row_stands_in_its_pixel_once_with_its_values(cat, published):
    folder, done = published
    parts = read(folder / "chandra")
    assert (done.rows, done.partitions, done.without_position) == (N, len(parts), 1)
    assert len(parts) > 12
    seen = []
    for (order, pixel), table in parts.items():
        numbers = table["_healpix_29"].to_numpy()
        assert (numbers >> (2 * (29 - order)) == pixel).all()
        assert (np.diff(numbers) >= 0).all()
        assert table.num_rows <= 20 or order == 10
        seen += list(zip(*(table[c].to_pylist() for c in ("name", "ra", "dec", "significance")), strict=True))
    wanted = cat.sql("SELECT name, ra, dec, significance FROM csc.master_source WHERE ra IS NOT NULL ORDER BY 1")
    assert sorted(seen) == wanted.fetchall()
    schema = pq.read_schema(folder / "chandra" / "dataset" / "_common_metadata")
    assert schema.field("err_ellipse_r0").metadata[b"unit"] == b"arcsec"
    assert schema.field("ra").metadata[b"ucd"] == b"pos.eq.ra;meta.main"
    footers = pq.read_metadata(folder / "chandra" / "dataset" / "_metadata")
    assert footers.num_rows == N
    said = dict(line.split("=", 1) for line in (folder / "chandra" / "properties").read_text().splitlines()[1:])
    assert (said["hats_nrows"], said["photonlake_snapshot"]) == (str(N), str(cat.snapshot))


def test_a_margin_holds_all_that_is_near(published):
    folder, done = published
    parts, around = read(folder / "chandra"), read(folder / "chandra_margin")
    assert done.margin_rows == sum(t.num_rows for t in around.values()) > 0
    place = {n: (key, i) for key, t in parts.items() for i, n in enumerate(t["name"].to_pylist())}
    ra = {
        n: (t["ra"][i].as_py(), t["dec"][i].as_py())
        for key, t in parts.items()
        for n, (k, i) in place.items()
        if k == key
    }
    names = sorted(place)
    sky = SkyCoord([ra[n] for n in names], unit="deg")
    first, second, *_ = sky.search_around_sky(sky, 10 / 3600 * sky.ra.unit)
    across = [(names[i], place[names[j]][0]) for i, j in zip(first, second, strict=True)]
    across = [(n, key) for n, key in across if place[n][0] != key]
    assert across  # rows near to a row of another partition are in the margin of that
    assert all(n in around[key]["name"].to_pylist() for n, key in across)


def test_again_does_nothing_and_goes_on_where_it_was_ended(cat, published):
    folder, done = published
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("Npix=*.parquet")}
    again = write_hats(cat, folder, "csc.master_source", most_rows=20, margin_arcsec=10)
    assert again.kept == done.partitions
    lost = min(before)
    lost.unlink()
    assert write_hats(cat, folder, "csc.master_source", most_rows=20, margin_arcsec=10).kept == done.partitions - 1
    after = {p: p.stat().st_mtime_ns for p in folder.rglob("Npix=*.parquet")}
    assert {p for p in after if after[p] != before[p]} == {lost}


def test_spectra_are_nested_and_vectors_must_exist(cat, tmp_path):
    command = ["export", "--store", str(cat.path), "--hats", str(tmp_path / "d"), "--table", "csc.observation_source"]
    done = CliRunner().invoke(app, [*command, "--with", "spectrum"])
    assert done.exit_code == 0, done.output
    rows = {r["detection_id"]: r for t in read(tmp_path / "d" / "d").values() for r in t.to_pylist()}
    assert len(rows) == 50
    assert rows["4.0.1"]["spectrum"]["counts"] == [4, 2, 3]
    assert rows["4.0.1"]["spectrum"]["channel"] == [1, 2, 3]
    assert rows["4.0.1"]["spectrum"]["e_min_kev"] == [None] * 3
    assert rows["4.0.1"]["spectrum_exposure_s"] == 40.0
    assert rows["5.0.1"]["spectrum_exposure_s"] is None
    with pytest.raises(UnknownName, match="no embedding space 'spectra'"):
        write_hats(cat, tmp_path / "e", "csc.observation_source", ["spectra"])
    with pytest.raises(QueryError, match="has no positions"):
        write_hats(cat, tmp_path / "e", "lit.paper")
    with pytest.raises(UnknownName, match="is a view"):
        write_hats(cat, tmp_path / "e", "csc.source_summary")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(QueryError, match="found other files"):
        write_hats(cat, tmp_path / "full", "csc.master_source")


def test_a_moc_covers_the_rows_and_little_more(cat, tmp_path):
    moc = pytest.importorskip("mocpy").MOC
    share = write_moc(cat, tmp_path / "coverage.fits", order=9)
    found = moc.from_fits(str(tmp_path / "coverage.fits"))
    places = np.array(cat.sql("SELECT ra, dec FROM csc.master_source WHERE ra IS NOT NULL").fetchall())
    sky = SkyCoord(places, unit="deg")
    assert found.contains_skycoords(sky).all()
    assert not found.contains_skycoords(SkyCoord([120.0], [-40.0], unit="deg")).any()
    assert share == found.sky_fraction < N * (1 / 12 / 4**9) * 1.001
    with pytest.raises(QueryError, match="from 0 to 29"):
        write_moc(cat, tmp_path / "coverage.fits", order=30)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("hats") is None, reason="hats is not installed")
@pytest.mark.filterwarnings("default")
def test_hats_finds_it_valid(published):
    from hats.io.validation import is_valid_catalog  # noqa: PLC0415 - may not be there

    assert is_valid_catalog(published[0], strict=True)
    assert is_valid_catalog(published[0] / "chandra", strict=True)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("lsdb") is None, reason="lsdb is not installed")
@pytest.mark.filterwarnings("default")
def test_lsdb_finds_the_rows_that_sql_finds(cat, published):
    import lsdb  # noqa: PLC0415 - may not be there

    chandra = lsdb.open_catalog(published[0])
    for ra, dec, arcsec in ((10.0, 90.0, 200), (0.0, 0.0, 300), (45.0, 0.0, 100), (200.0, 41.8, 250)):
        found = chandra.cone_search(ra=ra, dec=dec, radius_arcsec=arcsec).compute()
        expected = cat.sql("SELECT name FROM cone($ra, $d, $r)", ra=ra, d=dec, r=arcsec).fetchall()
        assert expected
        assert sorted(found["name"]) == sorted(name for (name,) in expected)
    query = (
        "SELECT ra + 0.0001 AS ra, dec, name AS id FROM csc.master_source WHERE significance > 20 AND ra IS NOT NULL"
    )
    mine = cat.sql(query).df()
    cat.register("mine", mine)
    expected = dict(cat.sql("SELECT id_1, id_2 FROM crossmatch('mine', 'csc.master_source', 5)").fetchall())
    cat.unregister("mine")
    assert len(expected) > N / 2
    own = lsdb.from_dataframe(mine, ra_column="ra", dec_column="dec", catalog_name="own")
    matched = own.crossmatch(chandra, radius_arcsec=5, n_neighbors=1, suffixes=("_own", "_chandra")).compute()
    names = {c.removesuffix("_own").removesuffix("_chandra"): c for c in matched.columns}
    assert dict(zip(matched[names["id"]], matched[names["name"]], strict=True)) == expected


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_partitions_hold_each_number_once(most, any_seed):
    numbers = np.sort(np.random.default_rng(any_seed).integers(0, 12 << 58, 300))
    found = partitions.partition(numbers, most, 12)
    of = found.of(numbers)
    assert (of >= 0).all()
    assert (np.diff(found.starts) > 0).all()
    assert (found.ends[:-1] <= found.starts[1:]).all()
    assert np.bincount(of).max() <= most
