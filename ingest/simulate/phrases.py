"""Sentences of abstracts: what papers about X-ray sources say, with blanks to fill in.

Blanks: {target} the source, {field} where it lies, {other} some famous object, {kind} the finer class, {nh}, {gamma},
{kt} of the component that dominates, {flux} and {lum} as observed (absorbed, 0.5-7 keV), {period} and the other figures
of the light curve, {n_obs} and {ks}, {one_ks} and {one_year} of a single observation, {place} what kind of field it
is. Statements that give a class away stand apart (ARGUMENTS, CONTEXT) from those that do not (DATA, FILLER, ...), so
that an abstract can leave them out or claim the wrong one. Classes may be wrong, figures may not: a sentence stands
where its figures are those of the model. Most published abstracts state no figure, so every list that states any has
a sentence without (`ingest.simulate.stated_figures`).
"""

from __future__ import annotations

FAMOUS: dict[str, tuple[str, ...]] = {
    "AGN": ("NGC 4151", "3C 273", "NGC 5548", "Mrk 421", "the Chandra Deep Field South"),
    "YSO": ("the Orion Nebula Cluster", "Taurus", "T Tau", "rho Ophiuchi"),
    "low-mass star": ("AD Leonis", "RS CVn", "AB Doradus", "the Hyades"),
    "high-mass star": ("theta1 Orionis C", "zeta Puppis", "Eta Carinae", "WR 140"),
    "CV": ("SS Cygni", "EX Hydrae", "GK Per", "47 Tucanae"),
    "HMXB": ("Cygnus X-1", "Vela X-1", "Cen X-3", "Her X-1"),
    "LMXB": ("Aquila X-1", "EXO 0748-676", "Terzan 5", "the Galactic Centre"),
    "NS": ("the Crab pulsar", "1E 2259+586", "Cas A", "RX J1856.5-3754"),
    "ULX": ("M 82 X-1", "Holmberg IX X-1", "NGC 1313 X-2", "M 31"),
}

# What abstracts call a field beside its designation.
PLACES = {
    "deep field": ("the extragalactic survey field", "the deep field"),
    "star-forming region": ("the star-forming region", "the young embedded cluster", "the molecular cloud around"),
    "open cluster": ("the open cluster", "the nearby cluster"),
    "galaxy": ("the spiral galaxy", "the nearby galaxy", "the star-forming galaxy"),
    "globular cluster": ("the globular cluster", "the dense cluster core of"),
    "Galactic plane": ("the Galactic-plane field", "the Galactic bulge field"),
    "targeted source": ("the field of", "the vicinity of"),
}

CLASS_WORDS: dict[str, tuple[str, ...]] = {
    "AGN": (
        "active galactic nucleus",
        "AGN",
        "background quasar",
        "accreting supermassive black hole",
        "Seyfert nucleus",
    ),
    "YSO": ("young stellar object", "pre-main-sequence star", "T Tauri star", "YSO", "protostar"),
    "low-mass star": (
        "late-type star",
        "coronally active dwarf",
        "M dwarf",
        "active binary",
        "field star with a corona",
    ),
    "high-mass star": ("OB star", "massive star", "early-type star", "colliding-wind binary", "Wolf-Rayet system"),
    "CV": ("cataclysmic variable", "CV", "accreting white dwarf", "intermediate polar", "dwarf nova"),
    "HMXB": (
        "high-mass X-ray binary",
        "HMXB",
        "Be/X-ray binary",
        "wind-fed accretor",
        "X-ray pulsar with an early-type donor",
    ),
    "LMXB": (
        "low-mass X-ray binary",
        "LMXB",
        "neutron-star transient",
        "Roche-lobe-overflow binary",
        "black-hole transient",
    ),
    "NS": ("isolated neutron star", "pulsar", "magnetar", "rotation-powered pulsar", "millisecond pulsar"),
    "ULX": ("ultraluminous X-ray source", "ULX", "super-Eddington accretor", "off-nuclear luminous source"),
}

