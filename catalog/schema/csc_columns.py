"""The columns of the Chandra Source Catalog, made from families: a stem, its limits, its energy bands.

A catalog property measured in six bands with two confidence limits is eighteen columns, named
`flux_aper_b`, `flux_aper_lolim_b`, `flux_aper_hilim_b`, ... One line here declares them all.

Source: CSC release 2 column pages (master sources, per-observation detections); Evans et al. 2024
(arXiv:2407.10799).
"""

from __future__ import annotations

from collections.abc import Iterator

from catalog.schema.columns import BOOL, FLOAT64, INT32, TEXT, Column, seldom

BANDS = {
    "b": "ACIS broad band, 0.5-7.0 keV",
    "h": "ACIS hard band, 2.0-7.0 keV",
    "m": "ACIS medium band, 1.2-2.0 keV",
    "s": "ACIS soft band, 0.5-1.2 keV",
    "u": "ACIS ultrasoft band, 0.2-0.5 keV",
    "w": "HRC wide band, about 0.1-10 keV",
}
LIMITS = {"": "", "_lolim": ", lower limit at 68% confidence", "_hilim": ", upper limit at 68% confidence"}
_LIMIT_UCDS = {"": "", "_lolim": ";stat.min", "_hilim": ";stat.max"}

ENERGY_FLUX = "erg s**-1 cm**-2"
PHOTON_FLUX = "photon s**-1 cm**-2"
COLUMN_DENSITY = "10**20 cm**-2"
_FLUX_UCD, _PHOTON_UCD, _COUNT_UCD = "phot.flux;em.X-ray", "phot.flux;em.X-ray", "phot.count;em.X-ray"
_PROBABILITY = "stat.probability;src.var"
APERTURES = {"aper": "source region", "aper90": "ellipse that holds 90% of the point-spread function"}
MODELS = {
    "powlaw": "power law (photon index 2.0)",
    "bb": "black body (kT 0.75 keV)",
    "brems": "bremsstrahlung (kT 3.5 keV)",
    "apec": "APEC plasma (kT 6.5 keV)",
}
HARDNESS = {"hm": "hard and medium", "hs": "hard and soft", "ms": "medium and soft"}


def limited(stem: str, description: str, unit: str = "", ucd: str = "") -> Iterator[Column]:
    """Declare a property with its two confidence limits.

    Examples
    --------
    >>> [c.name for c in limited("bb_kt", "Temperature", "keV")]
    ['bb_kt', 'bb_kt_lolim', 'bb_kt_hilim']
    """
    for limit, words in LIMITS.items():
        yield Column(
            f"{stem}{limit}", FLOAT64, f"{description}{words}", unit, f"{ucd}{_LIMIT_UCDS[limit]}" if ucd else ""
        )


def banded(
    stem: str, description: str, unit: str = "", ucd: str = "", *, whole: bool = False, limits: bool = False
) -> Iterator[Column]:
    """Declare a property in all six energy bands, with confidence limits where it has them.

    Parameters
    ----------
    stem : str
        Name without band: 'flux_aper'.
    description : str
        What it is, without the band.
    unit, ucd : str
        Of every member of the family.
    whole : bool
        Whether the values are whole numbers.
    limits : bool
        Whether `_lolim` and `_hilim` stand between stem and band.

    Examples
    --------
    >>> [c.name for c in banded("flux_aper", "Flux", limits=True)][5:8]
    ['flux_aper_w', 'flux_aper_lolim_b', 'flux_aper_lolim_h']
    """
    for limit, words in LIMITS.items() if limits else (("", ""),):
        for band, name in BANDS.items():
            yield Column(
                f"{stem}{limit}_{band}",
                INT32 if whole else FLOAT64,
                f"{description}{words}; {name}",
                unit,
                f"{ucd}{_LIMIT_UCDS[limit]}" if ucd else "",
            )


def _flag(name: str, description: str) -> Column:
    return Column(name, BOOL, description, ucd="meta.code")


def aperture_fluxes(how: str = "", stem_suffix: str = "") -> Iterator[Column]:
    """Declare photon and energy fluxes in both apertures and all bands, with limits."""
    for aperture, region in APERTURES.items():
        for stem, kind, unit, ucd in (
            ("photflux", "photon", PHOTON_FLUX, _PHOTON_UCD),
            ("flux", "energy", ENERGY_FLUX, _FLUX_UCD),
        ):
            description = f"Aperture-corrected net {kind} flux from the {region}{how}"
            family = banded(f"{stem}_{aperture}{stem_suffix}", description, unit, ucd, limits=True)
            yield from seldom(family) if (stem, aperture) == ("photflux", "aper90") else family


