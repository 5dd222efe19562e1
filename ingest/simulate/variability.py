"""How a source's brightness goes with time: two rates, one per spectral state, in units of the mean.

A source has a base spectrum and an extra one (the hotter plasma of a flare, the more absorbed one of a dip, the
thermal one of a burst). What it sends at time t is base(t) of the first and extra(t) of the second: so its colour
follows its brightness, and the photons know more than the spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

KINDS = ("constant", "flares", "eclipse", "dips", "pulsation", "red noise", "bursts", "outburst")


@dataclass(frozen=True)
class Variability:
    """A kind of light curve and its parameters.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    parameters : dict of str to float
        Times in seconds, amplitudes relative to the mean rate.
    epoch_dex : float
        Scatter of the mean brightness between observations, in dex.
    """

    kind: str
    parameters: dict[str, float] = field(default_factory=dict)
    epoch_dex: float = 0.0


def flare_profile(since_s: Array, rise_s: float, decay_s: float) -> Array:
    """Return a flare of height 1: linear rise up to t = 0, exponential decay after; shape (n,).

    Examples
    --------
    >>> flare_profile(np.array([-200.0, -50.0, 0.0, 1000.0]), 100.0, 1000.0).round(2).tolist()
    [0.0, 0.5, 1.0, 0.37]
    """
    rise = np.clip(1.0 + since_s / rise_s, 0.0, 1.0)
    return np.asarray(np.where(since_s < 0, rise, np.exp(-np.maximum(since_s, 0.0) / decay_s)))


def red_noise(n: int, index: float, rng: np.random.Generator) -> Array:
    """Return Gaussian noise of power spectrum frequency**-index, mean 0 and variance 1, shape (n,).

    Source: Timmer & Koenig 1995, A&A 300, 707.

    Examples
    --------
    >>> noise = red_noise(256, 2.0, np.random.default_rng(1))
    >>> len(noise), round(float(noise.std()), 6)
    (256, 1.0)
    """
    frequency = np.arange(1, n + 1)  # twice as long as needed, so that the ends do not meet
    amplitude = frequency ** (-index / 2.0)
    spectrum = np.concatenate([[0.0], amplitude * (rng.normal(size=n) + 1j * rng.normal(size=n))])
    noise = np.fft.irfft(spectrum, 2 * n)[:n]
    noise -= noise.mean()
    return np.asarray(noise / max(float(noise.std()), 1e-12))


def _in_phase(time_s: Array, period_s: float, offset: float, width: float) -> npt.NDArray[np.bool_]:
    """Tell which times lie within `width` (a fraction of the period) after the phase `offset`."""
    return np.asarray((time_s / period_s + offset) % 1.0 < width)


def _flares(v: dict[str, float], time_s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    span_s = float(time_s[-1] - time_s[0]) + v["decay_s"]
    extra = np.zeros_like(time_s)
    for _ in range(rng.poisson(v["per_100ks"] * span_s / 1e5)):
        peak_s = time_s[0] - v["decay_s"] + rng.random() * span_s
        height = v["amplitude"] * rng.pareto(2.2) * 1.2 + 0.3
        extra += height * flare_profile(time_s - peak_s, v["rise_s"], v["decay_s"] * rng.uniform(0.6, 1.5))
    return np.ones_like(time_s), extra


def _eclipse(v: dict[str, float], time_s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    hidden = _in_phase(time_s, v["period_s"], rng.random(), v["width"])
    return np.where(hidden, 1.0 - v["depth"], 1.0), np.zeros_like(time_s)


def _dips(v: dict[str, float], time_s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    dipping = _in_phase(time_s, v["period_s"], rng.random(), v["width"])
    ragged = np.repeat(rng.random(len(time_s) // 40 + 1) < v["covering"], 40)[: len(time_s)]
    absorbed = (dipping & ragged).astype(np.float64)
    return 1.0 - absorbed, absorbed


def _pulsation(v: dict[str, float], time_s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    phase = 2.0 * np.pi * (time_s / v["period_s"] + rng.random())
    pulse = 1.0 + v["amplitude"] * (np.sin(phase) + v["harmonic"] * np.sin(2.0 * phase + 1.0))
    return np.full_like(time_s, 1.0 - v["pulsed"]), v["pulsed"] * np.maximum(pulse, 0.0)


def _red_noise(v: dict[str, float], time_s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    grid_s = np.linspace(time_s[0], time_s[-1], 512)
    brightness = np.exp(v["rms"] * np.interp(time_s, grid_s, red_noise(512, v["index"], rng)) - v["rms"] ** 2 / 2.0)
    share = np.clip(v["share"] * brightness, 0.0, 0.9)
    return brightness * (1.0 - share), brightness * share


def _bursts(v: dict[str, float], time_s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    extra = np.zeros_like(time_s)
    next_s = time_s[0] + v["recurrence_s"] * rng.random()
    while next_s < time_s[-1]:
        extra += v["amplitude"] * rng.uniform(0.6, 1.4) * flare_profile(time_s - next_s, 4.0, v["decay_s"])
        next_s += v["recurrence_s"] * rng.uniform(0.7, 1.3)
    return np.ones_like(time_s), extra


def _outburst(v: dict[str, float], time_s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    if rng.random() > v["duty"]:
        return np.ones_like(time_s), np.zeros_like(time_s)
    return np.ones_like(time_s), v["amplitude"] * rng.uniform(0.3, 1.0) * np.exp(-(time_s - time_s[0]) / v["decay_s"])


def rates(variability: Variability, time_s: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the rates of the base and the extra spectrum during one observation.

    Parameters
    ----------
    variability : Variability
        What the source does.
    time_s : ndarray, shape (n,)
        Times since some start, ascending.
    rng : numpy Generator
        Phases and irregularities of this observation.

    Returns
    -------
    base, extra : ndarray, shape (n,)
        Never negative, in units of the mean rate of the base spectrum.

    Examples
    --------
    >>> time = np.arange(0.0, 5e4, 3.2)
    >>> eclipse = Variability("eclipse", {"period_s": 1e4, "width": 0.1, "depth": 1.0})
    >>> base, extra = rates(eclipse, time, np.random.default_rng(1))
    >>> round(float(base.mean()), 2), float(extra.max())
    (0.9, 0.0)
    """
    shapes = {
        "flares": _flares,
        "eclipse": _eclipse,
        "dips": _dips,
        "pulsation": _pulsation,
        "red noise": _red_noise,
        "bursts": _bursts,
        "outburst": _outburst,
    }
    epoch = 10.0 ** (variability.epoch_dex * rng.normal())
    if variability.kind not in shapes:
        return np.full_like(time_s, epoch), np.zeros_like(time_s)
    base, extra = shapes[variability.kind](variability.parameters, time_s, rng)
    return base * epoch, extra * epoch
