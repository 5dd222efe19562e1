"""The tangential projection against astropy.wcs, and there and back."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from ingest.products.headers import SkyWCS
from ingest.products.shapes import radec_to_sky, sky_to_radec

PIXEL = 0.492 / 3600
CENTRES = [
    (0.0, 0.0),
    (359.9999, 41.0),
    (77.381165632404, -67.517243340615),
    (148.96, 69.68),
    (10.0, 89.9999),
    (5.0, -90.0),
]


def astropys(wcs):
    theirs = WCS(naxis=2)
    theirs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    theirs.wcs.crpix, theirs.wcs.crval, theirs.wcs.cdelt = wcs[0::3], wcs[1::3], wcs[2::3]
    return theirs


@pytest.mark.parametrize("centre", CENTRES)
def test_equals_astropy(centre):
    wcs = SkyWCS(4096.5, centre[0], -PIXEL, 4096.5, centre[1], PIXEL)
    x, y = np.random.default_rng(0).uniform(0.5, 8192.5, (2, 2000))
    ra, dec = sky_to_radec(x, y, wcs)
    their_ra, their_dec = astropys(wcs).wcs_pix2world(x, y, 1)
    off = (ra - their_ra + 180) % 360 - 180
    # Near a pole right ascension is ill-defined; what counts is the distance on the sky.
    assert np.abs(off * np.cos(np.radians(dec))).max() < 1e-9
    assert np.abs(dec - their_dec).max() < 1e-9
    assert ra.min() >= 0
    assert ra.max() < 360
    back = np.array(radec_to_sky(ra, dec, wcs))
    assert np.abs(back - astropys(wcs).wcs_world2pix(ra, dec, 1)).max() < 1e-4


@given(st.floats(0, 360, exclude_max=True), st.floats(-89, 89), st.floats(-30_000, 30_000), st.floats(-30_000, 30_000))
def test_there_and_back(ra0, dec0, dx, dy):
    wcs = SkyWCS(4096.5, ra0, -PIXEL, 4096.5, dec0, PIXEL)
    x, y = radec_to_sky(*sky_to_radec([4096.5 + dx], [4096.5 + dy], wcs), wcs)
    assert abs(x[0] - 4096.5 - dx) < 1e-5
    assert abs(y[0] - 4096.5 - dy) < 1e-5


def test_what_is_not_known_stays_unknown_and_the_far_side_is_not_seen():
    wcs = SkyWCS(4096.5, 10.0, -PIXEL, 4096.5, 20.0, PIXEL)
    assert np.isnan(sky_to_radec([np.nan], [1.0], wcs)).all()
    assert np.isnan(radec_to_sky([190.0], [-20.0], wcs)).all()
