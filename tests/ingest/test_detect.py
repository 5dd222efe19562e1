"""What a FITS file is, whatever comes first in it; and what those files are that nothing is loaded from."""

from __future__ import annotations

import io

import pytest
from astropy.io import fits
from factories import ogip
from factories.fits import events_file, events_hdu, good_time_hdu, light_curve_file, random_events, to_bytes

from catalog.schema.identifiers import is_source_name, parse_product_name
from ingest.detect import ReplayStream, detect
from ingest.readers import JOINS_AS_IT_IS, FileName


def kind(content, name="x.fits"):
    """Return the kind of a file, and why it has no reader."""
    found = detect(ReplayStream(io.BytesIO(content)), FileName.of(f"/d/{name}"))
    return found.name, found.reason


def table(name, *columns, **header):
    hdu = fits.BinTableHDU.from_columns(list(columns) or [fits.Column("A", "D", array=[1.0])], name=name)
    hdu.header.update(header)
    return hdu


EVENTS = events_hdu(random_events(3))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (events_file(n=3), "events"),
        (ogip.to_bytes(ogip.ebounds_hdu(), EVENTS, good_time_hdu()), "events"),
        (ogip.to_bytes(ogip.ebounds_hdu(), ogip.spectrum_hdu()), "spectrum"),
        (ogip.to_bytes(ogip.ebounds_hdu(), table("NOTES"), table("RATE")), "light_curve"),
        (to_bytes([good_time_hdu(), table("BADPIX"), EVENTS]), "events"),
        (ogip.rmf(ebounds="before"), "rmf"),
        (ogip.rmf(), "rmf"),
        (ogip.to_bytes(ogip.ebounds_hdu()), "rmf"),
        (ogip.arf(), "arf"),
        (ogip.pha(background=ogip.COUNTS), "spectrum"),
        (light_curve_file(3), "light_curve"),
    ],
)
def test_the_kind_does_not_depend_on_what_comes_first(content, expected):
    assert kind(content) == (expected, "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("primary/pcadf04321_000N001_asol1.fits.gz", "an aspect solution"),
        ("primary/acisf04321_000N003_bpix1.fits.gz", "bad pixels"),
        ("primary/acisf04321_000N003_fov1.fits.gz", "a field of view"),
        ("primary/orbitf132710701N001_eph1.fits", "an ephemeris"),
        ("secondary/acisf04321_000N003_msk1.fits", "a mask of the detector's windows"),
        ("secondary/acisf04321_000N003_stat1.fits", "statistics of the detector's frames"),
        ("secondary/acisf04321_000N003_flt1.fits", "good times by which events were filtered"),
        ("secondary/acisf04321_000N003_mtl1.fits", "a mission time line"),
        ("secondary/acisf132712345N003_pbk0.fits", "a parameter block of the instrument"),
        ("secondary/acisf04321_000N003_3_bias0.fits", "a bias map"),
        ("secondary/hrcf04322_000N002_std_dtfstat1.fits", "statistics of dead times"),
        ("repro/acisf04321_repro_bpix1.fits", "bad pixels"),
        ("repro/acisf04321_repro_fov1.fits", "a field of view"),
        ("csc/acisf04321_000N020_r0017b_psf3.fits", "a PSF image"),
        ("oif.fits", "an index of an observation's files"),
    ],
)
def test_products_that_are_not_loaded_are_named_by_their_names(name, said):
    assert kind(to_bytes([table("X")]), name) == ("other", f"{said}: photonlake loads no such product")


@pytest.mark.parametrize(
    ("hdu", "said"),
    [
        (table("ASPSOL"), "an aspect solution"),
        (table("BADPIX3"), "bad pixels"),
        (table("TABLE", CONTENT="FOV"), "a field of view"),
        (table("MASK1"), "a mask of the detector's windows"),
        (good_time_hdu(name="GTI7"), "good times by which events were filtered"),
        (table("MTL"), "a mission time line"),
    ],
)
def test_renamed_products_are_named_by_their_content(hdu, said):
    assert kind(to_bytes([hdu]), "renamed.fits") == ("other", f"{said}: photonlake loads no such product")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("dmextract.par", b"infile,f,a,,,,input\n", "a parameter file"),
        ("axaff04321_000N003_obs0a.par", b"obs_id,i,h,4321\n", "a parameter file"),
        ("acisf04321_asol1.lis", b"pcadf04321_000N001_asol1.fits\n", "a list of file names"),
        ("acisf04321N003_cntr_img2.jpg", b"\xff\xd8\xff\xe0\0\0", "an image"),
        ("plot.png", b"\x89PNG\r\n\x1a\n\0", "a picture"),
        ("axaff04321N003_VV001_vv2.pdf", b"%PDF-1.4\n\xff\xff", "a report of validation and verification"),
    ],
)
def test_other_files_of_a_ciao_folder_are_named(name, content, said):
    assert kind(content, name)[1] == f"{said}: photonlake loads no such product"


def test_what_is_not_known_is_described():
    said = f"a FITS file of primary, X ({JOINS_AS_IT_IS}): nothing here that photonlake loads"
    assert kind(to_bytes([table("X")]))[1] == said


@pytest.mark.parametrize("digit", ["٣", "३", "\uff13", "²"])
def test_digits_of_names_are_ascii(digit):
    assert parse_product_name(f"acisf0432{digit}_000N003_r0017_pha3.fits") is None
    assert not is_source_name(f"2CXO J03194{digit}.1+413046")


def test_letters_of_names_are_ascii():
    assert parse_product_name("acisf04321_000N003_p\u212aa3.fits") is None  # the Kelvin sign
    assert parse_product_name("ACISF04321_000N003_R0017_PHA3.FITS").region_id == 17
