"""ObsCore, DataLink and the files themselves: pyvo as the client of a store of product files."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
import pyvo
from astropy import units as u
from astropy.io import fits, votable
from astropy.time import Time
from factories import archive

from catalog.serve.obscore import UTYPES
from catalog.serve.server import BrowseServer
from catalog.store.manifest import Source
from ingest.refresh import refresh

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # of clients, about what others do


ROW = {
    "dataproduct_type": "event",
    "calib_level": 2,
    "obs_id": "1",
    "detection_id": "1.0.1",
    "t_min": 50814 + 1000 / 86400,
    "t_max": 50814 + 5000 / 86400,
}


@pytest.fixture(scope="module")
def tap(server):
    return pyvo.dal.TAPService(f"{server.url}tap")


def get(url, **given):
    """Return status and content."""
    try:
        with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(given, doseq=True)}" if given else url) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def links(server, *ids):
    content = get(f"{server.url}datalink", ID=ids)[1]
    return votable.parse_single_table(io.BytesIO(content)).to_table()


def test_obscore_has_the_files_that_are_on_disk(tap, browsed):
    found = tap.search("SELECT * FROM ivoa.ObsCore ORDER BY dataproduct_type")
    table = found.to_table()
    assert [f.utype for f in found.votable.get_first_table().fields][:30] == [f"obscore:{u}" for u in UTYPES.values()]
    assert [n for n in table.colnames if n in UTYPES] == list(UTYPES)
    assert {name: table[0][name] for name in ROW} == pytest.approx(ROW)
    assert list(table["dataproduct_type"]) == ["event", "timeseries"]
    for row, name in zip(table, ("e_evt3.fits.gz", "l_lc3.fits"), strict=True):
        content = (browsed.parent / name).read_bytes()
        assert get(row["access_url"]) == (200, content)
        assert row["access_estsize"] == -(-len(content) // 1000)
    assert list(table["access_format"]) == ["application/gzip", "application/fits"]
    columns = tap.search(
        "SELECT column_name, utype, std FROM TAP_SCHEMA.columns WHERE table_name = 'ivoa.obscore' ORDER BY column_index"
    ).to_table()
    assert list(columns["utype"])[:30] == [f"obscore:{u}" for u in UTYPES.values()]
    assert list(columns["std"]) == [1] * 30 + [0] * 3
    assert [[one.semantics for one in each] for each in found.iter_datalinks()] == [["#this"], ["#this"]]


def test_the_circle_of_a_product_is_asked_as_a_shape(tap):
    # the region of 2 arcsec around the first detection is not placed on the sky here: no circle
    query = "SELECT TOP 1 IN_UNIT(t_min, 's') AS s, ivoa.obscore.t_min FROM ivoa.obscore WHERE t_min IS NOT NULL"
    s, d = tap.search(query).to_table()[0]
    assert s == pytest.approx(86400 * d)
    inside = "SELECT COUNT(*) AS n FROM ivoa.obscore AS o WHERE 1 = CONTAINS(POINT(o.s_ra, o.s_dec), o.s_region)"
    assert tap.search(inside).to_table()["n"][0] == 0


def test_what_is_no_data_set_is_told_in_a_row_of_its_own(server):
    wrong = links(server, "ivo://x-unregistered/photonlake?" + 64 * "0", "ivo://a/b", "ivo://a/b")
    assert [m.partition(":")[0] for m in wrong["error_message"]] == ["NotFoundFault", "UsageFault"]
    assert len(links(server)) == 0
    assert get(f"{server.url}datalink", ID="x", RESPONSEFORMAT="csv")[0] == 400
    many = get(f"{server.url}datalink", ID=[f"ivo://a/{i}" for i in range(101)])[1]
    assert (many.count(b"<TR>"), b"OVERFLOW" in many) == (20, True)


def test_nothing_goes_out_but_product_files_as_they_were_loaded(server, browsed, tap):
    for name in ("0", "-1", "2", "4", "9" * 19, "9" * 20, "%E0%A5%A7", "a", "..%2f..%2fetc%2fpasswd", "../2"):
        assert get(f"{server.url}file/{name}")[0] in {400, 404}
    file = browsed.parent / "l_lc3.fits"
    content = file.read_bytes()
    try:
        # A ledger that others made may name a file of this machine, and its size.
        file.write_bytes(content[:80] + b"a secret" + content[88:])
        assert get(f"{server.url}file/3")[0] == 404
        file.write_bytes(b"#!/bin/sh")
        assert get(f"{server.url}file/3")[0] == 404
        file.unlink()
        os.mkfifo(file)
        assert get(f"{server.url}file/3")[0] == 404
        did = f"ivo://x-unregistered/photonlake?{hashlib.sha256(content).hexdigest()}"
        assert "not on disk" in links(server, did)["error_message"][0]
        server.tap.products._there = None  # it looks once a minute
        url = tap.search("SELECT access_url FROM ivoa.obscore WHERE file_id = 3").to_table()["access_url"][0]
        assert np.ma.is_masked(url) or not url
    finally:
        file.unlink()
        file.write_bytes(content)
        server.tap.products._there = None
    assert get(f"{server.url}file/3") == (200, content)


@pytest.mark.slow
def test_links_lead_to_all_that_belongs_to_a_product(empty_store, tmp_path):
    files = archive.write_archive(tmp_path / "files", n=3)
    store = shutil.copytree(empty_store, tmp_path / "s")
    refresh(store, [Source("files", str(files))], workers=1)
    with BrowseServer(store, jobs=tmp_path / "jobs") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tap = pyvo.dal.TAPService(f"{server.url}tap")
        found = tap.search("SELECT * FROM ivoa.obscore ORDER BY obs_id, dataproduct_type")
        table = found.to_table()
        assert list(table["dataproduct_type"]) == ["event", "spectrum"] * 3
        with gzip.open(files / "00001_000" / "acisf00001_000N001_r0001_regevt3.fits.gz") as stream:
            header = fits.getheader(stream, 1)
        start = Time(header["MJDREF"] + header["TSTART"] / 86400, format="mjd", scale="tt")
        assert table["t_min"][0] == pytest.approx(start.mjd)
        assert table["t_exptime"][0] == pytest.approx(header["EXPOSURE"])
        assert table["em_min"][0] == pytest.approx((7 * u.keV).to_value(u.m, u.spectral()))
        asked = tap.search("SELECT * FROM ivoa.obscore WHERE obs_id = '2' ORDER BY dataproduct_type")
        events, spectrum = sorted((list(one) for one in asked.iter_datalinks()), key=len)
        assert sorted(one.semantics for one in events) == ["#derivation", "#this"]
        assert sorted(one.semantics for one in spectrum) == ["#calibration", "#calibration", "#progenitor", "#this"]
        there = {f.read_bytes() for f in files.glob("0*/*")}
        for one in spectrum:
            content = get(one.access_url)[1]
            assert content in there
            assert len(content) == one.content_length
        server.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("stilts") is None, reason="no stilts on this machine")
def test_stilts_finds_no_fault_with_obscore_and_links(server, tap):
    did = tap.search("SELECT TOP 1 obs_publisher_did FROM ivoa.obscore").to_table()["obs_publisher_did"][0]
    address = f"{server.url}datalink?{urllib.parse.urlencode({'ID': did})}"
    for command in (
        ["stilts", "taplint", f"tapurl={server.url}tap", "stages=TMV TME TMS TMC CPV OBS", "report=EFW"],
        ["stilts", "datalinklint", f"votable={address}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert [line for line in done.stdout.splitlines() if line.startswith(("E-", "F-", "W-"))] == []
