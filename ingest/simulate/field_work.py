"""One field's work: observe, measure, write its products; what remains for the tables is a few rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ingest.simulate.fields import MAX_OBSERVATIONS, Field, Observation, Source, on_chip, stream
from ingest.simulate.fits_file import write
from ingest.simulate.geometry import (
    CENTRE,
    Ellipse,
    Pointing,
    off_axis,
    scatter,
    source_region,
    to_chip,
    to_detector,
    to_pixels,
)
from ingest.simulate.keywords import product_name
from ingest.simulate.measure import Measured, Value, measure
from ingest.simulate.photons import (
    Detection,
    Exposure,
    Photons,
    background,
    draw_index,
    exposure_of,
    observe,
    to_photons,
)
from ingest.simulate.products import field_events, light_curve, region_events, regions, spectrum
from ingest.simulate.property_table import master_row
from ingest.simulate.response import DETECTORS, MIDDLE_KEV, effective_area_cm2, redistribution
from ingest.simulate.response_files import area, matrix

_DETECTION, _MASTER, _WHOLE = 11, 12, 13
PLAIN_SHARE = 0.06  # of detections whose files are not gzipped
LIGHT_CURVE_SHARE = 0.35
WHOLE_FIELD_PHOTONS = 40_000  # of background, at most: the files are for trying things out
FIELD_RADIUS = 1800.0  # sky pixels
FAINT_SOURCES = 25

Row = dict[str, Value]


@dataclass(frozen=True)
class FieldRows:
    """What the tables need of a field.

    Attributes
    ----------
    masters : dict of str to dict
        master_source columns per source name.
    detections : list of dict
        observation_source columns.
    photons : int
        In all region files.
    """

    masters: dict[str, Row]
    detections: list[Row]
    photons: int

    def joined(self) -> Iterator[tuple[Row, Row]]:
        """Yield master_source and observation_source columns of each detection."""
        for row in self.detections:
            yield self.masters[str(row["name"])], row

    def to_json(self) -> str:
        """Return the rows as text; floats survive to the last bit."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> FieldRows:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def _plain(row: Row) -> Row:
    """Turn NumPy scalars into plain ones, so that a resumed survey gets the very same values."""
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()}


def _crowded(detection: Detection, others: list[Detection]) -> bool:
    reach = detection.background_scale[1]
    return any(
        o is not detection and float(detection.region.radius([o.region.x], [o.region.y])[0]) < 2.0 * reach
        for o in others
    )


def _write_products(
    output: Path, field: Field, detection: Detection, measured: Measured, rng: np.random.Generator
) -> None:
    observation = detection.observation
    name = detection.source.name.replace(" ", "")
    folder = output / name / f"{observation.obsid:05d}_{observation.obi:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    region = f"_r{detection.source.region_id:04d}"
    suffix = "" if rng.random() < PLAIN_SHARE else ".gz"
    with_light_curve = rng.random() < LIGHT_CURVE_SHARE
    products = {
        "regevt3": region_events(field, detection, rng),
        "reg3": regions(field, detection),
        "pha3": spectrum(field, detection),
        "arf3": area(field, detection),
        "rmf3": matrix(field, detection),
    }
    for kind, units in products.items():
        write(folder / (product_name(observation, kind, region) + suffix), units)
    if measured.verdict is not None and with_light_curve:
        units = light_curve(field, detection, measured, measured.verdict)
        write(folder / (product_name(observation, "lc3", region + "b") + suffix), units)


def _merged(detections: list[Detection], more: Photons) -> Photons:
    parts = [*(d.photons for d in detections), more]
    together = Photons(
        np.concatenate([p.frame for p in parts]),
        np.concatenate([p.x for p in parts]),
        np.concatenate([p.y for p in parts]),
        np.concatenate([p.energy_ev for p in parts]),
        np.concatenate([p.pi for p in parts]),
    )
    return together.take(np.argsort(together.frame, kind="stable"))


