"""Calls of ADQL about the sky, in a tree: shapes among the arguments, conditions and numbers in their place."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from sql import spherical
from sql.spherical import Box, Circle, Point, Polygon, Shape

SHAPES = frozenset({"POINT", "CIRCLE", "BOX", "POLYGON"})
"""Functions that make a shape."""
GEOMETRY = SHAPES | {"AREA", "CENTROID", "CONTAINS", "COORD1", "COORD2", "COORDSYS", "DISTANCE", "INTERSECTS"}
"""Functions of the sky."""
_LONGEST = 1 << 19
"""Characters of an expression that is written anew."""
CONE_DISTANCE = "CONE_DISTANCE"
"""Of the Chandra catalog's own service: dbo.cone_distance(ra1, dec1, ra2, dec2), in arcmin."""
_FRAMES = frozenset({"", "ICRS", "ICRS GEOCENTER", "ICRS BARYCENTER", "ICRS TOPOCENTER"})


class NotAdql(ValueError):
    """A query that is not ADQL as it is offered here; the text says what is wrong, and what to write instead."""


def geometry(name: str, node: exp.Anonymous) -> exp.Expr:  # noqa: C901, PLR0911 - one line for each function
    """Translate a call about the sky; a shape that stands alone becomes an array of its numbers."""
    given = node.expressions
    if name in SHAPES:
        return sql_of(spherical.array(_shape(node)))
    if name in {"CONTAINS", "INTERSECTS"}:
        a, b = (_shape(g) for g in _exactly(name, given, 2))
        condition = spherical.contains(a, b) if name == "CONTAINS" else spherical.intersects(a, b)
        made = sql_of(f"CAST({condition} AS INTEGER)")
        made.meta["condition"] = True
        return made
    if name == CONE_DISTANCE:
        a, b = (Point(*(g.sql("duckdb") for g in pair)) for pair in (_exactly(name, given, 4)[:2], given[2:]))
        return sql_of(f"60 * ({spherical.distance(a, b)})")
    if name == "DISTANCE":
        if len(given) == 4:  # noqa: PLR2004 - two positions
            texts = [g.sql("duckdb") for g in given]
            a, b = Point(texts[0], texts[1]), Point(texts[2], texts[3])
        else:
            a, b = (_shape(g) for g in _exactly(name, given, 2))
        if not isinstance(a, Point) or not isinstance(b, Point):
            raise NotAdql("DISTANCE takes two POINTs")
        return sql_of(spherical.distance(a, b))
    shape = _shape(_exactly(name, given, 1)[0])
    if name == "AREA":
        return sql_of(spherical.area(shape))
    if name == "CENTROID":
        return sql_of(spherical.array(spherical.centroid(shape)))
    if name == "COORDSYS":
        return exp.Literal.string("ICRS")
    if not isinstance(shape, Point):
        raise NotAdql(f"{name} takes a POINT")
    return sql_of(shape.ra if name == "COORD1" else shape.dec)


def _exactly(name: str, given: list[exp.Expr], n: int) -> list[exp.Expr]:
    if len(given) != n:
        raise NotAdql(f"{name} takes {n} argument{'' if n == 1 else 's'}, found {len(given)}")
    return given


def _shape(node: exp.Expr) -> Shape:  # noqa: C901 - one line for each shape
    name = node.name.upper() if isinstance(node, exp.Anonymous) else ""
    if name == "CENTROID":
        return spherical.centroid(_shape(_exactly(name, node.expressions, 1)[0]))
    if name not in SHAPES:
        raise NotAdql(f"expected a shape, {', '.join(sorted(SHAPES))}, found {shown(node)}; no column holds one")
    given = list(node.expressions)
    if given and given[0].is_string:
        frame = given.pop(0).name
        if frame.upper() not in _FRAMES:
            raise NotAdql(f"{name}: positions are in ICRS, found {frame!r}; leave it out, and convert the coordinates")
    texts: list[str] = []
    for part in given:
        if isinstance(part, exp.Anonymous) and part.name.upper() in {"POINT", "CENTROID"}:
            point = _shape(part)
            texts += [point.ra, point.dec] if isinstance(point, Point) else []
        else:
            texts.append(part.sql("duckdb"))
    n = len(texts)
    if name == "POINT" and n == 2:  # noqa: PLR2004 - as many as the standard says, here and below
        return Point(*texts)
    if name == "CIRCLE" and n == 3:  # noqa: PLR2004
        return Circle(*texts)
    if name == "BOX" and n == 4:  # noqa: PLR2004
        return Box(*texts)
    if name == "POLYGON" and n % 2 == 0:
        numbers = [spherical.number(text) for text in texts]
        if None in numbers:
            raise NotAdql("the corners of a POLYGON are numbers here, not columns")
        found = [x for x in numbers if x is not None]
        return Polygon(tuple(zip(found[::2], found[1::2], strict=True)))
    raise NotAdql(f"{name} has {n} coordinates: {shown(node)}")


def is_argument(node: exp.Expr) -> bool:
    """Tell whether a shape is handed to a function of shapes."""
    parent = node.parent
    return isinstance(parent, exp.Anonymous) and parent.name.upper() in GEOMETRY


def sql_of(text: str) -> exp.Expr:
    """Return the tree of an expression in our dialect; a long one would keep us busy, and is refused."""
    if len(text) > _LONGEST:
        raise NotAdql("this part is too long; name a part of it in WITH")
    return sqlglot.parse_one(text, dialect="duckdb")


def shown(node: exp.Expr) -> str:
    """Return a part of a query as text, for a message."""
    text = node.sql(dialect="tsql")
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - a line
