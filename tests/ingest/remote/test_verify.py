"""Files are believed only when they are whole and their checksums hold."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from ingest.remote.errors import BodyIncomplete
from ingest.remote.verify import verify_file, verify_fits


def whole(n: int = 700) -> bytes:
    columns = [fits.Column("time", "D", array=np.arange(n)), fits.Column("f", "PJ()", array=[[1, 2]] * n)]
    out = io.BytesIO()
    table = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    fits.HDUList([fits.PrimaryHDU(), table, fits.ImageHDU(np.ones((3, 5)))]).writeto(out, checksum=True)
    return out.getvalue()


WHOLE = whole()


def test_whole_files_pass(tmp_path):
    (tmp_path / "a").write_bytes(WHOLE)
    (tmp_path / "b").write_bytes(gzip.compress(WHOLE))
    assert verify_file(tmp_path / "a") == verify_file(tmp_path / "b") == 6


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(place, change):
    """Every HDU carries its checksum, so that each byte counts."""
    damaged = bytearray(WHOLE)
    damaged[place] ^= change
    try:
        n = verify_fits(io.BytesIO(bytes(damaged)))
    except BodyIncomplete:
        return
    assert n < 6  # a keyword of the checksums themselves is gone, or the file does not begin as FITS


@given(st.integers(1, len(WHOLE) - 1))
def test_no_cut_file_passes(length):
    try:
        n = verify_fits(io.BytesIO(WHOLE[:length]))
    except BodyIncomplete:
        return
    assert length % 2880 == 0 or length < 10
    assert n < 6


def test_a_cut_gzip_file_is_refused(tmp_path):
    path = tmp_path / "acisf00001_000N001_r0001_pha3.fits.part"
    path.write_bytes(gzip.compress(WHOLE)[:-20])
    with pytest.raises(BodyIncomplete, match=r"acisf00001_000N001_r0001_pha3\.fits is damaged"):
        verify_file(path)


@pytest.mark.real
def test_real_products_hold(real):
    files = sorted(real.glob("*/acisf*_*3.fits*"))
    assert len(files) > 30
    assert all(verify_file(f) >= 3 for f in files)
