"""Everything else an ACIS event carries: chip and detector pixels, pulse heights, grades, status."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ingest.simulate.fields import Observation
from ingest.simulate.geometry import to_chip, to_detector, to_tiled
from ingest.simulate.photons import Photons, frame_time_s

Column = npt.NDArray[np.generic]

# ASCA grades of good events, how often each, and the flight grades that map to them.
GRADES = np.array([0, 2, 3, 4, 6])
GRADE_SHARES = (0.36, 0.22, 0.10, 0.10, 0.22)
FLIGHT_GRADES: tuple[tuple[int, ...], ...] = ((0,), (2, 64), (8,), (16,), (72, 80, 104, 208))
DITHER_PIXELS = 16.0
DITHER_PERIODS_S = (1000.0, 707.0)
ADU_PER_EV = 0.226


def event_columns(
    observation: Observation, photons: Photons, rng: np.random.Generator
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the columns of an EVENTS table, each of shape (n,), status of shape (n, 4) bytes.

    Parameters
    ----------
    observation : Observation
        Pointing and clock.
    photons : Photons
        In order of time.
    rng : numpy Generator
        For grades and read-out pulse heights.

    Returns
    -------
    dict of str to ndarray
        In the order of real files.
    """
    n = len(photons)
    detx, dety = to_detector(observation.pointing, photons.x, photons.y)
    phase = photons.frame * observation.cycle_s
    wobble = [DITHER_PIXELS * np.sin(2.0 * np.pi * phase / period_s) for period_s in DITHER_PERIODS_S]
    ccd, chipx, chipy = to_chip(observation.pointing.array, detx, dety)
    chipx = np.clip(chipx + np.round(wobble[0]).astype(np.int64), 1, 1024)
    chipy = np.clip(chipy + np.round(wobble[1]).astype(np.int64), 1, 1024)
    fallback = 7 if observation.pointing.array == "S" else 3
    nearest = int(np.bincount(ccd[ccd >= 0]).argmax()) if (ccd >= 0).any() else fallback
    ccd = np.where(ccd < 0, nearest, ccd)  # a wing of the region beyond the chip's edge
    tdetx, tdety = to_tiled(ccd, chipx, chipy)
    kind = rng.choice(len(GRADES), size=n, p=GRADE_SHARES)
    flight = np.array([v for group in FLIGHT_GRADES for v in group])
    many = np.array([len(g) for g in FLIGHT_GRADES])
    first = (np.cumsum(many) - many)[kind]
    gain = ADU_PER_EV + 0.004 * ((chipx // 256) - 1.5)
    pha = np.clip(photons.energy_ev * gain * rng.normal(1.0, 0.004, n), 5, 36855).astype(np.int64)
    return {
        "time": frame_time_s(observation, photons.frame),
        "ccd_id": ccd,
        "node_id": np.clip((chipx - 1) // 256, 0, 3),
        "expno": photons.frame + 3,
        "chipx": chipx,
        "chipy": chipy,
        "tdetx": tdetx,
        "tdety": tdety,
        "detx": detx,
        "dety": dety,
        "x": photons.x,
        "y": photons.y,
        "pha": pha,
        "pha_ro": np.maximum((pha * rng.uniform(0.80, 0.94, n)).astype(np.int64), 1),
        "energy": photons.energy_ev,
        "pi": photons.pi,
        "fltgrade": flight[first + (rng.random(n) * many[kind]).astype(np.int64)],
        "grade": GRADES[kind],
        "status": np.zeros((n, 4), np.uint8),
    }
