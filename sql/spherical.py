"""Shapes on the sky, as ADQL names them, and what is asked of them, written as SQL of our dialect.

All sides are great circles. A point on the border is inside, to within 1e-12 degrees (4 nano-arcseconds): so much is
rounding. A condition on a point begins with a band in declination where one is known, so that scans can skip.

Source: ADQL 2.1 (IVOA Recommendation 2023), section 4.2; DALI 1.1, section 3.3. Spherical polygons: the sum of the
angles at which their sides are seen (Bevis & Chatelain 1989, Mathematical Geology 21, 811).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from sql.sphere_vectors import Vector, angle, cross, dot, length, position_of, scaled, total, unit, vector_of

_TOLERANCE_DEG = 1e-12
_TOLERANCE_RAD = 1e-14
_BAND_DEG = 1e-9
_RIGHT_ANGLE = 90.0
_HALF_TURN = 180.0
_CORNERS = 3
_MOST_PAIRS = 1 << 16


class NoShape(ValueError):
    """A shape that makes no sense, or a question about two shapes that is not offered; the text says which."""


@dataclass(frozen=True)
class Point:
    """A position [deg], each coordinate as SQL."""

    ra: str
    dec: str


@dataclass(frozen=True)
class Circle:
    """All within a radius [deg] of a position."""

    ra: str
    dec: str
    radius: str


@dataclass(frozen=True)
class Polygon:
    """What great circles between corners enclose: the smaller side. Corners are numbers [deg]."""

    corners: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        """Refuse what encloses nothing, or is not smaller than half the sky."""
        if len(self.corners) < _CORNERS:
            raise NoShape(f"POLYGON has {len(self.corners)} corners; it needs three or more")
        if self.bound[2] >= _RIGHT_ANGLE:
            raise NoShape("POLYGON is not smaller than half the sky; cut it into smaller ones")
        if abs(self.area) < 1e-18:  # noqa: PLR2004 - [sr], a hundredth of a square milli-arcsecond
            raise NoShape("POLYGON encloses nothing: its corners lie on one great circle")

    @property
    def vectors(self) -> list[Vector]:
        """The corners as unit vectors."""
        return [vector_of(ra, dec) for ra, dec in self.corners]

    @property
    def sides(self) -> Iterator[tuple[Vector, Vector]]:
        """Each side: from a corner to the next."""
        corners = self.vectors
        return ((a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True) if math.dist(a, b))

    @property
    def bound(self) -> tuple[float, float, float]:
        """A circle around it: centre and radius [deg]."""
        middle = total(self.vectors)
        centre = unit(middle) if length(middle) else self.vectors[0]
        radius = max(angle(centre, corner) for corner in self.vectors)
        return (*position_of(centre), math.degrees(radius))

    @property
    def area(self) -> float:
        """Area [sr], below zero where the corners go clockwise as seen from outside the sphere."""
        first, *rest = self.vectors
        excess = 0.0
        for a, b in itertools.pairwise(rest):
            excess += 2 * math.atan2(dot(first, cross(a, b)), 1 + dot(first, a) + dot(a, b) + dot(b, first))
        return excess

    @property
    def centroid(self) -> tuple[float, float]:
        """The centre of its area [deg]: each side adds its plane's normal, times its length."""
        normals = [scaled(unit(cross(a, b)), angle(a, b)) for a, b in self.sides]
        return position_of(scaled(unit(total(normals)), math.copysign(1, self.area)))


@dataclass(frozen=True)
class Box:
    """A cross of two great circles through the centre, and sides at right angles to its arms [deg]."""

    ra: str
    dec: str
    width: str
    height: str

    @property
    def polygon(self) -> Polygon:
        """The same as a polygon, where all is numbers."""
        numbers = [number(text) for text in (self.ra, self.dec, self.width, self.height)]
        if any(n is None for n in numbers):
            raise NoShape("BOX from columns takes points alone: 1 = CONTAINS(POINT(...), BOX(...))")
        ra, dec, width, height = (n for n in numbers if n is not None)
        if not (0 < width < _HALF_TURN and 0 < height < _HALF_TURN):
            raise NoShape("BOX has a width and a height between 0 and 180 degrees")
        a, d = math.radians(ra), math.radians(dec)
        centre = vector_of(ra, dec)
        east = (-math.sin(a), math.cos(a), 0.0)
        north = (-math.sin(d) * math.cos(a), -math.sin(d) * math.sin(a), math.cos(d))
        x, y = math.tan(math.radians(width) / 2), math.tan(math.radians(height) / 2)
        corners = ((x, -y), (x, y), (-x, y), (-x, -y))
        return Polygon(tuple(position_of(total([centre, scaled(east, u), scaled(north, v)])) for u, v in corners))


Shape: TypeAlias = Point | Circle | Box | Polygon


def number(text: str) -> float | None:
    """Return a constant's value; None for an expression.

    Examples
    --------
    >>> number("-1.5"), number("ra + 1")
    (-1.5, None)
    """
    try:
        return float(text.replace(" ", ""))
    except ValueError:
        return None


