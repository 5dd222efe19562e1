"""The catalog's tables: rows of master_source, and the property table as the CSC service answers.

The answer has '#Column' lines, a header row and padded values. A master row is put together from its detections.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ingest.simulate.fields import Field, Source
from ingest.simulate.measure import DRAWS, RATIOS, Measured, Value, hardness

_LIMITS = ("", "_lolim", "_hilim")
_FITTED = ("powlaw_gamma", "powlaw_nh", "bb_kt", "bb_nh", "brems_kt", "brems_nh", "apec_kt", "apec_nh")
FLUX_BANDS = ("b", "h", "m", "s", "u")


def _numbers(detections: Sequence[Measured], column: str) -> list[float]:
    values = [d.row[column] for d in detections]
    return [float(v) for v in values if isinstance(v, int | float)]


def _fluxes(detections: Sequence[Measured], band: str) -> dict[str, Value]:
    """Average fluxes with their inverse variances."""
    flux = np.array(_numbers(detections, f"flux_aper_{band}"))
    low, high = (np.array(_numbers(detections, f"flux_aper{limit}_{band}")) for limit in _LIMITS[1:])
    sigma = np.maximum(0.5 * (high - low), 1e-3 * flux + 1e-18)
    weight = 1.0 / sigma**2
    mean, error = float((flux * weight).sum() / weight.sum()), float(1.0 / math.sqrt(weight.sum()))
    return {
        f"flux_aper_{band}": mean,
        f"flux_aper_lolim_{band}": max(mean - error, 0.0),
        f"flux_aper_hilim_{band}": mean + error,
    }


def _between(detections: Sequence[Measured]) -> dict[str, Value]:
    """Test whether the photon flux is the same in all observations: chi-squared against the mean."""
    empty: dict[str, Value] = dict.fromkeys(("var_inter_prob_b", "var_inter_index_b", "var_inter_sigma_b"))
    if len(detections) == 1:
        return empty
    flux = np.array(_numbers(detections, "photflux_aper_b"))
    significance = np.array(_numbers(detections, "flux_significance_b"))
    sigma = np.maximum(flux / np.maximum(significance, 0.3), 1e-9)
    mean = float((flux / sigma**2).sum() / (1.0 / sigma**2).sum())
    chi2, dof = float(((flux - mean) ** 2 / sigma**2).sum()), len(flux) - 1
    # Wilson & Hilferty 1931: the cube root of chi-squared per degree of freedom is nearly normal.
    z = ((chi2 / dof) ** (1.0 / 3.0) - (1.0 - 2.0 / (9.0 * dof))) / math.sqrt(2.0 / (9.0 * dof))
    probability = 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))
    steps = (0.8, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 0.999999)
    return {
        "var_inter_prob_b": probability,
        "var_inter_index_b": int(np.searchsorted(steps, probability, side="right")),
        "var_inter_sigma_b": float(flux.std()),
    }


def _hardness(detections: Sequence[Measured], rng: np.random.Generator) -> dict[str, Value]:
    """Draw from the posteriors of the summed photon fluxes of all detections."""
    draws: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    for band in ("h", "m", "s"):
        counts, background, factor = np.array([d.band_counts[band] for d in detections]).T
        total = rng.gamma(counts.sum() + 1.0, size=DRAWS) - background.sum()
        draws[band] = np.maximum(total, 0.05) / (1.0 / factor).sum()
    row: dict[str, Value] = {}
    for pair in RATIOS:
        values = hardness(draws[pair[0]], draws[pair[1]])
        row |= {f"hard_{pair}{limit}": value for limit, value in zip(_LIMITS, values, strict=True)}
    return row


def master_row(
    field: Field, source: Source, detections: Sequence[Measured], rng: np.random.Generator
) -> dict[str, Value]:
    """Return the columns of master_source for one source.

    Parameters
    ----------
    field : Field
        Where it lies.
    source : Source
        Its name and measured position; nothing of its nature is looked at.
    detections : sequence of Measured
        All of them.
    rng : numpy Generator
        The source's own.

    Returns
    -------
    dict
        Columns under the catalog's names, None for null.
    """
    best = max(detections, key=lambda d: float(d.row["flux_significance_b"] or 0.0))
    significance = math.sqrt(sum(s * s for s in _numbers(detections, "flux_significance_b")))
    net = sum(_numbers(detections, "src_cnts_aper_b"))
    error = 0.35 + 2.0 * float(best.row["mjr_axis_raw_b"] or 0.5) / math.sqrt(max(net, 1.0))
    row: dict[str, Value] = {
        "name": source.name,
        "ra": source.measured_ra_deg,
        "dec": source.measured_dec_deg,
        "err_ellipse_r0": error,
        "err_ellipse_r1": error * float(rng.uniform(0.8, 1.0)),
        "err_ellipse_ang": float(rng.uniform(0.0, 180.0)),
        "significance": significance,
        "likelihood": 0.5 * significance**2,
        "likelihood_class": "TRUE" if significance > 4.0 else "MARGINAL",  # noqa: PLR2004
        "nh_gal": field.nh_galactic_1e20,
        "conf_flag": any(d.row["conf_code"] for d in detections),
        "extent_flag": False,
        "sat_src_flag": False,
        "streak_src_flag": any(d.row["streak_src_flag"] for d in detections),
        "pileup_flag": max(_numbers(detections, "pileup_warning")) > 0.1,  # noqa: PLR2004
        "dither_warning_flag": any(d.row["dither_warning_flag"] for d in detections),
    }
    for band in FLUX_BANDS:
        row |= _fluxes(detections, band)
    row |= _hardness(detections, rng) | _between(detections)
    for ours, theirs in (("var_intra", "var"), ("ks_intra", "ks"), ("kp_intra", "kp")):
        row[f"{ours}_prob_b"] = max(_numbers(detections, f"{theirs}_prob_b"), default=None)
    row["var_intra_index_b"] = max((int(v) for v in _numbers(detections, "var_index_b")), default=None)
    varies = [row["var_intra_index_b"] or 0, row["var_inter_index_b"] or 0]
    row["var_flag"] = max(int(v) for v in varies) >= 6  # noqa: PLR2004 - the catalog's threshold
    row |= {f"{name}{limit}": best.row[f"{name}{limit}"] for name in _FITTED for limit in _LIMITS}
    row |= {f"{name}_stat": best.row[f"{name}_stat"] for name in ("powlaw", "bb", "brems", "apec")}
    return row


_BANDS = {
    "b": "ACIS broad (0.5-7.0 keV) energy band",
    "h": "ACIS hard (2.0-7.0 keV) energy band",
    "m": "ACIS medium (1.2-2.0 keV) energy band",
    "s": "ACIS soft (0.5-1.2 keV) energy band",
    "u": "ACIS ultrasoft (0.2-0.5 keV) energy band",
}
_PAIRS = {"hm": "hard - medium", "hs": "hard - soft", "ms": "medium - soft"}
_LIMIT_NOTES = {"": "", "_lolim": " (68% lower confidence limit)", "_hilim": " (68% upper confidence limit)"}
_MODELS = {"powlaw": ("gamma", "power law"), "bb": ("kt", "black body"), "brems": ("kt", "bremsstrahlung")}
_MODELS["apec"] = ("kt", "APEC")


class Entry(NamedTuple):
    """A column of the answer.

    Attributes
    ----------
    label : str
        Its name in the answer.
    form : str
        'E9.3', 'F9.2', 'I5', 'A22'.
    description : str
    table : str
        'master_source', 'observation_source', 'master_stack_assoc', 'stack_source' or ''.
    unit, ucd : str
    column : str
        Its name in the row.
    """

    label: str
    form: str
    description: str
    table: str
    unit: str = ""
    ucd: str = ""
    column: str = ""

    @property
    def key(self) -> str:
        """Name in the row of its table."""
        return self.column or self.label


def _flux_entries(table: str, prefix: str) -> Iterator[Entry]:
    for band, words in _BANDS.items():
        for limit, more in _LIMIT_NOTES.items():
            name = f"flux_aper{limit}_{band}"
            text = f"Aperture-corrected net energy flux inferred from the source region aperture{more}; {words}"
            yield Entry(prefix + name, "E9.3", text, table, "erg/s/cm^2", column=name)


def _ratios(table: str, prefix: str) -> Iterator[Entry]:
    for pair, words in _PAIRS.items():
        for limit, more in _LIMIT_NOTES.items():
            name = f"hard_{pair}{limit}"
            yield Entry(
                prefix + name, "F9.4", f"ACIS {words} energy band photon flux hardness ratio{more}", table, column=name
            )


def _models(table: str, prefix: str) -> Iterator[Entry]:
    for model, (value, words) in _MODELS.items():
        for quantity, unit in ((value, "" if value == "gamma" else "keV"), ("nh", "N_HI atoms 10^20 cm^-2")):
            for limit, more in _LIMIT_NOTES.items():
                name = f"{model}_{quantity}{limit}"
                text = f"{quantity} of the best fitting absorbed {words} model spectrum{more}"
                yield Entry(prefix + name, "F9.3", text, table, unit, column=name)
        name = f"{model}_stat"
        yield Entry(prefix + name, "F9.3", f"Fit statistic per degree of freedom, {words}", table, column=name)


def _master() -> Iterator[Entry]:
    m = "master_source"
    yield Entry("sepn", "E9.6", "", "")
    yield Entry("name", "A22", "Source name in the format '2CXO Jhhmmss.s{+|-}ddmmss[X]'", m)
    yield Entry("ra", "E9.7", "Source position, ICRS right ascension", m, "deg", "pos.eq.ra;meta.main")
    yield Entry("dec", "E9.7", "Source position, ICRS declination", m, "deg", "pos.eq.dec;meta.main")
    for axis, words in (("r0", "Major"), ("r1", "Minor")):
        text = f"{words} radius of the 95% confidence level position error ellipse"
        yield Entry(f"err_ellipse_{axis}", "F9.2", text, m, "arcsec")
    yield Entry("err_ellipse_ang", "F9.1", "Position angle of the error ellipse", m, "deg")
    for flag, words in (
        ("conf_flag", "Source may be confused"),
        ("sat_src_flag", "Source is saturated in all observations; source properties are unreliable"),
        ("streak_src_flag", "Source is located on an ACIS readout streak in all observations"),
        ("pileup_flag", "ACIS pile-up fraction exceeds about 10% in all observations"),
        ("extent_flag", "Source is extended"),
        ("dither_warning_flag", "Highest peak in the power spectrum lies at the dither frequency"),
        ("var_flag", "Source displays flux variability within one or between observations"),
    ):
        yield Entry(flag, "A5", words, m)
    yield Entry("significance", "F9.2", "Highest flux significance (S/N) across all stacked observations", m)
    yield Entry("likelihood", "F9.2", "Highest detection log likelihood", m)
    yield Entry("likelihood_class", "A20", "Highest detection likelihood classification", m)
    yield Entry("nh_gal", "F9.2", "Galactic N_HI column density", m, "N_HI atoms 10^20 cm^-2")
    yield from _flux_entries(m, "")
    yield from _ratios(m, "")
    yield from _models(m, "")
    yield Entry("var_intra_index_b", "I2", "Intra-observation Gregory-Loredo variability index in the range [0, 10]", m)
    yield Entry("var_intra_prob_b", "F9.3", "Intra-observation Gregory-Loredo variability probability", m)
    yield Entry("ks_intra_prob_b", "F9.3", "Intra-observation Kolmogorov-Smirnov test variability probability", m)
    yield Entry("kp_intra_prob_b", "F9.3", "Intra-observation Kuiper's test variability probability", m)
    yield Entry("var_inter_index_b", "I2", "Inter-observation variability index in the range [0, 10]", m)
    yield Entry("var_inter_prob_b", "F9.3", "Inter-observation variability probability", m)
    yield Entry(
        "var_inter_sigma_b", "E9.3", "Inter-observation flux variability standard deviation", m, "photon/s/cm^2"
    )


def _observation() -> Iterator[Entry]:
    o = "observation_source"
    yield Entry("match_type", "A1", "Type of match; u = unique, a = ambiguous, n = non-detection", "master_stack_assoc")
    yield Entry("obsid", "I5", "Observation identifier", o)
    yield Entry("obi", "I3", "Observation interval number", o)
    yield Entry("region_id", "I4", "Detection region identifier (component number)", o)
    yield Entry("instrument", "A4", "Instrument used for the observation; 'ACIS' or 'HRC'", o)
    yield Entry("theta", "F9.3", "PSF 90% ECF aperture off-axis angle", o, "arcmin")
    yield Entry("phi", "F9.2", "PSF 90% ECF aperture azimuthal angle", o, "deg")
    yield Entry("livetime", "F9.1", "Effective single observation exposure time", o, "s")
    yield Entry("gti_mjd_obs", "F12.5", "Modified Julian date of the start of the observation", o, "d")
    for code in ("conf_code", "extent_code", "edge_code", "multi_chip_code"):
        yield Entry(code, "I5", f"{code}: bit encoded, see the catalog", o)
    yield Entry("obi_sat_src_flag", "A5", "Detection is saturated; detection properties are unreliable", o)
    yield Entry(
        "obi_dither_warning_flag", "A5", "Power spectrum peaks at the dither frequency", o, column="dither_warning_flag"
    )
    yield Entry("obi_streak_src_flag", "A5", "Detection lies on an ACIS readout streak", o, column="streak_src_flag")
    yield Entry("pileup_warning", "F9.5", "ACIS pile-up warning: counts per frame per pixel", o, "count/frame/pixel")
    yield Entry("detector", "A15", "Detector elements over which the background region dithers", o)
    for name, form, unit in (
        ("mjr_axis_raw_b", "F9.3", "arcsec"),
        ("mnr_axis_raw_b", "F9.3", "arcsec"),
        ("pos_angle_raw_b", "F9.1", "deg"),
    ):
        yield Entry(name, form, f"{name}: observed detection extent", o, unit)
    for band, words in _BANDS.items():
        yield Entry(
            f"cnts_aper_{band}", "I11", f"Total counts observed in the source region aperture; {words}", o, "count"
        )
        for limit, more in _LIMIT_NOTES.items():
            text = f"Aperture-corrected detection net counts{more}; {words}"
            yield Entry(f"src_cnts_aper{limit}_{band}", "F11.3", text, o, "count")
        yield Entry(
            f"src_rate_aper_{band}", "F9.5", f"Aperture-corrected detection net count rate; {words}", o, "count/s"
        )
        yield Entry(
            f"flux_significance_{band}", "F9.2", f"Significance of the single-observation detection; {words}", o
        )
        name = f"photflux_aper_{band}"
        yield Entry(f"obi_{name}", "E9.3", f"Net photon flux; {words}", o, "photon/s/cm^2", column=name)
    yield from _flux_entries(o, "obi_")
    yield from _ratios(o, "obi_")
    yield from _models(o, "obi_")
    yield Entry("var_index_b", "I2", "Intra-observation Gregory-Loredo variability index in the range [0, 10]", o)
    for name, words in (
        ("var_prob_b", "Gregory-Loredo"),
        ("ks_prob_b", "Kolmogorov-Smirnov"),
        ("kp_prob_b", "Kuiper's"),
    ):
        yield Entry(name, "E12.5", f"Intra-observation {words} variability probability", o)
    for name in ("var_mean_b", "var_sigma_b", "var_min_b", "var_max_b"):
        yield Entry(name, "E9.3", f"{name}: of the Gregory-Loredo light curve", o, "count/s")
    yield Entry("detect_stack_id", "A24", "Detect stack identifier", "stack_source")


ENTRIES: tuple[Entry, ...] = (*_master(), *_observation())


def formatted(value: Value, form: str) -> str:
    """Format a value as the service does: padded to the width of its format, NaN for null.

    Examples
    --------
    >>> formatted(0.5597, "F9.4"), formatted(None, "I2"), formatted(True, "A5"), formatted(1.77e-13, "E9.3")
    ('   0.5597', 'NaN', ' TRUE', '1.770e-13')
    """
    kind = form[0]
    whole, _, digits = form[1:].partition(".")
    width = int(whole)
    if kind == "A":
        text = str(value).upper() if isinstance(value, bool) else str(value or "")
        return text.rjust(width) if width > 1 else text.ljust(11)
    if value is None or not isinstance(value, int | float):
        return "NaN".rjust(width)
    if kind == "I":
        return f"{int(value):{width}d}"
    return f"{float(value):{width}.{digits}{kind.lower()}}"


def preamble() -> str:
    """Return the '#Column' lines: name, format, description, where it comes from, unit, UCD."""
    lines = [
        f'#Column\t{e.label}\t({e.form})\t{e.description}\t({e.table}.{e.label})\t["{e.unit}"]\t[{e.ucd}]'
        for e in ENTRIES
    ]
    return "\n".join(lines) + "\n"


def property_table(rows: Iterable[tuple[dict[str, Value], dict[str, Value]]]) -> str:
    """Return the whole answer.

    Parameters
    ----------
    rows : iterable of (dict, dict)
        master_source and observation_source columns of each detection.
    """
    lines = ["\t".join(e.label for e in ENTRIES)]
    for master, observation in rows:
        of_master = {"master_source", ""}
        values = ((master if e.table in of_master else observation).get(e.key) for e in ENTRIES)
        lines.append("\t".join(formatted(v, e.form) for v, e in zip(values, ENTRIES, strict=True)))
    return f"{preamble()}# simulated, as release 2.1 of the CSC has it (csc21)\n" + "\n".join(lines) + "\n\n"
