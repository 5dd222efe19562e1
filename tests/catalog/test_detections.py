"""One detection, one id: rows that do not tell interval or region find their detection, in either order of arrival."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from factories import ogip

from catalog.store import lake
from catalog.store.manifest import Source
from ingest.forgetting import forget
from ingest.refresh import refresh

NAME, OTHER = "2CXO J140515.6+542458", "2CXO J140515.6+542459"


def table(folder, name, header, *rows):
    path = folder / name
    path.write_text("\n".join((header, *rows)) + "\n", "utf-8")
    return path


def product(folder, obsid, obi, region):
    identity = {"OBS_ID": str(obsid), "OBI_NUM": obi, "REGIONID": f"{region:04d}"}
    path = folder / f"acisf{obsid:05d}_{obi:03d}N001_r{region:04d}_pha3.fits"
    path.write_bytes(ogip.pha([obsid + region + k % 7 for k in range(ogip.N_CHANNELS)], **identity))
    return path


def ask(store, query):
    with contextlib.closing(lake.connect(store)) as connection:
        return connection.execute(query).fetchall()


def ids(store):
    query = "SELECT detection_id, obi, region_id, theta, hard_hs, len(file_ids) FROM csc.observation_source ORDER BY 1"
    return ask(store, query)


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def load(store, *paths):
    return refresh(store, [Source("files", str(p)) for p in paths], workers=1)


@pytest.mark.slow
def test_rows_find_their_detection_in_any_order_and_go_back_when_what_told_it_is_forgotten(store, files):
    """A table without obi, one without region either, one with both, and a product that tells the interval."""
    bare = table(files, "bare.csv", "name,obsid,region_id,theta", f"{NAME},4736,79,1.5", f"{OTHER},4736,80,2.5")
    named = table(files, "named.csv", "name,obsid,hard_hs", f"{NAME},4736,0.25")
    spectrum = product(files, 4736, 1, 79)
    alone = [(f"4736.-.{NAME}", None, None, None, 0.25, 1)]
    without = [("4736.-.79", None, 79, 1.5, 0.25, 2), ("4736.-.80", None, 80, 2.5, None, 1)]
    whole = [("4736.1.79", 1, 79, 1.5, 0.25, 2), ("4736.1.80", 1, 80, 2.5, None, 1)]
    load(store, named)
    assert ids(store) == alone
    load(store, bare)
    assert ids(store) == without
    load(store, spectrum)
    assert ids(store) == whole
    named_query = "SELECT detection_id, name, how FROM product.detection_name"
    assert ask(store, named_query) == [("4736.1.79", NAME, "catalog")]
    joined = "SELECT count(*) FROM product.spectrum JOIN csc.observation_source USING (detection_id)"
    assert ask(store, joined) == [(1,)]
    forget(store, [str(spectrum)])
    assert ids(store) == without
    load(store, spectrum)
    assert ids(store) == whole
    forget(store, [str(bare)])
    assert ids(store) == [(f"4736.1.{NAME}", 1, None, None, 0.25, 1)]
    assert ask(store, "SELECT count(*) FROM csc.observation_source_said WHERE obi IS NOT NULL") == [(0,)]


@pytest.mark.slow
def test_where_several_intervals_are_known_nothing_is_guessed(store, files):
    bare = table(files, "bare.csv", "name,obsid,region_id,theta", f"{NAME},4736,79,1.5")
    told = table(files, "told.csv", "name,obsid,obi,region_id,hard_hs", f"{NAME},4736,0,79,0.25", f"{OTHER},9,0,1,0.5")
    load(store, bare, told)
    assert ids(store) == [("4736.0.79", 0, 79, 1.5, 0.25, 2), ("9.0.1", 0, 1, None, 0.5, 1)]
    second = product(files, 4736, 1, 3)
    load(store, second)
    apart = [("4736.-.79", None, 79, 1.5, None, 1), ("4736.0.79", 0, 79, None, 0.25, 1)]
    assert ids(store) == [*apart, ("9.0.1", 0, 1, None, 0.5, 1)]
    forget(store, [str(second)])
    assert ids(store)[0] == ("4736.0.79", 0, 79, 1.5, 0.25, 2)
    assert not load(store).changed


@pytest.mark.slow
def test_every_order_of_arrival_ends_alike(empty_store, files, tmp_path):
    import shutil  # noqa: PLC0415 - for the slow test alone

    paths = [
        table(files, "bare.csv", "name,obsid,region_id,theta", f"{NAME},4736,79,1.5"),
        table(files, "named.csv", "name,obsid,hard_hs", f"{NAME},4736,0.25", f"{OTHER},4736,0.5"),
        table(files, "told.csv", "name,obsid,obi,region_id,hard_hm", f"{NAME},4736,0,79,0.25"),
        product(files, 4736, 0, 80),
    ]
    ends = []
    for n, order in enumerate(itertools.permutations(paths)):
        store = shutil.copytree(empty_store, tmp_path / f"s{n}")
        for path in order:
            load(store, path)
        everything = "SELECT * EXCLUDE (extra) FROM csc.observation_source{} ORDER BY ALL"
        ends.append((ask(store, everything.format("")), ask(store, everything.format("_said"))))
        shutil.rmtree(store)
    assert all(end == ends[0] for end in ends)
