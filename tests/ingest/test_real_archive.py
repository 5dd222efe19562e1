"""Everything in the folder of real files, in one command: what comes out is what went in."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import duckdb
import pytest
from factories import archive

from catalog.store import lake
from catalog.store.manifest import Source
from ingest.ledger import status
from ingest.refresh import refresh

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def loaded(empty_store, tmp_path_factory, real):
    store = shutil.copytree(empty_store, tmp_path_factory.mktemp("real") / "s")
    report = refresh(store, [Source("files", str(real))])
    return store, report


@pytest.fixture
def ask(loaded):
    with contextlib.closing(lake.connect(loaded[0])) as connection:
        yield lambda query: connection.execute(query).fetchall()


def test_photons(ask):
    counts = dict(ask("SELECT obsid, count(*) FROM product.event WHERE obsid IN (23022, 755) GROUP BY 1"))
    assert counts == {23022: 5813, 755: 20176}


def test_light_is_that_of_the_source_not_of_its_field(ask):
    total = "SELECT sum(counts), count(rate), min(flag) FROM light_curve('{}', 1000)"
    assert ask(total.format("23022.0.122")) == [(232, 26, None)]  # in ECF90REGB; the file has 5,813
    bands = "SELECT counts_s + counts_m + counts_h, flag FROM product.count_hardness WHERE detection_id = '23022.0.122'"
    assert ask(bands) == [(188, None)]  # of 0.5 to 7 keV
    assert ask(total.format("17249.0.21")) == [(800, 0, "events_capped, no_good_times")]
    for id_, said in (("11868.0.60", "2430 bins of its light curve file"), ("70029.0.777", "no detection 70029")):
        with pytest.raises(duckdb.InvalidInputException, match=said):
            ask(total.format(id_))


def test_the_region_that_a_spectrum_names_holds_its_counts(ask):
    fields = ("component", "include", "shape", "x", "y", "r", "ra", "dec", "r_arcsec", "rotang")
    packed = ", ".join(f'"{f}": "{f}"' for f in fields)
    query = f"""
        SELECT count(*), (SELECT list_sum(counts) FROM product.spectrum WHERE detection_id = '23022.0.122')
        FROM product.event AS e JOIN product.event_file AS f USING (file_id), (
          SELECT list({{{packed}}} ORDER BY row) AS shapes FROM product.region
          WHERE detection_id = '23022.0.122' AND told_by = 'spectrum' AND role = 'source') AS r
        WHERE e.detection_id = '23022.0.122' AND inside_region(e.x, e.y, region_in_pixels(r.shapes, f.wcs))"""
    assert ask(query) == [(286, 286)]  # an ellipse without its neighbour's


def test_every_photon_has_its_pi_back(ask):
    files = "SELECT regexp_extract(path, '[^/]*$'), count(*), count(pi), min(pi), max(pi) FROM product.event "
    rows = {name: rest for name, *rest in ask(files + "JOIN meta.file USING (file_id) GROUP BY 1")}
    assert rows["755_7_evt2_05_8keV.fits"] == [20176, 20176, 35, 548]
    assert rows["333_4_evt2_05_8keV.fits"] == [48771, 0, None, None]  # the file has none


def test_a_source_spectrum_and_its_background_from_the_second_hdu(ask):
    query = "SELECT list_sum(counts), list_sum(background_counts), background_id FROM product.spectrum "
    ((counts, background, background_id),) = ask(query + "WHERE detection_id = '4736.0.79'")
    assert counts == 11648
    assert background > 0
    assert background_id is None


def test_every_spectrum_with_responses_is_linked(ask):
    query = """
        SELECT regexp_extract(f.path, '[^/]*$') FROM product.spectrum s JOIN meta.file f USING (file_id)
        WHERE s.role = 'source' AND (s.arf_id IS NULL OR s.rmf_id IS NULL) ORDER BY 1"""
    assert [name for (name,) in ask(query)] == ["12845.pi", "back.pi", "source_rate.pi"]
    backgrounds = "SELECT count(*) FROM product.spectrum WHERE role = 'source' AND background_counts IS NOT NULL"
    assert ask(backgrounds) == [(7 + 4,)]  # in the second HDU of seven pha3, in files of their own of four .pi


def test_tables_and_papers(ask):
    simbad = """
        SELECT count(*) FROM csc.classification c JOIN meta.file f USING (file_id)
        WHERE f.path LIKE '%csc2_detections_simbad_type.csv'"""
    assert ask(simbad) == [(17083,)]
    assert ask("SELECT count(*) FROM lit.paper WHERE abstract IS NOT NULL") == [(2126,)]
    predicted = "SELECT DISTINCT authority FROM csc.classification WHERE predicted"
    assert ask(predicted) == [("umlcaxs",)]


def test_each_broken_file_is_flagged_or_refused_with_a_reason(loaded, ask, real):
    said = dict(ask("SELECT path, coalesce(error, array_to_string(flags, ', ')) FROM meta.file"))
    unlinked = status(loaded[0]).unlinked
    assert unlinked[str(real / "broken" / "12845.pi")] == ["12845.warf", "12845_bkg.pi", "12845.wrmf"]
    complete = {"back.pi"}  # a background: it names no response, and needs none
    for path in sorted((real / "broken").iterdir()):
        assert said[str(path)] or str(path) in unlinked or path.name in complete, path.name
    assert {Path(e.path).name for e in loaded[1].problems} == {
        "NGC3532_per_conflict_markers.csv",
        "README.md",
        "arf_empty.arf",
        "arf_nan.arf",
        "symlink_text_pha3.fits",
    }


def test_keys_are_unique(loaded):
    assert archive.keys_repeat(loaded[0]) == []


def test_the_second_run_finds_nothing_new(loaded, real):
    report = refresh(loaded[0])
    assert not report.changed
    assert report.unchanged == sum(path.is_file() for path in real.rglob("*"))
