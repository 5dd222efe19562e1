"""csc.*: the Chandra Source Catalog, CSC's own names and columns to the letter.

How the merged tables are written: a row that a reader yields for csc.master_source or csc.observation_source
is a *partial* row. Its key says whom it is about; NULL says nothing (it never erases); `extra` adds its
entries to those of other files; `standing` says how much its file counts; `file_ids` names the file. So a table of
positions, one of hardness ratios and one of SIMBAD types become one row per source, in whatever order they arrive.
Where two files both have a value, the one of the higher standing holds. Releases are never mixed in a row:
`catalog.store.merging` says how.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from catalog.schema import csc_columns as families
from catalog.schema.columns import BOOL, EXTRA, FLOAT64, INT16, INT32, INT64, LONGS, TEXT, Column, Table, seldom
from catalog.schema.csc_columns import MASTER_SOURCE, POSITION, banded


def _pointing() -> Iterator[Column]:
    yield Column("targname", TEXT, "Target as the observer named it", ucd="meta.id;src")
    for suffix, words in (
        ("targ", "of the target the observer asked for"),
        ("pnt", "of the mean pointing"),
        ("nom", "of the tangent point"),
    ):
        yield Column(f"ra_{suffix}", FLOAT64, f"Right ascension {words}, ICRS", "deg", "pos.eq.ra")
        yield Column(f"dec_{suffix}", FLOAT64, f"Declination {words}, ICRS", "deg", "pos.eq.dec")
    yield Column("roll_pnt", FLOAT64, "Mean roll angle", "deg", "pos.posAng;instr")
    yield Column("roll_nom", FLOAT64, "Roll angle of the tangent plane", "deg", "pos.posAng;instr")


def _timing() -> Iterator[Column]:
    start, end = "time.start;obs", "time.end;obs"
    yield Column("gti_start", FLOAT64, "Start of the valid data, mission seconds (TT since MJD 50814.0)", "s", start)
    yield Column("gti_stop", FLOAT64, "End of the valid data, mission seconds (TT since MJD 50814.0)", "s", end)
    yield Column("gti_elapse", FLOAT64, "Time from start to end, gaps included", "s", "time.duration;obs")
    yield Column("gti_obs", TEXT, "Start of the valid data, ISO 8601 (TT)", ucd=start)
    yield Column("gti_end", TEXT, "End of the valid data, ISO 8601 (TT)", ucd=end)
    yield Column("gti_mjd_obs", FLOAT64, "Start of the valid data, modified Julian date", "d", start)
    yield Column("mjd_ref", FLOAT64, "Modified Julian date of mission second zero", "d", "time.epoch")
    description = "Exposure of the detection: good time less dead time, not corrected for vignetting"
    yield Column("livetime", FLOAT64, description, "s", "time.duration;obs.exposure")


def _instrument() -> Iterator[Column]:
    yield Column("instrument", TEXT, "ACIS or HRC", ucd="meta.id;instr")
    yield Column("grating", TEXT, "NONE, HETG or LETG", ucd="meta.id;instr")
    yield Column("datamode", TEXT, "Data mode: FAINT, VFAINT, GRADED and others", ucd="meta.code;instr.setup")
    yield Column("readmode", TEXT, "Readout mode: TIMED or CONTINUOUS", ucd="meta.code;instr.setup")
    yield Column("cycle", TEXT, "P or S: primary or secondary exposure of an interleaved observation", ucd="meta.code")
    yield Column("exptime", FLOAT64, "ACIS frame time", "s", "time.duration;obs.exposure")
    yield Column("detector", TEXT, "Detector elements the background region dithers over", ucd="meta.id;instr.det")
    for axis in "xy":
        description = f"Sky {axis} shift that brings the stack's frame onto the reference frame"
        yield Column(f"delta{axis}", FLOAT64, description, "arcsec", "pos.eq;arith.diff")
    yield Column(
        "deltarot", FLOAT64, "Rotation that brings the stack's frame onto the reference frame", "deg", "pos.posAng"
    )
    yield Column("ascdsver", TEXT, "Processing software", ucd="meta.version;meta.software")
    yield Column("caldbver", TEXT, "Calibration database", ucd="meta.version")
    yield Column("crdate", TEXT, "When the event file was made, ISO 8601 (UTC)", ucd="time.creation")
    yield Column("ao", INT32, "Observing cycle", ucd="meta.id;obs")


def _place() -> Iterator[Column]:
    yield Column("theta", FLOAT64, "Off-axis angle", "arcmin", "pos.angDistance;instr")
    yield Column("phi", FLOAT64, "Azimuth about the optical axis", "deg", "pos.az;instr")
    yield Column("chipx", FLOAT64, "Position on the chip, x", "pixel", "pos.cartesian.x;instr.det")
    yield Column("chipy", FLOAT64, "Position on the chip, y", "pixel", "pos.cartesian.y;instr.det")
    yield Column("ra_aper", FLOAT64, "Right ascension of the source region's centre, ICRS", "deg", "pos.eq.ra")
    yield Column("dec_aper", FLOAT64, "Declination of the source region's centre, ICRS", "deg", "pos.eq.dec")


def _codes() -> Iterator[Column]:
    for name, words in (
        ("conf_code", "Bits: which regions overlap this detection's (1, 2, 4, 8; 256: lies on an extended one)"),
        ("edge_code", "Bits: region or background touches an edge of the detector"),
        (
            "extent_code",
            "Bits: bands in which the detection is extended (1 u, 2 s, 4 m, 8 h, 16 b, 32 w; 256: a polygon)",
        ),
        ("multi_chip_code", "Bits: region or background dithers over several chips"),
        ("var_code", "Bits: bands in which the flux varies within the observation (1 u, 2 s, 4 m, 8 h, 16 b, 32 w)"),
    ):
        yield Column(name, INT32, words, ucd="meta.code")
    yield Column(
        "pileup_warning",
        FLOAT64,
        "Counts per frame and pixel: pile-up matters above about 0.1",
        "count/pixel",
        "phot.count",
    )
    for name, words in (
        ("dither_warning_flag", "The strongest peak of the power spectrum lies at a dither frequency"),
        ("sat_src_flag", "Detection is saturated: its properties are unreliable"),
        ("streak_src_flag", "Detection lies on a readout streak"),
        ("man_add_flag", "Detection was added by a person"),
        ("man_inc_flag", "Detection was kept by a person although the automatic criteria rejected it"),
        ("man_pos_flag", "Position was changed by a person"),
        ("man_reg_flag", "Region was changed by a person"),
    ):
        yield Column(name, BOOL, words, ucd="meta.code")


def _regions() -> Iterator[Column]:
    major, minor, angle = "phys.angSize.smajAxis", "phys.angSize.sminAxis", "pos.posAng"
    yield Column("area_aper", FLOAT64, "Area of the source region, overlaps cut out", "arcsec**2", "phys.angArea")
    yield Column(
        "area_aperbkg", FLOAT64, "Area of the background region, overlaps cut out", "arcsec**2", "phys.angArea"
    )
    yield Column("mjr_axis_aper", FLOAT64, "Semi-major axis of the source region", "arcsec", major)
    yield Column("mnr_axis_aper", FLOAT64, "Semi-minor axis of the source region", "arcsec", minor)
    yield Column("pos_angle_aper", FLOAT64, "Position angle of the source region", "deg", angle)
    for n, words in ((1, "inner"), (2, "outer")):
        yield Column(
            f"mjr_axis{n}_aperbkg", FLOAT64, f"Semi-major axis of the background's {words} edge", "arcsec", major
        )
        yield Column(
            f"mnr_axis{n}_aperbkg", FLOAT64, f"Semi-minor axis of the background's {words} edge", "arcsec", minor
        )
    yield Column("pos_angle_aperbkg", FLOAT64, "Position angle of the background region", "deg", angle)
    ellipse = "ellipse that holds 90% of the point-spread function"
    yield from banded("area_aper90", f"Area of the {ellipse}", "arcsec**2", "phys.angArea")
    yield from banded("area_aper90bkg", f"Area of the background of the {ellipse}", "arcsec**2", "phys.angArea")
    yield from banded("mjr_axis_aper90", f"Semi-major axis of the {ellipse}", "arcsec", major)
    yield from banded("mnr_axis_aper90", f"Semi-minor axis of the {ellipse}", "arcsec", minor)
    yield from banded("pos_angle_aper90", f"Position angle of the {ellipse}", "deg", angle)
    for n, words in ((1, "inner"), (2, "outer")):
        edge = f"axis of the {words} edge of the background of the {ellipse}"
        yield from banded(f"mjr_axis{n}_aper90bkg", f"Semi-major {edge}", "arcsec", major)
        yield from banded(f"mnr_axis{n}_aper90bkg", f"Semi-minor {edge}", "arcsec", minor)
    yield from banded("pos_angle_aper90bkg", f"Position angle of the background of the {ellipse}", "deg", angle)
    for stem, words in (
        ("aper", "source region"),
        ("aperbkg", "background region"),
        ("aper90", ellipse),
        ("aper90bkg", f"background of the {ellipse}"),
    ):
        yield from banded(
            f"psf_frac_{stem}", f"Fraction of the point-spread function in the {words}", ucd="arith.factor"
        )
    for stem, words in (("", "observed extent"), ("psf_", "local point-spread function")):
        limits = not stem
        yield from banded(f"{stem}mjr_axis_raw", f"1-sigma major radius of the {words}", "arcsec", major, limits=limits)
        yield from banded(f"{stem}mnr_axis_raw", f"1-sigma minor radius of the {words}", "arcsec", minor, limits=limits)
        yield from banded(f"{stem}pos_angle_raw", f"Position angle of the {words}", "deg", angle, limits=limits)
    yield from families.extent()


def _counts() -> Iterator[Column]:
    count, rate = "phot.count;em.X-ray", "arith.rate;phot.count;em.X-ray"
    for aperture, region in families.APERTURES.items():
        yield from banded(f"cnts_{aperture}", f"Counts in the {region}", "count", count, whole=True)
        yield from banded(
            f"cnts_{aperture}bkg", f"Counts in the background of the {region}", "count", count, whole=True
        )
        net = f"Net counts, aperture-corrected, from the {region}"
        yield from banded(f"src_cnts_{aperture}", net, "count", count, limits=True)
        net = f"Net count rate, aperture-corrected, from the {region}"
        yield from banded(f"src_rate_{aperture}", net, "count s**-1", rate, limits=True)


def _variability() -> Iterator[Column]:
    probability = "stat.probability;src.var"
    yield from banded("var_index", "Gregory-Loredo variability index, 0 to 10", ucd="src.var.index", whole=True)
    yield from banded("var_prob", "Gregory-Loredo probability of variability within the observation", ucd=probability)
    yield from banded(
        "ks_prob", "Kolmogorov-Smirnov probability of variability within the observation", ucd=probability
    )
    yield from banded("kp_prob", "Kuiper probability of variability within the observation", ucd=probability)
    for stem, words in (
        ("sigma", "Standard deviation"),
        ("mean", "Mean"),
        ("min", "Minimum"),
        ("max", "Maximum"),
    ):
        yield from banded(
            f"var_{stem}", f"{words} of the optimally binned light curve", "count s**-1", "arith.rate;phot.count"
        )


_FLUX_SIGNIFICANCE = "Photon flux over its error in this observation"

OBSERVATION_SOURCE: tuple[Column, ...] = (
    Column("obsid", INT32, "Observation identifier", ucd="meta.id;obs"),
    Column("obi", INT16, "Observation interval number; NULL where the table does not tell", ucd="meta.id;obs"),
    Column("region_id", INT32, "Detection region identifier; NULL where the table does not tell", ucd="meta.id;src"),
    Column("name", TEXT, "Source the detection belongs to, '2CXO J...'", ucd="meta.id;src"),
    Column("match_type", TEXT, "u unique, a ambiguous, n no detection (master_stack_assoc)", ucd="meta.code"),
    Column("detect_stack_id", TEXT, "Stack the source was detected in (stack_source)", ucd="meta.id;obs"),
    *seldom(_pointing()),
    *seldom(_timing(), but="gti_start|gti_stop|gti_mjd_obs|livetime"),
    *seldom(_instrument(), but="instrument|grating|detector"),
    *seldom(_place(), but="theta|phi|chip[xy]"),
    *_codes(),
    *seldom(_regions(), but="((mjr|mnr)_axis|pos_angle)_raw_[bw]"),
    *banded("flux_significance", _FLUX_SIGNIFICANCE, ucd="stat.snr;phot.flux"),
    *seldom(_counts(), but="((src_)?cnts|src_rate)_aper(_lolim|_hilim)?_[a-z]"),
    *families.aperture_fluxes(" in this observation"),
    *seldom(families.model_fluxes()),
    *families.hardness(),
    *families.spectral_fits(),
    *_variability(),
)


OWN_FILE, LIST = 1000, 8
"""Standings: what a file of the catalog's own service has more than others; below how many a table is only a list."""

