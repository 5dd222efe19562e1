"""Where a photon lands: sky pixels, detector pixels, chips, and the point-spread function that grows off axis.

SIMPLIFIED: chips are aligned tiles, the detector plane is the sky turned by the roll angle, and the dither moves chip
coordinates only. Good to some pixels; nothing downstream needs more.

Source: tile offsets as in the ACIS-TDET-2.2 system (McDowell, ASC coordinates); the 90 % radius grows from 1 arcsec
on axis to about 10 arcsec at 10 arcmin (Proposers' Observatory Guide, fig. 4.13).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PIXEL_DEG = 0.000136666666667
PIXEL_ARCSEC = 0.492
CENTRE = 4096.5
CHIP_SIZE = 1024
S_CHIP_STEP = 1042
S_CHIP_DETX = 782.6  # detx of chipx 0 on S0
S_CHIP_DETY = 4584.5
I_CENTRE = (4220.0, 4225.0)  # the corner where the four ACIS-I chips meet
I_GAP = 18.0
CORE_SHARE, CORE_WIDTH, WING_WIDTH = 0.8, 0.42, 0.62  # of the PSF: Gaussians in units of the 90 % radius

# Equatorial J2000 from Galactic (Hipparcos, vol. 1, eq. 1.5.11), transposed.
_GALACTIC: Array = np.array(
    [
        [-0.0548755604, 0.4941094279, -0.8676661490],
        [-0.8734370902, -0.4448296300, -0.1980763734],
        [-0.4838350155, 0.7469822445, 0.4559837762],
    ]
)


class Pointing(NamedTuple):
    """Where the telescope looks: degrees, ICRS; roll from north through east."""

    ra_deg: float
    dec_deg: float
    roll_deg: float
    array: str  # 'I' or 'S'


@dataclass(frozen=True)
class Ellipse:
    """A region in sky pixels, centre and semi-axes; angle in degrees from the x axis."""

    x: float
    y: float
    major: float
    minor: float
    angle_deg: float

    def radius(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Array:
        """Return distances from the centre in units of the ellipse: 1 on its edge; shape (n,).

        Examples
        --------
        >>> Ellipse(0.0, 0.0, 2.0, 1.0, 90.0).radius([0.0, 1.0], [2.0, 0.0]).round(6).tolist()
        [1.0, 1.0]
        """
        angle = np.deg2rad(self.angle_deg)
        dx, dy = np.asarray(x, np.float64) - self.x, np.asarray(y, np.float64) - self.y
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = dy * np.cos(angle) - dx * np.sin(angle)
        return np.asarray(np.hypot(along / self.major, across / self.minor))

    @property
    def area(self) -> float:
        """Area in sky pixels squared."""
        return float(np.pi * self.major * self.minor)

    def scaled(self, factor: float) -> Ellipse:
        """Return a larger or smaller ellipse of the same form."""
        return Ellipse(self.x, self.y, self.major * factor, self.minor * factor, self.angle_deg)

    def __str__(self) -> str:
        """CIAO's region syntax."""
        return f"Ellipse({self.x:.6g},{self.y:.6g},{self.major:.6g},{self.minor:.6g},{self.angle_deg:.6g})"


def galactic_to_icrs(l_deg: float, b_deg: float) -> tuple[float, float]:
    """Turn Galactic coordinates into ICRS, degrees.

    Examples
    --------
    >>> ra, dec = galactic_to_icrs(0.0, 90.0)
    >>> round(ra, 2), round(dec, 2)
    (192.86, 27.13)
    """
    lon, lat = np.deg2rad([l_deg, b_deg])
    x, y, z = _GALACTIC @ np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    return float(np.rad2deg(np.arctan2(y, x)) % 360.0), float(np.rad2deg(np.arcsin(z)))


