"""Photons of one detection: frames, places, energies.

Unresolved pile-up is NOT simulated: two photons in one frame and pixel stay two events.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ingest.simulate.fields import Observation, Source, stream
from ingest.simulate.geometry import (
    PIXEL_ARCSEC,
    Ellipse,
    enclosed_fraction,
    off_axis,
    scatter,
    source_region,
    to_detector,
)
from ingest.simulate.models import photon_flux
from ingest.simulate.response import (
    CHANNEL_EV,
    DETECTORS,
    EDGES_KEV,
    N_CHANNELS,
    Detector,
    effective_area_cm2,
    redistribution,
)
from ingest.simulate.variability import rates

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_COUNTS = 25_000.0  # brighter sources would pile up, which is not simulated
MIN_COUNTS = 9.0  # the catalog lists nothing much fainter
_EXPOSURE = 10
BACKGROUND_AREA = (5.0, 40.0)  # of the background annulus, in source regions
BACKGROUND_RATE = {True: 1.5e-6, False: 0.8e-6}  # photons s**-1 arcsec**-2, all channels; BI, FI
DRIFT = 3e-10  # of the frame clock, so that frames do not fall on a grid for ever


@dataclass(frozen=True)
class Exposure:
    """The frames of an observation.

    Attributes
    ----------
    good : ndarray of bool, shape (n_frame,)
        Whether a frame lies in a good time interval.
    start_s, stop_s : ndarray of float, shape (n_interval,)
        The good time intervals, mission seconds.
    ontime_s, livetime_s : float
        Sum of the intervals; the same less the readout.
    """

    good: npt.NDArray[np.bool_]
    start_s: Array
    stop_s: Array
    ontime_s: float
    livetime_s: float

    @property
    def frames(self) -> Ints:
        """Numbers of the good frames, ascending."""
        return np.flatnonzero(self.good)


@dataclass(frozen=True)
class Photons:
    """Events in order of time; all arrays have shape (n,).

    Attributes
    ----------
    frame : ndarray of int
        Number of the frame, from 0.
    x, y : ndarray of float
        Sky pixels.
    energy_ev : ndarray of float32
        Nominal energy.
    pi : ndarray of int
        floor(energy / 14.6 eV) + 1, between 1 and 1024.
    """

    frame: Ints
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    energy_ev: npt.NDArray[np.float32]
    pi: Ints

    def __len__(self) -> int:
        """Return the number of photons."""
        return len(self.frame)

    def take(self, which: npt.NDArray[np.generic]) -> Photons:
        """Return those that a mask or an index picks."""
        return Photons(self.frame[which], self.x[which], self.y[which], self.energy_ev[which], self.pi[which])


@dataclass(frozen=True)
class Detection:
    """One source in one observation, with its photons and its response.

    Attributes
    ----------
    photons : Photons
        All in source and background region.
    region : Ellipse
        Source region.
    background_scale : tuple of float
        The annulus: inner and outer edge in units of the source region.
    area_cm2 : ndarray, shape (n_energy,)
        Effective area, aperture correction included.
    fraction : float
        Fraction of the point-spread function in the source region.
    """

    source: Source
    observation: Observation
    exposure: Exposure
    photons: Photons
    region: Ellipse
    background_scale: tuple[float, float]
    detector: Detector
    area_cm2: Array
    fraction: float
    theta_arcmin: float
    phi_deg: float
    ccd_id: int

    @property
    def background_ratio(self) -> float:
        """Area of the source region over that of the background annulus."""
        inner, outer = self.background_scale
        return 1.0 / (outer**2 - inner**2)

    @property
    def detection_id(self) -> str:
        """'obsid.obi.region_id'."""
        return f"{self.observation.obsid}.{self.observation.obi}.{self.source.region_id}"


def expose(observation: Observation, rng: np.random.Generator) -> Exposure:
    """Lay out frames and good times of an observation: one to three intervals.

    Parameters
    ----------
    observation : Observation
        Its start, duration and frame time.
    rng : numpy Generator
        The observation's own.
    """
    n = int(observation.elapsed_s / observation.cycle_s)
    good = np.ones(n, np.bool_)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.65, 0.25, 0.1]))):
        first = int(rng.integers(n // 10, n))
        good[first : first + int(rng.integers(1, max(n // 12, 2)))] = False
    step = np.diff(np.concatenate([[0], good.astype(np.int8), [0]]))
    start, stop = np.flatnonzero(step == 1), np.flatnonzero(step == -1)
    cycle_s = observation.cycle_s
    ontime_s = float(good.sum() * cycle_s)
    livetime_s = ontime_s * observation.frame_s / cycle_s
    start_s, stop_s = (np.asarray(observation.tstart_s + edge * cycle_s, np.float64) for edge in (start, stop))
    return Exposure(good, start_s, stop_s, ontime_s, livetime_s)


@lru_cache(maxsize=256)
def livetime_s(observation: Observation, seed: int) -> float:
    """Return the exposure that the files of an observation state; `seed` is the survey's."""
    return exposure_of(observation, seed).livetime_s


