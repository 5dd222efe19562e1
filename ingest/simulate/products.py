"""Data products of a detection in the real formats: regevt3, reg3, pha3, lc3; and a field's evt3.

Source: what real CSC products hold, HDU by HDU; OGIP memo OGIP/92-007 for spectra.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ingest.simulate.event_table import event_columns
from ingest.simulate.fields import Field, Observation
from ingest.simulate.fits_file import Card, Column, Unit, image, primary, table
from ingest.simulate.gregory_loredo import Verdict
from ingest.simulate.keywords import (
    CHIPS,
    everything,
    mission,
    origin,
    pointing,
    product_name,
    quoted_name,
    region_keywords,
    sky_system,
    times,
)
from ingest.simulate.measure import Measured
from ingest.simulate.photons import Detection, Exposure, Photons
from ingest.simulate.response import N_CHANNELS

SKY_PIXELS = 8192.0 * 8192.0

# name, form, unit, comment, TLMIN, TLMAX, TNULL
_EVENTS: tuple[tuple[str, str, str, str, float | None, float | None, int | None], ...] = (
    ("time", "1D", "s", "S/C TT corresponding to mid-exposure", None, None, None),
    ("ccd_id", "1I", "", "CCD reporting event", 0, 9, None),
    ("node_id", "1I", "", "CCD serial readout amplifier node", 0, 3, None),
    ("expno", "1J", "", "Exposure number of CCD frame containing event", 0, None, None),
    ("chipx", "1I", "pixel", "Chip coords", 1, 1024, None),
    ("chipy", "1I", "pixel", "Chip coords", 1, 1024, None),
    ("tdetx", "1I", "pixel", "ACIS tiled detector coordinates", 1, 8192, 9999),
    ("tdety", "1I", "pixel", "ACIS tiled detector coordinates", 1, 8192, 9999),
    ("detx", "1E", "pixel", "ACIS detector coordinates", 0.5, 8192.5, None),
    ("dety", "1E", "pixel", "ACIS detector coordinates", 0.5, 8192.5, None),
    ("x", "1E", "pixel", "sky coordinates", 0.5, 8192.5, None),
    ("y", "1E", "pixel", "sky coordinates", 0.5, 8192.5, None),
    ("pha", "1J", "adu", "total pulse height of event", 0, 36855, 0),
    ("pha_ro", "1J", "adu", "total read-out pulse height of event", 0, 36855, 0),
    ("energy", "1E", "eV", "nominal energy of event (eV)", 0.0, 1000000.0, None),
    ("pi", "1J", "chan", "pulse invariant energy of event", 1, 1024, 0),
    ("fltgrade", "1I", "", "event grade, flight system", 0, 255, None),
    ("grade", "1I", "", "binned event grade", 0, 7, None),
    ("status", "32X", "", "event status bits", None, None, None),
)
_X, _Y = 11, 12
BAND_SCALES = {"B": 1.0, "U": 0.96, "S": 0.98, "M": 0.99, "H": 1.08}
"""Size of the 90 % ellipse in each band, against the broad band's."""


def upper_case(observation: Observation) -> bool:
    """Tell whether an observation's event columns stand in upper case, as in some older files."""
    return observation.release == "1.1" and observation.obsid % 2 == 0


def good_times(observation: Observation, exposure: Exposure, chip: int) -> Unit:
    """Build the GTI extension of a chip."""
    columns = [Column("START", "1D", "s", exposure.start_s), Column("STOP", "1D", "s", exposure.stop_s)]
    cards: list[Card] = [("EXTVER", chip, ""), ("HDUNAME", f"GTI{chip}", "ASCDM block name")]
    cards += [("HDUCLASS", "OGIP", ""), ("HDUCLAS1", "GTI", "")]
    cards += [*origin(observation), *times(observation), *mission(observation), ("CCD_ID", chip, "CCD for this table")]
    return table("GTI", columns, cards)


def mask(detection: Detection, extver: int) -> Unit:
    """Build the MASK image of release 2: which sky pixels belong to the regions."""
    region = detection.region.scaled(detection.background_scale[1])
    reach = int(np.ceil(region.major)) + 2
    x0, y0 = int(region.x) - reach, int(region.y) - reach
    yy, xx = np.mgrid[y0 : y0 + 2 * reach + 1, x0 : x0 + 2 * reach + 1]
    inside = (region.radius(xx, yy) < 1.0).astype(np.uint8)
    cards: list[Card] = [("EXTVER", extver, ""), ("HDUNAME", "MASK", "")]
    for n, (name, corner) in enumerate((("x", x0), ("y", y0)), 1):
        cards += [(f"CTYPE{n}P", name, ""), (f"CRVAL{n}P", corner + 0.5, ""), (f"CRPIX{n}P", 0.5, "")]
        cards += [(f"CDELT{n}P", 1.0, ""), (f"WCSTY{n}P", "PHYSICAL", "")]
    return image("MASK", inside, cards)


