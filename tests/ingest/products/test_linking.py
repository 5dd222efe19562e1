"""Linking, on a real lake: whatever order files come in, every spectrum finds what is its own and nothing else."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import itertools
import shutil
from collections import defaultdict

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from factories import ogip

from catalog.schema import TABLES
from catalog.schema.columns import literal
from catalog.store import lake
from ingest.products.linking import link_statements, unlinked_query
from ingest.products.responses import read_response
from ingest.products.spectra import read_spectra
from ingest.readers import FileName, Rows, file_id_of


class Store:
    """A store that files are put into and taken out of, as a refresh does it."""

    def __init__(self, connection):
        self.connection = connection
        self.held = {}  # path -> hash of the content

    def put(self, files):
        """Load files in one commit; content that is there already is noted as a duplicate."""
        rows = defaultdict(list)
        with lake.transaction(self.connection):
            for path in files:
                self.remove(path)
            for path, content in files.items():
                digest = hashlib.sha256(content).hexdigest()
                status = "duplicate" if digest in self.held.values() else "loaded"
                self.held[path] = digest
                row = {"file_id": file_id_of(path), "path": path, "sha256": digest, "status": status}
                rows["meta.file"].append(pa.RecordBatch.from_pylist([row]))
                if status == "loaded":
                    reader = read_spectra if b"'SPECTRUM" in content else read_response
                    for item in reader(io.BytesIO(content), FileName.of(path)):
                        if isinstance(item, Rows) and item.table != "product.header":
                            rows[item.table].append(item.batch)
            for table, batches in rows.items():
                self.insert(table, pa.Table.from_batches(batches))

    def insert(self, table, rows):
        self.connection.register("incoming", rows)
        once = ""
        if table in {"product.arf", "product.rmf"}:
            key = rows.column_names[0]
            absent = f"{key} NOT IN (SELECT {key} FROM lake.{table})"
            once = f"WHERE {absent} QUALIFY row_number() OVER (PARTITION BY {key}) = 1"
        self.connection.execute(f"INSERT INTO lake.{table} BY NAME SELECT * FROM incoming {once}")
        self.connection.unregister("incoming")

    def remove(self, path):
        if self.held.pop(path, None):
            for table in ("meta.file", "product.spectrum", "product.response_file"):
                self.connection.execute(f"DELETE FROM lake.{table} WHERE file_id = {file_id_of(path)}")

    def link(self):
        """Link, and hold that doing so again would do nothing."""
        changed, again = (self.written() for _ in range(2))
        assert not again
        return changed

    def written(self):
        """Link once; tell whether any row was written."""
        with lake.transaction(self.connection):
            return sum(self.connection.execute(statement).fetchone()[0] for statement in link_statements()) > 0

    def snapshot(self):
        return self.connection.execute("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone()[0]

    def spectrum(self, path, number=1):
        where = f"file_id = {file_id_of(path)} AND spec_num = {number}"
        (row,) = self.rows(f"SELECT * FROM lake.product.spectrum WHERE {where}")
        return row

    def id(self, path, number=1):
        """Return the id of the response in a file."""
        where = f"path = {literal(path)} AND response_num = {number}"
        (row,) = self.rows(
            f"SELECT response_id FROM lake.product.response_file JOIN lake.meta.file USING (file_id) WHERE {where}"
        )
        return row["response_id"]

    def rows(self, query):
        return self.connection.execute(query).to_arrow_table().to_pylist()

    def count(self, table):
        return self.connection.execute(f"SELECT count(*) FROM lake.{table}").fetchone()[0]


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    path = tmp_path_factory.mktemp("empty") / "s"
    lake.create(path)
    return path


@pytest.fixture
def store(tmp_path, empty):
    """A store on disk, as users have it."""
    shutil.copytree(empty, tmp_path / "s")
    with contextlib.closing(lake.connect(tmp_path / "s", read_only=False)) as connection:
        yield Store(connection)


@pytest.fixture
def quick():
    """The same tables in memory: the rules of linking are SQL, whatever lies below."""
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA lake.product; CREATE SCHEMA lake.meta")
        for name in ("meta.file", "product.spectrum", "product.response_file", "product.arf", "product.rmf"):
            connection.execute(f"USE lake; {TABLES[name].ddl()[0]}")
        yield Store(connection)


def spectrum(counts=ogip.COUNTS, **header):
    return ogip.pha(counts, **({"ANCRFILE": "x.arf", "RESPFILE": "x.rmf", "BACKFILE": "x_bg.pi"} | header))


FILES = {
    "/d/x.pi": spectrum(),
    "/d/x_bg.pi": ogip.pha(ogip.COUNTS + 1, BACKSCAL=2e-5, EXPOSURE=900.0),
    "/d/x.arf": ogip.arf(),
    "/d/x.rmf": ogip.rmf(),
}


@pytest.mark.parametrize("order", [*itertools.permutations(FILES)][::3])
def test_files_may_come_in_any_order(quick, order):
    for path in order:
        quick.put({path: FILES[path]})
        quick.link()
    row, background = quick.spectrum("/d/x.pi"), quick.spectrum("/d/x_bg.pi")
    assert (row["arf_id"], row["rmf_id"]) == (quick.id("/d/x.arf"), quick.id("/d/x.rmf"))
    assert row["background_id"] == background["spectrum_id"]
    assert row["background_counts"] == (ogip.COUNTS + 1).tolist()
    assert (row["background_backscal"], row["background_exposure_s"]) == (2e-5, 900.0)
    assert (row["role"], background["role"], background["arf_id"]) == ("source", "background", None)
    assert quick.rows(unlinked_query()) == []


def test_linking_twice_commits_nothing(store):
    store.put(FILES)
    assert store.link() is True
    before = store.snapshot()
    assert store.link() is False
    assert store.snapshot() == before
    row = store.spectrum("/d/x.pi")
    assert (row["arf_id"], row["rmf_id"]) == (store.id("/d/x.arf"), store.id("/d/x.rmf"))
    assert row["background_counts"] == (ogip.COUNTS + 1).tolist()


NAMED = ("X.ARF", "x.arf.gz", "x.arf", "x.arf.fits", "../calib/x.arf")


@pytest.mark.parametrize("path", ["/d/x.arf", "/d/X.arf.gz", "/d/x.ARF.fits.gz", "/elsewhere/x.arf"])
def test_names_match_whatever_their_case_and_suffix(quick, path):
    spectra = {f"/d/{number}.pi": spectrum(ANCRFILE=named) for number, named in enumerate(NAMED)}
    quick.put({path: ogip.arf()} | spectra)
    quick.link()
    assert [quick.spectrum(name)["arf_id"] for name in spectra] == [quick.id(path)] * len(NAMED)


def test_the_same_folder_goes_first(quick):
    for folder in "ab":
        quick.put({f"/{folder}/x.pi": spectrum(OBJECT=folder)})
        quick.put({f"/{folder}/x.arf": ogip.arf(np.full(8, float(ord(folder))))})
    quick.link()
    for folder in "ab":
        assert quick.spectrum(f"/{folder}/x.pi")["arf_id"] == quick.id(f"/{folder}/x.arf")


def test_this_very_name_goes_before_one_like_it(quick):
    quick.put({"/d/x.pi": spectrum()})
    quick.put({"/d/x.arf": ogip.arf()})
    quick.put({"/d/x.arf.fits": ogip.arf(np.ones(8))})
    quick.link()
    assert quick.spectrum("/d/x.pi")["arf_id"] == quick.id("/d/x.arf")


def test_an_ambiguous_name_links_nothing(quick):
    quick.put({"/a/x.pi": spectrum()})
    quick.put({"/b/x.arf": ogip.arf()})
    quick.put({"/c/x.arf": ogip.arf(np.ones(8))})
    quick.link()
    assert quick.spectrum("/a/x.pi")["arf_id"] is None
    assert {"file_id": file_id_of("/a/x.pi"), "what": "ancrfile", "name": "x.arf"} in quick.rows(unlinked_query())
    quick.put({"/c/x.arf": ogip.arf(OBJECT="the same areas, another header")})
    quick.link()
    assert quick.spectrum("/a/x.pi")["arf_id"] == quick.id("/b/x.arf")


ONE = {"/srcA/spec.pi": "A", "/srcB/spec.pi": "B", "/srcB/spec.arf": 5.0, "/srcB/spec.rmf": 6, "/srcB/spec_bg.pi": "b"}


def files_of(layout, **header):
    """Files by path: spectra that name spec.arf, spec.rmf and spec_bg.pi, areas, matrices and backgrounds."""
    said = {"ANCRFILE": "spec.arf", "RESPFILE": "spec.rmf", "BACKFILE": "spec_bg.pi", **header}
    responses = {key: value for key, value in header.items() if key in {"OBS_ID", "TELESCOP"}}
    made = {}
    for path, what in layout.items():
        if path.endswith("_bg.pi"):
            made[path] = ogip.pha(ogip.COUNTS + len(path), OBJECT=what, **responses)
        elif path.endswith(".pi"):
            made[path] = ogip.pha(OBJECT=what, **said)
        elif path.endswith(".arf"):
            made[path] = ogip.arf(np.full(8, float(what)), **responses)
        else:
            made[path] = ogip.rmf(ogip.groups(seed=what), **responses)
    return made


def linked(store, path):
    """Return which of arf, rmf and background a spectrum is linked with."""
    row = store.spectrum(path)
    return tuple(row[name] is not None for name in ("arf_id", "rmf_id", "background_id"))


@pytest.mark.parametrize("obs_id", ["4321", "Merged", "", None])
@pytest.mark.parametrize("order", [1, -1])
def test_a_response_of_another_target_is_never_taken(quick, obs_id, order):
    files = files_of(ONE, OBS_ID=obs_id)
    for path in [*files][::order]:
        quick.put({path: files[path]})
        quick.link()
    assert linked(quick, "/srcA/spec.pi") == (False, False, False)
    assert linked(quick, "/srcB/spec.pi") == (True, True, True)
    assert sorted(r["name"] for r in quick.rows(unlinked_query())) == ["spec.arf", "spec.rmf", "spec_bg.pi"]


def test_also_not_where_the_other_target_names_nothing(quick):
    files = files_of(ONE) | {"/srcB/spec.pi": spectrum(OBJECT="B", ANCRFILE="none", RESPFILE="none", BACKFILE="none")}
    quick.put({path: content for path, content in files.items() if not path.endswith("_bg.pi")})
    quick.link()
    assert linked(quick, "/srcA/spec.pi") == linked(quick, "/srcB/spec.pi") == (False, False, False)


def test_a_response_apart_serves_the_spectra_of_one_folder(quick):
    layout = {"/spectra/spec.pi": "A", "/apart/spec.arf": 5.0, "/apart/spec.rmf": 6, "/apart/spec_bg.pi": "b"}
    quick.put(files_of(layout))
    quick.link()
    assert linked(quick, "/spectra/spec.pi") == (True, True, True)
    quick.put(files_of({"/other/spec.pi": "C"}))
    quick.link()
    # One area cannot be of two places in the sky; a matrix of the calibration is of many.
    assert linked(quick, "/spectra/spec.pi") == linked(quick, "/other/spec.pi") == (False, True, False)


@pytest.mark.parametrize(
    "header", [{"OBS_ID": "7"}, {"OBS_ID": "1575", "REGIONID": 86, "OBI_NUM": 1}, {"TELESCOP": "XMM", "OBS_ID": None}]
)
def test_a_response_apart_that_says_it_is_of_something_else_is_not_taken(quick, header):
    quick.put({"/a/x.pi": spectrum(OBS_ID="1575", REGIONID=85, OBI_NUM=1)})
    quick.put({"/b/x.arf": ogip.arf(**header)})
    quick.link()
    assert quick.spectrum("/a/x.pi")["arf_id"] is None
    quick.put({"/a/x.arf": ogip.arf(np.ones(8), **header)})  # beside the spectrum, its name says enough
    quick.link()
    assert quick.spectrum("/a/x.pi")["arf_id"] == quick.id("/a/x.arf")


@pytest.mark.parametrize("folder", ["2CXOJ1/01575_001", "arf3"])
def test_files_of_one_detection_may_lie_in_many_folders(quick, folder):
    for region in (85, 86):
        name = f"acisf01575_001N001_r{region:04d}"
        named = {"ANCRFILE": f"{name}_arf3.fits", "RESPFILE": "none", "BACKFILE": "none"}
        quick.put({f"/csc/pha3/{name}_pha3.fits.gz": ogip.pha(ogip.COUNTS + region, **named)})
        quick.put({f"/csc/{folder}/{name}_arf3.fits.gz": ogip.arf(np.full(8, float(region)), OBS_ID="1575")})
        quick.put({f"/csc/{folder}/{name}_other_pha3.fits.gz": ogip.pha(ogip.COUNTS * region)})
    quick.link()
    for region in (85, 86):
        name = f"acisf01575_001N001_r{region:04d}"
        row = quick.spectrum(f"/csc/pha3/{name}_pha3.fits.gz")
        assert row["arf_id"] == quick.id(f"/csc/{folder}/{name}_arf3.fits.gz")


@pytest.mark.parametrize("order", [1, -1])
def test_a_copy_of_a_spectrum_finds_what_lies_beside_it(quick, order):
    files = {"/a/x.pi": spectrum(), "/b/x.pi": spectrum()}
    for path in [*files][::order]:
        quick.put({path: files[path]})
    quick.put({"/b/x.arf": ogip.arf()})
    quick.link()
    holder = [*files][::order][0]
    assert quick.spectrum(holder)["arf_id"] == quick.id("/b/x.arf")
    quick.put({"/a/x.arf": ogip.arf(np.ones(8))})
    quick.link()
    assert quick.spectrum(holder)["arf_id"] == quick.id(holder.replace(".pi", ".arf"))


NUMBERS = [("x.arf{2}", 2), ("x.arf[SPECRESP,2]", 2), ("x.arf[2]", 2), ("x.arf+2", 2), ("x.arf{1}", 1), ("x.arf", 1)]


@pytest.mark.parametrize(("named", "number"), [*NUMBERS, ("x.arf{3}", None), ("x.arf+9", None)])
def test_the_response_that_is_named_is_taken(quick, named, number):
    areas = [ogip.arf_hdu(np.full(8, 100.0 * n), EXTVER=n) for n in (1, 2)]
    quick.put({"/d/x.pi": spectrum(ANCRFILE=named), "/d/x.arf": ogip.to_bytes(*areas)})
    quick.link()
    assert quick.spectrum("/d/x.pi")["arf_id"] == (number and quick.id("/d/x.arf", number))
    missing = [r["name"] for r in quick.rows(unlinked_query()) if r["what"] == "ancrfile"]
    assert missing == ([] if number else [named.replace("+9", "{+9}")])


def test_extver_goes_before_the_place_in_the_file(quick):
    areas = [ogip.arf_hdu(np.full(8, 100.0 * n), EXTVER=n) for n in (2, 1)]
    quick.put({"/d/x.pi": spectrum(ANCRFILE="x.arf{2}"), "/d/x.arf": ogip.to_bytes(*areas)})
    quick.put({"/d/y.pi": spectrum(ANCRFILE="x.arf[2]")})
    quick.link()
    first = "SELECT specresp[1] AS area FROM lake.product.arf WHERE arf_id = "
    areas = [quick.rows(f"{first}'{quick.spectrum(f'/d/{n}.pi')['arf_id']}'")[0]["area"] for n in "xy"]
    assert areas == [200.0, 100.0]  # EXTVER 2 comes first in the file; the second extension has EXTVER 1


def test_the_first_extension_by_either_count(quick):
    quick.put(
        {"/d/x.rmf": ogip.rmf(), "/d/x.pi": spectrum(RESPFILE="x.rmf[1]"), "/d/y.pi": spectrum(RESPFILE="x.rmf[2]")}
    )
    quick.link()
    assert quick.spectrum("/d/x.pi")["rmf_id"] == quick.spectrum("/d/y.pi")["rmf_id"] == quick.id("/d/x.rmf")


def test_a_spectrum_of_several_names_its_background_by_number(quick):
    quick.put({"/d/bg.pha": ogip.pha2(background=False, OBS_ID="1575"), "/d/x.pi": spectrum(BACKFILE="bg.pha{2}")})
    quick.link()
    assert quick.spectrum("/d/x.pi")["background_id"] == quick.spectrum("/d/bg.pha", 2)["spectrum_id"]


def test_the_sum_of_several_matrices_is_taken_and_one_where_it_is_named(quick):
    both = ogip.to_bytes(ogip.matrix_hdu(), ogip.matrix_hdu(ogip.groups(seed=5)), ogip.ebounds_hdu())
    quick.put({"/d/x.rmf": both, "/d/x.pi": spectrum(), "/d/y.pi": spectrum(RESPFILE="x.rmf{2}")})
    quick.link()
    assert quick.spectrum("/d/x.pi")["rmf_id"] == quick.id("/d/x.rmf", 0)
    assert quick.spectrum("/d/y.pi")["rmf_id"] == quick.id("/d/x.rmf", 2)


def test_orders_of_a_grating_in_one_file_go_by_their_order_not_by_their_place(quick):
    areas = [ogip.arf_hdu(np.full(8, 5.0 + m), TG_M=m, TG_PART=1) for m in (1, -1)]
    quick.put({"/d/pha2.fits": ogip.pha2(ANCRFILE="arf2.fits"), "/d/arf2.fits": ogip.to_bytes(*areas)})
    quick.link()
    found = [quick.spectrum("/d/pha2.fits", n)["arf_id"] for n in (1, 2)]
    assert found == [quick.id("/d/arf2.fits", 2), quick.id("/d/arf2.fits", 1)]


def test_orders_of_a_grating_are_not_taken_from_beside_another_spectrum(quick):
    quick.put({"/a/pha2.fits": ogip.pha2(), "/b/heg.arf": ogip.arf(OBS_ID="459", TG_M=-1, TG_PART=1)})
    quick.link()
    assert quick.spectrum("/a/pha2.fits", 1)["arf_id"] == quick.id("/b/heg.arf")
    quick.put({"/b/pha2.fits": ogip.pha2(np.ones((2, 12)))})
    quick.link()
    assert quick.spectrum("/a/pha2.fits", 1)["arf_id"] is None
    assert quick.spectrum("/b/pha2.fits", 1)["arf_id"] == quick.id("/b/heg.arf")


def test_more_spectra_than_responses_are_not_guessed_at(quick):
    three = ogip.pha2(np.ones((3, 12)), orders=(1, 2, 3), ANCRFILE="arf2.fits")
    quick.put({"/d/pha2.fits": three, "/d/arf2.fits": ogip.to_bytes(ogip.arf_hdu(), ogip.arf_hdu(np.ones(8)))})
    quick.link()
    assert [quick.spectrum("/d/pha2.fits", n)["arf_id"] for n in (1, 2, 3)] == [None] * 3


def test_elsewhere_only_the_same_observation_is_taken(quick):
    quick.put({"/a/x.pi": spectrum(OBS_ID="1575")})
    quick.put({"/b/x.arf": ogip.arf(OBS_ID="7")})
    quick.link()
    assert quick.spectrum("/a/x.pi")["arf_id"] is None
    quick.put({"/c/x.arf": ogip.arf(np.ones(8), OBS_ID="1575")})
    quick.link()
    assert quick.spectrum("/a/x.pi")["arf_id"] == quick.id("/c/x.arf")


def test_copies_are_found_under_their_own_names(quick):
    quick.put({"/a/x.arf": ogip.arf()})
    quick.put({"/b/x.arf": ogip.arf(np.ones(8))})
    quick.put({"/c/x.arf": ogip.arf()})
    quick.put({"/c/y.arf": ogip.arf(np.ones(8))})
    quick.put({"/c/x.pi": spectrum()})
    quick.put({"/c/y.pi": spectrum(ANCRFILE="y.arf")})
    quick.link()
    assert quick.spectrum("/c/x.pi")["arf_id"] == quick.id("/a/x.arf")
    assert quick.spectrum("/c/y.pi")["arf_id"] == quick.id("/b/x.arf")


def test_a_catalog_product_finds_its_detections_responses(quick):
    name = "acisf01575_001N001_r0085"
    quick.put({f"/a/{name}_pha3.fits": spectrum(ANCRFILE="none", RESPFILE="absent.rmf")})
    quick.put({"/b/other_arf3.fits": ogip.arf(np.ones(8), OBS_ID="1575")})
    quick.put({"/b/acisf01575_001N002_r0085_arf3.fits": ogip.arf(OBS_ID="1575")})
    quick.put({"/b/acisf01575_001N002_r0085_rmf3.fits": ogip.rmf(OBS_ID="1575")})
    quick.put({"/b/acisf01575_001N002_r0086_rmf3.fits": ogip.rmf(ogip.groups(seed=3), OBS_ID="1575")})
    quick.link()
    row = quick.spectrum(f"/a/{name}_pha3.fits")
    assert row["arf_id"] == quick.id("/b/acisf01575_001N002_r0085_arf3.fits")
    assert row["rmf_id"] == quick.id("/b/acisf01575_001N002_r0085_rmf3.fits")


def test_another_version_of_a_named_product_may_be_of_another_source(quick):
    old, new = "acisf01575_001N001_r0085", "acisf01575_001N021_r0085"
    quick.put({f"/a/{new}_pha3.fits": spectrum(ANCRFILE=f"{new}_arf3.fits", RESPFILE="none")})
    quick.put({f"/a/{old}_arf3.fits": ogip.arf(OBS_ID="1575")})
    quick.link()
    assert quick.spectrum(f"/a/{new}_pha3.fits")["arf_id"] is None
    assert f"{new}_arf3.fits" in [r["name"] for r in quick.rows(unlinked_query())]


def test_spectra_that_name_nothing_and_are_of_no_detection_stay_alone(quick):
    quick.put({"/a/x.pi": spectrum(ANCRFILE="none", RESPFILE="none", BACKFILE="none")})
    quick.put({"/a/x.arf": ogip.arf(OBS_ID="1575")})
    quick.link()
    row = quick.spectrum("/a/x.pi")
    assert (row["arf_id"], row["background_id"], row["role"]) == (None, None, "source")


def test_grating_orders_find_their_own_responses(quick):
    quick.put({"/a/pha2.fits": ogip.pha2()})
    for order in (-1, 1):
        quick.put({f"/a/heg_{order}.arf": ogip.arf(np.full(8, 5.0 + order), OBS_ID="459", TG_M=order, TG_PART=1)})
    quick.link()
    for number, order in ((1, -1), (2, 1)):
        assert quick.spectrum("/a/pha2.fits", number)["arf_id"] == quick.id(f"/a/heg_{order}.arf")


def test_spectrum_n_goes_with_response_n(quick):
    quick.put({"/a/pha2.fits": ogip.pha2(ANCRFILE="arf2.fits", RESPFILE="one.rmf")})
    quick.put({"/a/arf2.fits": ogip.to_bytes(ogip.arf_hdu(), ogip.arf_hdu(np.ones(8)))})
    quick.put({"/a/one.rmf": ogip.rmf()})
    quick.link()
    for number in (1, 2):
        row = quick.spectrum("/a/pha2.fits", number)
        assert (row["arf_id"], row["rmf_id"]) == (quick.id("/a/arf2.fits", number), quick.id("/a/one.rmf"))


def test_a_background_in_the_file_is_left_alone(quick):
    quick.put({"/d/x.pi": spectrum(background=ogip.COUNTS + 7, BACKFILE="x_bg.pi")})
    quick.put({"/d/x_bg.pi": FILES["/d/x_bg.pi"]})
    quick.link()
    row = quick.spectrum("/d/x.pi")
    assert (row["background_counts"], row["background_id"]) == ((ogip.COUNTS + 7).tolist(), None)
    assert row["background_backscal"] == 1e-5


def test_a_spectrum_is_not_its_own_background(quick):
    quick.put({"/d/x.pi": spectrum(BACKFILE="x.pi")})
    quick.link()
    row = quick.spectrum("/d/x.pi")
    assert (row["background_id"], row["role"]) == (None, "source")


def test_a_changed_response_is_linked_anew_and_the_old_one_deleted(quick):
    quick.put(FILES)
    quick.link()
    quick.put({"/d/x.arf": ogip.arf(np.ones(8))})
    assert quick.link() is True
    assert quick.spectrum("/d/x.pi")["arf_id"] == quick.id("/d/x.arf")
    assert quick.count("product.arf") == 1


def test_what_vanishes_is_unlinked(store):
    store.put(FILES)
    store.link()
    for path in ("/d/x.arf", "/d/x_bg.pi"):
        store.remove(path)
    assert store.link() is True
    row = store.spectrum("/d/x.pi")
    assert row["rmf_id"] is not None
    gone = ("arf_id", "background_id", "background_counts", "background_exposure_s", "background_backscal")
    assert [row[name] for name in gone] == [None] * len(gone)
    assert (store.count("product.arf"), store.count("product.rmf")) == (0, 1)
    store.remove("/d/x.pi")
    store.put({"/d/x_bg.pi": FILES["/d/x_bg.pi"]})
    store.link()
    assert store.spectrum("/d/x_bg.pi")["role"] == "source"


def test_a_response_of_two_files_stays_until_both_are_gone(quick):
    quick.put({"/a/x.arf": ogip.arf()})
    quick.put({"/b/x.arf": ogip.arf(OBJECT="another header")})
    quick.remove("/a/x.arf")
    assert quick.link() is False
    assert quick.count("product.arf") == 1
    quick.remove("/b/x.arf")
    assert quick.link() is True
    assert quick.count("product.arf") == 0


def test_linking_writes_only_rows_that_change(store):
    for folder in "abc":
        files = {path.replace("/d", f"/{folder}"): content for path, content in FILES.items()}
        store.put(files | {f"/{folder}/x.pi": spectrum(OBJECT=folder)})
    store.link()
    store.put({"/b/x.arf": ogip.arf(np.ones(8))})
    middle = store.snapshot()
    store.link()
    changed = store.rows(
        f"SELECT * FROM ducklake_table_changes('lake', 'product', 'spectrum', {middle + 1}, {store.snapshot()})"
    )
    assert {row["file_id"] for row in changed} == {file_id_of("/b/x.pi")}


# --- real files -------------------------------------------------------------------------------------------


@pytest.mark.real
def test_every_real_spectrum_finds_what_is_its_own(store, real):
    kinds = ("*.pi", "*.arf", "*.rmf", "*pha3*", "*arf3*", "*rmf3*")
    paths = sorted(
        {p for kind in kinds for folder in ("spectra", "events", "broken") for p in real.glob(f"{folder}/{kind}")}
    )
    unreadable = {"symlink_text_pha3.fits", "arf_empty.arf", "arf_nan.arf"}
    contents = {str(p): p.read_bytes() for p in paths if p.name not in unreadable}
    store.put({p: gzip.decompress(c) if c[:2] == b"\x1f\x8b" else c for p, c in contents.items()})
    store.link()
    for path in paths:
        if "pha3" in path.name and path.parent.name != "broken":
            row = store.spectrum(str(path))
            named = [path.with_name(path.name.replace("pha3", kind)) for kind in ("arf3", "rmf3")]
            assert [row["arf_id"], row["rmf_id"]] == [store.id(str(p)) for p in named]
            assert row["background_counts"] is not None
    for name in ("3c273", "9774", "obs1", "obs2"):
        row, background = (store.spectrum(str(real / "spectra" / f"{name}{end}")) for end in (".pi", "_bg.pi"))
        assert row["background_counts"] == background["counts"]
        assert background["role"] == "background"
        assert row["arf_id"] == store.id(str(real / "spectra" / f"{name}.arf"))
        assert row["rmf_id"] is not None
    row = store.spectrum(str(real / "broken" / "12845.pi"))
    assert (row["arf_id"], row["rmf_id"], row["background_id"]) == (None, None, None)
    missing = {(r["what"], r["name"]) for r in store.rows(unlinked_query())}
    assert missing == {("ancrfile", "12845.warf"), ("respfile", "12845.wrmf"), ("backfile", "12845_bkg.pi")}