def to_pixels(pointing: Pointing, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Project a position onto the tangent plane of an observation: sky pixels x, y.

    Examples
    --------
    >>> to_pixels(Pointing(10.0, 20.0, 0.0, "S"), 10.0, 20.0)
    (4096.5, 4096.5)
    """
    ra, dec, ra0, dec0 = np.deg2rad([ra_deg, dec_deg, pointing.ra_deg, pointing.dec_deg])
    down = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra - ra0)
    east = np.cos(dec) * np.sin(ra - ra0) / down
    north = (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra - ra0)) / down
    return float(CENTRE - np.rad2deg(east) / PIXEL_DEG), float(CENTRE + np.rad2deg(north) / PIXEL_DEG)


def to_sky(pointing: Pointing, x: float, y: float) -> tuple[float, float]:
    """Turn sky pixels of an observation into ICRS degrees: the inverse of `to_pixels`.

    Examples
    --------
    >>> here = Pointing(10.0, 20.0, 0.0, "S")
    >>> tuple(round(v, 9) for v in to_pixels(here, *to_sky(here, 4000.0, 5000.0)))
    (4000.0, 5000.0)
    """
    east, north = np.deg2rad([(CENTRE - x) * PIXEL_DEG, (y - CENTRE) * PIXEL_DEG])
    ra0, dec0 = np.deg2rad([pointing.ra_deg, pointing.dec_deg])
    down = np.cos(dec0) - north * np.sin(dec0)
    ra = ra0 + np.arctan2(east, down)
    dec = np.arctan2((np.sin(dec0) + north * np.cos(dec0)) * np.cos(ra - ra0), down)
    return float(np.rad2deg(ra) % 360.0), float(np.rad2deg(dec))


def to_detector(pointing: Pointing, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array]:
    """Turn the sky by the roll: detector pixels detx, dety, shape (n,).

    Examples
    --------
    >>> detx, dety = to_detector(Pointing(0.0, 0.0, 90.0, "S"), [4196.5], [4096.5])
    >>> float(detx[0].round(3)), float(dety[0].round(3))
    (4096.5, 3996.5)
    """
    roll = np.deg2rad(pointing.roll_deg)
    dx, dy = np.asarray(x, np.float64) - CENTRE, np.asarray(y, np.float64) - CENTRE
    return CENTRE + dx * np.cos(roll) + dy * np.sin(roll), CENTRE - dx * np.sin(roll) + dy * np.cos(roll)


def from_detector(pointing: Pointing, detx: float, dety: float) -> tuple[float, float]:
    """Turn detector pixels into sky pixels: the inverse of `to_detector`."""
    roll = np.deg2rad(pointing.roll_deg)
    dx, dy = detx - CENTRE, dety - CENTRE
    return float(CENTRE + dx * np.cos(roll) - dy * np.sin(roll)), float(CENTRE + dx * np.sin(roll) + dy * np.cos(roll))


def to_chip(array: str, detx: npt.ArrayLike, dety: npt.ArrayLike) -> tuple[Ints, Ints, Ints]:
    """Find chip and chip pixels.

    Parameters
    ----------
    array : {'I', 'S'}
        Which array is in use.
    detx, dety : array_like, shape (n,)
        Detector pixels.

    Returns
    -------
    ccd_id, chipx, chipy : ndarray of int, shape (n,)
        ccd_id is -1 off all chips.

    Examples
    --------
    >>> [int(v[0]) for v in to_chip("S", [4096.5], [4096.5])]
    [7, 188, 489]
    """
    detx, dety = np.asarray(detx, np.float64), np.asarray(dety, np.float64)
    if array == "S":
        ccd = np.floor((detx - S_CHIP_DETX) / S_CHIP_STEP)
        chipx = np.floor(detx - S_CHIP_DETX - ccd * S_CHIP_STEP) + 1
        chipy = np.floor(S_CHIP_DETY - dety) + 1
        ccd = ccd + 4
        known = (ccd >= 4) & (ccd <= 9)  # noqa: PLR2004 - S0 to S5
    else:
        dx, dy = detx - I_CENTRE[0], dety - I_CENTRE[1]
        ccd = np.where(dy > 0, np.where(dx > 0, 0, 2), np.where(dx > 0, 1, 3)).astype(np.float64)
        chipx = CHIP_SIZE - np.floor(np.abs(dy) - I_GAP / 2.0)
        chipy = CHIP_SIZE - np.floor(np.abs(dx) - I_GAP / 2.0)
        known = np.ones(len(ccd), np.bool_)
    on = known & (chipx >= 1) & (chipx <= CHIP_SIZE) & (chipy >= 1) & (chipy <= CHIP_SIZE)
    return np.where(on, ccd, -1).astype(np.int64), chipx.astype(np.int64), chipy.astype(np.int64)


def to_tiled(ccd: Ints, chipx: Ints, chipy: Ints) -> tuple[Ints, Ints]:
    """Return tiled detector coordinates tdetx, tdety, shape (n,)."""
    s = ccd >= 4  # noqa: PLR2004 - the first chip of the S array
    tdetx = np.where(s, chipx + 791 + S_CHIP_STEP * (ccd - 4), np.where(ccd % 2 == 0, 3061 + chipy, 5131 - chipy))
    tdety = np.where(s, chipy + 1702, np.where(ccd < 2, 5131 - chipx, 4107 - chipx))  # noqa: PLR2004 - I0, I1 above
    return tdetx.astype(np.int64), tdety.astype(np.int64)


def off_axis(x: float, y: float, detx: float, dety: float) -> tuple[float, float]:
    """Return theta in arcmin and phi in degrees of a place in sky and detector pixels."""
    theta = float(np.hypot(x - CENTRE, y - CENTRE)) * PIXEL_ARCSEC / 60.0
    return theta, float(np.rad2deg(np.arctan2(dety - CENTRE, detx - CENTRE)) % 360.0)


def source_region(x: float, y: float, theta_arcmin: float, phi_deg: float) -> Ellipse:
    """Return the 90 % ellipse of the point-spread function at a place, in sky pixels.

    Examples
    --------
    >>> [round(source_region(0.0, 0.0, theta, 0.0).major * PIXEL_ARCSEC, 1) for theta in (0.0, 5.0, 10.0)]
    [1.0, 3.9, 13.6]
    """
    radius = (1.0 + 0.1 * theta_arcmin**2) / PIXEL_ARCSEC
    flattening = 1.0 - 0.035 * min(theta_arcmin, 12.0)
    stretch = float(np.sqrt(flattening))
    return Ellipse(x, y, radius / stretch, radius * stretch, (phi_deg + 90.0) % 180.0)


def enclosed_fraction(scale: float = 1.0) -> float:
    """Return the fraction of the point-spread function within `scale` times the source region.

    Examples
    --------
    >>> round(enclosed_fraction(), 3)
    0.899
    """
    core, wing = (1.0 - np.exp(-0.5 * (scale / width) ** 2) for width in (CORE_WIDTH, WING_WIDTH))
    return float(CORE_SHARE * core + (1.0 - CORE_SHARE) * wing)


def scatter(region: Ellipse, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw landing places of n photons of a point source, sky pixels, shape (n,)."""
    width = np.where(rng.random(n) < CORE_SHARE, CORE_WIDTH, WING_WIDTH)
    along, across = rng.normal(size=n) * width * region.major, rng.normal(size=n) * width * region.minor
    angle = np.deg2rad(region.angle_deg)
    x = region.x + along * np.cos(angle) - across * np.sin(angle)
    return x, region.y + along * np.sin(angle) + across * np.cos(angle)


def sexagesimal(ra_deg: float, dec_deg: float) -> tuple[str, str]:
    """Write a position as CSC names do, truncated: 'hhmmss.s', '+ddmmss'.

    Examples
    --------
    >>> sexagesimal(49.950667, 41.511696)
    ('031948.1', '+413042')
    """
    tenths = int(ra_deg % 360.0 * 2400.0 + 1e-9)
    seconds = int(abs(dec_deg) * 3600.0 + 1e-9)
    ra = f"{tenths // 36000:02d}{tenths // 600 % 60:02d}{tenths % 600 / 10:04.1f}"
    return ra, f"{'-' if dec_deg < 0 else '+'}{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"


def csc_name(ra_deg: float, dec_deg: float) -> str:
    """Return the catalog's name for a position.

    Examples
    --------
    >>> csc_name(49.950667, 41.511696)
    '2CXO J031948.1+413042'
    """
    return "2CXO J" + "".join(sexagesimal(ra_deg, dec_deg))