CONFUSIONS: dict[str, tuple[str, ...]] = {
    "AGN": ("LMXB", "ULX", "HMXB", "CV"),
    "YSO": ("low-mass star", "AGN", "high-mass star"),
    "low-mass star": ("YSO", "CV", "NS"),
    "high-mass star": ("YSO", "HMXB", "low-mass star"),
    "CV": ("LMXB", "AGN", "low-mass star"),
    "HMXB": ("AGN", "CV", "LMXB"),
    "LMXB": ("CV", "HMXB", "AGN", "NS"),
    "NS": ("LMXB", "low-mass star", "CV"),
    "ULX": ("AGN", "LMXB", "HMXB"),
}

CONTEXT: dict[str, tuple[str, ...]] = {
    "AGN": (
        "Most of the accretion power in the Universe is released behind gas and dust.",
        "The growth of supermassive black holes leaves its mark on the X-ray background.",
        "How obscuration depends on luminosity and redshift is a matter of debate.",
        "X-ray variability probes the innermost regions around a central engine.",
    ),
    "YSO": (
        "Stars flare most violently before they reach the main sequence.",
        "X-rays ionise protoplanetary discs and drive their chemistry.",
        "The census of young clusters is incomplete where discs have already dissolved.",
        "Magnetic reconnection between star and disc may power the largest flares.",
    ),
    "low-mass star": (
        "Coronal activity declines with age and rotation.",
        "The habitability of planets depends on the high-energy irradiation by their host.",
        "Magnetic dynamos in cool stars produce hot plasma and frequent flares.",
        "Foreground stars are numerous in any deep X-ray image.",
    ),
    "high-mass star": (
        "Shocks in line-driven winds heat gas to millions of degrees.",
        "Massive stars shape their surroundings by radiation and winds.",
        "Wind collisions in binaries produce hard thermal emission.",
        "The ratio of X-ray to bolometric luminosity of hot stars is remarkably constant.",
    ),
    "CV": (
        "White dwarfs that accrete from a companion dominate the faint Galactic population.",
        "Accretion columns on magnetic white dwarfs radiate hard thermal X-rays.",
        "The space density of interacting binaries constrains their evolution.",
        "Boundary layers change character in outburst.",
    ),
    "HMXB": (
        "Binaries with massive donors trace recent star formation.",
        "Accretion from a stellar wind is clumpy and erratic.",
        "Slow rotation of magnetised accretors tells of torques by captured wind matter.",
        "Population synthesis predicts many systems on the way to double compact objects.",
    ),
    "LMXB": (
        "Old stellar populations keep a reservoir of accreting compact objects.",
        "Dynamical encounters in dense cores form binaries at a high rate.",
        "The nature of quiescent emission from transients is disputed.",
        "Thermonuclear bursts and dips reveal geometry and companion.",
    ),
    "NS": (
        "Cooling surfaces constrain the equation of state of dense matter.",
        "Thermal emission from hot spots carries information on mass and radius.",
        "The decay of very strong magnetic fields can power persistent emission.",
        "Energetic winds of spinning remnants make nebulae around them.",
    ),
    "ULX": (
        "Luminosities above the Eddington limit of stellar remnants call for beaming or for massive accretors.",
        "Radiatively driven outflows are expected at very high accretion rates.",
        "The discovery of pulsations changed the picture of the most luminous off-nuclear sources.",
        "Spectral curvature distinguishes super-critical discs from hard coronae.",
    ),
}

GENERAL_CONTEXT = (
    "High angular resolution makes it possible to resolve crowded regions in X-rays.",
    "Serendipitous catalogues contain many objects of unknown nature.",
    "The faint X-ray sky is a mixture of populations that are hard to tell apart.",
    "Archival data often hold more than the original proposals aimed at.",
    "Time-domain studies of X-ray sources have become feasible with two decades of archival data.",
    "Sub-arcsecond positions allow unambiguous counterparts to be found.",
    "Understanding source populations requires uniform analysis of many observations.",
)

