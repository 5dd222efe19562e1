"""Tables of catalog properties -> csc.master_source, csc.observation_source, csc.classification.

What a user has from the Chandra Source Catalog is rarely one of its tables: it is a join of two of them, with
columns of a cross-match or a classifier beside. Here such a table is taken apart again. Which table a column belongs
to, `column_names` decides; who says what of an object's type, `object_types`. A value that is no value of its column,
and every column that the catalog does not know, is kept in `extra` and named in a flag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import UnreadableFile, suggestion
from catalog.schema import TABLES
from catalog.schema.columns import FLOAT64, INT16, INT32, LONGS, TEXT, Column
from catalog.schema.csc import OWN_FILE
from ingest.readers import JOINS_AS_IT_IS, FileName, Flag, Rows
from ingest.tables.bounds import bounded
from ingest.tables.casting import Cast, add_identifiers, as_text, cast_angle, cast_column, cast_name, detection_ids
from ingest.tables.column_names import (
    BOTH,
    IDENTIFIERS,
    MASTER,
    OBSERVATION,
    SHARED,
    UNKNOWN,
    Target,
    describes_detections,
    has_detections,
    resolve,
    settle,
)
from ingest.tables.object_types import Found, find_statements, paper_links, statements, with_probabilities
from ingest.tables.partial_rows import map_of, merge_rows, varies
from ingest.tables.sheets import open_sheet
from ingest.tables.tabular import HeadStream, Sheet, named_release, unique_labels
from ingest.units import conversion

_ANGLES = {"ra": True, "dec": False}
_MATCH_RANKS = {"u": 3, "a": 1, "n": 0}
_MATCH_UNTOLD = 2


def read_source_table(stream: BinaryIO, file: FileName) -> Iterator[Rows | Flag]:
    r"""Read a table of source or detection properties, in any of the formats of `ingest.tables.sheets`.

    Parameters
    ----------
    stream : binary file
        Decompressed, read once, forward only.
    file : FileName

    Yields
    ------
    Rows
        For csc.master_source (one row per name, release and batch), csc.observation_source (one per detection,
        release and batch), csc.classification and lit.paper_source.
    Flag
        Unknown columns; values that are none of their column's; rows that name nothing; rows that disagree.

    Raises
    ------
    UnreadableFile
        If it is no table, or none of sources or detections.

    Examples
    --------
    >>> import io
    >>> table = b"name,obsid,region_id,hard_hs,mood\n2CXO J031948.1+413046,1575,85,0.5,fine\n"
    >>> for item in read_source_table(io.BytesIO(table), FileName.of("a.csv")):
    ...     print(item.text if isinstance(item, Flag) else (item.table, item.batch.num_rows))
    ('csc.master_source', 1)
    ('csc.observation_source', 1)
    unknown columns, kept in extra: mood
    """
    head = HeadStream(stream)
    yield from split_sheet(open_sheet(head), file)


def split_sheet(sheet: Sheet, file: FileName) -> Iterator[Rows | Flag]:
    """Take a table apart into rows of the catalog's tables.

    Parameters
    ----------
    sheet : Sheet
        As a format's reader opens it.
    file : FileName

    Raises
    ------
    UnreadableFile
        If no column names sources or detections, or no row does.
    """
    with sheet.resources:
        splitter = _Splitter(file, sheet)
        for batch in bounded(sheet):
            yield from splitter.split(batch)
        yield from splitter.close()


@dataclass
class _Splitter:
    """What is remembered from batch to batch of one table."""

    file: FileName
    sheet: Sheet
    targets: list[Target] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    labels: dict[int, str] = field(default_factory=dict)
    misfits: Counter[str] = field(default_factory=Counter)
    foreign: dict[str, str] = field(default_factory=dict)
    disputed: Counter[tuple[str, str]] = field(default_factory=Counter)
    links: set[tuple[str, str]] = field(default_factory=set)
    n_rows: int = 0
    n_nameless: int = 0
    n_statements: int = 0
    ready: bool = False
    detections: bool = False
    beside: set[int] = field(default_factory=set)
    empty: set[int] = field(default_factory=set)
    standing: int = 0

    def __post_init__(self) -> None:
        self.labels = unique_labels([f.name for f in self.sheet.fields])
        self.targets = resolve(self.sheet.fields)
        said = {t.column for t in self.targets if t.table} - IDENTIFIERS
        self.standing = len(said) + (OWN_FILE if self.sheet.own else 0)
        known = [t for t in self.targets if t.column in {"name", "obsid", "detection_id"} and t.table]
        if not known:
            names = [f.name for f in self.sheet.fields]
            hint = next((s for n in names if (s := suggestion(n, ("name", "obsid", "csc_name")))), "")
            found = f"columns {', '.join(names[:8])[:200]}"
            raise UnreadableFile(
                "a column with CSC source names (name) or obsid",
                found,
                f"{hint.lstrip('; ')}; {JOINS_AS_IT_IS}".lstrip("; "),
            )

    def split(self, batch: pa.RecordBatch) -> Iterator[Rows]:
        """Yield the rows of one batch."""
        if not self.ready:
            self._learn(batch)
        self.n_rows += batch.num_rows
        lost: dict[int, pa.Array] = {}
        master = self._cast(batch, MASTER, lost)
        detection = self._cast(batch, OBSERVATION, lost)
        release = self._release(batch)
        unknown = {t.index: as_text(batch[t.index]) for t in self.targets if not t.table} | lost
        self.empty -= {place for place, values in unknown.items() if values.null_count < len(values)}
        whose = self._whose(master, detection, batch.num_rows)
        nameless = pc.is_null(whose["name"])
        if has_detections(self.targets):
            keys = detection_ids(detection, whose["name"])
            nameless = pc.and_(nameless, pc.is_null(keys))
            detection |= {"detection_id": keys, "release": release, "name": whose["name"]}
        self.n_nameless += pc.sum(nameless).as_py() or 0
        used = {place for f in self.found for place in f.used}
        extra = {p: v for p, v in unknown.items() if p not in used}
        master["release"] = release
        if self.detections:
            yield from self._rows(MASTER, master, "name", {})
            yield from self._rows(OBSERVATION, detection, "detection_id", extra)
        else:
            yield from self._rows(MASTER, master, "name", extra)
        yield from self._statements(unknown, whose)

    def close(self) -> Iterator[Flag]:
        """Yield what the user should know; refuse a table that names nothing."""
        if not self.n_rows:
            yield Flag("no rows")
        elif self.n_nameless == self.n_rows:
            labels = [t.label for t in self.targets if t.column in {"name", "obsid"} and t.table]
            raise UnreadableFile(
                "CSC source names ('2CXO J031948.1+413046') or obsids",
                f"none in {self.n_rows:,} rows of {', '.join(labels)}",
            )
        used = {place for f in self.found for place in f.used}
        told = used - self.beside
        unknown = [t.label for t in self.targets if not t.table and t.index not in told | self.empty]
        if unknown:
            yield Flag(f"unknown columns, kept in extra: {', '.join(unknown)}")
        if self.misfits:
            words = ", ".join(f"{label} ({n:,})" for label, n in self.misfits.items())
            yield Flag(f"values that are none of their column's, kept in extra: {words}")
        if self.foreign:
            words = ", ".join(self.foreign.values())
            yield Flag(f"units that cannot be converted, their values are kept in extra: {words}")
        if self.n_nameless:
            yield Flag(f"rows left out, with neither a CSC source name nor an obsid: {self.n_nameless:,}")
        for table in (MASTER, OBSERVATION):
            words = ", ".join(f"{c} ({n:,})" for (t, c), n in self.disputed.items() if t == table)
            if words:
                kind = "source" if table == MASTER else "detection"
                yield Flag(f"rows of one {kind} disagree, the last value was kept: {words}")
        yield from (Flag(text) for text in self.sheet.flags)

    def _learn(self, batch: pa.RecordBatch) -> None:
        """Settle on the first batch what only values tell: which column is the name, whose the shared ones are."""
        self.ready = True
        named = [t for t in self.targets if t.column == "name" and t.table]
        names_of = {t.index: cast_name(batch[t.index], self._designation(t.label)).values for t in named}
        share = {t.index: len(names_of[t.index].drop_null()) for t in named}
        best = max(named, key=lambda t: (share[t.index] > 0, -t.rank, -t.index), default=None)
        self.targets = [
            t if t is best or t not in named else Target(t.index, t.label, UNKNOWN, t.label) for t in self.targets
        ]
        both = [t for t in self.targets if t.table == BOTH and t.column not in SHARED]
        if both:
            names = names_of[best.index] if best else pa.nulls(batch.num_rows, TEXT)
            changes = {t.index: varies(names, as_text(batch[t.index])) for t in both}
            self.targets = settle(self.targets, changes)
        labels = {t.index: self.labels[t.index] for t in self.targets if not t.table}
        texts = {place: as_text(batch[place]) for place in labels}
        self.empty = set(labels)
        self.found = [with_probabilities(f, texts, labels) for f in find_statements(labels)]
        self.detections = has_detections(self.targets) and (describes_detections(self.targets) or not self.found)
        if self.found and has_detections(self.targets) and not self.detections:
            # Nothing but types: what else the table says goes with the statement it stands beside.
            first, used = self.found[0], {place for f in self.found for place in f.used}
            more = tuple(place for place in labels if place not in used)
            self.found[0] = replace(first, details=(*first.details, *more))
            self.beside = set(more)

    def _cast(self, batch: pa.RecordBatch, table: str, lost: dict[int, pa.Array]) -> dict[str, pa.Array]:
        """Bring the columns of one table into their types; what does not fit goes into `lost`."""
        columns: dict[str, pa.Array] = {}
        for t in self.targets:
            if t.table not in {table, BOTH} or t.column in {"release", "detection_id"}:
                continue
            values = batch[t.index]
            cast = self._cast_one(values, t, TABLES[table].column(t.column))
            columns[t.column] = cast.values
            if cast.misfits is not None and t.index not in lost:
                lost[t.index] = pc.if_else(cast.misfits, as_text(values), pa.scalar(None, TEXT))
                if t.label not in self.foreign:
                    self.misfits[t.label] += pc.sum(cast.misfits).as_py()
        if table == OBSERVATION and (given := self._column("detection_id")) is not None:
            add_identifiers(columns, as_text(batch[given]))
        return columns

    def _cast_one(self, values: pa.Array, target: Target, column: Column) -> Cast:
        """Bring one column into the catalog's type and unit; of a unit that cannot be converted no value fits."""
        if target.column == "name":
            return cast_name(values, self._designation(target.label))
        unit = self.sheet.fields[target.index].unit
        factor = conversion(column, unit)
        if factor is None:
            self.foreign[target.label] = f"{target.label} [{unit}], not [{column.unit or 'a pure number'}]"
            there = pc.is_valid(as_text(values))
            return Cast(pa.nulls(len(values), column.type), there if pc.any(there).as_py() else None)
        angle = target.column.partition("_")[0]
        if angle in _ANGLES:
            return cast_angle(values, hours=_ANGLES[angle], factor=factor)
        return cast_column(values, column.type, factor)

    def _designation(self, label: str) -> str | None:
        """Tell what a name without designation is one of: VizieR's column 2CXO holds 'J031948.1+413046'."""
        label = label.strip().lower()
        if label == "cxo":
            return "CXO"
        told = (self.sheet.release or self._default_release() or "")[:1]
        return "2CXO" if "2cxo" in label or label.startswith("csc2") or (told == "2" and self.sheet.own) else None

    def _column(self, name: str) -> int | None:
        return next((t.index for t in self.targets if t.column == name and t.table), None)

    def _default_release(self) -> str | None:
        """Take the release from the file's comments, else from its name, else from the user."""
        return self.sheet.release or named_release(self.file.name) or self.file.release

    def _release(self, batch: pa.RecordBatch) -> pa.Array:
        """Take the release from the row, else from the file or the user."""
        default = pa.repeat(pa.scalar(self._default_release(), TEXT), batch.num_rows)
        place = self._column("release")
        if place is None:
            return default
        text = as_text(batch[place])  # 'CSC 2.1', 'csc21', 2.1; of a number 2.0 only the 2 is left
        text = pc.replace_substring_regex(text, r"(?i)^(?:csc|rel)?\s*2(\d)$", r"2.\1")
        text = pc.replace_substring_regex(text, r"^([12])$", r"\1.0")
        named = pc.extract_regex(text, r"(?P<release>[12]\.\d)")
        return pc.coalesce(pc.struct_field(named, "release"), default)

    def _whose(self, master: Mapping[str, pa.Array], detection: Mapping[str, pa.Array], n: int) -> dict[str, pa.Array]:
        either = {**detection, **master}
        types = {"name": TEXT, "obsid": INT32, "obi": INT16, "region_id": INT32, "ra": FLOAT64, "dec": FLOAT64}
        whose = {key: either.get(key, pa.nulls(n, type_)) for key, type_ in types.items()}
        return whose | {"file_id": pa.repeat(pa.scalar(self.file.file_id, pa.int64()), n)}

    def _rows(
        self, table: str, columns: dict[str, pa.Array], key: str, extra: Mapping[int, pa.Array]
    ) -> Iterator[Rows]:
        """Merge the batch's rows by key and put them into the table's shape."""
        if key not in columns:
            return
        kept = pc.indices_nonzero(pc.is_valid(columns[key]))
        if not len(kept):
            return
        flat = columns | {f"extra {place}": values for place, values in extra.items()}
        flat = {name: values.take(kept) for name, values in flat.items()}
        rank = None
        if "match_type" in flat and table == OBSERVATION:
            words = flat["match_type"].to_pylist()
            rank = pa.array([_MATCH_RANKS.get(w, _MATCH_UNTOLD) for w in words], pa.int8())
        # Releases are never mixed: rows of one thing from two releases stay two.
        keys = pc.binary_join_element_wise(flat[key], pc.fill_null(flat["release"], ""), "\n")
        merged = merge_rows(keys, flat, rank)
        for name, n in merged.disputed.items():
            self.disputed[table, self.labels[int(name[6:])] if name.startswith("extra ") else name] += n
        n = len(merged.columns[key])
        more = {self.labels[place]: merged.columns[f"extra {place}"] for place in extra}
        made = merged.columns | {
            "extra": map_of(more, n),
            "standing": pa.repeat(pa.scalar(self.standing, INT16), n),
            "file_ids": pa.repeat(pa.scalar([self.file.file_id], LONGS), n),
        }
        schema = TABLES[table].schema
        nulls = {type_: pa.nulls(n, type_) for type_ in {f.type for f in schema}}  # one for all columns of a type
        arrays = [made[f.name].cast(f.type) if f.name in made else nulls[f.type] for f in schema]
        yield Rows(table, pa.RecordBatch.from_arrays(arrays, schema=schema))

    def _statements(self, unknown: Mapping[int, pa.Array], whose: Mapping[str, pa.Array]) -> Iterator[Rows]:
        for found in self.found:
            batch = statements(found, unknown, self.labels, whose, self.n_statements)
            if not batch.num_rows:
                continue
            self.n_statements += batch.num_rows
            yield Rows("csc.classification", batch)
            if found.statement.authority == "literature":
                links = paper_links(batch, self.links)
                if links.num_rows:
                    yield Rows("lit.paper_source", links)