def whole_field(field: Field, observation: Observation, exposure: Exposure, detections: list[Detection]) -> Photons:
    """Return all photons of an observation: those of the regions, bit for bit, and what lies between them.

    Between them lie the background and a few sources too faint for any catalog.

    Parameters
    ----------
    field, observation, exposure
        What was looked at.
    detections : list of Detection
        All of this observation. A photon in two overlapping regions stands twice, as it does in the region files.
    """
    rng = stream(field.seed, _WHOLE, observation.obsid)
    detector = DETECTORS["S3" if observation.pointing.array == "S" else "I-mid"]
    disc = Ellipse(CENTRE, CENTRE, FIELD_RADIUS, FIELD_RADIUS, 0.0)
    frames, x, y, channels = background(disc, 1.0, detector, exposure, rng)
    detx, dety = to_detector(observation.pointing, x, y)
    kept = to_chip(observation.pointing.array, detx, dety)[0] >= 0
    for detection in detections:
        kept &= detection.region.radius(x, y) > detection.background_scale[1]
    kept &= np.cumsum(kept) <= WHOLE_FIELD_PHOTONS
    folded = redistribution(detector.key).fold(effective_area_cm2(detector, observation.year, 5.0) * MIDDLE_KEV**-2.7)
    for place in np.flatnonzero(kept)[rng.integers(0, max(int(kept.sum()), 1), FAINT_SOURCES)]:
        # A faint source is a place where background photons crowd: a handful of them is moved there.
        theta, phi = off_axis(x[place], y[place], detx[place], dety[place])
        region = source_region(float(x[place]), float(y[place]), theta, phi)
        moved = rng.choice(np.flatnonzero(kept), int(rng.integers(3, 7)), replace=False)
        x[moved], y[moved] = scatter(region, len(moved), rng)
        channels[moved] = draw_index(folded, len(moved), rng)
    return _merged(detections, to_photons(frames[kept], x[kept], y[kept], channels[kept], rng))


def _separation_arcmin(field: Field, source: Source) -> float:
    """Return how far a source lies from its field's centre: the cone search that would have found it."""
    here = Pointing(field.ra_deg, field.dec_deg, 0.0, "")
    x, y = to_pixels(here, source.measured_ra_deg, source.measured_dec_deg)
    return off_axis(x, y, x, y)[0]


def work_field(output: Path, field: Field) -> FieldRows:
    """Observe a field's sources, measure them, write their products.

    Parameters
    ----------
    output : Path
        The survey's folder.
    field : Field
        Its plan.

    Returns
    -------
    FieldRows
        For the tables.
    """
    detections: list[Row] = []
    by_source: dict[int, list[Measured]] = {}
    photons = 0
    for observation in field.observations:
        exposure = exposure_of(observation, field.seed)
        looks: list[tuple[Detection, np.random.Generator]] = []
        for source in field.sources:
            place = on_chip(observation, source)
            if place is not None:
                rng = stream(field.seed, _DETECTION, MAX_OBSERVATIONS * source.index + observation.number)
                looks.append((observe(source, observation, exposure, place, rng), rng))
        everyone = [detection for detection, _ in looks]
        for detection, rng in looks:
            measured = measure(detection, _crowded(detection, everyone), rng)
            _write_products(output, field, detection, measured, rng)
            by_source.setdefault(detection.source.index, []).append(measured)
            detections.append(_plain(measured.row | {"detect_stack_id": field.stack_id}))
            photons += len(detection.photons)
        if observation.whole_field:
            folder = output / "whole_field"
            folder.mkdir(exist_ok=True)
            rng = stream(field.seed, _WHOLE, observation.obsid, 1)
            units = field_events(field, observation, exposure, whole_field(field, observation, exposure, everyone), rng)
            write(folder / (product_name(observation, "evt3") + ".gz"), units)
    masters: dict[str, Row] = {}
    for source in field.sources:
        row = master_row(field, source, by_source[source.index], stream(field.seed, _MASTER, source.index))
        masters[source.name] = _plain(row | {"sepn": _separation_arcmin(field, source)})
    return FieldRows(masters, detections, photons)