def _subspace(detection: Detection, region: str) -> list[Card]:
    """Return the data-subspace keywords that say which region the rows come from."""
    return [
        ("DSTYP1", "time", "DM Keyword: Descriptor name."),
        ("DSVAL1", "TABLE", "DM Keyword: Descriptor value."),
        ("DSFORM1", "D", "DM Keyword: Descriptor datatype."),
        ("DSREF1", f":GTI{detection.ccd_id}", ""),
        ("DSTYP2", "ccd_id", "DM Keyword: Descriptor name."),
        ("DSVAL2", f"{detection.ccd_id}:{detection.ccd_id}", "DM Keyword: Descriptor value."),
        ("DSFORM2", "I", "DM Keyword: Descriptor datatype."),
        ("DSTYP3", "sky(x,y)", "DM Keyword: Descriptor name."),
        ("LONGSTRN", "OGIP 1.0", "The HEASARC Long String Convention may be used."),
        ("DSVAL3", region, "DM Keyword: Descriptor value."),
        ("DSFORM3", "D", "DM Keyword: Descriptor datatype."),
    ]


def _events(
    field: Field,
    observation: Observation,
    exposure: Exposure,
    photons: Photons,
    cards: list[Card],
    chips: tuple[int, ...],
    rng: np.random.Generator,
) -> Unit:
    values = event_columns(observation, photons, rng)
    columns = [
        Column(name.upper() if upper_case(observation) else name, form, unit, values[name], comment, low, high, null)
        for name, form, unit, comment, low, high, null in _EVENTS
    ]
    head: list[Card] = [("HDUNAME", "EVENTS", "ASCDM block name")]
    head += [("HDUSPEC", "ACIS Telemetry Products: Level 0 to ASC Archive ICD", ""), ("HDUVERS", "1.0.0", "")]
    head += [("HDUCLASS", "OGIP", ""), ("HDUCLAS1", "EVENTS", ""), ("HDUCLAS2", "ACCEPTED", "")]
    head += [*everything(observation, exposure, chips), *pointing(observation)]
    head += [
        ("GRADESYS", "ASCA", "grade system"),
        ("TIMEDELA", observation.cycle_s, "Inferred duration of a frame (s)"),
    ]
    head += [("CALDBVER", "none", "simulated"), ("STACK_ID", field.stack_id, "Stack id")]
    return table("EVENTS", columns, [*head, *sky_system(observation, _X, _Y), *cards])


def region_events(field: Field, detection: Detection, rng: np.random.Generator) -> list[Unit]:
    """Build a regevt3: the photons of source and background region, with good times.

    Parameters
    ----------
    field : Field
        For the stack's name.
    detection : Detection
        Its photons.
    rng : numpy Generator
        For grades and pulse heights.
    """
    observation = detection.observation
    chips = (detection.ccd_id,)
    outer = detection.region.scaled(detection.background_scale[1])
    cards: list[Card] = [("CONTENT", "REGEVT3", "Level3 file"), ("REGIONID", f"{detection.source.region_id:04d}", "")]
    cards += _subspace(detection, f"MASK1&{outer}")
    units = [
        primary([*origin(observation), *times(observation), *mission(observation)]),
        _events(field, observation, detection.exposure, detection.photons, cards, chips, rng),
        *(good_times(observation, detection.exposure, chip) for chip in chips),
    ]
    return [*units, mask(detection, 1)] if observation.release == "2.1" else units


