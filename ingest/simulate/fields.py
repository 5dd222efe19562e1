"""Where sources are and when they are looked at: fields, pointings, observations, names.

A field is a patch of sky with a kind (a deep field, a star-forming region, a nearby galaxy, ...), which decides
what classes live in it, and one to four observations, which all its sources share.

Every field and every source has a random stream of its own, spawned from (seed, kind, number): what a source is does
not depend on how many others are simulated after it, nor on which process does the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingest.simulate.field_kinds import KINDS, FieldKind, distance_pc
from ingest.simulate.geometry import (
    CENTRE,
    PIXEL_ARCSEC,
    Pointing,
    csc_name,
    from_detector,
    galactic_to_icrs,
    sexagesimal,
    to_chip,
    to_detector,
    to_pixels,
    to_sky,
)
from ingest.simulate.population import CLASSES, Nature, draw

FIRST_OBSID = 70001  # far above any number Chandra has given
MAX_OBSERVATIONS = 4
MJDREF = 50814.0
READOUT_S = 0.04104
MIN_SEPARATION_ARCSEC = 8.0


@dataclass(frozen=True)
class Observation:
    """One observation interval of a field.

    Attributes
    ----------
    obsid, obi : int
        As in the archive.
    pointing : Pointing
        Where it looks.
    tstart_s : float
        Mission seconds (TT since MJD 50814.0) at the start.
    elapsed_s : float
        From start to end, gaps included.
    frame_s : float
        Exposure of a frame, 3.1 or 3.2 s; a readout of 0.04 s follows.
    release : str
        Release of the catalog whose conventions the files follow: 1.1, 2.0 or 2.1.
    version : int
        N-version of its products.
    object_name : str
        What the observer called the target.
    whole_field : bool
        Whether the whole field's event file is written too.
    number : int
        0 for the field's first observation.
    """

    obsid: int
    obi: int
    pointing: Pointing
    tstart_s: float
    elapsed_s: float
    frame_s: float
    release: str
    version: int
    object_name: str
    whole_field: bool
    number: int

    @property
    def mjd(self) -> float:
        """Modified Julian date of the start, TT."""
        return MJDREF + self.tstart_s / 86400.0

    @property
    def year(self) -> float:
        """Epoch, Julian years."""
        return 2000.0 + (self.mjd - 51544.5) / 365.25

    @property
    def cycle_s(self) -> float:
        """TIMEDEL: exposure and readout of a frame."""
        return self.frame_s + READOUT_S


@dataclass(frozen=True)
class Source:
    """A source with a place and a name.

    Attributes
    ----------
    index : int
        Number in the survey, from 0.
    region_id : int
        Region in the field's stack of observations.
    name : str
        '2CXO J...', from the measured position.
    ra_deg, dec_deg : float
        True position, ICRS.
    measured_ra_deg, measured_dec_deg : float
        Position as the catalog has it.
    nature : Nature
        What it is.
    distance_pc : float
        How far away it is.
    """

    index: int
    region_id: int
    name: str
    ra_deg: float
    dec_deg: float
    measured_ra_deg: float
    measured_dec_deg: float
    nature: Nature
    distance_pc: float


@dataclass(frozen=True)
class Field:
    """A patch of sky with its sources and observations; one item of work."""

    number: int
    kind: str
    name: str
    seed: int
    ra_deg: float
    dec_deg: float
    nh_galactic_1e20: float
    observations: tuple[Observation, ...]
    sources: tuple[Source, ...]

    @property
    def stack_id(self) -> str:
        """Designation of the stack of observations, as in CSC 2: 'acisfJ0102239m715121_001'."""
        ra, dec = sexagesimal(self.ra_deg, self.dec_deg)
        return f"acisfJ{ra.replace('.', '')}{dec.replace('+', 'p').replace('-', 'm')}_001"


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return the random stream of one thing: (seed, what, which, ...).

    Examples
    --------
    >>> bool(stream(1, 2, 3).random() == stream(1, 2, 3).random() != stream(1, 2, 4).random())
    True
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


_FIELD, _SOURCE, _KINDS, _DISTANCE = 1, 2, 3, 5


def _kind(seed: int, number: int) -> str:
    """Deal the kinds of fields from a shuffled pack of twenty, so that small surveys hold all classes."""
    pack = [kind for kind, spec in KINDS.items() for _ in range(spec.share)]
    return str(pack[stream(seed, _KINDS, number // len(pack)).permutation(len(pack))[number % len(pack)]])


def _field_name(kind: str, number: int, rng: np.random.Generator) -> str:
    """Invent a designation that no real object has."""
    names = {
        "galaxy": f"NGC {9001 + number}",
        "globular cluster": f"SimGC {number + 1}",
        "open cluster": f"SimOC {number + 1}",
        "star-forming region": f"Sim {number + 1} Nebula",
        "deep field": f"Simulated Deep Field {number + 1}",
        "Galactic plane": f"SimGPS {rng.integers(0, 360):03d}+{number:02d}",
    }
    return names.get(kind, f"SimX-{number + 1}")


def _observations(number: int, kind: FieldKind, name: str, rng: np.random.Generator) -> tuple[Observation, ...]:
    low, high = kind.latitude_deg
    latitude = float(rng.uniform(low, high)) * (1 if rng.random() < 0.5 else -1)  # noqa: PLR2004 - north or south
    ra_deg, dec_deg = galactic_to_icrs(float(rng.uniform(0.0, 360.0)), latitude)
    n = 1 + int(rng.choice(MAX_OBSERVATIONS, p=[0.58, 0.25, 0.11, 0.06]))
    year, roll = float(rng.uniform(2000.3, 2022.0)), float(rng.uniform(0.0, 360.0))
    array = "S" if rng.random() < kind.acis_s else "I"
    release = str(rng.choice(["1.1", "2.0", "2.1"], p=[0.2, 0.3, 0.5]))
    observations = []
    for k in range(n):
        shifted = dec_deg + float(rng.normal(0.0, 0.005))
        elapsed_s = float(np.clip(10 ** rng.normal(4.52, 0.28), 4000.0, 1.3e5))
        mjd = 51544.5 + (year - 2000.0) * 365.25
        observations.append(
            Observation(
                obsid=FIRST_OBSID + MAX_OBSERVATIONS * number + k,
                obi=int(rng.random() < 0.12),  # noqa: PLR2004 - a few second intervals
                pointing=Pointing(ra_deg, shifted, (roll + float(rng.normal(0.0, 15.0))) % 360.0, array),
                tstart_s=round((mjd - MJDREF) * 86400.0, 6),
                elapsed_s=round(elapsed_s, 3),
                frame_s=float(rng.choice([3.1, 3.2])),
                release=release,
                version={"1.1": 1, "2.0": 21, "2.1": 27}[release] + int(rng.integers(0, 2)),
                object_name=name,
                whole_field=number % 12 == 2 and k == 0,  # noqa: PLR2004 - about eight in a hundred fields
                number=k,
            )
        )
        year += float(rng.choice([0.02, 0.5, 1.5, 4.0]) * rng.uniform(0.5, 1.5))
        year = min(year, 2024.5)
    return tuple(observations)


def _place(
    pointing: Pointing, kind: str, taken: list[tuple[float, float]], rng: np.random.Generator
) -> tuple[float, float]:
    """Find a place on a chip, away from the sources already there; sky pixels of the first observation."""
    reach = {"targeted source": 60.0, "globular cluster": 260.0, "galaxy": 700.0}.get(kind, 1150.0)
    if kind == "targeted source" and not taken:
        reach = 8.0
    while True:
        detx, dety = CENTRE + rng.normal(0.0, reach / 1.6, 2)
        ccd, chipx, chipy = to_chip(pointing.array, [detx], [dety])
        edge = min(chipx[0], chipy[0], 1025 - chipx[0], 1025 - chipy[0])
        crowded = any(np.hypot(detx - x, dety - y) * PIXEL_ARCSEC < MIN_SEPARATION_ARCSEC for x, y in taken)
        reach *= 1.01  # so that a crowded field ends
        if ccd[0] >= 0 and edge > 20 and not crowded:  # noqa: PLR2004 - the dither needs 20 pixels
            taken.append((float(detx), float(dety)))
            return from_detector(pointing, float(detx), float(dety))


def plan_field(seed: int, number: int, first_index: int, limit: int, names: set[str]) -> Field:
    """Plan one field: its place, its observations, its sources.

    Parameters
    ----------
    seed : int
        Of the survey.
    number : int
        Of the field.
    first_index : int
        Number of its first source.
    limit : int
        At most this many sources.
    names : set of str
        Names already given; the field's are added.
    """
    rng = stream(seed, _FIELD, number)
    kind = _kind(seed, number)
    spec = KINDS[kind]
    name = _field_name(kind, number, rng)
    observations = _observations(number, spec, name, rng)
    wanted = int(rng.integers(spec.sources[0], spec.sources[1] + 1))
    regions = rng.permutation(wanted * 3)[:wanted] + 1
    pointing = observations[0].pointing
    sources: list[Source] = []
    taken: list[tuple[float, float]] = []
    weights = np.array([spec.classes.get(c, 0.0) for c in CLASSES])
    for k in range(min(wanted, limit)):
        own = stream(seed, _SOURCE, first_index + k)
        nature = draw(str(own.choice(CLASSES, p=weights / weights.sum())), own)
        csc = ""
        while not csc or csc in names:
            x, y = _place(pointing, kind, taken, own)
            error = own.normal(0.0, 0.25 + 0.02 * np.hypot(x - CENTRE, y - CENTRE) * PIXEL_ARCSEC / 60.0, 2)
            ra, dec = to_sky(pointing, x, y)
            measured_ra, measured_dec = to_sky(pointing, x + error[0] / PIXEL_ARCSEC, y + error[1] / PIXEL_ARCSEC)
            csc = csc_name(measured_ra, measured_dec)
        names.add(csc)
        far = distance_pc(kind, nature.class_, stream(seed, _DISTANCE, number), stream(seed, _DISTANCE, number, k))
        measured = round(measured_ra, 7), round(measured_dec, 7)
        sources.append(Source(first_index + k, int(regions[k]), csc, ra, dec, *measured, nature, far))
    latitude = max(spec.latitude_deg[0], 2.0)
    return Field(
        number=number,
        kind=kind,
        name=name,
        seed=seed,
        ra_deg=pointing.ra_deg,
        dec_deg=pointing.dec_deg,
        nh_galactic_1e20=round(min(2.5 / np.sin(np.deg2rad(latitude)), 80.0) * float(rng.uniform(0.7, 1.4)), 2),
        observations=observations,
        sources=tuple(sources),
    )


def plan(seed: int, sources: int) -> list[Field]:
    """Plan the whole survey; quick, and done in one process.

    Parameters
    ----------
    seed : int
        Of the survey.
    sources : int
        How many sources in all.

    Returns
    -------
    list of Field

    Examples
    --------
    >>> small, large = plan(1, 20), plan(1, 60)
    >>> sum(len(f.sources) for f in small)
    20
    >>> small[0] == large[0]
    True
    """
    fields: list[Field] = []
    names: set[str] = set()
    planned = 0
    while planned < sources:
        field = plan_field(seed, len(fields), planned, sources - planned, names)
        fields.append(field)
        planned += len(field.sources)
    return fields


def on_chip(observation: Observation, source: Source) -> tuple[float, float, int] | None:
    """Return where a source lies in an observation, sky pixels and CCD; None off the chips.

    Parameters
    ----------
    observation : Observation
        Which look.
    source : Source
        Which source.
    """
    x, y = to_pixels(observation.pointing, source.ra_deg, source.dec_deg)
    detx, dety = to_detector(observation.pointing, [x], [y])
    ccd, chipx, chipy = to_chip(observation.pointing.array, detx, dety)
    edge = min(chipx[0], chipy[0], 1025 - chipx[0], 1025 - chipy[0])
    return None if ccd[0] < 0 or edge < 10 else (x, y, int(ccd[0]))  # noqa: PLR2004 - half the dither