DATA = (
    "We analyse {n_obs} Chandra ACIS observation(s) with a total exposure of {ks} ks.",
    "We report on {one_ks} ks of Chandra imaging spectroscopy of {target} in {place} {field}.",
    "We present a study of {target}, detected serendipitously in a {one_ks} ks observation of {place} {field}.",
    "Using a {one_ks} ks archival observation of {one_year}, we investigate the X-ray properties of {target}.",
    "We combine X-ray observations of {target} with photometry from the optical to the mid-infrared.",
    "We present a {one_ks} ks Chandra observation of {place} {field}, in which {target} was detected.",
    "{target} was observed with Chandra for {one_ks} ks in {one_year}.",
    "In a {one_ks} ks ACIS exposure of {place} {field} we find {target}.",
    "Spectra and light curves of {target} were extracted from {one_ks} ks of Chandra data.",
    "We analyse {n_obs} Chandra ACIS observation(s) of {place} {field}.",
    "We report on Chandra imaging spectroscopy of {target} in {place} {field}.",
    "We present a study of {target}, detected serendipitously with Chandra in {place} {field}.",
    "Using archival Chandra data, we investigate the X-ray properties of {target}.",
)

# Of the component that dominates.
SPECTRUM = {
    "powerlaw": (
        "The spectrum is well described by an absorbed power law with a photon index of {gamma}.",
        "A power law with Gamma = {gamma}, absorbed by N_H = {nh} x 10^22 cm^-2, fits the data.",
        "The continuum is featureless, with Gamma = {gamma} +/- 0.2 and a column of {nh} x 10^22 cm^-2.",
        "The spectrum is well described by an absorbed power law.",
        "The continuum is featureless, as that of a power law.",
        "A power law behind {nh} x 10^22 cm^-2 is an acceptable fit.",
    ),
    "thermal": (
        "A thermal plasma with kT = {kt} keV behind {nh} x 10^22 cm^-2 reproduces the spectrum.",
        "Emission lines point to collisionally ionised gas, with a temperature near {kt} keV.",
        "The plasma of {kt} keV is seen through a column of {nh} x 10^22 cm^-2.",
        "A thermal plasma reproduces the spectrum.",
        "Emission lines point to collisionally ionised gas.",
        "The plasma is seen through a column of {nh} x 10^22 cm^-2.",
    ),
    "blackbody": (
        "A black body of kT = {kt} keV dominates below 2 keV, with N_H = {nh} x 10^22 cm^-2.",
        "The emission is thermal, with an effective temperature of {kt} keV and a small emitting radius.",
        "A black body dominates the soft emission.",
        "The emission is thermal, with a small emitting radius.",
        "A black body behind {nh} x 10^22 cm^-2 fits the soft photons.",
    ),
    "disc": (
        "A multi-colour disc with an inner temperature of {kt} keV describes the curved spectrum.",
        "Spectral curvature above a few keV favours a disc of {kt} keV over a power law.",
        "The disc component of {kt} keV, absorbed by {nh} x 10^22 cm^-2, contributes most of the flux.",
        "A multi-colour disc describes the curved spectrum.",
        "Spectral curvature above a few keV favours a disc over a power law.",
        "The disc, absorbed by {nh} x 10^22 cm^-2, contributes most of the flux.",
    ),
}
# Of the one that dominates and what is beside it: the kind of another component, '' for nothing.
SPECTRUM_BESIDE = {
    ("powerlaw", ""): (
        "We find no need for a thermal component on top of the non-thermal continuum of photon index {gamma}.",
    ),
    ("thermal", "thermal"): ("Two temperature components are required, the dominant one at about {kt} keV.",),
    ("blackbody", "powerlaw"): ("Besides a soft thermal component of {kt} keV a non-thermal tail is present.",),
}

COLOUR = (
    (
        "The source is exceptionally soft; hardly any photons are detected above 2 keV.",
        "Its X-ray colours are very soft.",
    ),
    ("The spectrum is soft.", "Most counts lie below 2 keV.", "It has soft colours for its luminosity."),
    (
        "The hardness ratios are intermediate.",
        "The X-ray colours are typical for the field.",
        "It is of average hardness.",
    ),
    ("The spectrum is hard.", "The source is clearly detected above 2 keV.", "A hard continuum is seen."),
    (
        "Nearly all photons have energies above 2 keV.",
        "Hardly a photon is soft.",
        "It is very hard.",
    ),
)