def distance(a: Point | Circle | Box, b: Point | Circle | Box) -> str:
    """Write the angle between two positions [deg].

    Examples
    --------
    >>> distance(Point("ra", "dec"), Point("1", "2"))
    '(separation_arcsec(ra, dec, 1, 2) / 3600.0)'
    """
    return f"(separation_arcsec({a.ra}, {a.dec}, {b.ra}, {b.dec}) / 3600.0)"


def contains(inner: Shape, outer: Shape) -> str:
    """Write the condition that a shape lies wholly in another.

    Examples
    --------
    >>> contains(Point("ra", "dec"), Circle("10", "20", "0.5")).partition(" AND (")[0]
    '(dec BETWEEN 19.499999999 AND 20.500000001'
    """
    if isinstance(outer, Point):
        outer = Circle(outer.ra, outer.dec, "0")
    if isinstance(inner, Point):
        return _has_point(outer, inner)
    if isinstance(inner, Circle) and isinstance(outer, Circle):
        return f"({distance(inner, outer)} + ({inner.radius}) <= ({outer.radius}) + {_TOLERANCE_DEG})"
    if isinstance(inner, Box | Polygon):
        polygon = _polygon(inner)
        corners = [Point(repr(ra), repr(dec)) for ra, dec in polygon.corners]
        every = " AND ".join(_has_point(outer, corner) for corner in corners)
        if isinstance(outer, Circle):
            return f"({every})"
        return f"({every} AND {str(not _cross_each_other(polygon, _polygon(outer))).upper()})"
    wall = _polygon(outer)
    centre = Point(inner.ra, inner.dec)
    return f"({_has_point(wall, centre)} AND {_to_sides(wall, centre)} >= ({inner.radius}) - {_TOLERANCE_DEG})"


def intersects(a: Shape, b: Shape) -> str:
    """Write the condition that two shapes have a point in common.

    Examples
    --------
    >>> intersects(Circle("a", "b", "1"), Circle("c", "d", "2"))
    '((separation_arcsec(a, b, c, d) / 3600.0) <= (1) + (2) + 1e-12)'
    """
    if isinstance(a, Point):
        return contains(a, b)
    if isinstance(b, Point):
        return contains(b, a)
    if isinstance(a, Circle) and isinstance(b, Circle):
        return f"({distance(a, b)} <= ({a.radius}) + ({b.radius}) + {_TOLERANCE_DEG})"
    if isinstance(a, Circle) or isinstance(b, Circle):
        circle, other = (a, b) if isinstance(a, Circle) else (b, a)
        if not isinstance(circle, Circle) or isinstance(other, Circle):
            raise NoShape("INTERSECTS takes two shapes")
        wall, centre = _polygon(other), Point(circle.ra, circle.dec)
        return f"({_has_point(wall, centre)} OR {_to_sides(wall, centre)} <= ({circle.radius}) + {_TOLERANCE_DEG})"
    one, other_one = _polygon(a), _polygon(b)
    if _cross_each_other(one, other_one):
        return "TRUE"
    first = [Point(repr(p.corners[0][0]), repr(p.corners[0][1])) for p in (one, other_one)]
    return f"({_has_point(other_one, first[0])} OR {_has_point(one, first[1])})"


def area(shape: Shape) -> str:
    """Write a shape's area [deg**2].

    Examples
    --------
    >>> round(float(area(Polygon(((0, 0), (90, 0), (0, 89.9))))))  # nearly an eighth of the sky
    5151
    """
    match shape:
        case Point():
            return "0.0"
        case Circle():
            return f"(4 * pi() * power(sin(radians({shape.radius}) / 2), 2) * {math.degrees(1) ** 2!r})"
        case _:
            return repr(abs(_polygon(shape).area) * math.degrees(1) ** 2)


def centroid(shape: Shape) -> Point:
    """Return the centre of a shape.

    Examples
    --------
    >>> centroid(Circle("ra", "dec", "1"))
    Point(ra='ra', dec='dec')
    """
    if isinstance(shape, Polygon):
        ra, dec = shape.centroid
        return Point(repr(ra), repr(dec))
    return Point(shape.ra, shape.dec)


def array(shape: Shape) -> str:
    """Write a shape's numbers as DALI has them in a cell: point, circle and polygon [deg].

    Examples
    --------
    >>> array(Circle("ra", "dec", "1"))
    '[ra, dec, 1]::DOUBLE[]'
    """
    match shape:
        case Point():
            numbers = [shape.ra, shape.dec]
        case Circle():
            numbers = [shape.ra, shape.dec, shape.radius]
        case _:
            numbers = [repr(x) for corner in _polygon(shape).corners for x in corner]
    return f"[{', '.join(numbers)}]::DOUBLE[]"


def _polygon(shape: Shape) -> Polygon:
    if isinstance(shape, Polygon):
        return shape
    if isinstance(shape, Box):
        return shape.polygon
    raise NoShape("a CIRCLE is no polygon")


