"""Real files of other missions: loaded as they stand, flagged, and never taken for a Chandra observation."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from astropy.io import fits
from factories.missions import real_file

from catalog.folding import Redistribution
from ingest.detect import ReplayStream, detect
from ingest.readers import FileName, Flag, reader


def read(name):
    """Return the kind, the batches by table, and the flags."""
    content, file = real_file(name).read_bytes(), FileName.of(f"/d/{name}")
    kind = detect(ReplayStream(io.BytesIO(content)), file).name
    batches, flags = {}, []
    for item in reader(kind)(io.BytesIO(content), file):
        if isinstance(item, Flag):
            flags.append(item.text)
        else:
            batches.setdefault(item.table, []).append(item.batch)
    return kind, batches, flags


@pytest.fixture
def astropy_of():
    """Open a file with astropy, its complaints aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = []

        def open_(name):
            opened.append(fits.open(real_file(name), memmap=False))
            return opened[-1]

        yield open_
        for hdus in opened:
            hdus.close()


SPECTRA = {
    "nicer_unbinned.pha": ("NICER", "1200120194"),
    "nustar_fpma.pha": ("NUSTAR", None),
    "xmm.pha": ("XMM", None),
    "xrt.pha": ("SWIFT", None),
    "xrt.fak": ("SWIFT", None),
    "rxte.pha": ("XTE", None),
    "ixpe_stokesI.pha": ("IXPE", None),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_spectra_equal_astropys(name, astropy_of):
    kind, batches, flags = read(name)
    (row,) = batches["product.spectrum"][0].to_pylist()
    (header,) = batches["product.header"][0].to_pylist()
    mission, obs_id = SPECTRA[name]
    theirs = astropy_of(name)["SPECTRUM"]
    data = "COUNTS" if "COUNTS" in theirs.columns.names else "RATE"
    assert kind == "spectrum"
    assert row["counts" if data == "COUNTS" else "rate"] == theirs.data[data].tolist()
    assert (row["exposure_s"], row["first_channel"]) == (theirs.header["EXPOSURE"], theirs.data["CHANNEL"].min())
    assert (row["mission"], header["mission"], header["obs_id"]) == (mission, mission, obs_id)
    assert row["obsid"] is header["obsid"] is None
    assert "not_chandra" in flags


@pytest.mark.parametrize("name", ["nicer.arf", "nustar_fpma.arf", "xmm.arf", "xrt.arf", "ixpe.arf"])
def test_areas_equal_astropys(name, astropy_of):
    kind, batches, flags = read(name)
    (row,) = batches["product.arf"][0].to_pylist()
    theirs = astropy_of(name)["SPECRESP"].data
    assert kind == "arf"
    assert row["specresp"] == theirs["SPECRESP"].tolist()
    assert (row["energ_lo"], row["energ_hi"]) == (theirs["ENERG_LO"].tolist(), theirs["ENERG_HI"].tolist())
    assert flags[0] == "not_chandra"
    assert batches["product.response_file"][0].to_pylist()[0]["obsid"] is None


MATRICES = {
    "ixpe.rmf": [],
    "rxte.rsp": ["rmf_includes_area"],
    "xmm.rmf": [],
    "nicer.rmf": [],
    "xrt.rmf": [],
    "nustar_fpma.rmf": [],
}
SLOW = {"nicer.rmf", "xrt.rmf", "nustar_fpma.rmf"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in MATRICES])
def test_matrices_equal_astropys(name, astropy_of):
    kind, batches, flags = read(name)
    (batch,) = batches["product.rmf"]
    ours = Redistribution.from_arrow(batch)
    channel, energy_bin = ours.coordinates
    dense = np.zeros((len(ours.n_grp), len(ours.e_min)), np.float32)
    dense[energy_bin, channel] = ours.matrix
    hdus = astropy_of(name)
    assert kind == "rmf"
    assert flags == ["not_chandra", *MATRICES[name]]
    assert np.array_equal(dense, dense_of(hdus["MATRIX"], len(ours.e_min)))
    assert np.allclose(batch["e_min"][0].values, hdus["EBOUNDS"].data["E_MIN"], rtol=1e-7)
    assert batch["first_channel"].to_pylist() == [0] == [hdus["EBOUNDS"].data["CHANNEL"].min()]


def dense_of(matrix, n_channels):
    """The matrix as the standard says it is to be read; all of these count channels from TLMIN = 0."""
    out = np.zeros((len(matrix.data), n_channels), np.float32)
    for i, row in enumerate(matrix.data):
        firsts, counts, elements = (np.atleast_1d(row[name]) for name in ("F_CHAN", "N_CHAN", "MATRIX"))
        at = 0
        for first, n in zip(firsts[: row["N_GRP"]], counts[: row["N_GRP"]], strict=True):
            out[i, first : first + n] = elements[at : at + n]
            at += n
    return out