TIMING = {
    "constant": (
        "No significant variability is found within the observations.",
        "The count rate is consistent with being constant.",
        "A search for pulsations was negative.",
    ),
    "flares": (
        "A flare with a fast rise and an exponential decay on a time scale of {decay} is seen.",
        "A flare with a fast rise and an exponential decay is seen.",
        "The light curve shows {flare} increase by a factor of several, with hardening at the peak.",
        "Flaring on time scales of kiloseconds accounts for much of the fluence.",
    ),
    "eclipse": (
        "The light curve shows an eclipse, and the period is about {period}.",
        "Total eclipses recur every {period}.",
        "Total eclipses recur.",
        "A sharp drop of the flux tells of occultation by the companion.",
        "A sharp drop of the flux, {cycle_share} per cent of the cycle long, tells of occultation by the companion.",
    ),
    "dips": (
        "Irregular dips accompanied by hardening indicate obscuring material at the outer disc.",
        "Absorption dips recur with a period of {period}.",
        "Absorption dips recur from orbit to orbit.",
        "During dips the spectrum becomes harder.",
    ),
    "pulsation": (
        "We detect a coherent modulation with a period of {period}.",
        "Pulsations at {period} are found with high significance.",
        "We detect coherent pulsations.",
        "The folded profile is asymmetric, and the pulsed fraction is large.",
    ),
    "red noise": (
        "Aperiodic variability is seen on all accessible time scales.",
        "The source varies without any period.",
        "The power spectrum rises towards low frequencies.",
    ),
    "bursts": (
        "Short bursts with thermal spectra were caught.",
        "Several bursts with decay times below a minute are present.",
    ),
    "outburst": (
        "The flux changed by a large factor.",
        "An outburst was followed by a slow decline.",
        "The source was much brighter in one of the observations.",
    ),
}

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "AGN": ("The ratio of X-ray to optical flux", "The redshifted optical emission lines", "Mid-infrared colours"),
    "YSO": ("The infrared excess", "The position above the main sequence", "Lithium absorption"),
    "low-mass star": (
        "The parallax",
        "The ratio of X-ray to bolometric luminosity",
        "Rotational modulation in the optical",
    ),
    "high-mass star": ("The spectral type of the counterpart", "Broad helium lines", "The strong radio wind emission"),
    "CV": ("Broad Balmer emission lines", "The ultraviolet excess", "The optical flickering"),
    "HMXB": ("The bright blue counterpart", "H-alpha emission with a double peak", "The slow spin"),
    "LMXB": ("The faint blue counterpart", "The location in the dense core", "The transient behaviour"),
    "NS": ("The lack of any optical counterpart", "The radio timing solution", "The very high X-ray to optical ratio"),
    "ULX": ("The implied luminosity of {lum} erg/s", "The offset from the nucleus", "The surrounding ionised bubble"),
}
VERDICTS = (
    "{argument} identifies {target} as a {word}.",
    "{argument} suggests that {target} is a {word}.",
    "{argument} supports the classification as a {word}, although a {wrong} cannot be excluded.",
    "We conclude that {target} is most likely a {word}.",
    "{target} is thus a candidate {word}; spectroscopy is needed.",
    "We argue against a {wrong} and in favour of a {word}.",
)
UNDECIDED = (
    "The nature of the source remains uncertain.",
    "We discuss several interpretations, a {word} and a {wrong} among them.",
    "Without an optical counterpart no firm classification is possible.",
    "The data do not allow us to distinguish between the proposed scenarios.",
    "Its properties are unusual when compared with {other}.",
)

COMPARISON = (
    "Similar behaviour is known from {other}.",
    "We compare the results with {other}.",
    "The properties resemble those of {other}, but the flux is lower.",
    "Unlike {other}, no hard tail is seen.",
    "The same analysis was applied to {other} as a control.",
)

FILLER = (
    "{quantity} were measured with {tool}.",
    "{quantity} were compared with models using {method}.",
    "{tool} data provide {quantity_low}.",
    "Using {method}, we estimate {quantity_low}.",
    "We discuss {quantity_low} in the light of {theory}.",
    "The results are relevant for {theory}.",
    "Prospects for {tool} are considered.",
    "{method_up} was used to search the light curves and spectra for unexpected features.",
    "A comparison of {quantity_low} with predictions of {theory} is inconclusive.",
    "{theory_up} can explain only some of the observed features.",
    "Optical spectra were obtained with a 4-m class telescope.",
    "Proper motions from Gaia place the object at a plausible distance.",
    "Upper limits from radio observations at 1.4 GHz are reported.",
    "The near-infrared counterpart has K = {k_mag} mag.",
    "The astrometry was registered to a reference frame with residuals of 0.2 arcsec.",
    "We use a hierarchical Bayesian model to propagate calibration uncertainties.",
    "Follow-up observations are encouraged.",
    "Pile-up is negligible at the observed count rate.",
    "All uncertainties are given at the 90 per cent confidence level.",
    "The catalogue is available in machine-readable form.",
    "Ultraviolet images reveal diffuse emission in the vicinity.",
    "Simulations show that the result is robust against the choice of background.",
    "A finding chart is provided.",
    "The field suffers from crowding at optical wavelengths.",
    "Integral-field data reveal ionised gas around the position.",
    "We release the software used in this work.",
    "The metallicity of the surroundings is subsolar.",
    "Distances follow from red-clump stars in the same direction.",
)