_SEARCH_CSC = re.compile(
    "name|ra|dec|err_ellipse_r0|significance|(conf|sat_src|extent)_flag|obsid|obi|region_id|instrument|detector"
    "|theta|phi|livetime|(conf|extent)_code|flux_significance_[bw]|(cnts|src_rate)_aper_[bw]"
    "|flux_aper(_lolim|_hilim)?_[bw]|hard_(hm|ms)(_lolim|_hilim)?|var_((intra|inter)_)?index_[bw]"
    "|((mjr|mnr)_axis|pos_angle)_raw_[bw]"
)
"""search_csc's own columns: what every service of the catalog has."""


def _with_first(columns: Iterable[Column]) -> Iterator[Column]:
    yield from (replace(c, fetch="first") if _SEARCH_CSC.fullmatch(c.name) else c for c in columns)


_ORIGIN = (
    Column(
        "standing",
        INT16,
        f"How much the best file that gave the row counts: how many of the catalog's columns it has, and {OWN_FILE:,} "
        "more for a file of the catalog's own service; NULL for rows of an older store",
        ucd="meta.code.qual",
    ),
    Column("release", TEXT, "CSC release: 2.0 or 2.1; NULL where neither file nor user says", ucd="meta.version"),
    Column("extra", EXTRA, "What the table says in columns that are not CSC's, as text"),
    Column("file_ids", LONGS, "Files that gave the row: meta.file", ucd="meta.id"),
)
_NAME = Column("name", TEXT, "CSC source name, '2CXO J...'; a trailing X marks an extended source", ucd="meta.id;src")

