"""Light of sources from folders as people have them: CIAO's layout, twins, interleaved exposures, own regions."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil

import pytest
from factories.fits import WCS, events_file, random_events
from factories.ogip import pha
from factories.regions import region_file

from catalog.catalog import Catalog
from catalog.store import lake
from catalog.store.manifest import Source
from ingest.products.headers import SkyWCS
from ingest.products.shapes import sky_to_radec
from ingest.refresh import refresh

PIXELS = SkyWCS(*WCS["x"][1:], *WCS["y"][1:])
PLACE = (4200.0, 4100.0)  # of the source in every observation
HEADER = {"TSTART": 1.6e8, "TSTOP": 1.6e8 + 1000.0, "TIMEDEL": 3.2}


def events(n, obsid, content="EVT2", n_beside=30, **header):
    """A file with n photons at the place of the source, and some far from it."""
    made = random_events(n + n_beside, seed=n)
    made["x"][:n], made["y"][:n] = PLACE
    made["x"][n:], made["y"][n:] = 3000.0, 3000.0
    return events_file(made, content=content, obs_id=str(obsid), header=HEADER | header)


def position():
    ra, dec = sky_to_radec([PLACE[0]], [PLACE[1]], PIXELS)
    return float(ra[0]), float(dec[0])


def write(folder, name, data):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


@pytest.fixture(scope="module")
def loaded(empty_store, tmp_path_factory):
    base = tmp_path_factory.mktemp("light")
    folder, store = base / "data", shutil.copytree(empty_store, base / "s")
    ra, dec = position()
    rows = [f"2CXO J0955{i:02d}.0+694046,{o},0,{r},{ra!r},{dec!r},0.5" for i, (o, r) in enumerate(DETECTIONS)]
    write(folder, "cat.csv", "\n".join(["name,obsid,obi,region_id,ra,dec,theta", *rows]))
    # CIAO's layout
    write(folder, "1001/primary/acisf01001N003_evt2.fits.gz", gzip.compress(events(50, 1001)))
    write(folder, "1001/repro/acisf01001_repro_evt2.fits", events(40, 1001))
    write(folder, "1001/secondary/acisf01001_000N009_evt1.fits", events(300, 1001, "EVT1"))
    # chandra_repro into a folder of another name; the archive's version is high, and there twice
    write(folder, "1002/acisf01002N007_evt2.fits", events(50, 1002))
    write(folder, "1002/copy/acisf01002N007_evt2.fits.gz", gzip.compress(events(50, 1002)))
    write(folder, "1002/new/acisf01002_repro_evt2.fits", events(45, 1002))
    # level 1 alone
    write(folder, "1003/secondary/acisf01003_000N003_evt1.fits", events(60, 1003, "EVT1"))
    # interleaved exposures, as whole fields; the first once more in an older version
    write(folder, "1004/acisf01004_000N003_e1_evt2.fits", events(20, 1004))
    write(folder, "1004/acisf01004_000N004_e1_evt2.fits", events(21, 1004))
    write(folder, "1004/acisf01004_000N003_e2_evt2.fits", events(33, 1004))
    # a region that a user drew beside the events, around this source alone
    write(folder, "1005/acisf01005N003_evt2.fits", events(25, 1005))
    write(folder, "1005/src.reg", f'fk5\ncircle({ra!r},{dec!r},2000")\ncircle({ra + 1!r},{dec!r},1")')
    write(folder, "1005/bkg.reg", f'fk5\ncircle({ra!r},{dec!r},4000")')
    # files of one region: no catalog knows them
    region = {"content": "REGEVT3", "n_beside": 30, "OBI_NUM": 0}
    write(folder, "r/acisf01006_000N021_r0009_regevt3.fits", events(12, 1006, **region, REGIONID="0009"))
    write(folder, "r/acisf01006_000N021_r0009_pha3.fits", pha(OBS_ID="1006", OBI_NUM=0, REGIONID="0009", DSTYP1="sky",
                                                             DSVAL1="MASK&Circle(4200,4100,9)"))  # fmt: skip
    write(folder, "q/acisf01007_000N021_r0009_regevt3.fits", events(13, 1007, **region, REGIONID="0009"))
    header = {"OBS_ID": "1007", "REGIONID": "0009", "RA_NOM": PIXELS.x_crval, "DEC_NOM": PIXELS.y_crval}
    circle = ("Circle", [4200.0], [4100.0], [9.0], 0.0, 1)
    write(
        folder,
        "q/acisf01007_000N021_r0009_reg3.fits.gz",
        region_file({"ECF90REGB": [circle]}, header=header, compress=True),
    )
    write(folder, "p/acisf01008_000N021_r0009_regevt3.fits", events(14, 1008, **region, REGIONID="0009"))
    write(folder, "p/mine.reg", "physical\nellipse(4200,4100,9,8,30)\n")
    write(folder, "o/acisf01009_000N021_r0009_regevt3.fits", events(15, 1009, **region, REGIONID="0009"))
    corpus = {"obsid": 1010, "obi": 0, "region_id": 9, "source_name": "2CXO J095599.9+694046"[:20]}
    lists = [corpus | {"original_event_list": [[float(i), 900.0] for i in range(40)], "_event_list_original_size": 90},
             corpus | {"obsid": 1011, "original_event_list": [[float(i), 900.0] for i in range(40)]}]  # fmt: skip
    write(folder, "corpus.json", json.dumps(lists))
    report = refresh(store, [Source("files", str(folder))], workers=1)
    assert [p.path for p in report.problems] == []
    return store, folder


DETECTIONS = [(1001, 1), (1002, 1), (1003, 1), (1004, 1), (1005, 1)]
COUNTS = {
    "1001.0.1": (40, "assumed_region"),
    "1002.0.1": (45, "assumed_region"),
    "1003.0.1": (60, "assumed_region"),
    "1004.0.1": (54, "assumed_region"),
    "1005.0.1": (55, None),
    "1006.0.9": (12, None),
    "1007.0.9": (13, None),
    "1008.0.9": (14, None),
    "1010.0.9": (40, "events_capped, no_good_times"),
    "1011.0.9": (40, "no_good_times"),
}


def test_each_detection_has_the_photons_of_its_source(loaded):
    with Catalog(loaded[0]) as cat:
        query = "SELECT detection_id, count(*) FROM product.detection_event WHERE in_source_region GROUP BY 1"
        assert dict(cat.sql(query).fetchall()) == {id_: n for id_, (n, _) in COUNTS.items()}
        known = dict(cat.sql("SELECT detection_id, region_from FROM product.detection_region").fetchall())
        assert known["1009.0.9"] is None
        links = cat.sql("SELECT detection_id, linked_by FROM product.region WHERE told_by = 'reg' AND role = 'source'")
        assert set(links.fetchall()) == {("1005.0.1", "place"), ("1008.0.9", "folder"), (None, None)}


@pytest.mark.parametrize("id_", ["1001.0.1", "1004.0.1", "1008.0.9", "1010.0.9"])
def test_its_light_curve_counts_them_and_says_what_to_know(loaded, id_):
    with Catalog(loaded[0]) as cat:
        rows = cat.sql("SELECT counts, rate, flag FROM light_curve($id, 100)", id=id_).fetchall()
    n, flag = COUNTS[id_]
    assert sum(counts for counts, _, _ in rows) == n
    assert {f for _, _, f in rows} == {flag}
    assert all(rate is None for _, rate, _ in rows) == ("events_capped" in (flag or ""))


def test_a_second_refresh_finds_nothing_and_a_second_region_beside_makes_both_unsure(loaded, tmp_path):
    store, folder = (shutil.copytree(p, tmp_path / p.name) for p in loaded)
    with contextlib.closing(lake.connect(store, read_only=False)) as connection:
        old, new = str(loaded[1]), str(folder)
        for table, column in (("meta.file", "path"), ("meta.source", "specification")):
            connection.execute(f"UPDATE lake.{table} SET {column} = replace({column}, ?, ?)", [old, new])
    assert not refresh(store, workers=1).changed
    write(folder, "p/other.reg", "physical\ncircle(4200,4100,20)\n")
    refresh(store, workers=1)
    with Catalog(store) as cat:
        query = "SELECT region_from, flag FROM product.detection_region WHERE detection_id = '1008.0.9'"
        assert cat.sql(query).fetchall() == [(None, "no_source_region")]


def test_a_store_from_before_lists_were_told_has_them(loaded, tmp_path):
    store = shutil.copytree(loaded[0], tmp_path / "s")
    with contextlib.closing(lake.connect(store, read_only=False)) as connection:
        connection.execute("DROP TABLE lake.product.event_list")
        connection.execute("DELETE FROM lake.meta.state WHERE name = '*'")
    lake.create(store)
    with Catalog(store) as cat:
        rows = cat.sql("SELECT detection_id, n_events, capped FROM product.event_list ORDER BY 1").fetchall()
        assert rows == [("1010.0.9", 40, True), ("1011.0.9", 40, True)]  # which of a file's lists were cut is not known
