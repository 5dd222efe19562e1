"""Sky pixels <-> right ascension and declination: the tangential (gnomonic) projection of Chandra's sky frame.

Source: Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3 (TAN) and equations 2 and 5 with LONPOLE 180.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ingest.products.headers import SkyWCS

Floats = npt.NDArray[np.float64]


def sky_to_radec(x: npt.ArrayLike, y: npt.ArrayLike, wcs: SkyWCS) -> tuple[Floats, Floats]:
    """Turn sky pixels into equatorial coordinates.

    Parameters
    ----------
    x, y : array_like of float, shape (n,)
        Sky pixels, as in the columns of the same names; NaN stays NaN.
    wcs : SkyWCS
        Reference pixel, its right ascension and declination (deg), and the steps (deg/pixel).

    Returns
    -------
    ra, dec : ndarray of float64, shape (n,)
        deg; 0 <= ra < 360.

    Examples
    --------
    >>> wcs = SkyWCS(4096.5, 148.9, -0.492 / 3600, 4096.5, 69.7, 0.492 / 3600)
    >>> ra, dec = sky_to_radec([4096.5], [4196.5], wcs)
    >>> float(ra[0]), round(float(dec[0]), 6)
    (148.9, 69.713667)
    """
    xi = np.radians((np.asarray(x, np.float64) - wcs.x_crpix) * wcs.x_cdelt)
    eta = np.radians((np.asarray(y, np.float64) - wcs.y_crpix) * wcs.y_cdelt)
    sin_dec0, cos_dec0 = np.sin(np.radians(wcs.y_crval)), np.cos(np.radians(wcs.y_crval))
    # The point on the tangent plane, in axes along (east, away from the pole's axis, the pole).
    out = cos_dec0 - eta * sin_dec0
    ra = wcs.x_crval + np.degrees(np.arctan2(xi, out))
    dec = np.degrees(np.arctan2(sin_dec0 + eta * cos_dec0, np.hypot(xi, out)))
    ra %= 360.0
    return np.where(ra == 360.0, 0.0, ra), dec  # noqa: PLR2004 - a tiny negative angle rounds up to 360


def radec_to_sky(ra: npt.ArrayLike, dec: npt.ArrayLike, wcs: SkyWCS) -> tuple[Floats, Floats]:
    """Turn equatorial coordinates into sky pixels.

    Parameters
    ----------
    ra, dec : array_like of float, shape (n,)
        deg.
    wcs : SkyWCS
        As for `sky_to_radec`.

    Returns
    -------
    x, y : ndarray of float64, shape (n,)
        Sky pixels; NaN for the half of the sky that the tangent plane does not see.

    Examples
    --------
    >>> wcs = SkyWCS(4096.5, 148.9, -0.492 / 3600, 4096.5, 69.7, 0.492 / 3600)
    >>> x, y = radec_to_sky([148.9], [69.7], wcs)
    >>> float(x[0]), float(y[0])
    (4096.5, 4096.5)
    """
    delta_ra = np.radians(np.asarray(ra, np.float64) - wcs.x_crval)
    dec_, dec0 = np.radians(np.asarray(dec, np.float64)), np.radians(wcs.y_crval)
    depth = np.sin(dec_) * np.sin(dec0) + np.cos(dec_) * np.cos(dec0) * np.cos(delta_ra)
    depth = np.where(depth > 0, depth, np.nan)
    xi = np.cos(dec_) * np.sin(delta_ra) / depth
    eta = (np.sin(dec_) * np.cos(dec0) - np.cos(dec_) * np.sin(dec0) * np.cos(delta_ra)) / depth
    return wcs.x_crpix + np.degrees(xi) / wcs.x_cdelt, wcs.y_crpix + np.degrees(eta) / wcs.y_cdelt
