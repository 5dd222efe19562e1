"""Responses of a detection in the real formats: arf3 and rmf3.

Source: OGIP memos CAL/GEN/92-002 and 92-002a; what real CSC products hold.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ingest.simulate.fields import Field
from ingest.simulate.fits_file import Card, Column, Unit, primary, table, variable_table
from ingest.simulate.keywords import everything, mission, origin, pointing, region_keywords, times
from ingest.simulate.photons import Detection
from ingest.simulate.response import (
    CHANNEL_EV,
    DETECTORS,
    EDGES_KEV,
    LOWEST_PROBABILITY,
    N_CHANNELS,
    N_ENERGIES,
    redistribution,
)


def area(field: Field, detection: Detection) -> list[Unit]:
    """Build an arf3: the effective area, aperture correction included; release 1 names it in PSF_FRAC.

    Parameters
    ----------
    field : Field
        For the stack's name.
    detection : Detection
        Its area.
    """
    observation = detection.observation
    cards: list[Card] = [("HDUNAME", "SPECRESP", "ASCDM block name")]
    cards += [*everything(observation, detection.exposure, (detection.ccd_id,)), *pointing(observation)]
    cards += [("HDUCLASS", "OGIP", ""), ("HDUCLAS1", "RESPONSE", ""), ("HDUCLAS2", "SPECRESP", "")]
    cards += [("HDUVERS", "1.1.0", "HDU version"), ("CHANTYPE", "PI", "Channel Type"), ("ARFVERSN", "1992a", "")]
    cards += [("DETCHANS", N_CHANNELS, ""), ("CONTENT", "ARF", ""), *region_keywords(field, detection.source.region_id)]
    columns = [
        Column("ENERG_LO", "1E", "keV", EDGES_KEV[:-1], "Min Energy"),
        Column("ENERG_HI", "1E", "keV", EDGES_KEV[1:], "Max Energy"),
        Column("SPECRESP", "1E", "cm**2", detection.area_cm2, "Effective Area"),
    ]
    if observation.release == "1.1":
        columns.append(Column("PSF_FRAC", "1E", "", np.full(N_ENERGIES, detection.fraction), "PSF fraction"))
    return [
        primary([*origin(observation), *times(observation), *mission(observation)]),
        table("SPECRESP", columns, cards),
    ]


@cache
def _matrix_data(key: str) -> tuple[bytes, int, int, int]:
    """Lay out rows and heap of a matrix: data, heap bytes, longest group list, longest row."""
    rmf, first = redistribution(key), DETECTORS[key].first_channel
    elements = np.bincount(rmf.energy_index, minlength=N_ENERGIES)
    row = np.zeros(
        N_ENERGIES,
        [("lo", ">f4"), ("hi", ">f4"), ("n", ">i2"), ("f", ">i4", (2,)), ("c", ">i4", (2,)), ("m", ">i4", (2,))],
    )
    row["lo"], row["hi"], row["n"] = EDGES_KEV[:-1], EDGES_KEV[1:], rmf.n_grp
    groups = np.concatenate([[0], np.cumsum(rmf.n_grp)])
    starts = np.concatenate([[0], np.cumsum(elements)])
    row["f"][:, 0] = row["c"][:, 0] = rmf.n_grp
    row["m"][:, 0] = elements
    row["f"][:, 1] = 2 * groups[:-1]
    row["c"][:, 1] = 2 * (groups[-1] + groups[:-1])
    row["m"][:, 1] = 4 * groups[-1] + 4 * starts[:-1]
    heap = (rmf.first + first).astype(">i2").tobytes() + rmf.length.astype(">i2").tobytes()
    heap += rmf.matrix.astype(">f4").tobytes()
    return row.tobytes() + heap, len(heap), int(rmf.n_grp.max()), int(elements.max())


def matrix(field: Field, detection: Detection) -> list[Unit]:
    """Build an rmf3: the redistribution matrix in variable-length groups, and the channels' energies.

    Parameters
    ----------
    field : Field
        For the stack's name.
    detection : Detection
        Its detector; detections on the same one share the matrix, bit for bit.
    """
    observation, key = detection.observation, detection.detector.key
    first = detection.detector.first_channel
    data, heap, groups, longest = _matrix_data(key)
    rmf = redistribution(key)
    names = [("ENERG_LO", "E", "keV"), ("ENERG_HI", "E", "keV"), ("N_GRP", "I", ""), ("F_CHAN", f"PI({groups})", "")]
    names += [("N_CHAN", f"PI({groups})", ""), ("MATRIX", f"PE({longest})", "")]
    described: list[Card] = []
    for n, (name, form, unit) in enumerate(names, 1):
        described += [(f"TTYPE{n}", name, f"label for field {n}"), (f"TFORM{n}", form, "data format of field")]
        described += [(f"TUNIT{n}", unit, "physical unit of field")] if unit else []
    shared: list[Card] = [("HDUCLASS", "OGIP", "format conforms to OGIP standard"), ("HDUCLAS1", "RESPONSE", "")]
    looks = {"OBJECT", "GRATING", "DETNAM", "RADESYS", "RADECSYS", "CTI_CORR", "CYCLE"}
    common: list[Card] = [*origin(observation), *mission(observation)]
    common += [card for card in pointing(observation) if card[0] in looks]
    common += [("CHANTYPE", "PI", "Type of channels (PHA or PI)"), ("DETCHANS", N_CHANNELS, "Number of channels")]
    common += region_keywords(field, detection.source.region_id)
    cards: list[Card] = [*shared, ("HDUCLAS2", "RSP_MATRIX", ""), ("HDUCLAS3", "REDIST", ""), ("HDUVERS", "1.3.0", "")]
    cards += [*common, ("TLMIN4", first, "the first channel in the response")]
    cards += [("TLMAX4", first + N_CHANNELS - 1, "the highest channel in the response")]
    cards += [("LO_THRES", LOWEST_PROBABILITY, "Low threshold"), ("CCD_ID", str(detection.ccd_id), "CCD ID")]
    cards += [("NUMGRP", len(rmf.first), "sum of N_GRP"), ("NUMELT", len(rmf.matrix), "sum of N_CHAN")]
    cards += [("CONTENT", "RMF", "")]
    name = "RSP_MATRIX" if observation.release == "1.1" else "MATRIX"
    row_bytes = 4 + 4 + 2 + 3 * 8
    channel = np.arange(N_CHANNELS)
    low = channel * CHANNEL_EV / 1e3
    low[0] = 0.5 * CHANNEL_EV / 1e3  # as in real files: zero is no energy
    columns = [
        Column("CHANNEL", "1J", "", channel + first, "Channel", first, first + N_CHANNELS - 1),
        Column("E_MIN", "1E", "keV", low, "Min Energy"),
        Column("E_MAX", "1E", "keV", (channel + 1) * CHANNEL_EV / 1e3, "Max Energy"),
    ]
    ebounds: list[Card] = [*shared, ("HDUCLAS2", "EBOUNDS", ""), ("HDUVERS", "1.2.0", ""), *common]
    return [
        primary([*origin(observation), *times(observation), *mission(observation)]),
        Unit(variable_table(name, row_bytes, N_ENERGIES, heap, described, cards), data),
        table("EBOUNDS", columns, ebounds),
    ]