def _has_point(outer: Circle | Box | Polygon, p: Point) -> str:
    if isinstance(outer, Circle):
        reach = f"{distance(p, outer)} <= ({outer.radius}) + {_TOLERANCE_DEG}"
        return f"({_band(p.dec, outer.dec, outer.radius)} AND {reach})"
    if isinstance(outer, Box):
        between = f"radians(({p.ra}) - ({outer.ra}))"
        d, d0 = f"radians({p.dec})", f"radians({outer.dec})"
        along = f"(sin({d}) * sin({d0}) + cos({d}) * cos({d0}) * cos({between}))"
        east = f"(cos({d}) * sin({between}))"
        north = f"(sin({d}) * cos({d0}) - cos({d}) * sin({d0}) * cos({between}))"
        arms = [
            f"abs(atan2({arm}, {along})) <= radians({size}) / 2 + {_TOLERANCE_RAD}"
            for arm, size in ((east, outer.width), (north, outer.height))
        ]
        return f"({' AND '.join(arms)})"
    where = number(p.ra), number(p.dec)
    if where[0] is not None and where[1] is not None:  # all is numbers: SQL of it would be corners times sides long
        return str(_is_inside(outer, vector_of(where[0], where[1]))).upper()
    ra, dec, radius = outer.bound
    seen, on_side = [], []
    for a, b in outer.sides:
        across = _dot_sql(p, cross(a, b))
        facing = f"({dot(a, b)!r} - {_dot_sql(p, a)} * {_dot_sql(p, b)})"
        seen.append(f"atan2({across}, {facing})")
        on_side.append(f"(abs({across}) <= {_TOLERANCE_RAD} AND {facing} <= {_TOLERANCE_RAD})")
    sign = "" if outer.area > 0 else "-"
    inside = f"{sign}({' + '.join(seen)}) > pi()"
    near = f"{distance(p, Point(repr(ra), repr(dec)))} <= {radius + _BAND_DEG!r}"
    return f"({_band(p.dec, repr(dec), repr(radius))} AND {near} AND ({inside} OR {' OR '.join(on_side)}))"


def _is_inside(outer: Polygon, p: Vector) -> bool:
    """Tell whether a position is in a polygon, or on its border."""
    ra, dec, radius = outer.bound
    if math.degrees(angle(p, vector_of(ra, dec))) > radius + _BAND_DEG:
        return False
    seen = 0.0
    for a, b in outer.sides:
        across, facing = dot(p, cross(a, b)), dot(a, b) - dot(p, a) * dot(p, b)
        if abs(across) <= _TOLERANCE_RAD and facing <= _TOLERANCE_RAD:
            return True
        seen += math.atan2(across, facing)
    return math.copysign(1, outer.area) * seen > math.pi


def _band(dec: str, centre: str, radius: str) -> str:
    """Write the band in declination around a centre."""
    middle, half = number(centre), number(radius)
    if middle is not None and half is not None:
        return f"{dec} BETWEEN {middle - half - _BAND_DEG!r} AND {middle + half + _BAND_DEG!r}"
    return f"{dec} BETWEEN ({centre}) - ({radius}) - {_BAND_DEG} AND ({centre}) + ({radius}) + {_BAND_DEG}"


def _to_sides(wall: Polygon, p: Point) -> str:
    """Write the angle from a point to the nearest side of a polygon [deg]."""
    ways = []
    for a, b in wall.sides:
        normal = unit(cross(a, b))
        to_ends = [distance(p, Point(*map(repr, position_of(end)))) for end in (a, b)]
        beside = f"{_dot_sql(p, cross(normal, a))} >= 0 AND {_dot_sql(p, cross(b, normal))} >= 0"
        across = f"degrees(abs(asin({_dot_sql(p, normal)})))"
        ways.append(f"CASE WHEN {beside} THEN {across} ELSE least({', '.join(to_ends)}) END")
    return f"least({', '.join(ways)})"


def _cross_each_other(one: Polygon, other: Polygon) -> bool:
    """Tell whether a side of one polygon crosses a side of the other."""
    if len(one.corners) * len(other.corners) > _MOST_PAIRS:
        raise NoShape(f"two POLYGONs have at most {_MOST_PAIRS:,} pairs of sides; leave out corners")
    for a, b in one.sides:
        for c, d in other.sides:
            n, m = cross(a, b), cross(c, d)
            ends = dot(n, c) * dot(n, d) < 0 and dot(m, a) * dot(m, b) < 0
            if ends and dot(n, d) * dot(m, a) > 0 and dot(total([a, b]), total([c, d])) > 0:
                return True
    return False


def _dot_sql(p: Point, v: Vector) -> str:
    x, y, z = v
    return (
        f"(cos(radians({p.dec})) * ({x!r} * cos(radians({p.ra})) + {y!r} * sin(radians({p.ra}))) "
        f"+ {z!r} * sin(radians({p.dec})))"
    )