def regions(field: Field, detection: Detection) -> list[Unit]:
    """Build a reg3: of release 2 the ellipse of each band, of release 1 source and background.

    Parameters
    ----------
    field : Field
        For the stack's name.
    detection : Detection
        Its region.
    """
    observation, region = detection.observation, detection.region
    inner, outer = detection.background_scale
    if observation.release == "1.1":
        holes = [("!Ellipse", region.scaled(inner))]
        tables = {"SRCREG": [("Ellipse", region)], "BKGREG": [("Ellipse", region.scaled(outer)), *holes]}
    else:
        tables = {f"ECF90REG{band}": [("Ellipse", region.scaled(scale))] for band, scale in BAND_SCALES.items()}
    units = [primary([*origin(observation), *times(observation), *mission(observation)])]
    for name, shapes in tables.items():
        ellipses = [ellipse for _, ellipse in shapes]
        second = np.nan if observation.release == "1.1" else 0.0
        columns = [
            Column("X", "1D", "pixel", np.array([e.x for e in ellipses]), "Position"),
            Column("Y", "1D", "pixel", np.array([e.y for e in ellipses]), "Position"),
            Column("SHAPE", "16A", "", np.array([shape for shape, _ in shapes], "S16"), "Region shape type"),
            Column("R", "2D", "pixel", np.array([(e.major, e.minor) for e in ellipses]), "Radius"),
            Column("ROTANG", "2D", "deg", np.array([(e.angle_deg, second) for e in ellipses]), "Angle"),
            Column("COMPONENT", "1I", "", np.ones(len(shapes), np.int16), "Component number"),
        ]
        role = "BKG" if name == "BKGREG" else "SRC"
        cards: list[Card] = [("HDUNAME", name, "ASCDM block name")]
        cards += [*everything(observation, detection.exposure, (detection.ccd_id,)), ("CONTENT", f"{role}REG", "")]
        cards += [("HDUCLASS", "ASC", "Region extension"), ("HDUCLAS1", "REGION", "Region extension")]
        cards += [("HDUCLAS2", role, "Region extension")]
        cards += [("MTYPE1", "POS", ""), ("MFORM1", "X,Y", ""), *region_keywords(field, detection.source.region_id)]
        units.append(table(name, columns, cards))
    return units


def field_events(
    field: Field, observation: Observation, exposure: Exposure, photons: Photons, rng: np.random.Generator
) -> list[Unit]:
    """Build an evt3: the whole field's photons.

    Parameters
    ----------
    field, observation, exposure
        What was looked at, how and when.
    photons : Photons
        Those of all sources and of the background, in order of time.
    rng : numpy Generator
        For grades and pulse heights.
    """
    chips = CHIPS[observation.pointing.array]
    cards: list[Card] = [("CONTENT", "EVT3", "Level3 file")]
    return [
        primary([*origin(observation), *times(observation), *mission(observation)]),
        _events(field, observation, exposure, photons, cards, chips, rng),
        *(good_times(observation, exposure, chip) for chip in chips),
    ]


def _spectrum(field: Field, detection: Detection, part: str, counts: npt.NDArray[np.int64]) -> Unit:
    observation, exposure = detection.observation, detection.exposure
    region = f"_r{detection.source.region_id:04d}"
    names = {"BACKFILE": "pha3", "CORRFILE": "", "RESPFILE": "rmf3", "ANCRFILE": "arf3"}
    first = detection.detector.first_channel
    source = part == "source"
    inner, outer = detection.background_scale
    area = detection.region.area * (1.0 if source else outer**2 - inner**2)
    if source:
        text = f"MASK1&{detection.region}"
    else:
        text = f"MASK2&{detection.region.scaled(outer)}&!{detection.region.scaled(inner)}"
    cards: list[Card] = [("EXTVER", 1 if source else 2, ""), ("HDUNAME", f"SPECTRUM{1 if source else 2}", "")]
    cards += [*everything(observation, exposure, (detection.ccd_id,)), *pointing(observation)]
    cards += [
        ("AREASCAL", 1.0, "[pixel] Fractional area"),
        ("CORRSCAL", 0.0, "[pixel] Fractional area"),
        ("BACKSCAL", area / SKY_PIXELS, "[pixel] Fractional area"),
        ("DETCHANS", N_CHANNELS, "Number of channels"),
        ("TOTCTS", int(counts.sum()), "[count] Total counts"),
        ("POISSERR", True, "Assumed Poisson errs"),
        ("SYS_ERR", 0.0, "Systematic errors"),
        ("QUALITY", 0, "Quality flag"),
        ("GROUPING", 0, "Grouping flag"),
        ("CONTENT", "SPECTRUM", "PHA file"),
        ("HDUCLASS", "OGIP", "format conforms to OGIP/GSFC Spectral standards"),
        ("HDUCLAS1", "SPECTRUM", "Extension contains a Spectrum"),
        ("HDUCLAS2", "TOTAL" if source else "BKG", ""),
        ("HDUCLAS3", "COUNT", "One spectrum in the file"),
        ("HDUVERS", "1.1.0", "Format version"),
        ("CHANTYPE", "PI", "PHA type"),
    ]
    for keyword, kind in names.items():
        name = quoted_name(observation, product_name(observation, kind, region)) if kind and source else "none"
        cards.append((keyword, name, ""))
    cards += [*region_keywords(field, detection.source.region_id), *_subspace(detection, text)]
    channel = np.arange(N_CHANNELS)
    columns = [
        Column("CHANNEL", "1J", "channel", channel + first, "PI", first, first + N_CHANNELS - 1),
        Column("PI", "1D", "chan", channel + 1.0, "pulse invariant energy of event", 1.0, 1024.0),
        Column("COUNTS", "1J", "count", counts, "Counts"),
        Column("COUNT_RATE", "1D", "count/s", counts / exposure.livetime_s, "Rate", 0.0),
    ]
    return table("SPECTRUM", columns, cards)


