"""Which catalog column a header means: prefixes, suffixes, aliases, and what to do when both tables have it.

The rules, in order:

1. What the file says of the column itself: a csccli preamble ('(observation_source.obi_hard_hm)'), or a prefix
   ('m.', 'o.', 'master_source.', 'csc21.observation_source.'). Columns of the stack tables are not the
   detection's own, except match_type and detect_stack_id, which csc.observation_source keeps.
2. 'obi_hard_hm', search_csc's alias, is observation_source.hard_hm; a plain 'hard_hm' beside it is master_source's.
3. A name spelled twice, plain and with a suffix ('flux_aper90_b' and 'flux_aper90_b.1'; also _x and _y, _1 and
   _2, as pandas, TOPCAT and astropy write joins): the first is master_source's, the second observation_source's.
4. A column that only one table has is that table's.
5. A column that both have, in a table without obsid: master_source's.
6. A column that both have, in a table with obsid, is decided by its values: it belongs to master_source when
   it never changes between the detections of one source, to observation_source when it does. Where no value
   tells (no source twice, or all values alike) it goes the way of the columns that could be told; where none could,
   it is observation_source's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from catalog.schema import TABLES
from catalog.schema.csc_columns import BANDS
from ingest.tables.tabular import Field

MASTER, OBSERVATION = "csc.master_source", "csc.observation_source"
BOTH, UNKNOWN = "both", ""
SHARED = frozenset({"name", "release"})
"""Columns that mean the same in both tables."""

IDENTIFIERS = frozenset({"name", "obsid", "obi", "region_id", "detection_id", "release"})
"""Columns that say whom a row is about, and nothing of it."""

_TABLES = {"m": MASTER, "master": MASTER, "master_source": MASTER, "src": MASTER}
_TABLES |= dict.fromkeys(("o", "obs", "obi", "observation", "observation_source"), OBSERVATION)
_STACKS = ("s", "a", "b", "stack", "stack_source", "master_stack_assoc", "stack_observation_assoc")
_KEPT_OF_STACKS = ("match_type", "detect_stack_id")
_PREFIX = re.compile(rf"^(?:\w+\.)?({'|'.join((*_TABLES, *_STACKS))})\.(\w.*)$", re.IGNORECASE)
_SUFFIX = re.compile(r"^(?P<base>.+?)(?P<suffix>\.[1-9]|_[12xy])$")
_SECOND = (".1", "_2", "_y")
_ALIASES = {
    "source_name": "name",
    "csc_name": "name",
    "csc2_name": "name",
    "cxo_name": "name",
    "2cxo": "name",
    "obs_id": "obsid",
    "region": "region_id",
    "raj2000": "ra",
    "dej2000": "dec",
    "_raj2000": "ra",
    "_dej2000": "dec",
    "csc_release": "release",
    "cxo": "name",
    "csc2_id": "name",
    "csc_id": "name",
    "csc_srcname": "name",
    "csc2_errmaj_95%": "err_ellipse_r0",
    "csc2_errmin_95%": "err_ellipse_r1",
}
_CSC_PREFIX = re.compile(r"^_?(csc(2[._]?\d?)?|2?cxo)_(?=[a-z])")
"""Cross-match tables mark the catalog's columns: CSC2_RA beside SDSS_RA."""
_OURS = frozenset(
    {"standing", "extra", "file_ids"}
)  # photonlake's own columns, when an export is read back: kept as extra
COLUMNS: dict[str, frozenset[str]] = {
    table: frozenset(TABLES[table].column_names) - _OURS for table in (MASTER, OBSERVATION)
}


@dataclass(frozen=True)
class Target:
    """Where a column of a file goes.

    Attributes
    ----------
    index : int
        Its place among the file's columns.
    label : str
        How the file spells it: its name in `extra`, should it end there.
    table : str
        'csc.master_source', 'csc.observation_source', 'both' (values decide) or '' (the catalog has none such).
    column : str
        The catalog's name.
    rank : int
        0 for the plain name, 1 for a suffixed one, -1 for one that is marked as the catalog's ('CSC2_RA'): the lower is
        believed where two mean the same.
    """

    index: int
    label: str
    table: str
    column: str
    rank: int = 0


