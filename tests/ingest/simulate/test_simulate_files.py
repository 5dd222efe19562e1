"""The simulated survey's files: what astropy, our own readers and real files say of them."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits

from catalog.schema.flags import QUIET, word_of
from catalog.schema.identifiers import detection_id, parse_product_name
from ingest.detect import ReplayStream, detect
from ingest.readers import FileName, Flag, reader
from ingest.simulate import response
from ingest.simulate.field_work import whole_field
from ingest.simulate.fields import on_chip, plan, stream
from ingest.simulate.fits_file import encode
from ingest.simulate.measure import measure
from ingest.simulate.photons import expose, observe
from ingest.simulate.products import field_events, light_curve, region_events, regions, spectrum
from ingest.simulate.response_files import area, matrix
from ingest.simulate.survey import simulate


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """A small survey on disk: field number 2 has a whole-field file."""
    folder = tmp_path_factory.mktemp("simulated") / "survey"
    simulate(folder, sources=16, seed=3, workers=1)
    return folder


@pytest.fixture(scope="module")
def detections():
    """One detection for each kind of detector and each release, with its field."""
    found = {}
    for field in plan(4, 260):
        for observation in field.observations:
            for source in field.sources:
                place = on_chip(observation, source)
                if place is None:
                    continue
                key = (observation.release, observation.pointing.array, place[2] in {5, 7})
                if key not in found:
                    rng = stream(9, source.index)
                    found[key] = field, observe(source, observation, expose(observation, rng), place, rng)
    assert {release for release, _, _ in found} == {"1.1", "2.0", "2.1"}
    assert {array for _, array, _ in found} == {"I", "S"}
    return list(found.values())


def opened(units):
    return fits.open(io.BytesIO(encode(units)))


def products(field, detection):
    rng = np.random.default_rng(1)
    measured = measure(detection, crowded=False, rng=rng)
    made = {
        "events": region_events(field, detection, rng),
        "regions": regions(field, detection),
        "spectrum": spectrum(field, detection),
        "arf": area(field, detection),
        "rmf": matrix(field, detection),
    }
    if measured.verdict:
        made["light_curve"] = light_curve(field, detection, measured, measured.verdict)
    return made


def fits_files(folder):
    files = sorted(folder.rglob("*.fits*"))
    assert len(files) > 50
    return files


def test_every_file_passes_astropys_verification_and_says_that_it_is_simulated(survey):
    for path in fits_files(survey):
        with fits.open(path) as hdus:
            hdus.verify("exception")
            for hdu in hdus:
                assert hdu.data is None or len(hdu.data) >= 0
                assert "SIMULATED DATA" in str(hdu.header["COMMENT"])
                if hdu.name != "MASK":
                    assert hdu.header["ORIGIN"] == hdu.header["CREATOR"] == "photonlake simulate"


def test_every_file_is_read_by_its_reader_without_a_flag_about_content(survey):
    kinds = {}
    for path in sorted(survey.rglob("*")):
        if path.is_dir() or path.name in {"README.txt", "manifest.json"}:
            continue
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        name = FileName.of(str(path))
        kind = detect(ReplayStream(io.BytesIO(content)), name).name
        items = list(reader(kind)(io.BytesIO(content), name))
        assert any(not isinstance(i, Flag) for i in items), path
        flags = [i.text for i in items if isinstance(i, Flag) and word_of(i.text) not in QUIET]
        assert all("unknown columns" in flag for flag in flags), path
        kinds[kind] = kinds.get(kind, 0) + 1
    products = {"events", "region", "spectrum", "arf", "rmf", "light_curve"}
    assert set(kinds) == products | {"source_table", "papers", "truth"}
    assert (
        kinds["spectrum"] == kinds["arf"] == kinds["rmf"] == kinds["events"] - len(list(survey.glob("whole_field/*")))
    )


def test_files_lie_where_search_csc_puts_them(survey):
    for path in survey.glob("2CXO*/*/*"):
        product = parse_product_name(path.name)
        assert product is not None
        assert path.parent.name == f"{product.obsid:05d}_{product.obi:03d}"
        assert " " not in path.parent.parent.name


def test_a_spectrum_is_the_histogram_of_its_events(detections):
    for field, detection in detections:
        made = products(field, detection)
        with opened(made["events"]) as events, opened(made["spectrum"]) as spectra:
            names = {n.lower(): n for n in events["EVENTS"].columns.names}
            pi, x, y = (events["EVENTS"].data[names[n]] for n in ("pi", "x", "y"))
            source, back = spectra["SPECTRUM", 1], spectra["SPECTRUM", 2]
            inside = detection.region.radius(x, y) < 1.0
            annulus = detection.region.radius(x, y) > detection.background_scale[0]
            np.testing.assert_array_equal(np.bincount(pi[inside], minlength=1025)[1:], source.data["COUNTS"])
            np.testing.assert_array_equal(np.bincount(pi[annulus], minlength=1025)[1:], back.data["COUNTS"])
            ratio = source.header["BACKSCAL"] / back.header["BACKSCAL"]
            assert ratio == pytest.approx(detection.background_ratio)
            assert (source.header["HDUCLAS2"], back.header["HDUCLAS2"]) == ("TOTAL", "BKG")
            assert source.header["BACKFILE"].lower().endswith("_pha3.fits")
            assert source.header["TOTCTS"] == inside.sum()


def test_release_quirks(detections):
    seen = {}
    for field, detection in detections:
        release = detection.observation.release
        with opened(products(field, detection)["spectrum"]) as hdus:
            header = hdus["SPECTRUM", 1].header
            assert ("MJD-OBS" in header) == (release == "2.1")
            assert ("RADECSYS" in header) == (release == "1.1")
            assert ("MASK" in hdus) == (release == "2.1")
            assert ("ADS/Sa.CXO" in header["DS_IDENT"]) == (release != "2.1")
        with opened(area(field, detection)) as hdus:
            assert ("PSF_FRAC" in hdus[1].columns.names) == (release == "1.1")
        with opened(matrix(field, detection)) as hdus:
            assert hdus[1].name == ("RSP_MATRIX" if release == "1.1" else "MATRIX")
            first = hdus[1].header["TLMIN4"]
            assert first == detection.detector.first_channel == hdus["EBOUNDS"].data["CHANNEL"][0]
            seen[first] = detection
    assert set(seen) == {0, 1}


def test_matrix_file_folds_as_the_survey_does(detections):
    for field, detection in detections:
        with opened(matrix(field, detection)) as hdus:
            table, first = hdus[1].data, hdus[1].header["TLMIN4"]
            flux = np.linspace(1.0, 2.0, len(table))
            folded = np.zeros(1024)
            for row, photons in zip(table, flux, strict=True):
                at = 0
                for start, n in zip(np.atleast_1d(row["F_CHAN"]), np.atleast_1d(row["N_CHAN"]), strict=True):
                    folded[start - first : start - first + n] += photons * row["MATRIX"][at : at + n]
                    at += n
                assert at == len(row["MATRIX"])
                assert len(np.atleast_1d(row["F_CHAN"])) == row["N_GRP"]
        np.testing.assert_allclose(folded, response.redistribution(detection.detector.key).fold(flux), rtol=1e-5)
        if first == 0:
            break


def test_detections_on_one_detector_share_their_matrix_bit_for_bit(detections):
    data = {}
    for field, detection in detections:
        with opened(matrix(field, detection)) as hdus:
            data.setdefault(detection.detector.key, set()).add(hdus[1].data["MATRIX"][200].tobytes())
    assert all(len(v) == 1 for v in data.values())
    assert len({next(iter(v)) for v in data.values()}) == len(data) > 2


def test_whole_field_holds_the_region_photons():
    field = plan(3, 40)[2]
    observation = field.observations[0]
    assert observation.whole_field
    exposure = expose(observation, stream(1, 1))
    looks = []
    for source in field.sources:
        place = on_chip(observation, source)
        if place is not None:
            looks.append(observe(source, observation, exposure, place, stream(1, 2, source.index)))
    photons = whole_field(field, observation, exposure, looks)
    assert len(photons) > sum(len(d.photons) for d in looks) + 1000
    assert (np.diff(photons.frame) >= 0).all()
    everything = set(zip(photons.frame.tolist(), photons.x.tolist(), photons.energy_ev.tolist(), strict=True))
    one = looks[0].photons
    assert set(zip(one.frame.tolist(), one.x.tolist(), one.energy_ev.tolist(), strict=True)) <= everything
    with opened(field_events(field, observation, exposure, photons, np.random.default_rng(1))) as hdus:
        assert len(hdus["EVENTS"].data) == len(photons)
        assert "REGIONID" not in hdus["EVENTS"].header
        assert [h.header["CCD_ID"] for h in hdus if h.name == "GTI"] == [int(c) for c in hdus[1].header["DETNAM"][5:]]


def test_the_survey_on_disk_holds_one_set_per_detection(survey):
    ids = {}
    for path in survey.glob("2CXO*/*/*"):
        product = parse_product_name(path.name)
        ids.setdefault(detection_id(product.obsid, product.obi, product.region_id), set()).add(product.kind)
    assert all({"regevt3", "reg3", "pha3", "arf3", "rmf3"} <= kinds for kinds in ids.values())
    assert any("lc3" in kinds for kinds in ids.values())


# --- against real files -------------------------------------------------------------------------------------------


USED = """
TELESCOP MISSION INSTRUME DETNAM GRATING OBJECT OBS_ID OBI_NUM DS_IDENT MJD-OBS DATE-OBS DATE-END TSTART TSTOP MJDREF
TIMESYS RADESYS RA_PNT DEC_PNT ROLL_PNT ONTIME LIVETIME EXPOSURE DTCOR TIMEDEL READMODE DATAMODE HDUCLASS HDUCLAS1
HDUCLAS2 CHANTYPE DETCHANS BACKSCAL AREASCAL BACKFILE RESPFILE ANCRFILE REGIONID STACK_ID CONTENT TLMIN4 TLMAX4 TCTYP11
TCRVL11 TCRPX11 TCDLT11 TCTYP12 TCRVL12 TCRPX12 TCDLT12 TOTCTS REVISION
"""


def real_file(real, kind):
    version = 20 if kind == "reg3" else 27
    return real / "events" / f"acisf23022_000N{version:03d}_r0122_{kind}.fits.gz"


@pytest.fixture(scope="module")
def newest(detections):
    """Products of a detection that follows release 2.1."""
    field, detection = next(pair for pair in detections if pair[1].observation.release == "2.1")
    return products(field, detection)


@pytest.mark.real
@pytest.mark.parametrize(
    ("kind", "ours", "extensions"),
    [
        ("regevt3", "events", ["EVENTS", "GTI", "MASK"]),
        ("reg3", "regions", [f"ECF90REG{band}" for band in "BUSMH"]),
        ("pha3", "spectrum", ["SPECTRUM", "GTI", "MASK", "SPECTRUM", "MASK"]),
        ("arf3", "arf", ["SPECRESP"]),
        ("rmf3", "rmf", ["MATRIX", "EBOUNDS"]),
    ],
)
def test_tables_have_the_columns_of_real_files(real, newest, kind, ours, extensions):
    with fits.open(real_file(real, kind)) as theirs, opened(newest[ours]) as simulated:
        assert [h.name for h in simulated[1:]] == extensions
        assert [h.name for h in theirs[1:] if h.name != "GTI"] == [e for e in extensions if e != "GTI"]
        for name in dict.fromkeys(extensions):
            if name == "MASK":
                continue
            columns, expected = simulated[name].columns, theirs[name].columns
            assert columns.names == expected.names
            assert columns.units == expected.units or name in {"EBOUNDS", "GTI", "MATRIX"}
            for form, real_form in zip(columns.formats, expected.formats, strict=True):
                assert form.partition("(")[0].lstrip("1") == real_form.partition("(")[0].lstrip("1")


@pytest.mark.real
@pytest.mark.parametrize(
    ("kind", "ours"),
    [("regevt3", "events"), ("reg3", "regions"), ("pha3", "spectrum"), ("arf3", "arf"), ("rmf3", "rmf")],
)
def test_keywords_that_readers_use_are_those_of_real_files(real, newest, kind, ours):
    with fits.open(real_file(real, kind)) as theirs, opened(newest[ours]) as simulated:
        known = {k for h in (theirs[0], theirs[1]) for k in h.header}
        missing = {k for k in USED.split() if k in known} - {k for h in simulated[:2] for k in h.header}
        assert not missing
        for keyword in ("TELESCOP", "MISSION", "INSTRUME", "MJDREF", "HDUCLASS", "HDUCLAS1", "HDUCLAS2", "TLMIN4"):
            if keyword in theirs[1].header:
                assert simulated[1].header[keyword] == theirs[1].header[keyword]


@pytest.mark.real
def test_light_curve_has_the_columns_of_real_files(real, detections):
    path = real / "light_curves" / "acisf02737_000N021_r0454b_lc3.fits.gz"
    made = next(m for m in (products(*pair) for pair in detections) if "light_curve" in m)
    with fits.open(path) as theirs, opened(made["light_curve"]) as simulated:
        assert [h.name for h in simulated] == [h.name for h in theirs]
        assert simulated[1].columns.names == theirs[1].columns.names


@pytest.mark.real
def test_the_area_is_of_the_size_of_real_ones(real):
    with fits.open(real / "spectra" / "acisf01575_001N001_r0085_arf3.fits.gz") as hdus:
        table = hdus[1].data
        low, specresp = table["ENERG_LO"].astype(float), table["SPECRESP"].astype(float)
    ours = response.effective_area_cm2(response.DETECTORS["S3"], 2001.8, 1.0)
    energy = np.array([0.6, 0.8, 1.0, 1.5, 2.5, 4.0, 5.0, 6.0, 7.0])
    ratio = np.interp(energy, response.MIDDLE_KEV, ours) / np.interp(energy, low, specresp)
    assert ratio.min() > 0.75
    assert ratio.max() < 1.3
