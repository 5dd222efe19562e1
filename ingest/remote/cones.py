"""Cones on the sky: reading what a user types, boxes that hold them, the exact cut.

Right at RA 0/360 and at the poles: a box is given as up to two intervals of right ascension, and near a pole
it is the whole circle.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from math import asin, cos, degrees, radians, sin

import numpy as np
import numpy.typing as npt

from catalog.errors import Terminal
from ingest.remote.errors import NameUnknown, ServiceUnreachable

_RADIUS = re.compile(r"^\s*(?P<value>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>[a-zA-Z]*|'|\")\s*$")
_UNITS_ARCMIN = {"": 1.0, "'": 1.0, '"': 1 / 60}
_UNITS_ARCMIN |= dict.fromkeys(("arcsec", "arcsecs", "asec", "s"), 1 / 60)
_UNITS_ARCMIN |= dict.fromkeys(("arcmin", "arcmins", "amin", "m"), 1.0)
_UNITS_ARCMIN |= dict.fromkeys(("deg", "degree", "degrees", "d"), 60.0)
_DECIMAL = re.compile(r"^\s*(?P<ra>[+-]?\d+(?:\.\d*)?)(?:\s*,\s*|\s+)(?P<dec>[+-]?\d+(?:\.\d*)?)\s*$")
_SEXAGESIMAL = re.compile(
    r"^\s*(\d{1,2})(?:h\s*|:|\s+)(\d{1,2})(?:m\s*|:|\s+)(\d{1,2}(?:\.\d*)?)s?(?:\s*,\s*|\s*)"
    r"(?<!\d)?([+-])(\d{1,2})(?:d\s*|:|\s+)(\d{1,2})(?:m\s*|'\s*|:|\s+)(\d{1,2}(?:\.\d*)?)(?:s|\")?\s*$",
    re.IGNORECASE,
)
_TURN, _POLE = 360.0, 90.0
_LARGEST_ARCMIN = 90 * 60.0
_EDGE_DEG = 1e-7
"""Widens boxes against rounding in the service's numbers; the exact cut follows."""


class InvalidCone(Terminal, ValueError):
    """A position or radius that cannot be read."""


