"""Spectra out as OGIP files and in again: the same rows, the same numbers, and headers that name what is there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from catalog.__main__ import app
from catalog.catalog import Catalog
from catalog.errors import QueryError
from catalog.publish.fitting_folder import _name, write_fitting_files
from catalog.store.manifest import Source
from ingest.refresh import refresh

VALUES = """obsid, obi, region_id, detection_id, mission, first_channel, counts, rate, stat_err, sys_err, bin_lo,
bin_hi, background_counts, background_rate, exposure_s, backscal, areascal, background_exposure_s, background_backscal,
background_areascal, quality, grouping, arf_id, rmf_id, grating_order, grating_part"""
PHOTONS = """SELECT detection_id, time_s, x, y, energy_ev, pi, ccd_id FROM product.event
WHERE detection_id IS NOT NULL ORDER BY ALL"""
TIMES = """SELECT h.detection_id, g.ccd_id, g.start_s, g.stop_s
FROM product.good_time g JOIN product.header h USING (file_id) WHERE h.detection_id IS NOT NULL ORDER BY ALL"""
HEADERS = """SELECT kind, detection_id, mission, instrument, detector, grating, object, content, ra_pnt, dec_pnt,
roll_pnt, ra_src, dec_src, date_obs, tstart_s, tstop_s, exposure_s, frame_time_s, level, x_crpix, x_crval, x_cdelt,
y_crpix, y_crval, y_cdelt, ascdsver
FROM product.header WHERE detection_id IS NOT NULL AND kind IN ('events', 'spectrum')
AND file_id IN (SELECT file_id FROM product.spectrum WHERE role = 'source' UNION ALL SELECT file_id FROM product.event)
ORDER BY ALL"""


def rows(cat, query):
    return cat.sql(query).fetchall()


def there_and_back(store, folder, **options):
    with Catalog(store) as cat:
        made = write_fitting_files(cat, folder / "out", **options)
    report = refresh(folder / "again", [Source("files", str(folder / "out"))])
    assert not [p for p in report.problems if p.status == "failed"]
    return made


def same_rows(store, again):
    with Catalog(store) as first, Catalog(again) as second:
        query = f"SELECT {VALUES} FROM product.spectrum WHERE role = 'source' ORDER BY ALL"
        before = rows(first, query)
        assert before == rows(second, query)
        for kind in ("arf", "rmf"):  # the id is the hash of the content
            used = (
                f"SELECT * FROM product.{kind} WHERE {kind}_id IN (SELECT {kind}_id FROM product.spectrum) ORDER BY 1"
            )
            assert rows(first, used) == rows(second, used)
        return before


def test_what_goes_out_comes_in_again_value_by_value(small_survey, tmp_path):
    made = there_and_back(small_survey / "s", tmp_path, zipped=True)
    spectra = same_rows(small_survey / "s", tmp_path / "again")
    assert made.spectra == len(spectra) > 5
    assert made.event_lists > 5
    with Catalog(small_survey / "s") as first, Catalog(tmp_path / "again") as second:
        for query in (PHOTONS, TIMES, HEADERS):
            before = rows(first, query)
            assert len(before) > 5
            assert before == rows(second, query)
    for path in (tmp_path / "out").glob("*_pha3.fits.gz"):
        header = fits.getheader(path, "SPECTRUM")
        assert all((tmp_path / "out" / header[key]).is_file() for key in ("ANCRFILE", "RESPFILE", "BACKFILE"))


def test_only_what_is_asked_for_is_written(small_survey, tmp_path):
    with Catalog(small_survey / "s") as cat:
        ((detection, n_counts),) = rows(cat, "SELECT detection_id, list_sum(counts) FROM product.spectrum LIMIT 1")
        many = rows(
            cat,
            "SELECT count(*) FROM product.spectrum JOIN csc.observation_source USING (detection_id) WHERE theta < 3",
        )
    command = ["export", "--store", str(small_survey / "s"), "--ogip", str(tmp_path / "one")]
    done = CliRunner().invoke(app, [*command, "--where", f"detection_id = '{detection}'"])
    assert done.exit_code == 0, done.output
    assert "1 spectra, 1 backgrounds, 1 arfs, 1 rmfs" in " ".join(done.output.split())
    (pha,) = (p for p in (tmp_path / "one").iterdir() if p.name.endswith("_pha3.fits"))
    with fits.open(pha, checksum=True) as hdus:
        assert hdus["SPECTRUM"].data["COUNTS"].sum() == n_counts
        assert hdus["SPECTRUM"].header["TELESCOP"] == "CHANDRA"
    with Catalog(small_survey / "s") as cat:
        made = write_fitting_files(cat, tmp_path / "near", "theta < 3")
        assert made.spectra == many[0][0]
        for where, said in (("theta > 1e9", "no spectrum"), ("theta <", "no SQL condition")):
            with pytest.raises(QueryError, match=said):
                write_fitting_files(cat, tmp_path / "none", where)
        with pytest.raises(QueryError, match="lies in the store"):
            write_fitting_files(cat, cat.path / "out")


@pytest.mark.real
@pytest.mark.slow
def test_real_spectra_come_in_again(real, tmp_path):
    refresh(tmp_path / "s", [Source("files", str(real / "spectra"))])
    there_and_back(tmp_path / "s", tmp_path)
    same_rows(tmp_path / "s", tmp_path / "again")


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("sherpa") is None, reason="Sherpa is not installed")
def test_sherpa_fits_the_same_numbers(real, tmp_path):
    refresh(tmp_path / "s", [Source("files", str(real / "spectra" / name)) for name in FILES])
    with Catalog(tmp_path / "s") as cat:
        write_fitting_files(cat, tmp_path / "out")
    fits_of = [
        subprocess.run([sys.executable, "-c", FIT, str(folder)], capture_output=True, text=True, check=True).stdout
        for folder in (real / "spectra", tmp_path / "out")
    ]
    before, after = (np.array(text.split()[-3:], float) for text in fits_of)
    assert after == pytest.approx(before, rel=1e-6)


FILES = ("3c273.pi", "3c273.arf", "3c273.rmf", "3c273_bg.pi")
FIT = """
import sys
from sherpa.astro import ui
ui.load_pha(sys.argv[1] + "/3c273.pi")
ui.ignore(None, 0.5); ui.ignore(7, None)
ui.subtract()
ui.set_source(ui.powlaw1d.p)
ui.set_stat("chi2gehrels")
ui.fit()
found = ui.get_fit_results()
print(*found.parvals, found.statval)
"""


@pytest.mark.parametrize(
    "path", ["../x", "/etc/x", "..\\x", "a/..", "...gz", ".", "..", "", None, "a!../../x", "x\0y", "\n"]
)
def test_no_name_of_a_store_leads_out_of_the_folder(path):
    for otherwise in ("4736.arf", "../4736.arf", "/etc/4736.arf"):
        name = _name(path, otherwise)
        assert name not in {"", ".", ".."}
        assert not set(name) & set("/\\\0\n")