def exposure_of(observation: Observation, seed: int) -> Exposure:
    """Lay out an observation of a survey, the same each time."""
    return expose(observation, stream(seed, _EXPOSURE, observation.obsid))


def frame_time_s(observation: Observation, frame: Ints) -> Array:
    """Return mission seconds in the middle of frames, shape (n,); the clock drifts by a microsecond or so."""
    since = (frame + 0.5) * observation.cycle_s
    return np.asarray(observation.tstart_s + since * (1.0 + DRIFT))


def choose_detector(observation: Observation, ccd_id: int, theta_arcmin: float) -> Detector:
    """Return which redistribution matrix holds at a place.

    Parameters
    ----------
    observation : Observation
        Which array.
    ccd_id : int
        Chip.
    theta_arcmin : float
        Off-axis angle: on the I array far from the aim point is far from the readout, or near.
    """
    if observation.pointing.array == "S":
        inner = 3.0
        return DETECTORS["S2" if ccd_id not in {5, 7} else "S3" if theta_arcmin < inner else "S3-edge"]
    zones = ("I-high", "I-mid", "I-low")
    return DETECTORS[zones[min(int(theta_arcmin / 3.0), 2)]]


def to_photons(frame: Ints, x: Array, y: Array, channel: Ints, rng: np.random.Generator) -> Photons:
    """Spread channels over energies as real files have them, and sort by time.

    Parameters
    ----------
    frame : ndarray of int, shape (n,)
        Frame of each photon.
    x, y : ndarray, shape (n,)
        Sky pixels.
    channel : ndarray of int, shape (n,)
        From 0; the last one also takes all higher energies.
    rng : numpy Generator
        For the dither within a channel.
    """
    above = np.where(channel == N_CHANNELS - 1, rng.exponential(60.0, len(channel)), 0.0)
    energy = ((channel + above + rng.random(len(channel))) * CHANNEL_EV).astype(np.float32)
    pi = np.clip(np.floor(energy.astype(np.float64) / CHANNEL_EV) + 1, 1, N_CHANNELS).astype(np.int64)
    order = np.argsort(frame, kind="stable")
    photons = Photons(frame, x.astype(np.float32), y.astype(np.float32), energy, pi)
    return photons.take(order)


def draw_index(weights: Array, n: int, rng: np.random.Generator) -> Ints:
    """Draw n indices with probabilities proportional to the weights, shape (n,).

    Examples
    --------
    >>> draw_index(np.array([0.0, 1.0, 0.0]), 3, np.random.default_rng(1)).tolist()
    [1, 1, 1]
    """
    total = np.cumsum(weights)
    drawn = np.searchsorted(total, rng.random(n) * total[-1], side="right")
    return np.asarray(np.minimum(drawn, len(weights) - 1), np.int64)


def background_spectrum(detector: Detector) -> Array:
    """Return the background's counts per channel, summing to one; shape (n_channel,).

    Charged particles (flat, rising above 7 keV on back-illuminated chips), fluorescence of silicon, gold and nickel,
    and a soft sky.
    """
    energy = (np.arange(N_CHANNELS) + 0.5) * CHANNEL_EV / 1e3
    rise = 0.012 if detector.back_illuminated else 0.003
    counts = 1.0 + rise * energy**2 + 3.0 * np.exp(-energy / 0.45)
    for line_kev, height in ((1.74, 1.5), (2.14, 2.5), (7.47, 2.0), (8.26, 0.7), (9.7, 1.5)):
        counts += height * np.exp(-0.5 * ((energy - line_kev) / 0.06) ** 2)
    counts[energy < 0.3] *= 0.2  # noqa: PLR2004 - the threshold
    counts[-1] += 40.0
    return np.asarray(counts / counts.sum())


