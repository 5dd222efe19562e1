"""SQL for the catalog's services: columns, the five-table join, selections. Text out, nothing is sent.

The command-line service takes its own SQL (no schema, `dbo.cone_distance`). The TAP service takes plain
comparisons and joins, and no geometry: so a cone is a box there, the exact cut is made here, and the sources
within are then asked for by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from catalog.schema import TABLES
from catalog.schema.columns import literal
from ingest.remote.conditions import parse_condition
from ingest.remote.cones import Cone
from ingest.remote.selection import Selection
from ingest.tables.column_names import COLUMNS, MASTER, OBSERVATION

_NOT_ASKED = frozenset({"detection_id", "release", "match_type", "detect_stack_id"})
"""Ours, or asked for in another way."""

KEYS = ("obsid", "obi", "region_id", "instrument")
_JOIN = (
    "(m.name = a.name) AND (s.detect_stack_id = a.detect_stack_id AND s.region_id = a.region_id) AND "
    "(s.detect_stack_id = b.detect_stack_id AND s.region_id = b.region_id) AND "
    "(o.obsid = b.obsid AND o.obi = b.obi AND o.region_id = b.region_id)"
)
_TABLES = (
    ("master_source", "m"),
    ("master_stack_assoc", "a"),
    ("observation_source", "o"),
    ("stack_observation_assoc", "b"),
    ("stack_source", "s"),
)


def column_list(known: Mapping[str, Iterable[str]] | None, which: str) -> list[str]:
    """Return the columns to select, as SQL; a detection's own get the alias obi_ where sources have them, too.

    Parameters
    ----------
    known : mapping, optional
        Table's full name ('csc.master_source') -> columns that the service has; None where it does not say.
    which : {'usual', 'all'}

    Examples
    --------
    >>> columns = column_list(None, "usual")
    >>> columns[0], columns[-1], "o.hard_hm AS obi_hard_hm" in columns
    ('m.name', 's.detect_stack_id', True)
    """
    chosen: dict[str, list[str]] = {}
    for table in (MASTER, OBSERVATION):
        has = None if known is None else {c.lower() for c in known.get(table, ())}
        ours = {c.name: c for c in TABLES[table].columns if c.name not in _NOT_ASKED}
        chosen[table] = [
            name
            for name, column in sorted(ours.items())
            if (column.fetch == "first" if has is None else name in has and (which == "all" or column.fetch != "all"))
        ]
    master = [c for c in chosen[MASTER] if c not in KEYS]
    detection = [c for c in chosen[OBSERVATION] if c not in {"name", *KEYS}]
    first = ["m.name"] + [f"m.{c}" for c in master if c != "name"]
    keys = [f"o.{c}" for c in KEYS]
    rest = [f"o.{c} AS obi_{c}" if c in COLUMNS[MASTER] else f"o.{c}" for c in detection]
    return [*first, *keys, *rest, "a.match_type", "s.detect_stack_id"]


def detections_query(
    columns: Sequence[str], conditions: Sequence[str], *, unique: bool, schema: str = "", upload: str = ""
) -> str:
    """Build the five-table join: sources with their detections.

    Parameters
    ----------
    columns : sequence of str
        As `column_list` returns them.
    conditions : sequence of str
        SQL conditions, joined by AND.
    unique : bool
        Only match_type 'u'.
    schema : str
        'csc21' for TAP; '' for the command-line service.
    upload : str
        Uploaded table whose names are asked for.

    Examples
    --------
    >>> print(detections_query(["m.name"], ["o.obsid IN (1)"], unique=True, schema="csc21")[:80])
    SELECT m.name FROM csc21.master_source m, csc21.master_stack_assoc a, csc21.obse
    """
    prefix = f"{schema}." if schema else ""
    tables = ", ".join(f"{prefix}{name} {alias}" for name, alias in _TABLES)
    where = [f"({c})" for c in conditions] + [_JOIN]
    if upload:
        tables += f", TAP_UPLOAD.{upload} u"
        where.append("(u.name = m.name)")
    if unique:
        where.append("(a.match_type = 'u')")
    return f"SELECT {', '.join(columns)} FROM {tables} WHERE {' AND '.join(where)}"


def conditions(selection: Selection, *, names: Sequence[str] | None = None, cone: bool = False) -> list[str]:
    """Return a selection as SQL conditions.

    Parameters
    ----------
    selection : Selection
    names : sequence of str, optional
        Sources to ask for by name.
    cone : bool
        Write the cone as the command-line service understands it.

    Examples
    --------
    >>> conditions(Selection(obsids=(7, 8), where="theta < 10"))
    ['o.obsid IN (7, 8)', 'o.theta < 10']
    >>> conditions(Selection(cone=(0.0, 0.0, 3.0)), cone=True)[1]
    'dbo.cone_distance(m.ra, m.dec, 0.0, 0.0) <= 3.0'
    """
    found = []
    if names is not None:
        found.append(f"m.name IN ({', '.join(literal(n) for n in names)})")
    if selection.obsids:
        found.append(f"o.obsid IN ({', '.join(str(int(o)) for o in selection.obsids)})")
    if selection.where:
        found.append(parse_condition(selection.where))
    if cone and (circle := selection.circle):
        found.append(box_condition(circle))
        found.append(f"dbo.cone_distance(m.ra, m.dec, {circle.ra!r}, {circle.dec!r}) <= {circle.radius_arcmin!r}")
    return found


def box_condition(cone: Cone) -> str:
    """Return a cone's box as plain comparisons, which every service understands and can look up quickly.

    Examples
    --------
    >>> box_condition(Cone(10.0, 89.9, 30.0))
    'm.dec BETWEEN 89.3999999 AND 90.0'
    """
    intervals, (low, high) = cone.boxes()
    condition = f"m.dec BETWEEN {low:.9g} AND {high:.9g}" if high < 90 else f"m.dec BETWEEN {low:.9g} AND 90.0"  # noqa: PLR2004
    if intervals != [(0.0, 360.0)]:
        ra = " OR ".join(f"m.ra BETWEEN {left:.10g} AND {right:.10g}" for left, right in intervals)
        condition += f" AND ({ra})"
    return condition


def answered(columns: Sequence[str]) -> list[str]:
    """Return the names under which the service will answer columns.

    Examples
    --------
    >>> answered(["m.name", "o.hard_hm AS obi_hard_hm"])
    ['name', 'obi_hard_hm']
    """
    return [c.rpartition(" ")[2].rpartition(".")[2] for c in columns]


def key_columns() -> list[str]:
    """Return the few columns that say what there is to fetch."""
    return ["m.name", "m.ra", "m.dec", *(f"o.{c}" for c in KEYS), "o.cnts_aper_b"]


def positions_query(cone: Cone, schema: str) -> str:
    """Return the query for names and positions in a cone's box.

    Examples
    --------
    >>> positions_query(Cone(10.0, 20.0, 1.0), "csc21").split(" WHERE ")[0]
    'SELECT m.name, m.ra, m.dec FROM csc21.master_source m'
    """
    return f"SELECT m.name, m.ra, m.dec FROM {schema}.master_source m WHERE {box_condition(cone)}"


def columns_query(schema: str) -> str:
    """Return the query for the columns that the service has."""
    tables = ", ".join(f"'{p}{t}'" for t in ("master_source", "observation_source") for p in (f"{schema}.", ""))
    return f"SELECT table_name, column_name FROM TAP_SCHEMA.columns WHERE table_name IN ({tables})"