def model_fluxes() -> Iterator[Column]:
    """Declare energy fluxes that follow from the count rate and a canonical model absorbed by the Galactic column."""
    for model, words in MODELS.items():
        for aperture, region in APERTURES.items():
            description = f"Energy flux from the counts in the {region}, for an absorbed {words}"
            yield from banded(f"flux_{model}_{aperture}", description, ENERGY_FLUX, _FLUX_UCD, limits=True)


_FITS = {
    "powlaw": ("power law", {"gamma": ("Photon index", "", "spect.index;em.X-ray")}, "ampl"),
    "bb": ("black body", {"kt": ("Temperature kT", "keV", "phys.temperature")}, "ampl"),
    "brems": ("bremsstrahlung", {"kt": ("Temperature kT", "keV", "phys.temperature")}, "norm"),
    "apec": (
        "APEC plasma",
        {
            "kt": ("Temperature kT", "keV", "phys.temperature"),
            "abund": ("Metal abundance relative to solar", "", "phys.abund.Z"),
            "z": ("Redshift", "", "src.redshift"),
        },
        "norm",
    ),
}


def spectral_fits() -> Iterator[Column]:
    """Declare parameters, limits, convergence and statistic of the four absorbed models fitted to the spectrum."""
    for model, (words, own, scale) in _FITS.items():
        fit = f"of the best-fitting absorbed {words}"
        yield from seldom(limited(f"flux_{model}", f"Net 0.5-7.0 keV energy flux {fit}", ENERGY_FLUX, _FLUX_UCD))
        parameters = own | {
            "nh": ("Hydrogen column density", COLUMN_DENSITY, "phys.columnDensity"),
            scale: ("Amplitude", "", "arith.factor"),
        }
        for parameter, (name, unit, ucd) in parameters.items():
            yield from limited(f"{model}_{parameter}", f"{name} {fit}", unit, ucd)
            description = f"{name} {fit}: convergence of the chains"
            yield Column(f"{model}_{parameter}_rhat", FLOAT64, description, "", "stat.fit", "all")
        yield Column(f"{model}_stat", FLOAT64, f"Chi-square per degree of freedom {fit}", ucd="stat.fit.chi2")


def hardness() -> Iterator[Column]:
    """Declare the three hardness ratios, as release 2 defines them."""
    for pair, words in HARDNESS.items():
        description = f"Hardness ratio of the {words} bands' photon fluxes, (harder - softer) / (harder + softer)"
        yield from limited(f"hard_{pair}", description, "", "phot.color;em.X-ray")


def extent() -> Iterator[Column]:
    """Declare the deconvolved extent in all bands."""
    for stem, words, unit, ucd in (
        ("major_axis", "1-sigma radius along the major axis", "arcsec", "phys.angSize.smajAxis"),
        ("minor_axis", "1-sigma radius along the minor axis", "arcsec", "phys.angSize.sminAxis"),
        ("pos_angle", "Position angle of the major axis", "deg", "pos.posAng"),
    ):
        yield from banded(stem, f"{words} of the ellipse of the deconvolved extent", unit, ucd, limits=True)
    area = "Area of the ellipse of the deconvolved extent, or of the polygon of an extended source"
    yield from banded("src_area", area, "arcsec**2", "phys.angArea")


def _master_variability() -> Iterator[Column]:
    for stem, words, whole in (
        ("ks_intra_prob", "Kolmogorov-Smirnov probability of variability", False),
        ("kp_intra_prob", "Kuiper probability of variability", False),
        ("var_intra_prob", "Gregory-Loredo probability of variability", False),
        ("var_intra_index", "Gregory-Loredo variability index, 0 to 10", True),
    ):
        description = f"{words} within an observation, the highest of all observations"
        yield from banded(stem, description, ucd="src.var.index" if whole else _PROBABILITY, whole=whole)
    yield from banded("var_inter_prob", "Probability that the flux varies between observations", ucd=_PROBABILITY)
    description = "Index, 0 to 10, of variability between observations"
    yield from banded("var_inter_index", description, ucd="src.var.index", whole=True)
    description = "Spread of the observations' photon fluxes about their weighted mean"
    yield from banded("var_inter_sigma", description, PHOTON_FLUX, "src.var.amplitude")
    for pair, words in HARDNESS.items():
        ratio = f"hardness ratio of the {words} bands"
        yield Column(
            f"var_inter_hard_prob_{pair}", FLOAT64, f"Probability that the {ratio} varies between observations"
        )
        yield Column(f"var_inter_hard_sigma_{pair}", FLOAT64, f"Spread of the {ratio} between observations")


