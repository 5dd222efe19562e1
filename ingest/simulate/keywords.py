"""Header keywords as the catalog's releases have them, quirks included.

Release 1.1 writes MJD_OBS and RADECSYS, 2.0 MJD_OBS and RADESYS, 2.1 MJD-OBS and RADESYS; DS_IDENT is an ADS name
or a DOI; OBS_ID is a text, in a few files a number; file names in headers carry no folder and no .gz, and in a few
files stand in upper case.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingest.simulate.fields import Field, Observation
from ingest.simulate.fits_file import Card
from ingest.simulate.geometry import CENTRE, PIXEL_DEG
from ingest.simulate.photons import Exposure

MADE_BY = "photonlake simulate"
_MADE_ON = {"1.1": "2009-06-01T12:00:00", "2.0": "2019-08-01T12:00:00", "2.1": "2022-11-18T12:00:00"}
_VERSION = {"1.1": "CAT3.0.2", "2.0": "CAT4.5", "2.1": "CAT5.4.11"}
CHIPS = {"I": (0, 1, 2, 3, 6), "S": (5, 6, 7, 8)}


def iso_date(mission_s: float) -> str:
    """Return the date of mission seconds, as DATE-OBS has it (TT).

    Examples
    --------
    >>> iso_date(705930405.0)
    '2020-05-15T11:46:45'
    """
    return (datetime(1998, 1, 1, tzinfo=UTC) + timedelta(seconds=mission_s)).strftime("%Y-%m-%dT%H:%M:%S")


def product_name(observation: Observation, kind: str, region: str = "") -> str:
    """Return a product's file name, without .gz.

    Parameters
    ----------
    observation : Observation
        Which look.
    kind : str
        'regevt3', 'pha3', ...
    region : str
        '_r0122', '_r0122b' for banded products, or nothing for the whole field.
    """
    return f"acisf{observation.obsid:05d}_{observation.obi:03d}N{observation.version:03d}{region}_{kind}.fits"


def quoted_name(observation: Observation, name: str) -> str:
    """Return a file name as the headers of this observation quote it: in a few, upper case."""
    return name.upper() if observation.obsid % 9 == 4 else name  # noqa: PLR2004 - a few


def _comment(observation: Observation, unit: str, text: str) -> str:
    """Write units before the text, as release 2 does, or after it."""
    return f"{text} ({unit})" if observation.release == "1.1" else f"[{unit}] {text}"


def origin(observation: Observation) -> list[Card]:
    """Return who made the file, and that it is simulated."""
    return [
        ("ORIGIN", MADE_BY, "Source of FITS file"),
        ("CREATOR", MADE_BY, "tool that created this output"),
        ("ASCDSVER", _VERSION[observation.release], "whose conventions this file follows"),
        ("REVISION", observation.version, "Processing version of data"),
        ("DATE", _MADE_ON[observation.release], "fixed, so that files can be compared"),
        ("SIMULATE", True, "simulated, not observed"),
    ]


def times(observation: Observation) -> list[Card]:
    """Return when the observation was made."""
    stop_s = observation.tstart_s + observation.elapsed_s
    cards: list[Card] = [
        ("DATE-OBS", iso_date(observation.tstart_s), "Observation start date"),
        ("DATE-END", iso_date(stop_s), "Observation end date"),
        ("MJD-OBS" if observation.release == "2.1" else "MJD_OBS", round(observation.mjd, 9), "Modified Julian date"),
        ("TIMESYS", "TT", "Time system"),
        ("MJDREF", 50814.0, _comment(observation, "d", "MJD zero point for times")),
        ("TIMEZERO", 0.0, _comment(observation, "s", "Clock correction")),
        ("TIMEUNIT", "s", "Time unit"),
        ("TIMEREF", "LOCAL", "Time reference (barycenter/local)"),
        ("TASSIGN", "SATELLITE", "Time assigned by clock"),
        ("CLOCKAPP", True, "default"),
        ("TSTART", observation.tstart_s, _comment(observation, "s", "Observation start time")),
        ("TSTOP", stop_s, _comment(observation, "s", "Observation end time")),
    ]
    return cards


def mission(observation: Observation) -> list[Card]:
    """Return whose data these would be, and which observation."""
    identifier: str | int = observation.obsid if observation.obsid % 11 == 3 else str(observation.obsid)  # noqa: PLR2004
    data_set = f"10.5555/photonlake.simulated.{observation.obsid}"
    if observation.release != "2.1":
        data_set = f"ADS/Sa.CXO#obs/{observation.obsid:05d}"
    return [
        ("MISSION", "AXAF", "Mission"),
        ("TELESCOP", "CHANDRA", "Telescope (simulated)"),
        ("INSTRUME", "ACIS", "Instrument"),
        ("DS_IDENT", data_set, "Dataset identifier"),
        ("OBS_ID", identifier, "Observation id"),
        ("OBI_NUM", observation.obi, "Obi number"),
        ("SEQ_NUM", "999999", "Sequence number"),
    ]


def pointing(observation: Observation) -> list[Card]:
    """Return where the telescope looked, and how the detector was read."""
    look, system = observation.pointing, "RADECSYS" if observation.release == "1.1" else "RADESYS"
    cards: list[Card] = [
        ("OBJECT", observation.object_name, "Source name"),
        ("DATACLAS", "SIMULATED", "not OBSERVED"),
        (system, "ICRS", "default"),
    ]
    cards += [("EQUINOX", 2000.0, "default")] if observation.release == "1.1" else []
    cards += [
        ("OBS_MODE", "POINTING", "Observation mode"),
        ("GRATING", "NONE", "Grating"),
        ("DETNAM", "ACIS-" + "".join(str(c) for c in CHIPS[look.array]), "Detector"),
        ("RA_PNT", look.ra_deg, _comment(observation, "deg", "Pointing RA")),
        ("DEC_PNT", look.dec_deg, _comment(observation, "deg", "Pointing Dec")),
        ("ROLL_PNT", look.roll_deg, _comment(observation, "deg", "Pointing Roll")),
        ("RA_TARG", round(look.ra_deg, 6), _comment(observation, "deg", "Target RA")),
        ("DEC_TARG", round(look.dec_deg, 6), _comment(observation, "deg", "Target Dec")),
        ("RA_NOM", look.ra_deg, _comment(observation, "deg", "Nominal RA")),
        ("DEC_NOM", look.dec_deg, _comment(observation, "deg", "Nominal Dec")),
        ("ROLL_NOM", look.roll_deg, _comment(observation, "deg", "Nominal Roll")),
        ("SIM_X", -0.68282252473119, _comment(observation, "mm", "SIM focus pos")),
        ("SIM_Z", -190.14006604987, _comment(observation, "mm", "SIM translation stage pos")),
        ("FOC_LEN", 10070.0, _comment(observation, "mm", "HRMA focal length")),
        ("READMODE", "TIMED", "Read mode"),
        ("DATAMODE", "VFAINT" if observation.obsid % 3 else "FAINT", "Data mode"),
        ("CTI_CORR", True, ""),
        ("CYCLE", "P", "events from which exps? Prim/Second/Both"),
        ("TIMEDEL", observation.cycle_s, _comment(observation, "s", "frame, exposure and readout")),
        ("EXPTIME", observation.frame_s, _comment(observation, "s", "exposure of a frame")),
        ("TIMEPIXR", 0.5, "time stamps are the middle of the bin"),
    ]
    return cards


def exposure_times(observation: Observation, exposure: Exposure, chips: tuple[int, ...]) -> list[Card]:
    """Return how long the observation lasted, in all and per chip."""
    values = {"ONTIME": exposure.ontime_s, "LIVETIME": exposure.livetime_s, "EXPOSURE": exposure.livetime_s}
    short = {"ONTIME": "ONTIME", "LIVETIME": "LIVTIME", "EXPOSURE": "EXPOSUR"}
    cards: list[Card] = []
    for keyword, seconds in values.items():
        cards.append((keyword, seconds, _comment(observation, "s", keyword.title())))
        cards += [(f"{short[keyword]}{chip}", seconds, _comment(observation, "s", keyword.title())) for chip in chips]
    return [*cards, ("DTCOR", exposure.livetime_s / exposure.ontime_s, "Dead time correction")]


def sky_system(observation: Observation, x: int, y: int) -> list[Card]:
    """Return the world coordinates of the x and y columns, by their numbers."""
    look = observation.pointing
    cards: list[Card] = []
    for n, kind, value, step in ((x, "RA---TAN", look.ra_deg, -PIXEL_DEG), (y, "DEC--TAN", look.dec_deg, PIXEL_DEG)):
        cards += [(f"TCTYP{n}", kind, ""), (f"TCRVL{n}", value, ""), (f"TCRPX{n}", CENTRE, "")]
        cards += [(f"TCDLT{n}", step, ""), (f"TCUNI{n}", "deg", "")]
    return cards


def everything(observation: Observation, exposure: Exposure, chips: tuple[int, ...]) -> list[Card]:
    """Return what all products of an observation carry, in the order of real files."""
    parts = (origin, times, mission, pointing)
    return [*(card for part in parts for card in part(observation)), *exposure_times(observation, exposure, chips)]


def region_keywords(field: Field, region_id: int) -> list[Card]:
    """Return which region of which stack a product belongs to."""
    return [("REGIONID", f"{region_id:04d}", "Region id"), ("STACK_ID", field.stack_id, "Stack id")]
