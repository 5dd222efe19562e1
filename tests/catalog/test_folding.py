"""Folding: the sparse fold equals the dense one, the stored response the one in the file."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from factories import ogip
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from catalog.folding import AreaMissing, EffectiveArea, GridMismatch, Redistribution, fold, powerlaw
from ingest.products.responses import read_response
from ingest.readers import FileName, Rows


def stored(content):
    """Return the response of a file as the store has it: a row of Arrow that went through Parquet's types."""
    items = read_response(io.BytesIO(content), FileName.of("/d/x"))
    return {i.table: pa.Table.from_batches([i.batch]) for i in items if isinstance(i, Rows)}


def stored_pair(arf_content, rmf_content):
    arf, rmf = stored(arf_content)["product.arf"], stored(rmf_content)["product.rmf"]
    return EffectiveArea.from_arrow(arf), Redistribution.from_arrow(rmf)


def naive_fold(arf_hdus, rmf_hdus, gamma, exposure_s):
    """The same from the file: astropy, a dense matrix, loops, no code of ours."""
    area = arf_hdus["SPECRESP"].data
    matrix = next(h for h in rmf_hdus[1:] if "MATRIX" in h.name)
    bounds = rmf_hdus["EBOUNDS"].data
    first = matrix.header.get(f"TLMIN{1 + matrix.columns.names.index('F_CHAN')}", 1)
    counts = np.zeros(len(bounds))
    for row, bin_area in zip(matrix.data, area, strict=True):
        lo, hi = float(row["ENERG_LO"]), float(row["ENERG_HI"])
        flux = np.log(hi / lo) if gamma == 1 else (hi ** (1 - gamma) - lo ** (1 - gamma)) / (1 - gamma)
        start = 0
        elements = np.atleast_1d(row["MATRIX"]).astype(float)
        groups = zip(np.atleast_1d(row["F_CHAN"]), np.atleast_1d(row["N_CHAN"]), strict=True)
        for f_chan, n_chan in list(groups)[: row["N_GRP"]]:
            place = int(f_chan) - first
            part = elements[start : start + int(n_chan)]
            counts[place : place + int(n_chan)] += part * flux * float(bin_area["SPECRESP"]) * exposure_s
            start += int(n_chan)
    return counts


@pytest.mark.parametrize("layout", ["variable", "fixed"])
def test_the_sparse_fold_is_the_matrix_product(layout):
    arf, rmf = stored_pair(ogip.arf(), ogip.rmf(layout=layout))
    flux = powerlaw(arf.energ_lo, arf.energ_hi, 1.7, 1e-3)
    expected = (flux * arf.specresp * 500.0) @ ogip.dense(ogip.groups())
    assert_allclose(fold(flux, arf, rmf, 500.0), expected, rtol=1e-12)


def test_a_matrix_with_the_area_in_it_folds_without_an_arf():
    arf, rmf = stored_pair(ogip.arf(), ogip.rmf(name="SPECRESP MATRIX", HDUCLAS3="FULL"))
    assert_allclose(fold(np.ones(8), None, rmf), ogip.dense(ogip.groups()).sum(0))
    with pytest.raises(GridMismatch, match="includes the effective area"):
        fold(np.ones(8), arf, rmf)


def test_a_matrix_of_probabilities_needs_an_arf():
    _, rmf = stored_pair(ogip.arf(), ogip.rmf())
    with pytest.raises(AreaMissing, match="give the spectrum's ARF"):
        fold(np.ones(8), None, rmf)
    unit = EffectiveArea(rmf.energ_lo, rmf.energ_hi, np.ones(8))
    assert_allclose(fold(np.ones(8), unit, rmf), ogip.dense(ogip.groups()).sum(0))


def test_other_grids_are_refused():
    arf, rmf = stored_pair(ogip.arf(edges=ogip.EDGES + 0.1), ogip.rmf())
    with pytest.raises(GridMismatch, match="not on the same grid"):
        fold(np.ones(8), arf, rmf)
    with pytest.raises(GridMismatch, match="shape"):
        fold(np.ones(7), None, rmf)


def test_a_missing_area_is_not_guessed():
    arf, rmf = stored_pair(ogip.arf([np.nan] + [1.0] * 7), ogip.rmf())
    counts = fold(np.ones(8), arf, rmf)
    reached = ogip.dense(ogip.groups())[0] > 0
    assert np.isnan(counts[reached]).all()
    assert np.isfinite(counts[~reached]).all()


@given(st.floats(-3, 6), st.floats(0.1, 10), st.floats(1e-3, 10))
def test_a_power_law_adds_up_over_bins(gamma, start, width):
    edges = start + width * np.linspace(0, 1, 7)
    parts, total = powerlaw(edges[:-1], edges[1:], gamma), powerlaw(edges[:1], edges[-1:], gamma)
    assert_allclose(parts.sum(), total[0], rtol=1e-10)


def test_a_power_law_of_index_one_is_the_limit():
    lo, hi = np.array([0.5, 1.0]), np.array([0.51, 7.0])
    assert_allclose(powerlaw(lo, hi, 1.0), powerlaw(lo, hi, 1.0 + 1e-9), rtol=1e-8)
    assert_allclose(powerlaw(lo, hi, 1.0, 2.0), 2 * np.log(hi / lo))
    with pytest.raises(ValueError, match="positive"):
        powerlaw([0.0], [1.0], 2.0)


@pytest.mark.real
def test_every_real_set_folds_as_from_its_file(real):
    pairs = [(p, p.with_suffix(".rmf")) for p in real.glob("spectra/*.arf")]
    pairs += [(p, p.with_name(p.name.replace("arf3", "rmf3"))) for p in real.glob("*/*_arf3.fits*")]
    assert len(pairs) == 11
    for arf_path, rmf_path in pairs:
        contents = [p.read_bytes() for p in (arf_path, rmf_path)]
        arf, rmf = stored_pair(*(gzip.decompress(c) if c[:2] == b"\x1f\x8b" else c for c in contents))
        with fits.open(arf_path) as arf_hdus, fits.open(rmf_path) as rmf_hdus:
            expected = naive_fold(arf_hdus, rmf_hdus, 1.7, 1e4)
        found = fold(powerlaw(rmf.energ_lo, rmf.energ_hi, 1.7), arf, rmf, 1e4)
        assert found.sum() > 1e5
        assert_allclose(found, expected, rtol=1e-6, atol=0)