def _vizier() -> Iterator[tuple[str, str]]:
    """Yield VizieR's names of the catalog's columns (IX/57, IX/70), each with the catalog's own."""
    yield from (("RAICRS", "ra"), ("DEICRS", "dec"), ("r0", "err_ellipse_r0"), ("r1", "err_ellipse_r1"))
    yield from (("PA", "err_ellipse_ang"), ("S/N", "significance"), ("Ldet", "likelihood"), ("NHGal", "nh_gal"))
    yield from (("LClass", "likelihood_class"), ("Nac", "acis_num"), ("ExpAC", "acis_time"), ("Nhrc", "hrc_num"))
    yield from (("ExpHRC", "hrc_time"), ("fdw", "dither_warning_flag"), ("fe", "extent_flag"), ("fc", "conf_flag"))
    yield from (("fp", "pileup_flag"), ("fv", "var_flag"), ("fst", "streak_src_flag"), ("fs", "sat_src_flag"))
    for limit, infix in (("", ""), ("b_", "_lolim"), ("B_", "_hilim")):
        yield from ((f"{limit}HR{pair}", f"hard_{pair}{infix}") for pair in ("hm", "hs", "ms"))
        for kind, aperture, average, band in product(("", "P"), ("", "90"), ("", "avg"), BANDS):
            short = f"{kind}F{aperture or ('' if average else 'lux')}{average}{band}"
            stem = f"{'phot' if kind else ''}flux_aper{aperture}{'_avg' if average else ''}"
            yield f"{limit}{short}", f"{stem}{infix}_{band}"


_VIZIER = dict(_vizier())
_VIZIER_NAMES = frozenset({"2cxo", "cxo"})
"""How VizieR calls the column of names: where it is, its short names ('r0', 'fe') are the catalog's columns."""


def resolve(fields: Sequence[Field]) -> list[Target]:
    """Say of each column of a file which catalog column it means, by the rules 1 to 5 above.

    Examples
    --------
    >>> fields = [Field(n) for n in ("name", "hard_hs", "hard_hs.1", "o.theta", "obi_hard_hm", "obsid", "mood")]
    >>> [(t.table.removeprefix("csc."), t.column) for t in resolve(fields)]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('both', 'name'), ('master_source', 'hard_hs'), ('observation_source', 'hard_hs'),
     ('observation_source', 'theta'), ('observation_source', 'hard_hm'), ('observation_source', 'obsid'), ('', 'mood')]
    """
    if any(f.name.strip().lower() in _VIZIER_NAMES for f in fields):
        fields = [replace(f, column=_VIZIER[f.name.strip()]) if f.name.strip() in _VIZIER else f for f in fields]
    targets = [_by_itself(i, f) for i, f in enumerate(fields)]
    known = {t.column for t in targets if t.table and t.rank <= 0}
    targets = [t if t.table else _by_suffix(t, known) for t in targets]
    said = {t.column for t in targets if t.table == OBSERVATION} - SHARED
    targets = [replace(t, table=MASTER) if t.table == BOTH and t.column in said and not t.rank else t for t in targets]
    targets = _pairs(targets)
    if not has_detections(targets):
        targets = [replace(t, table=MASTER) if t.table == BOTH and t.column not in SHARED else t for t in targets]
        targets = [replace(t, table=UNKNOWN) if t.table == OBSERVATION else t for t in targets]
    return _without_rivals(targets)


def names_sources(names: Sequence[str]) -> bool:
    """Tell whether a table's columns are of sources or detections: it says whom a row is about, and something of it.

    Examples
    --------
    >>> names_sources(["CSC2_ID", "CSC2_RA", "u"]), names_sources(["name", "mood"])
    (True, False)
    """
    targets = [t for t in resolve([Field(n) for n in names]) if t.table]
    keyed = any(t.column in {"name", "obsid", "detection_id"} for t in targets)
    return keyed and len({(t.table, t.column) for t in targets}) > 1


def has_detections(targets: Sequence[Target]) -> bool:
    """Tell whether the file's rows are detections, not sources."""
    return any(t.column in {"obsid", "detection_id"} and t.table for t in targets)


_WHOSE = frozenset({"name", "obsid", "obi", "ra", "dec", "release", "match_type", "instrument"})


def describes_detections(targets: Sequence[Target]) -> bool:
    """Tell whether the rows identify a detection, or measure something of it; else they only point at a source.

    A table of object types by source and ObsID does neither: rows made of it would stand in
    csc.observation_source beside the detections they mean.
    """
    own = {t.column for t in targets if t.table in {OBSERVATION, BOTH}}
    return bool(own & {"region_id", "detection_id"} or own - _WHOSE)


