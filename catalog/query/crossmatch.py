"""crossmatch(): the table function that joins two tables by their places on the sky.

The sky is cut into cells: bands of declination, each cut in right ascension into cells that are about as wide as high.
A row of the one table lies in one cell. A row of the other, the shorter, stands in each cell that its circle reaches.
So pairs are found by a join of equal cells, and each pair once; then the separation decides. That is exact everywhere:
the width of a circle in right ascension, asin(sin r / cos dec), is that of the great circle, a circle that holds a
pole reaches every cell of its bands, and cells are counted round 0/360. The engine does the join: in parallel, and on
disk where it does not fit in memory.
Source: Gray, Szalay, Thakar, Fekete et al. 2004, MSR-TR-2004-32 (zones); Pineau et al. 2017, A&A 597, A89, section 3
(error ellipses).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import duckdb
import pyarrow as pa

from catalog.errors import QueryError, suggestion
from catalog.query.complaints import first_line
from catalog.query.functions import TableFunction
from catalog.query.positions import ROW, Columns, Positions, positions
from catalog.query.session import Session
from sql.objects import Described
from sql.signatures import REQUIRED, Argument, Signature

_FINDS = ("best", "all", "mutual")
_SIGNATURE = Signature(
    "crossmatch",
    (
        Argument("table_1", "text", REQUIRED, "A table or view, or one of your own"),
        Argument("table_2", "text", REQUIRED, "The table in which matches are looked for"),
        Argument("radius_arcsec", "number", REQUIRED, "Greatest separation"),
        Argument("find", "text", "best", "best: the nearest to each row of table_1; all; mutual: each other's nearest"),
        Argument("ellipses", "boolean", False, "Tell how many sigma the separation is, by the error ellipses"),
        *(
            argument
            for side in (1, 2)
            for argument in (
                Argument(f"id_{side}", "text", None, f"Column of table_{side} that is its id; else found"),
                Argument(f"ra_{side}", "text", None, "Column of its right ascension; else found by UCD or name"),
                Argument(f"dec_{side}", "text", None, "Column of its declination; else found by UCD or name"),
                Argument(f"error_{side}", "text", None, "Column of its error radius, or three: 'major, minor, angle'"),
                Argument(
                    f"confidence_{side}", "number", None, "Share of positions within that, as 0.95; else one sigma"
                ),
                Argument(f"where_{side}", "text", None, f"SQL condition on the rows of table_{side}"),
            )
        ),
    ),
    3,
)
_COLUMNS = (
    Described("id_1", "Id of the row of table_1; of a table of your own without one, the row's number", ucd="meta.id"),
    Described("id_2", "Id of the row of table_2", ucd="meta.id"),
    Described("separation_arcsec", "Great-circle distance of the two", "arcsec", "pos.angDistance"),
    Described(
        "sigma", "The same in standard deviations of both error ellipses together; with ellipses", ucd="stat.value"
    ),
)
_BATCH_ROWS = 1 << 17
_MARGIN_DEG = 1e-9
"""Circles are so much larger when cells are looked for: more than rounding can be. It does not touch separations."""


def crossmatch(session: Session, arguments: Mapping[str, object]) -> pa.RecordBatchReader:
    """Answer one call of crossmatch().

    A row without a position matches nothing. With find := 'best' a row of `table_1` is in one pair at most, while a row
    of `table_2` may be the nearest to several; with 'mutual' neither is in two. Of matches at the same distance the one
    with the lower id counts.

    Parameters
    ----------
    session : Session
        The snapshot.
    arguments : mapping
        See the signature.

    Returns
    -------
    pyarrow.RecordBatchReader
        id_1, id_2, separation_arcsec, and sigma with `ellipses`; in the order of the rows of `table_1`, nearest first.

    Raises
    ------
    UnknownName
        If a table does not exist.
    QueryError
        If an argument makes no sense, or a table's positions cannot be told.
    """
    radius, find = float(cast("float", arguments["radius_arcsec"])), str(arguments["find"])
    if not 0 <= radius <= 180 * 3600:
        raise QueryError(f"crossmatch: radius_arcsec must be from 0 to 648000 (180 degrees), found {radius:g}")
    if find not in _FINDS:
        raise QueryError(f"crossmatch: no find {find!r}{suggestion(find, _FINDS)}; there are {', '.join(_FINDS)}")
    ellipses = bool(arguments["ellipses"])
    first, second = (
        positions(session, str(arguments[f"table_{side}"]), side, _told(arguments, side), ellipses=ellipses)
        for side in (1, 2)
    )
    if ellipses and not (first.ellipse or second.ellipse):
        raise QueryError(
            "crossmatch: ellipses := true, but neither table has an error ellipse (err_ellipse_r0, _r1, _ang); say "
            "where errors stand: error_1 := 'column'"
        )
    query = _query(session, (first, second), radius, find, ellipses=ellipses)
    reader = session.cursor.execute(query).to_arrow_reader(_BATCH_ROWS)
    return pa.RecordBatchReader.from_batches(reader.schema, _told_errors(reader))


CROSSMATCH = TableFunction(
    _SIGNATURE,
    crossmatch,
    _COLUMNS,
    "Pairs of rows of two tables that are near to each other on the sky, with their separation.",
)


def _told(arguments: Mapping[str, object], side: int) -> Columns:
    said = {name: arguments[f"{name}_{side}"] for name in ("id", "ra", "dec", "error", "confidence", "where")}
    return Columns(**cast("dict[str, str]", said))  # type: ignore[arg-type]  # confidence is a number


def _told_errors(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (duckdb.Error, OSError, pa.ArrowException) as error:
        raise QueryError(first_line(str(error))) from error


def _query(session: Session, sides: tuple[Positions, Positions], radius: float, find: str, *, ellipses: bool) -> str:
    """Write the whole search as one query."""
    reach = radius / 3600 + _MARGIN_DEG
    height = min(max(4 * reach, 1e-3), 180.0)
    sizes = [session.rows(f"SELECT count(*) AS n FROM {s.relation}")["n"][0].as_py() for s in sides]
    shorter = 1 if sizes[0] <= sizes[1] else 2
    cells = [_covered(n, reach, height) if n == shorter else _placed(n, height) for n in (1, 2)]
    separation = "separation_arcsec(ra_1, dec_1, ra_2, dec_2)"
    pairs = f"""
      SELECT {_columns(1, sides[0])}, {_columns(2, sides[1])}, {separation} AS separation_arcsec
      FROM cells_1 JOIN cells_2 ON cells_1.cell = cells_2.cell WHERE {separation} <= {radius!r}"""
    sigma = f", {_sigma([len(s.ellipse) > 0 for s in sides])} AS sigma" if ellipses else ""
    return f"""
    WITH rows_1 AS ({_rows(1, sides[0])}), rows_2 AS ({_rows(2, sides[1])}),
    cells_1 AS ({cells[0]}), cells_2 AS ({cells[1]}),
    pairs AS ({pairs}), found AS ({_found(find)})
    SELECT id_1, id_2, separation_arcsec{sigma} FROM found ORDER BY row_1, separation_arcsec, id_2, row_2"""


def _rows(n: int, side: Positions) -> str:
    """Select a table's positions; right ascension from 0 to 360."""
    return f"""
      SELECT * EXCLUDE (ra, "dec"), ra - 360 * floor(ra / 360) AS ra_{n}, "dec" AS dec_{n}
      FROM (
        SELECT {ROW} AS row_{n}, {side.id} AS id_{n}, {side.ra} AS ra, {side.dec} AS "dec"
          {"".join(f", {part} AS {name}_{n}" for name, part in _ellipse(side))}
        FROM (SELECT *, row_number() OVER () AS {ROW} FROM {side.relation}) WHERE ({side.where}
      )) WHERE ra IS NOT NULL AND "dec" IS NOT NULL"""


