"""Shapes of regions, brought to three: circles, ellipses and polygons, each included or cut out.

A region is the union of its components; inside a component is what lies inside all its included shapes and inside
none of its excluded ones. So an annulus is a circle with a circle cut out, and a box is the polygon of its corners.

Source: CXC "ASC Region Specification" (shapes, their columns X, Y, R, ROTANG, and components); CIAO "ahelp dmregions";
Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3 (the sky frame's TAN projection), equations 2 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

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


Numbers = Sequence[float]
Frame = Literal["pixel", "sky"]

_CORNERS = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
_TRIANGLE = 3


class Shape(NamedTuple):
    """A circle, an ellipse or a polygon.

    Attributes
    ----------
    kind : {'circle', 'ellipse', 'polygon'}
    x, y : tuple of float
        Centre (one number), or corners (n numbers): sky pixels, or right ascension and declination in degrees.
    r : tuple of float
        Radius, or the two semi-axes: pixels, or arcsec; empty for a polygon.
    rotang : float
        Angle of the first axis in degrees, from +x (west, for positions on the sky) towards +y (north).
    include : bool
        False where the shape is cut out.
    frame : {'pixel', 'sky'}
        Of x, y and r.
    """

    kind: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    r: tuple[float, ...] = ()
    rotang: float = 0.0
    include: bool = True
    frame: Frame = "pixel"


def basic_shapes(word: str, x: Numbers, y: Numbers, r: Numbers, rotang: float, template: Shape) -> list[Shape] | None:
    """Bring a shape to circles, ellipses and polygons that hold together (see the module).

    Parameters
    ----------
    word : str
        Name of the shape: circle, ellipse, box, rotbox, rectangle, polygon, annulus, elliptannulus.
    x, y : sequence of float
        Centre, corners, or the two opposite corners of a rectangle; NaN where not given.
    r : sequence of float
        Radii, semi-axes, or the full lengths of a box.
    rotang : float
        Degrees; see `Shape`.
    template : Shape
        Its `include` and `frame` are those of the shape.

    Returns
    -------
    list of Shape or None
        None for a shape that has no area, lacks a number, or is of another kind: nothing may be guessed of it.

    Examples
    --------
    >>> plain = Shape("", (), ())
    >>> [(s.kind, s.r, s.include) for s in basic_shapes("Annulus", [5.0], [6.0], [1.0, 2.0], 0.0, plain)]
    [('circle', (2.0,), True), ('circle', (1.0,), False)]
    >>> basic_shapes("Pie", [5.0], [6.0], [1.0, 2.0], 0.0, plain) is None
    True
    """
    word = word.lower()
    if word in {"polygon", "rectangle", "rotrectangle"}:
        return _of_corners(word, x, y, rotang, template)
    radii = [float(v) for v in r if math.isfinite(v)]
    if not (len(x) and len(y) and math.isfinite(x[0]) and math.isfinite(y[0]) and math.isfinite(rotang)):
        return None
    centre = template._replace(x=(float(x[0]),), y=(float(y[0]),), rotang=float(rotang))
    match word, len(radii):
        case (("circle" | "ellipse"), 1):
            made: list[Shape] | None = [centre._replace(kind="circle", r=(radii[0],))]
        case "ellipse", 2:
            made = [centre._replace(kind="ellipse", r=(radii[0], radii[1]))]
        case (("box" | "rotbox"), 2):
            made = _box(centre, radii)
        case "annulus", n if n > 1:
            made = _ring(centre, [(v,) for v in radii])
        case (("elliptannulus" | "ellipse"), n) if n > 2 and not n % 2:  # noqa: PLR2004 - two semi-axes an ellipse
            made = _ring(centre, list(zip(radii[::2], radii[1::2], strict=True)))
        case _:
            made = None
    return made if made and all(v > 0 for s in made for v in s.r) else None


def _ring(centre: Shape, radii: list[tuple[float, ...]]) -> list[Shape] | None:
    """Return the largest of several circles or ellipses with the smallest cut out."""
    if not centre.include:
        return None  # what lies outside a ring or in its hole is no component
    inner, outer = min(radii), max(radii)
    kind = "circle" if len(outer) == 1 else "ellipse"
    whole = centre._replace(kind=kind, r=outer)
    return [whole] if min(inner) == 0 else [whole, whole._replace(r=inner, include=False)]


def _box(centre: Shape, lengths: list[float]) -> list[Shape] | None:
    if min(lengths) <= 0:
        return None
    cos, sin = math.cos(math.radians(centre.rotang)), math.sin(math.radians(centre.rotang))
    sides = [(u * lengths[0], v * lengths[1]) for u, v in _CORNERS]
    dx, dy = [u * cos - v * sin for u, v in sides], [u * sin + v * cos for u, v in sides]
    if centre.frame == "pixel":
        x, y = [centre.x[0] + d for d in dx], [centre.y[0] + d for d in dy]
    else:  # lengths in arcsec on the plane that touches the sky at the centre
        plane = SkyWCS(0.0, centre.x[0], -1 / 3600, 0.0, centre.y[0], 1 / 3600)
        ra, dec = sky_to_radec(dx, dy, plane)
        x, y = ra.tolist(), dec.tolist()
    return [centre._replace(kind="polygon", x=tuple(x), y=tuple(y), rotang=0.0)]


def _of_corners(word: str, x: Numbers, y: Numbers, rotang: float, template: Shape) -> list[Shape] | None:
    n = min(len(x), len(y))
    corners = [(float(a), float(b)) for a, b in zip(x[:n], y[:n], strict=True)]
    corners = [c for c in corners if math.isfinite(c[0]) and math.isfinite(c[1])]
    if word != "polygon":
        if len(corners) < 2 or template.frame != "pixel":  # noqa: PLR2004 - two opposite corners
            return None
        (x0, y0), (x1, y1) = corners[:2]
        turned = rotang if word == "rotrectangle" else 0.0
        middle = template._replace(x=((x0 + x1) / 2,), y=((y0 + y1) / 2,), rotang=turned)
        return _box(middle, [abs(x1 - x0), abs(y1 - y0)])
    while corners and corners[-1] == (0.0, 0.0):  # tables fill up short polygons with zeros, or repeat a corner
        corners.pop()
    corners = [c for i, c in enumerate(corners) if c != corners[i - 1] or len(corners) == 1]
    if len(set(corners)) < _TRIANGLE:
        return None
    xs, ys = zip(*corners, strict=True)
    return [template._replace(kind="polygon", x=xs, y=ys, r=(), rotang=0.0)]


class Placed(NamedTuple):
    """Where a shape or a region is, in pixels and on the sky; None for what is not known.

    Attributes
    ----------
    x, y, r : list of float or None
        Sky pixels.
    ra, dec : list of float or None
        ICRS, deg.
    r_arcsec : list of float or None
        Radii, arcsec.
    """

    x: list[float] | None
    y: list[float] | None
    r: list[float] | None
    ra: list[float] | None
    dec: list[float] | None
    r_arcsec: list[float] | None


def placed(shape: Shape, wcs: SkyWCS | None) -> Placed:
    """Tell where a shape is.

    Parameters
    ----------
    shape : Shape
    wcs : SkyWCS or None
        Of its pixels.

    Examples
    --------
    >>> wcs = SkyWCS(4096.5, 148.9, -0.492 / 3600, 4096.5, 69.7, 0.492 / 3600)
    >>> placed(Shape("circle", (4096.5,), (4096.5,), (10.0,)), wcs).r_arcsec
    [4.92]
    """
    x, y, r = list(shape.x), list(shape.y), list(shape.r)
    if shape.frame == "sky":
        return Placed(None, None, None, x, y, r)
    if wcs is None:
        return Placed(x, y, r, None, None, None)
    ra, dec = sky_to_radec(x, y, wcs)
    return Placed(x, y, r, ra.tolist(), dec.tolist(), [v * abs(wcs.y_cdelt) * 3600 for v in r])


def circumscribed(shapes: Sequence[Shape]) -> Shape:
    """Return a circle that holds all shapes that include, and so their region; of one ellipse it has the centre.

    Parameters
    ----------
    shapes : sequence of Shape
        All in one frame, at least one of them including.

    Examples
    --------
    >>> circumscribed([Shape("ellipse", (5.0,), (6.0,), (4.0, 2.0), 30.0)])
    Shape(kind='circle', x=(5.0,), y=(6.0,), r=(4.0,), rotang=0.0, include=True, frame='pixel')
    """
    included = [s for s in shapes if s.include]
    first = included[0]
    # On the sky, a plane that touches it at the first shape, in arcsec.
    plane = SkyWCS(0.0, first.x[0], -1 / 3600, 0.0, first.y[0], 1 / 3600) if first.frame == "sky" else None
    low, high = [], []
    for shape in included:
        reach = max(shape.r, default=0.0)
        x, y = (shape.x, shape.y) if plane is None else radec_to_sky(shape.x, shape.y, plane)
        corners = np.column_stack([x, y])
        low.append(corners.min(axis=0) - reach)
        high.append(corners.max(axis=0) + reach)
    lowest, highest = np.min(low, axis=0), np.max(high, axis=0)
    centre = (lowest + highest) / 2
    round_ = len(included) == 1 and first.kind != "polygon"
    reach = max(first.r) if round_ else float(np.hypot(*(highest - lowest)) / 2)
    if plane is not None:
        ra, dec = sky_to_radec(centre[:1], centre[1:], plane)
        centre = np.array([ra[0], dec[0]])
    return Shape("circle", (float(centre[0]),), (float(centre[1]),), (reach,), frame=first.frame)