def _by_itself(index: int, field: Field) -> Target:
    label, name, table = field.name, field.column or field.name, field.table.lower()
    if not table and (match := _PREFIX.match(name)):
        table, name = match[1].lower(), match[2]
    column = name.strip().lower().lstrip(".").replace("-", "_")
    if column not in COLUMNS[MASTER] | COLUMNS[OBSERVATION]:
        column = _ALIASES.get(column, column)
    marked = _CSC_PREFIX.sub("", column)
    if marked != column and marked in COLUMNS[MASTER] | COLUMNS[OBSERVATION]:
        return Target(index, label, _owner(marked), marked, rank=-1)
    if column.startswith("obi_") and column[4:] in COLUMNS[OBSERVATION]:
        return Target(index, label, OBSERVATION, column[4:])
    if table in _STACKS:
        kept = column in _KEPT_OF_STACKS or (column == "name" and not field.table)
        return Target(index, label, OBSERVATION if kept else UNKNOWN, column if kept else label)
    if table in _TABLES:
        owner = _TABLES[table]
        return Target(index, label, owner if column in COLUMNS[owner] else UNKNOWN, column)
    return Target(index, label, _owner(column), column)


def _owner(column: str) -> str:
    owners = [table for table, names in COLUMNS.items() if column in names]
    return BOTH if len(owners) > 1 else owners[0] if owners else UNKNOWN


def _by_suffix(target: Target, known: set[str]) -> Target:
    """Read 'name_1' as 'name', unless the table has a 'name' of its own that is the only one there can be."""
    match = _SUFFIX.match(target.column)
    if not match:
        return target
    base = _ALIASES.get(match["base"], match["base"])
    owner = _owner(base)
    if not owner or (base in known and owner != BOTH):
        return target  # 'ra_x' beside 'ra': another catalog's
    return Target(target.index, target.label, owner, base, rank=2 if match["suffix"] in _SECOND else 1)


def _pairs(targets: list[Target]) -> list[Target]:
    """Rule 3: of a column spelled twice, the first is the source's and the second the detection's."""
    groups: dict[str, list[Target]] = {}
    for t in targets:
        if t.table == BOTH and t.column not in SHARED:
            groups.setdefault(t.column, []).append(t)
    settled: dict[int, Target] = {}
    for group in groups.values():
        if len(group) > 1:
            first, second, *others = sorted(group, key=lambda t: (t.rank, t.index))
            settled[first.index] = replace(first, table=MASTER, rank=0)
            settled[second.index] = replace(second, table=OBSERVATION, rank=0)
            settled |= {t.index: replace(t, table=UNKNOWN, column=t.label) for t in others}
    return [settled.get(t.index, t) for t in targets]


def _without_rivals(targets: list[Target]) -> list[Target]:
    """Let one column of the file speak for each catalog column; the others become extra. Names are judged later."""
    best: dict[tuple[str, str], Target] = {}
    for t in sorted(targets, key=lambda t: (t.rank, t.index)):
        if t.table and t.column != "name":
            best.setdefault((t.table, t.column), t)
    winners = {t.index for t in best.values()}
    return [
        t if not t.table or t.column == "name" or t.index in winners else replace(t, table=UNKNOWN, column=t.label)
        for t in targets
    ]


def settle(targets: Sequence[Target], varies: Mapping[int, bool | None]) -> list[Target]:
    """Apply rule 6.

    Parameters
    ----------
    targets : sequence of Target
    varies : mapping of int to bool or None
        Index of a column of both tables -> whether it changes between detections of one source; None where
        its values do not tell.

    Examples
    --------
    >>> both = [Target(0, "hard_hs", BOTH, "hard_hs"), Target(1, "sat_src_flag", BOTH, "sat_src_flag")]
    >>> [t.table for t in settle(both, {0: False, 1: None})]
    ['csc.master_source', 'csc.master_source']
    """
    told = [v for v in varies.values() if v is not None]
    fallback = MASTER if told and not any(told) else OBSERVATION
    tables = {i: fallback if v is None else OBSERVATION if v else MASTER for i, v in varies.items()}
    return [replace(t, table=tables[t.index]) if t.index in tables else t for t in targets]