TOOLS = (
    *("XMM-Newton", "NuSTAR", "Swift", "eROSITA", "the VLA", "ALMA", "Gaia", "HST", "MUSE", "Spitzer", "TESS", "LOFAR"),
    *("the 2MASS catalogue", "Pan-STARRS", "a 2-m robotic telescope", "future wide-field missions"),
)
QUANTITIES = (
    *("radial velocities", "proper motions", "upper limits on the radio flux", "broad-band colours", "stellar ages"),
    *("extinction maps", "mass estimates", "distances", "luminosity functions", "abundance ratios", "positions"),
    *("orbital parameters", "spectral energy distributions", "number densities"),
)
METHODS = (
    *("Bayesian blocks", "a Lomb-Scargle periodogram", "Markov chain Monte Carlo sampling", "a random forest"),
    *("hidden Markov models", "principal component analysis", "a maximum-likelihood fit", "bootstrap resampling"),
    *("a wavelet decomposition", "nested sampling", "Gaussian processes", "a two-dimensional Kolmogorov-Smirnov test"),
)
THEORIES = (
    *("current models of accretion", "binary evolution", "stellar feedback", "the cosmic star-formation history"),
    *("magnetohydrodynamic simulations", "population synthesis", "galaxy evolution", "models of dust scattering"),
    *("radiative transfer calculations", "dynamo theory", "shock physics", "the interstellar medium"),
)

BRIGHTNESS = (
    (
        "It is very faint, at the limit of detection, with {flux} erg/cm^2/s.",
        "At {flux} erg/cm^2/s it is among the faintest sources detected, and only few photons were collected.",
        "It is very faint, at the limit of detection.",
        "It is among the faintest sources detected, with {lum} erg/s at the adopted distance.",
    ),
    (
        "The source is faint: its flux is {flux} erg/cm^2/s, and the luminosity {lum} erg/s at the adopted distance.",
        "With a flux of {flux} erg/cm^2/s it is one of the fainter sources.",
        "It is one of the fainter sources.",
        "The source is faint, and its luminosity is {lum} erg/s at the adopted distance.",
    ),
    (
        "The absorbed flux is {flux} erg/cm^2/s in the 0.5-7 keV band.",
        "It is a source of average brightness for this field, with {flux} erg/cm^2/s.",
        "At the adopted distance the flux of {flux} erg/cm^2/s corresponds to {lum} erg/s.",
        "It is a source of average brightness for this field.",
        "At the adopted distance the luminosity is {lum} erg/s.",
    ),
    (
        "It is a bright source, with a flux of {flux} erg/cm^2/s.",
        "High count rates allow detailed modelling of the bright source ({flux} erg/cm^2/s).",
        "High count rates allow detailed modelling of the bright source.",
        "It is a bright source, with a luminosity of {lum} erg/s at the adopted distance.",
    ),
    (
        "With {flux} erg/cm^2/s it is one of the brightest sources of its kind.",
        "The source is very bright, {flux} erg/cm^2/s, and slightly affected by pile-up.",
        "It is one of the brightest sources of its kind.",
        "The source is very bright, with {lum} erg/s at the adopted distance.",
    ),
)