def _ellipse(side: Positions) -> list[tuple[str, str]]:
    return list(zip(("major", "minor", "angle"), side.ellipse, strict=False))


def _columns(n: int, side: Positions) -> str:
    return ", ".join(f"{name}_{n}" for name in ("row", "id", "ra", "dec", *dict(_ellipse(side))))


def _band(height: float) -> str:
    """Return how many cells a band is cut into. Any number will do; with this they are about square."""
    return f"greatest(1.0, floor({360 / height!r} * (1 - power((band + 0.5) * {height / 90!r} - 1, 2))))"


def _cell(k: str) -> str:
    """Return a cell's number: that of its band, and that within it, counted round."""
    return f"band * 4294967296.0 + ({k} - n * floor({k} / n)) AS cell"


def _placed(n: int, height: float) -> str:
    """Put each row into its cell."""
    return f"""
      SELECT *, {_cell(f"floor(ra_{n} / 360 * n)")}
      FROM (SELECT *, {_band(height)} AS n FROM (SELECT *, floor((dec_{n} + 90) / {height!r}) AS band FROM rows_{n}))"""


def _covered(n: int, reach: float, height: float) -> str:
    """Put each row into every cell that its circle reaches."""
    wide = f"degrees(asin(least(1.0, sin(radians({reach!r})) / cos(radians(dec_{n})))))"
    low, high = (f"floor((dec_{n} + 90 {sign} {reach!r}) / {height!r})::BIGINT" for sign in "-+")
    return f"""
      SELECT * EXCLUDE (k, n, band, half), {_cell("k")}
      FROM (
        SELECT *, unnest(CASE WHEN 2 * half >= 360 - 360 / n THEN range(n::BIGINT) ELSE
          range(floor((ra_{n} - half) / 360 * n)::BIGINT, floor((ra_{n} + half) / 360 * n)::BIGINT + 1) END) AS k
        FROM (
          SELECT *, {_band(height)} AS n,
            CASE WHEN abs(dec_{n}) + {reach!r} >= 90 THEN 360.0 ELSE {wide} + {_MARGIN_DEG!r} END AS half
          FROM (SELECT *, unnest(range({low}, {high} + 1)) AS band FROM rows_{n})
        )
      )"""


