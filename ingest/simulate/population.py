"""What kinds of sources there are, and what each is like: spectra, columns, fluxes, behaviour in time.

Parameters are drawn from distributions broad enough that classes overlap as they do in the sky: an obscured AGN, a
high-mass X-ray binary and an embedded young star can have one and the same colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ingest.simulate.models import Component
from ingest.simulate.variability import Variability

CLASSES = ("AGN", "YSO", "low-mass star", "high-mass star", "CV", "HMXB", "LMXB", "NS", "ULX")
CONSTANT = Variability("constant")

# Centre (log10 erg/s/cm**2, unabsorbed 0.5-7 keV) and scatter in dex of the flux distribution.
_FLUXES = {
    "AGN": (-13.25, 0.50),
    "YSO": (-13.25, 0.50),
    "low-mass star": (-13.3, 0.45),
    "high-mass star": (-13.05, 0.55),
    "CV": (-12.9, 0.60),
    "HMXB": (-12.6, 0.75),
    "LMXB": (-12.65, 0.70),
    "NS": (-12.75, 0.65),
    "ULX": (-12.6, 0.45),
}
FLUX_LIMITS = (1.5e-15, 1.5e-11)


@dataclass(frozen=True)
class Nature:
    """What a source is: class, the two spectra, brightness and behaviour in time.

    Attributes
    ----------
    class_ : str
        One of `CLASSES`.
    subclass : str
        A finer word, for abstracts.
    base, extra : tuple of Component
        Spectrum of the quiet and of the other state (flare, dip, burst, outburst).
    flux : float
        Unabsorbed 0.5-7 keV energy flux of the base spectrum, erg s**-1 cm**-2, averaged over time.
    variability : Variability
        The light curve.
    """

    class_: str
    subclass: str
    base: tuple[Component, ...]
    extra: tuple[Component, ...]
    flux: float
    variability: Variability


Spectra = tuple[str, tuple[Component, ...], tuple[Component, ...], Variability]


def _log(rng: np.random.Generator, centre: float, dex: float, low: float = 1e-3, high: float = 100.0) -> float:
    """Draw from a log-normal given by its median and its scatter in dex, clipped."""
    return float(np.clip(centre * 10.0 ** (dex * rng.normal()), low, high))


def _normal(rng: np.random.Generator, centre: float, sigma: float, low: float, high: float) -> float:
    return float(np.clip(rng.normal(centre, sigma), low, high))


def _mix(parts: list[Component], nh: float) -> tuple[Component, ...]:
    """Put one column in front of all parts that have none of their own."""
    return tuple(Component(c.kind, c.value, c.fraction, c.nh + nh, abundance=c.abundance, neon=c.neon) for c in parts)


def _choose(rng: np.random.Generator, options: list[tuple[float, str]]) -> str:
    weights = np.array([w for w, _ in options])
    return options[int(rng.choice(len(options), p=weights / weights.sum()))][1]


def _red_noise(rng: np.random.Generator, rms: float, index: float = 1.8, share: float = 0.3) -> Variability:
    values = {"rms": _log(rng, rms, 0.25, 0.02, 1.2), "index": index, "share": share}
    return Variability("red noise", values, epoch_dex=abs(rng.normal(0.0, 0.18)))


def _flares(rng: np.random.Generator, per_100ks: float, amplitude: float) -> Variability:
    values = {
        "per_100ks": _log(rng, per_100ks, 0.35, 0.1, 12.0),
        "amplitude": _log(rng, amplitude, 0.35, 0.2, 30.0),
        "rise_s": _log(rng, 700.0, 0.3, 60.0, 4000.0),
        "decay_s": _log(rng, 5000.0, 0.35, 500.0, 40000.0),
    }
    return Variability("flares", values, epoch_dex=abs(rng.normal(0.0, 0.10)))


def _periodic(rng: np.random.Generator, period_s: tuple[float, float], amplitude: tuple[float, float]) -> Variability:
    values = {
        "period_s": float(np.exp(rng.uniform(*np.log(period_s)))),
        "amplitude": float(rng.uniform(*amplitude)),
        "harmonic": float(rng.uniform(0.0, 0.5)),
        "pulsed": float(rng.uniform(0.5, 1.0)),
    }
    return Variability("pulsation", values, epoch_dex=abs(rng.normal(0.0, 0.15)))


def _orbital(rng: np.random.Generator, kind: str, period_s: tuple[float, float]) -> Variability:
    values = {
        "period_s": float(np.exp(rng.uniform(*np.log(period_s)))),
        "width": float(rng.uniform(0.08, 0.25)),
        "depth": float(rng.uniform(0.7, 1.0)),
        "covering": float(rng.uniform(0.5, 0.95)),
    }
    return Variability(kind, values, epoch_dex=abs(rng.normal(0.0, 0.15)))


def _outburst(rng: np.random.Generator, amplitude: float) -> Variability:
    values = {
        "amplitude": _log(rng, amplitude, 0.4, 1.5, 60.0),
        "decay_s": _log(rng, 1.2e5, 0.4, 1e4, 1e6),
        "duty": 0.4,
    }
    return Variability("outburst", values, epoch_dex=abs(rng.normal(0.0, 0.2)))


def _agn(rng: np.random.Generator) -> Spectra:
    kind = _choose(rng, [(0.5, "type 1"), (0.3, "type 2"), (0.12, "radio-loud"), (0.08, "Compton-thick candidate")])
    column = {"type 1": 0.05, "type 2": 3.0, "radio-loud": 0.06, "Compton-thick candidate": 40.0}[kind]
    galactic, intrinsic = _log(rng, 0.025, 0.25), _log(rng, column, 0.5, 1e-3, 120.0)
    gamma = _normal(rng, 1.75, 0.25, 1.1, 2.7)
    parts = [Component("powerlaw", gamma, 1.0, intrinsic)]
    if intrinsic > 1.0:
        parts.append(Component("powerlaw", gamma, float(rng.uniform(0.005, 0.06))))
        parts.append(Component("thermal", _log(rng, 0.6, 0.15), float(rng.uniform(0.0, 0.03)), abundance=0.5))
    elif rng.random() < 0.4:  # noqa: PLR2004 - a soft excess
        parts.append(Component("blackbody", _normal(rng, 0.11, 0.02, 0.06, 0.2), float(rng.uniform(0.1, 0.4))))
    redshift = float(rng.gamma(2.0, 0.35))
    parts.append(Component("line", 6.4 / (1.0 + redshift), float(rng.uniform(0.005, 0.04)), 0.3 * intrinsic))
    softer = [Component("powerlaw", gamma + 0.35, 1.0, intrinsic)]
    variable = _red_noise(rng, 0.2) if rng.random() < 0.6 else CONSTANT  # noqa: PLR2004 - share of variable AGN
    return kind, _mix(parts, galactic), _mix(softer, galactic), variable


def _yso(rng: np.random.Generator) -> Spectra:
    kind = _choose(rng, [(0.2, "class I"), (0.45, "class II"), (0.35, "class III")])
    nh = _log(rng, {"class I": 3.5, "class II": 0.9, "class III": 0.45}[kind], 0.4, 0.01, 20.0)
    cool, hot = _log(rng, 0.85, 0.12), _log(rng, 2.6, 0.2, 1.0, 9.0)
    metals = _log(rng, 0.35, 0.2, 0.1, 1.0)
    share = float(rng.uniform(0.25, 0.9))
    parts = [
        Component("thermal", cool, 1.0 - share, abundance=metals, neon=2.0),
        Component("thermal", hot, share, abundance=metals, neon=2.0),
    ]
    flare = [Component("thermal", _log(rng, 5.0, 0.2, 2.0, 15.0), abundance=metals)]
    variable = _flares(rng, 2.0, 2.0) if rng.random() < 0.7 else _red_noise(rng, 0.15)  # noqa: PLR2004 - flaring share
    return kind, _mix(parts, nh), _mix(flare, nh), variable


def _low_mass_star(rng: np.random.Generator) -> Spectra:
    kind = _choose(rng, [(0.4, "M dwarf"), (0.3, "K dwarf"), (0.15, "RS CVn binary"), (0.15, "G star")])
    nh = _log(rng, 0.06, 0.5, 1e-3, 2.0)
    metals = _log(rng, 0.4, 0.25, 0.1, 1.5)
    cool, hot = _log(rng, 0.45, 0.15), _log(rng, 1.4, 0.22, 0.6, 5.0)
    share = float(rng.uniform(0.1, 0.8))
    parts = [
        Component("thermal", cool, 1.0 - share, abundance=metals, neon=1.8),
        Component("thermal", hot, share, abundance=metals, neon=1.8),
    ]
    flare = [Component("thermal", _log(rng, 2.8, 0.2, 1.2, 9.0), abundance=metals)]
    variable = _flares(rng, 2.5, 1.5) if rng.random() < 0.6 else CONSTANT  # noqa: PLR2004 - flaring share
    return kind, _mix(parts, nh), _mix(flare, nh), variable


def _high_mass_star(rng: np.random.Generator) -> Spectra:
    kind = _choose(rng, [(0.45, "O star"), (0.3, "early B star"), (0.25, "Wolf-Rayet binary")])
    nh = _log(rng, 1.6 if kind.startswith("Wolf") else 0.6, 0.35, 0.05, 8.0)
    share = float(rng.uniform(0.2, 0.9) if rng.random() < 0.4 else rng.uniform(0.0, 0.15))  # noqa: PLR2004 - hard ones
    parts = [
        Component("thermal", _log(rng, 0.45, 0.18, 0.15, 1.0), 1.0 - share),
        Component("thermal", _log(rng, 2.4, 0.2, 1.0, 6.0), share),
    ]
    variable = _red_noise(rng, 0.10, share=0.5) if rng.random() < 0.3 else CONSTANT  # noqa: PLR2004 - winds
    return kind, _mix(parts, nh), _mix(parts[1:], 1.6 * nh), variable


def _cv(rng: np.random.Generator) -> Spectra:
    kind = _choose(rng, [(0.4, "dwarf nova"), (0.3, "intermediate polar"), (0.2, "polar"), (0.1, "nova-like")])
    hot = _log(rng, {"intermediate polar": 18.0, "polar": 9.0}.get(kind, 6.0), 0.25, 1.5, 50.0)
    nh, inner = _log(rng, 0.18, 0.45, 0.005, 3.0), _log(rng, 3.0, 0.4, 0.2, 30.0)
    parts = [Component("thermal", hot, 0.5, abundance=0.8), Component("line", 6.4, 0.012)]
    covered = float(rng.uniform(0.3, 1.5)) if kind in {"intermediate polar", "polar"} else float(rng.uniform(0.0, 0.2))
    parts.append(Component("thermal", hot, covered, inner, abundance=0.8))
    parts.append(Component("thermal", _log(rng, 0.7, 0.2), float(rng.uniform(0.0, 0.2)), abundance=0.8))
    if kind == "polar":
        parts.append(Component("blackbody", 0.05, float(rng.uniform(0.05, 0.5))))
    what = _choose(rng, [(0.4, "spin"), (0.2, "eclipse"), (0.15, "outburst"), (0.15, "flicker"), (0.1, "quiet")])
    variable = {
        "spin": _periodic(rng, (250.0, 9000.0), (0.15, 0.9)),
        "eclipse": _orbital(rng, "eclipse", (4800.0, 22000.0)),
        "outburst": _outburst(rng, 4.0),
        "flicker": _red_noise(rng, 0.3, index=1.2),
        "quiet": CONSTANT,
    }[what]
    other = [Component("thermal", hot, 1.0, inner, abundance=0.8)]
    return kind, _mix(parts, nh), _mix(other, nh), variable


def _hmxb(rng: np.random.Generator) -> Spectra:
    kind = _choose(rng, [(0.55, "Be/X-ray binary"), (0.35, "supergiant system"), (0.1, "fast X-ray transient")])
    nh = _log(rng, 0.6 if kind.startswith("Be") else 4.0, 0.5, 0.03, 60.0)
    gamma = _normal(rng, 1.15, 0.4, 0.2, 2.2)
    parts = [Component("powerlaw", gamma)]
    if kind != "Be/X-ray binary":
        parts += [Component("line", 6.4, float(rng.uniform(0.01, 0.06))), Component("powerlaw", gamma, 0.02)]
    if rng.random() < 0.3:  # noqa: PLR2004 - a soft excess
        parts.append(Component("blackbody", _log(rng, 0.15, 0.15), float(rng.uniform(0.05, 0.25))))
    what = _choose(rng, [(0.4, "pulse"), (0.25, "flare"), (0.15, "eclipse"), (0.1, "outburst"), (0.1, "quiet")])
    variable = {
        "pulse": _periodic(rng, (12.0, 1400.0), (0.2, 0.8)),
        "flare": _red_noise(rng, 0.55, index=1.4, share=0.5),
        "eclipse": _orbital(rng, "eclipse", (2e4, 2e5)),
        "outburst": _outburst(rng, 8.0),
        "quiet": CONSTANT,
    }[what]
    return kind, _mix(parts, nh), _mix([Component("powerlaw", max(gamma - 0.35, 0.0))], nh), variable


def _lmxb(rng: np.random.Generator) -> Spectra:
    kind = _choose(rng, [(0.35, "quiescent system"), (0.4, "neutron-star binary"), (0.25, "black-hole candidate")])
    nh = _log(rng, 0.3, 0.45, 0.01, 6.0)
    gamma = _normal(rng, 1.75, 0.3, 1.0, 2.8)
    disc_kt = _log(rng, 0.8, 0.22, 0.2, 2.5)
    if kind == "quiescent system":
        parts = [Component("blackbody", _log(rng, 0.2, 0.15), 1.0), Component("powerlaw", gamma, rng.uniform(0.0, 0.8))]
    else:
        parts = [Component("disc", disc_kt, rng.uniform(0.1, 1.0)), Component("powerlaw", gamma, rng.uniform(0.2, 1.0))]
    what = _choose(rng, [(0.2, "dips"), (0.15, "eclipse"), (0.15, "bursts"), (0.25, "flicker"), (0.25, "outburst")])
    bursts = {"amplitude": _log(rng, 25.0, 0.3, 5.0, 100.0), "decay_s": 25.0}
    bursts["recurrence_s"] = _log(rng, 9e3, 0.3, 2e3, 5e4)
    variable = {
        "dips": _orbital(rng, "dips", (3000.0, 30000.0)),
        "eclipse": _orbital(rng, "eclipse", (3000.0, 40000.0)),
        "bursts": Variability("bursts", bursts, 0.1),
        "flicker": _red_noise(rng, 0.22),
        "outburst": _outburst(rng, 12.0),
    }[what]
    extra = {
        "dips": list(_mix(parts, _log(rng, 6.0, 0.3, 1.0, 40.0))),
        "bursts": [Component("blackbody", 1.9)],
        "outburst": [Component("disc", disc_kt)],
    }.get(what, [Component("powerlaw", gamma + 0.2)])
    return kind, _mix(parts, nh), _mix(extra, nh), variable


def _ns(rng: np.random.Generator) -> Spectra:
    kind = _choose(rng, [(0.45, "rotation-powered pulsar"), (0.25, "magnetar"), (0.3, "millisecond pulsar")])
    nh = _log(rng, {"magnetar": 1.5, "millisecond pulsar": 0.12}.get(kind, 0.4), 0.4, 0.01, 12.0)
    kt = _log(rng, {"magnetar": 0.45}.get(kind, 0.17), 0.12, 0.07, 1.0)
    gamma = _normal(rng, {"magnetar": 3.0}.get(kind, 1.6), 0.3, 0.8, 4.0)
    share = float(rng.uniform(0.1, 1.0))
    parts = [Component("blackbody", kt, share), Component("powerlaw", gamma, 1.05 - share)]
    variable = CONSTANT
    if kind == "magnetar":
        variable = _periodic(rng, (6.5, 12.0), (0.2, 0.7)) if rng.random() < 0.6 else _outburst(rng, 10.0)  # noqa: PLR2004
    return kind, _mix(parts, nh), _mix([Component("blackbody", 1.3 * kt)], nh), variable


def _ulx(rng: np.random.Generator) -> Spectra:
    kind = _choose(rng, [(0.4, "broadened disc"), (0.35, "hard ultraluminous"), (0.25, "soft ultraluminous")])
    nh = _log(rng, 0.25, 0.3, 0.03, 2.0)
    gamma = _normal(rng, {"soft ultraluminous": 2.7}.get(kind, 1.8), 0.25, 1.3, 3.5)
    if kind == "broadened disc":
        parts = [Component("disc", _log(rng, 1.5, 0.15)), Component("disc", _log(rng, 0.3, 0.12), 0.15)]
    else:
        parts = [Component("powerlaw", gamma), Component("disc", _log(rng, 0.25, 0.15), float(rng.uniform(0.1, 0.7)))]
    what = _choose(rng, [(0.45, "quiet"), (0.2, "dips"), (0.25, "flicker"), (0.1, "outburst")])
    variable = {
        "quiet": Variability("constant", epoch_dex=abs(rng.normal(0.0, 0.2))),
        "dips": _orbital(rng, "dips", (5000.0, 60000.0)),
        "flicker": _red_noise(rng, 0.2, share=0.5),
        "outburst": _outburst(rng, 3.0),
    }[what]
    extra = list(_mix(parts, 1.5)) if what == "dips" else [Component("disc", _log(rng, 1.8, 0.1))]
    return kind, _mix(parts, nh), _mix(extra, nh), variable


_SPECTRA: dict[str, Callable[[np.random.Generator], Spectra]] = {
    "AGN": _agn,
    "YSO": _yso,
    "low-mass star": _low_mass_star,
    "high-mass star": _high_mass_star,
    "CV": _cv,
    "HMXB": _hmxb,
    "LMXB": _lmxb,
    "NS": _ns,
    "ULX": _ulx,
}


def draw(class_: str, rng: np.random.Generator) -> Nature:
    """Draw a source of a class.

    Parameters
    ----------
    class_ : str
        One of `CLASSES`.
    rng : numpy Generator
        The source's own.

    Examples
    --------
    >>> nature = draw("YSO", np.random.default_rng(1))
    >>> [c.kind for c in nature.base], FLUX_LIMITS[0] <= nature.flux <= FLUX_LIMITS[1]
    (['thermal', 'thermal'], True)
    """
    centre, dex = _FLUXES[class_]
    subclass, base, extra, variability = _SPECTRA[class_](rng)
    flux = float(np.clip(10.0 ** rng.normal(centre, dex), *FLUX_LIMITS))
    return Nature(class_, subclass, base, extra, flux, variability)