ABSORPTION = (
    (
        "Hardly any absorption is required.",
        "The low-energy spectrum is unabsorbed, and the column density is low.",
        "Hardly any absorption is required, with N_H = {nh} x 10^22 cm^-2.",
    ),
    (
        "Absorption is moderate, with N_H = {nh} x 10^22 cm^-2.",
        "The column of {nh} x 10^22 cm^-2 agrees with the optical extinction.",
        "Absorption is moderate.",
        "The absorbing column agrees with the optical extinction.",
    ),
    (
        "The source is heavily obscured: N_H = {nh} x 10^22 cm^-2.",
        "Strong absorption removes the soft photons.",
        "A dense column of gas hides the soft emission.",
    ),
)

SURVEY = (
    "We present a catalogue of {n} X-ray point sources in {place} {field}, from {n_obs} Chandra observation(s).",
    "A deep survey of {place} {field} with a total of {ks} ks yields {n} point sources above a significance of three.",
    "We report source lists, light curves and spectra for {n} X-ray sources towards {place} {field}.",
    "The luminosity function of {n} sources in {place} {field} is derived down to {flux} erg/cm^2/s.",
)
SURVEY_MORE = (
    "Counterparts are found for {share} per cent of the sources.",
    "The number counts agree with those of deep fields.",
    "Hardness ratios and variability are tabulated for each source.",
    "The brightest objects are discussed individually.",
    "About {vary} per cent of the sources vary on short or long time scales.",
    "Spectral fits are given for all sources with more than 100 counts.",
    "The completeness is assessed with simulated sources.",
    "A cross-match with infrared catalogues yields candidates for follow-up.",
)
HIGHLIGHT = (
    "We single out {target}, which is {colour}.",
    "{target} is discussed in detail.",
    "Among the sources is {target}, a {word}.",
    "A spectrum of {target} is shown.",
    "We draw attention to {target}, with a flux of {flux} erg/cm^2/s.",
)
SAMPLE = (
    "We study a sample of {n} objects selected as {word} candidates in archival X-ray data.",
    "A homogeneous analysis of {n} sources classified as {words} is presented.",
    "We compare {n} X-ray sources, among them {target}, with the population of known {words}.",
)

TITLES = (
    "Chandra observations of {target}",
    "The nature of the X-ray source {target}",
    "An X-ray study of {target} in {place} {field}",
    "On the variability of {target}",
    "{target}: an X-ray source towards {field}",
    "X-ray spectroscopy of {target}",
    "A {word} in {field}?",
    "Discovery of a {word} candidate: {target}",
)
TIMING_TITLES: dict[str, tuple[str, ...]] = {
    "constant": (),
    "flares": ("Flares of {target}", "A strong X-ray flare in {field}"),
    "eclipse": ("X-ray eclipses of {target}", "The eclipsing X-ray source {target}"),
    "dips": ("Dips in the X-ray light curve of {target}",),
    "pulsation": ("Discovery of pulsations from {target}", "A periodic X-ray source in {field}"),
    "red noise": ("Aperiodic X-ray variability of {target}", "The highly variable source {target}"),
    "bursts": ("X-ray bursts from {target}",),
    "outburst": ("An outburst of {target}", "A transient X-ray source in {field}"),
}
SURVEY_TITLES = (
    "X-ray point sources in {field}",
    "A Chandra survey of {field}",
    "The X-ray source population of {field}",
    "Deep X-ray imaging of {field}: catalogue and first results",
)
SAMPLE_TITLES = (
    "A sample of {word} candidates in archival data",
    "X-ray properties of {word}s",
    "Populations of {word}s",
)

KEYWORDS = (
    *("X-rays: general", "catalogs", "methods: data analysis", "surveys", "methods: statistical"),
    *("techniques: imaging spectroscopy", "astrometry", "radiation mechanisms: general"),
)
FAMILY_NAMES = (
    *("Abernath", "Bellorin", "Castellane", "Drummore", "Eskildan", "Farrowin", "Gallenz", "Hartwicke", "Isomura"),
    *(
        "Jankoval",
        "Kessleran",
        "Lindqvar",
        "Mortanelli",
        "Nakagawi",
        "Oyelarin",
        "Petrovane",
        "Quillander",
        "Rasmunden",
    ),
    *("Sorokine", "Takedan", "Uhlenborg", "Vasquelle", "Whitlocke", "Xiangli", "Yamadori", "Zielanek", "Amarante"),
    *("Boukhari", "Chandravan", "Dellacqua", "Engstrome", "Fitzalan", "Gutierro", "Hoshinari", "Ilyinov", "Kowalczek"),
)