CSC: tuple[Table, ...] = (
    Table(
        "csc.master_source",
        "One row per source: the catalog's best estimate from all observations",
        ("name",),
        (*_with_first((_NAME, *MASTER_SOURCE)), *_ORIGIN),
        writing="merge",
    ),
    Table(
        "csc.observation_source",
        "One row per detection of a source in one observation",
        ("detection_id",),
        (
            Column(
                "detection_id", TEXT, "obsid.obi.region_id; '-' and the source's name where unknown", ucd="meta.id;src"
            ),
            *_with_first(OBSERVATION_SOURCE),
            *_ORIGIN,
        ),
        writing="merge",
    ),
    Table(
        "csc.classification",
        "One row per statement of a type: who says what of which source or detection",
        ("file_id", "row"),
        (
            Column("file_id", INT64, "File the row came from: meta.file", ucd="meta.id"),
            Column("row", INT64, "Statement's number in the file, from 0", ucd="meta.number"),
            Column("name", TEXT, "Source the statement is about, '2CXO J...'", ucd="meta.id;src"),
            Column("obsid", INT32, "Observation, where the statement is about a detection", ucd="meta.id;obs"),
            Column("obi", INT16, "Observation interval number", ucd="meta.id;obs"),
            Column("region_id", INT32, "Detection region identifier", ucd="meta.id;src"),
            Column(
                "authority",
                TEXT,
                "Who says so: simbad, literature, umlcaxs, axia and others; file where it is not told",
            ),
            Column("otype", TEXT, "The type as the authority spells it", ucd="src.class"),
            Column("class", TEXT, "The authority's coarser class, where it has one", ucd="src.class"),
            Column("main_id", TEXT, "The object's name with that authority", ucd="meta.id;src"),
            Column("separation_arcsec", FLOAT64, "Distance to that object", "arcsec", "pos.angDistance"),
            Column("reference", TEXT, "Bibcode of the paper that says so, or how the table cites it", ucd="meta.bib"),
            Column("predicted", BOOL, "True where a model predicted the type: never truth", ucd="meta.code"),
            Column("probability", FLOAT64, "Probability the model gives it", ucd="stat.probability"),
            *POSITION,
            Column("extra", EXTRA, "What else the authority says of the object, as text"),
        ),
    ),
)