@dataclass(frozen=True)
class Cone:
    """A circle on the sky.

    Parameters
    ----------
    ra, dec : float
        Centre, degrees, ICRS.
    radius_arcmin : float
        Great-circle radius.
    """

    ra: float
    dec: float
    radius_arcmin: float

    def boxes(self) -> tuple[list[tuple[float, float]], tuple[float, float]]:
        """Return intervals of right ascension, one or two, and the interval of declination that hold the cone.

        Returns
        -------
        (list of (float, float), (float, float))
            Degrees.

        Examples
        --------
        >>> (left, right), dec = Cone(0.0, 0.0, 60.0).boxes()
        >>> [round(x, 3) for x in (*left, *right, *dec)]
        [359.0, 360.0, 0.0, 1.0, -1.0, 1.0]
        >>> Cone(12.0, 89.9, 30.0).boxes()[0]
        [(0.0, 360.0)]
        """
        radius = self.radius_arcmin / 60 + _EDGE_DEG
        low, high = max(-90.0, self.dec - radius), min(90.0, self.dec + radius)
        if abs(self.dec) + radius >= _POLE:
            return [(0.0, 360.0)], (low, high)
        half = degrees(asin(min(1.0, sin(radians(radius)) / cos(radians(self.dec))))) + _EDGE_DEG
        if half >= _TURN / 2:
            return [(0.0, 360.0)], (low, high)
        left, right = self.ra - half, self.ra + half
        if left < 0.0:
            return [(left + 360.0, 360.0), (0.0, right)], (low, high)
        if right > _TURN:
            return [(left, 360.0), (0.0, right - 360.0)], (low, high)
        return [(left, right)], (low, high)

    def holds(self, ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Tell which positions lie within, by the great-circle distance (haversine: exact for small angles).

        Parameters
        ----------
        ra, dec : ndarray of float, shape (n,)
            Degrees; NaN lies outside.

        Returns
        -------
        ndarray of bool, shape (n,)

        Examples
        --------
        >>> Cone(359.99, 0.0, 2.0).holds(np.array([0.01, 0.1]), np.array([0.0, 0.0])).tolist()
        [True, False]
        """
        phi, theta = np.radians(dec), np.radians(ra)
        phi0, theta0 = radians(self.dec), radians(self.ra)
        half = np.sin((phi - phi0) / 2) ** 2 + np.cos(phi) * cos(phi0) * np.sin((theta - theta0) / 2) ** 2
        distance = 2 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
        inside: npt.NDArray[np.bool_] = distance <= radians(self.radius_arcmin / 60)
        return inside


def parse_radius(text: str) -> float:
    """Read a radius and return it in arcmin.

    Raises
    ------
    InvalidCone
        If it is none, or beyond 90 degrees.

    Examples
    --------
    >>> parse_radius("5arcmin"), parse_radius("30 arcsec"), parse_radius("0.1deg"), parse_radius("2")
    (5.0, 0.5, 6.0, 2.0)
    """
    match = _RADIUS.match(text)
    unit = match["unit"].lower() if match else ""
    if not match or unit not in _UNITS_ARCMIN:
        raise InvalidCone(f"{text!r} is no radius; type 5arcmin, 30arcsec or 0.1deg")
    arcmin = float(match["value"]) * _UNITS_ARCMIN[unit]
    if not 0.0 < arcmin <= _LARGEST_ARCMIN:
        raise InvalidCone(f"a radius lies between 0 and 90 degrees, not at {text!r}")
    return arcmin


def parse_position(text: str) -> tuple[float, float] | None:
    """Read coordinates, decimal or sexagesimal; None for anything else, which is then a name.

    Raises
    ------
    InvalidCone
        If they are coordinates of no place on the sky.

    Examples
    --------
    >>> parse_position("148.97 69.68"), parse_position("148.97, -69.68")
    ((148.97, 69.68), (148.97, -69.68))
    >>> [round(x, 4) for x in parse_position("09h55m52s +69d40m47s")]
    [148.9667, 69.6797]
    >>> [round(x, 4) for x in parse_position("09:55:52.0 -00:40:47")]
    [148.9667, -0.6797]
    >>> parse_position("M 82") is None
    True
    """
    if match := _DECIMAL.match(text):
        ra, dec = float(match["ra"]), float(match["dec"])
    elif match := _SEXAGESIMAL.match(text):
        h, m, s, sign, d, dm, ds = match.groups()
        minutes = (int(m), float(s), int(dm), float(ds))
        if max(minutes) >= 60:  # noqa: PLR2004 - minutes and seconds
            raise InvalidCone(f"{text!r}: minutes and seconds lie below 60")
        ra = 15 * (int(h) + minutes[0] / 60 + minutes[1] / 3600)
        dec = (int(d) + minutes[2] / 60 + minutes[3] / 3600) * (-1 if sign == "-" else 1)
    else:
        return None
    if not (0.0 <= ra <= _TURN and abs(dec) <= _POLE):
        raise InvalidCone(f"{text!r} is no place on the sky: right ascension 0 to 360, declination -90 to 90 degrees")
    return ra % 360.0, dec


def resolve(text: str) -> tuple[float, float]:
    """Return the position of what a user typed: coordinates without a network, a name through Sesame.

    Raises
    ------
    InvalidCone
        If it is coordinates of no place.
    NameUnknown
        If Sesame knows no such name.
    ServiceUnreachable
        If Sesame cannot be asked.
    """
    position = parse_position(text)
    return position if position is not None else _ask_sesame(text)


def _ask_sesame(name: str) -> tuple[float, float]:
    """Ask CDS's Sesame through astropy; $PHOTONLAKE_SESAME_URL names another one."""
    from astropy.coordinates import name_resolve  # noqa: PLC0415 - a second of import that coordinates do not need

    mirror = os.environ.get("PHOTONLAKE_SESAME_URL")
    urls = [mirror] if mirror else list(name_resolve.sesame_url.get())
    try:
        with name_resolve.sesame_url.set(urls):
            found = name_resolve.get_icrs_coordinates(name)
    except name_resolve.NameResolveError as error:
        advice = "type its coordinates: --cone '148.97 69.68'"
        if "Unable to find coordinates" in str(error):
            raise NameUnknown(f"Sesame knows no object {name!r}; correct the name, or {advice}") from error
        raise ServiceUnreachable(f"Sesame, which knows where {name!r} lies, cannot be asked; {advice}") from error
    except OSError as error:
        advice = "type its coordinates: --cone '148.97 69.68'"
        raise ServiceUnreachable(f"Sesame, which knows where {name!r} lies, cannot be asked; {advice}") from error
    return float(found.ra.deg), float(found.dec.deg)