def _exposure_sums() -> Iterator[Column]:
    for stem, words in (
        ("acis", "ACIS imaging"),
        ("acis_hetg", "ACIS/HETG"),
        ("acis_letg", "ACIS/LETG"),
        ("hrc", "HRC imaging"),
        ("hrc_hetg", "HRC/HETG"),
        ("hrc_letg", "HRC/LETG"),
    ):
        yield Column(f"{stem}_num", INT32, f"Number of {words} observations that contribute", ucd="meta.number;obs")
        yield Column(
            f"{stem}_time", FLOAT64, f"Good time of all {words} observations", "s", "time.duration;obs.exposure"
        )


POSITION: tuple[Column, ...] = (
    Column("ra", FLOAT64, "Right ascension of the source, ICRS", "deg", "pos.eq.ra;meta.main"),
    Column("dec", FLOAT64, "Declination of the source, ICRS", "deg", "pos.eq.dec;meta.main"),
)

MASTER_SOURCE: tuple[Column, ...] = (
    *POSITION,
    Column("err_ellipse_r0", FLOAT64, "Major radius of the 95% error ellipse", "arcsec", "stat.error;pos.eq"),
    Column("err_ellipse_r1", FLOAT64, "Minor radius of the 95% error ellipse", "arcsec", "stat.error;pos.eq"),
    Column("err_ellipse_ang", FLOAT64, "Position angle of the 95% error ellipse", "deg", "pos.posAng;pos.errorEllipse"),
    Column("gal_l", FLOAT64, "Galactic longitude", "deg", "pos.galactic.lon", "all"),
    Column("gal_b", FLOAT64, "Galactic latitude", "deg", "pos.galactic.lat", "all"),
    Column("significance", FLOAT64, "Highest flux significance of all stacks and bands", ucd="stat.snr"),
    Column("likelihood", FLOAT64, "Highest detection log likelihood of all stacks and bands", ucd="stat.likelihood"),
    Column("likelihood_class", TEXT, "TRUE, MARGINAL or FALSE: highest detection class", ucd="meta.code.qual"),
    _flag("conf_flag", "Source may be confused: its region overlaps another"),
    _flag("dither_warning_flag", "The strongest peak of the power spectrum lies at a dither frequency"),
    _flag("extent_flag", "Source is extended"),
    _flag("pileup_flag", "Pile-up exceeds about 10% in all ACIS observations"),
    _flag("sat_src_flag", "Source is saturated in all observations: its properties are unreliable"),
    _flag("streak_src_flag", "Source lies on a readout streak in all ACIS observations"),
    _flag("var_flag", "Flux varies within or between observations in a band"),
    _flag("var_inter_hard_flag", "Hardness ratios are inconsistent between observations"),
    _flag("man_add_flag", "Source was added by a person"),
    _flag("man_inc_flag", "Source was kept by a person although the automatic criteria rejected it"),
    _flag("man_match_flag", "Detections were matched between stacks by a person"),
    _flag("man_pos_flag", "Position was changed by a person"),
    _flag("man_reg_flag", "Source region was changed by a person"),
    *seldom(extent()),
    Column("phot_nsrcs", INT32, "Sources fitted together in the aperture photometry", "", "meta.number;src", "all"),
    *aperture_fluxes(", in the longest block of constant flux"),
    *seldom(aperture_fluxes(", mean of all observations", "_avg")),
    *seldom(model_fluxes()),
    *hardness(),
    *spectral_fits(),
    Column(
        "nh_gal",
        FLOAT64,
        "Galactic hydrogen column density towards the source",
        COLUMN_DENSITY,
        "phys.columnDensity",
        "all",
    ),
    *seldom(_master_variability(), but="var_(intra|inter)_(prob|index|sigma)_."),
    *seldom(_exposure_sums()),
)