def spectrum(field: Field, detection: Detection) -> list[Unit]:
    """Build a pha3: the source's spectrum, and the background's as a second SPECTRUM in the same file.

    Parameters
    ----------
    field : Field
        For the stack's name.
    detection : Detection
        Its photons; the spectrum is the histogram of their PI.
    """
    observation = detection.observation
    radius = detection.region.radius(detection.photons.x, detection.photons.y)
    inside, annulus = radius < 1.0, radius > detection.background_scale[0]
    counts = [np.bincount(detection.photons.pi[part] - 1, minlength=N_CHANNELS) for part in (inside, annulus)]
    masks = [mask(detection, n) if observation.release == "2.1" else None for n in (1, 2)]
    units = [
        primary([*origin(observation), *times(observation), *mission(observation)]),
        _spectrum(field, detection, "source", counts[0]),
        good_times(observation, detection.exposure, detection.ccd_id),
        masks[0],
        _spectrum(field, detection, "background", counts[1]),
        masks[1],
    ]
    return [unit for unit in units if unit is not None]


def light_curve(field: Field, detection: Detection, measured: Measured, verdict: Verdict) -> list[Unit]:
    """Build an lc3 of the broad band: the Gregory-Loredo light curve of source and background.

    Parameters
    ----------
    field : Field
        For the stack's name.
    detection : Detection
        Its times.
    measured : Measured
        For the test's probabilities.
    verdict : Verdict
        The light curve.
    """
    observation, exposure = detection.observation, detection.exposure
    n = verdict.m_max
    frames = exposure.frames
    place = ((np.arange(n) + 0.5) / n * len(frames)).astype(np.int64)
    time_s = observation.tstart_s + (frames[place] + 0.5) * observation.cycle_s
    background = np.full(n, measured.band_counts["b"][1] / exposure.livetime_s)
    background_err = np.sqrt(np.maximum(background, 1e-9) / exposure.livetime_s)
    units = [primary([*origin(observation), *times(observation), *mission(observation)])]
    for name, rate, error in (
        ("LIGHTCURVE", verdict.rate, verdict.rate_err),
        ("BKGLIGHTCURVE", background, background_err),
    ):
        columns = [
            Column("Time", "1D", "s", time_s),
            Column("COUNT_RATE", "1D", "count/s", rate, "Rate"),
            Column("COUNT_RATE_ERR", "1D", "count/s", error, "Rate Error"),
            Column("Minus_3Sig", "1D", "count/s", rate - 3.0 * error, "Expectation value minus 3 times sigma"),
            Column("Plus_3Sig", "1D", "count/s", rate + 3.0 * error, "Expectation value plus 3 times sigma"),
        ]
        cards: list[Card] = [("HDUNAME", name, "ASCDM block name")]
        cards += [*everything(observation, exposure, (detection.ccd_id,)), *pointing(observation)]
        cards = [c for c in cards if c[0] != "TIMEDEL"]
        cards += [
            ("TIMEDEL", exposure.ontime_s / n, "[s] integration time"),
            ("CONTENT", "LIGHTCURVE", "OGIP Lightcurve file"),
            ("HDUCLASS", "OGIP", "format conforms to OGIP/GSFC standards"),
            ("HDUCLAS1", "LIGHTCURVE", "Extension contains a lightcurve"),
            ("HDUCLAS2", "TOTAL" if name == "LIGHTCURVE" else "BKG", ""),
            ("HDUCLAS3", "RATE", ""),
            ("ODDS", verdict.log10_odds, "Odds for variable signal 10Log"),
            ("PROB", verdict.probability, "Probability of variable signal"),
            ("MMIN", 2, "M minimum value"),
            ("MMAX", verdict.m_max, "M maximum value"),
            ("FRAC3SIG", verdict.within_3, "Frac of lc within 3 sigma of avg rate"),
            ("FRAC5SIG", verdict.within_5, "Frac of lc within 5 sigma of avg rate"),
            ("VARINDEX", verdict.index, "Variability index"),
            ("BAND", "broad", "Energy band"),
            ("KS_PROB", float(measured.row["ks_prob_b"] or 0.0), "Kolmogorov-Smirnov, 2-sided"),
            ("KP_PROB", float(measured.row["kp_prob_b"] or 0.0), "Kuiper"),
            *region_keywords(field, detection.source.region_id),
        ]
        units.append(table(name, columns, cards))
    return units