def _found(find: str) -> str:
    """Choose among the pairs."""
    first, second = (
        f"row_number() OVER (PARTITION BY row_{a} ORDER BY separation_arcsec, id_{b}, row_{b}) = 1"
        for a, b in ((1, 2), (2, 1))
    )
    return {
        "all": "FROM pairs",
        "best": f"FROM pairs QUALIFY {first}",
        "mutual": f"FROM pairs QUALIFY {first} AND {second}",
    }[find]


def _sigma(has: list[bool]) -> str:
    """Return the separation in standard deviations, as an expression.

    Both ellipses are turned into the frame along and across the great circle through the two places, each by the
    circle's own direction at its place, and their covariances are added. So it holds at the poles too, where north is
    another direction at either end. With the separation s along the circle it is s * sqrt(C^-1[along, along]).
    """
    away = {1: "", 2: " + 180"}
    along, across, mixed = [], [], []
    for n, there in enumerate(has, 1):
        if there:
            m = 3 - n
            direction = f"{_direction(n, m)}{away[n]}"
            turn = f"radians(angle_{n} - ({direction}))"
            along.append(f"power(major_{n} * cos({turn}), 2) + power(minor_{n} * sin({turn}), 2)")
            across.append(f"power(major_{n} * sin({turn}), 2) + power(minor_{n} * cos({turn}), 2)")
            mixed.append(f"(power(major_{n}, 2) - power(minor_{n}, 2)) * sin({turn}) * cos({turn})")
    aa, cc, ac = (" + ".join(terms) for terms in (along, across, mixed))
    return f"separation_arcsec * sqrt(({cc}) / nullif(({aa}) * ({cc}) - power({ac}, 2), 0))"


def _direction(n: int, m: int) -> str:
    """Return the position angle of place m as seen from place n, in degrees east of north."""
    across = f"radians(ra_{m} - ra_{n})"
    north = f"2 * sin(radians(dec_{n})) * cos(radians(dec_{m})) * power(sin({across} / 2), 2)"
    return f"degrees(atan2(sin({across}) * cos(radians(dec_{m})), sin(radians(dec_{m} - dec_{n})) + {north}))"
