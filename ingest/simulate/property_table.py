"""The property table as the CSC service answers: '#Column' lines, a header row, padded values.

Source: an answer of search_csc (csccli/getProperties, decimal coordinates, nulls as NaN); the five-table join of
master_source and observation_source. Where both tables have a column, the detection's is called 'obi_...'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ingest.simulate.measure import Value

_BANDS = {
    "b": "ACIS broad (0.5-7.0 keV) energy band",
    "h": "ACIS hard (2.0-7.0 keV) energy band",
    "m": "ACIS medium (1.2-2.0 keV) energy band",
    "s": "ACIS soft (0.5-1.2 keV) energy band",
    "u": "ACIS ultrasoft (0.2-0.5 keV) energy band",
}
_PAIRS = {"hm": "hard - medium", "hs": "hard - soft", "ms": "medium - soft"}
_LIMITS = {"": "", "_lolim": " (68% lower confidence limit)", "_hilim": " (68% upper confidence limit)"}
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


def _fluxes(table: str, prefix: str) -> Iterator[Entry]:
    for band, words in _BANDS.items():
        for limit, more in _LIMITS.items():
            name = f"flux_aper{limit}_{band}"
            text = f"Aperture-corrected net energy flux inferred from the source region aperture{more}; {words}"
            yield Entry(prefix + name, "E9.3", text, table, "erg/s/cm^2", column=name)


def _ratios(table: str, prefix: str) -> Iterator[Entry]:
    for pair, words in _PAIRS.items():
        for limit, more in _LIMITS.items():
            name = f"hard_{pair}{limit}"
            yield Entry(
                prefix + name, "F9.4", f"ACIS {words} energy band photon flux hardness ratio{more}", table, column=name
            )


def _models(table: str, prefix: str) -> Iterator[Entry]:
    for model, (value, words) in _MODELS.items():
        for quantity, unit in ((value, "" if value == "gamma" else "keV"), ("nh", "N_HI atoms 10^20 cm^-2")):
            for limit, more in _LIMITS.items():
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
    yield from _fluxes(m, "")
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
        for limit, more in _LIMITS.items():
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
    yield from _fluxes(o, "obi_")
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