def background(
    region: Ellipse, outer: float, detector: Detector, exposure: Exposure, rng: np.random.Generator
) -> tuple[Ints, Array, Array, Ints]:
    """Draw background in an ellipse `outer` times the region: frames, x, y, channels, each of shape (n,)."""
    rate = BACKGROUND_RATE[detector.back_illuminated] * PIXEL_ARCSEC**2 * region.area * outer**2
    n = int(rng.poisson(rate * exposure.livetime_s))
    radius, angle = outer * np.sqrt(rng.random(n)), rng.random(n) * 2.0 * np.pi
    along, across = radius * np.cos(angle) * region.major, radius * np.sin(angle) * region.minor
    turn = np.deg2rad(region.angle_deg)
    x = region.x + along * np.cos(turn) - across * np.sin(turn)
    y = region.y + along * np.sin(turn) + across * np.cos(turn)
    frames = exposure.frames[rng.integers(0, len(exposure.frames), n)]
    return frames, x, y, draw_index(background_spectrum(detector), n, rng)


def observe(
    source: Source,
    observation: Observation,
    exposure: Exposure,
    place: tuple[float, float, int],
    rng: np.random.Generator,
) -> Detection:
    """Look at a source: draw its photons and those of the background around it.

    Parameters
    ----------
    source : Source
        What is there.
    observation : Observation
        How it is looked at.
    exposure : Exposure
        When.
    place : tuple of float, float, int
        Sky pixels and chip, from `ingest.simulate.fields.on_chip`.
    rng : numpy Generator
        The detection's own.
    """
    x, y, ccd_id = place
    detx, dety = (float(v[0]) for v in to_detector(observation.pointing, [x], [y]))
    theta, phi = off_axis(x, y, detx, dety)
    detector = choose_detector(observation, ccd_id, theta)
    region = source_region(x, y, theta, phi)
    area = effective_area_cm2(detector, observation.year, theta, float(np.clip(rng.normal(0.97, 0.03), 0.7, 1.0)))

    time_s = frame_time_s(observation, np.arange(len(exposure.good))) - observation.tstart_s
    base, extra = (r * exposure.good for r in rates(source.nature.variability, time_s, rng))
    per_second = [
        photon_flux(s, EDGES_KEV, source.nature.flux) * area for s in (source.nature.base, source.nature.extra)
    ]
    expected = [p.sum() * r.sum() * observation.frame_s for p, r in zip(per_second, (base, extra), strict=True)]
    low = MIN_COUNTS if observation.number == 0 else 0.0
    bright = np.clip(sum(expected), low, MAX_COUNTS) / sum(expected)
    rmf = redistribution(detector.key)
    frames, channels = [], []
    for spectrum, rate, mean in zip(per_second, (base, extra), expected, strict=True):
        n = int(rng.poisson(mean * bright))
        frames.append(draw_index(rate, n, rng) if n else np.empty(0, np.int64))
        channels.append(draw_index(rmf.fold(spectrum), n, rng) if n else np.empty(0, np.int64))
    n = sum(len(f) for f in frames)
    px, py = scatter(region, n, rng)

    wanted = float(np.clip(2500.0 / (region.area * PIXEL_ARCSEC**2), *BACKGROUND_AREA))
    inner = 1.8
    outer = float(np.sqrt(wanted + inner**2))
    more = background(region, outer, detector, exposure, rng)
    photons = to_photons(
        np.concatenate([*frames, more[0]]),
        np.concatenate([px, more[1]]),
        np.concatenate([py, more[2]]),
        np.concatenate([*channels, more[3]]),
        rng,
    )
    inside = region.radius(photons.x, photons.y) < outer
    fraction = enclosed_fraction()
    return Detection(
        source=source,
        observation=observation,
        exposure=exposure,
        photons=photons.take(inside),
        region=region,
        background_scale=(inner, outer),
        detector=detector,
        area_cm2=(area * fraction).astype(np.float32).astype(np.float64),
        fraction=fraction,
        theta_arcmin=theta,
        phi_deg=phi,
        ccd_id=ccd_id,
    )
