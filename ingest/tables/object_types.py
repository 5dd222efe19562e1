"""Who says what a source is: statements of types, found by their columns, each with its authority.

A type is worth what its source is worth: SIMBAD's, a paper's and a classifier's are kept apart, and a
predicted class is marked predicted and never passes for truth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from catalog.schema import TABLES
from ingest.tables.casting import as_text, cast_column
from ingest.tables.partial_rows import map_of

BIBCODE = r"^\d{4}[\w.&+]{14}[A-Za-z.:]$"
UNTOLD = "file"
"""Authority of a class whose table does not say whose it is."""
_SIMBAD_DETAILS = re.compile(
    r"^((ra|dec|b|v|r|j|h|k|u|g|i|z)(_x|_y|_xa|_simbad)?|ra_sexa|dec_sexa|coo_\w+|nbref|other_types|radvel(_err)?"
    r"|redshift(_err)?|sp_type|morph_type|plx(_err)?|pmra|pmdec|pm_err_\w+|size_\w+)$",
    re.IGNORECASE,
)
_CATALOGUED = re.compile(r"^(ra_cat|dec_cat|e_pos)$", re.IGNORECASE)
_NOTHING = re.compile(r"(?!)")
_MEAN = r"^(?P<mean>[01]?\.?\d+(?:[eE][+-]?\d+)?)\s*(?:±|\+/-).*$"


@dataclass(frozen=True)
class Statement:
    """How an authority's statements stand in a table: each entry a tuple of names, the first that is there counts.

    Attributes
    ----------
    authority : str
    otype : tuple of str
        The type; a table without any of these holds no such statement.
    needs : tuple of str
        Any of these must be there too; empty where the type alone is proof.
    class_, main_id, separation, reference, probability : tuple of str
    predicted : bool
    details : re.Pattern
        Further columns of that authority: they go into the statement's `extra`.
    """

    authority: str
    otype: tuple[str, ...]
    needs: tuple[str, ...] = ()
    class_: tuple[str, ...] = ()
    main_id: tuple[str, ...] = ()
    separation: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    probability: tuple[str, ...] = ()
    predicted: bool = False
    details: re.Pattern[str] = _NOTHING


_SIMBAD = ("main_id",), ("_r_simbad", "simbad_separation", "angdist", "sep_simbad")
_REFERENCES = ("ref", "reference", "bibcode", "class_ref")
STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "literature",
        ("subclass", "class"),
        _REFERENCES,
        ("class",),
        ("name_cat",),
        ("sep",),
        _REFERENCES,
        details=_CATALOGUED,
    ),
    Statement("simbad", ("main_type", "simbad_type", "otype_simbad"), (), (), *_SIMBAD, details=_SIMBAD_DETAILS),
    Statement("simbad", ("otype",), ("main_id",), (), *_SIMBAD, details=_SIMBAD_DETAILS),
    Statement("axia", ("source_type",), ("source_type_category",), ("source_type_category",)),
    Statement("umlcaxs", ("master_class",), ("agg_master_class",), ("agg_master_class",), predicted=True),
    Statement(
        "prediction",
        ("predicted_class", "pred_class", "predicted_type", "class_pred"),
        probability=("probability", "class_prob", "proba", "confidence", "cp"),
        predicted=True,
    ),
    Statement(
        UNTOLD, ("otype", "object_type", "source_class", "class"), (), ("class",), ("main_id",), (), ("reference",)
    ),
)


@dataclass(frozen=True)
class Found:
    """A statement a table makes, with its columns there (their places, by role)."""

    statement: Statement
    columns: Mapping[str, int]
    details: tuple[int, ...] = ()
    authority: int | None = None

    @property
    def used(self) -> set[int]:
        """Places of all columns that go into the statement."""
        return {*self.columns.values(), *self.details, *(() if self.authority is None else (self.authority,))}


def find_statements(labels: Mapping[int, str]) -> list[Found]:
    """Find which authorities speak in a table, by the names of the columns that are no catalog columns.

    Parameters
    ----------
    labels : mapping of int to str
        Place -> name of each column that the catalog does not know.

    Examples
    --------
    >>> [f.statement.authority for f in find_statements({0: "Class", 1: "ref", 2: "main_type", 3: "V"})]
    ['literature', 'simbad']
    """
    places: dict[str, int] = {}
    for place, label in labels.items():
        places.setdefault(label.strip().lower().lstrip("."), place)
    found: list[Found] = []
    for statement in STATEMENTS:
        taken = {place for f in found for place in f.used}
        free = {name: place for name, place in places.items() if place not in taken}
        if not any(n in free for n in statement.otype) or (
            statement.needs and not any(n in free for n in statement.needs)
        ):
            continue
        roles = {
            "otype": statement.otype,
            "class": statement.class_,
            "main_id": statement.main_id,
            "separation": statement.separation,
            "reference": statement.reference,
            "probability": statement.probability,
        }
        columns = {role: free[hit] for role, names in roles.items() if (hit := _first(names, free)) is not None}
        details = tuple(
            p for p, label in labels.items() if p not in taken | {*columns.values()} and statement.details.match(label)
        )
        authority = free.get("authority") if statement.authority == UNTOLD else None
        found.append(Found(statement, columns, details, authority))
    return found


def with_probabilities(found: Found, columns: Mapping[int, pa.Array], labels: Mapping[int, str]) -> Found:
    """Add to a predicted statement the columns of probabilities, 'mean±spread', one per class."""
    if not found.statement.predicted:
        return found
    more = [
        place
        for place, values in columns.items()
        if place in labels and place not in found.used and _are_probabilities(values)
    ]
    return Found(found.statement, found.columns, (*found.details, *more), found.authority)


def statements(
    found: Found, columns: Mapping[int, pa.Array], labels: Mapping[int, str], whose: Mapping[str, pa.Array], first: int
) -> pa.RecordBatch:
    """Make rows of csc.classification.

    Parameters
    ----------
    found : Found
        Which authority, in which columns.
    columns : mapping of int to pyarrow.Array
        Place -> values, as text.
    labels : mapping of int to str
        Place -> name.
    whose : mapping of str to pyarrow.Array
        file_id, name, obsid, obi, region_id, ra, dec of each row, typed; missing ones are NULL.
    first : int
        Number of the first statement.

    Returns
    -------
    pyarrow.RecordBatch
        One row per row that has a type and says whose it is.
    """
    schema = TABLES["csc.classification"].schema
    otype = columns[found.columns["otype"]]
    class_ = columns[found.columns["class"]] if "class" in found.columns else pa.nulls(len(otype), pa.string())
    otype = pc.coalesce(otype, class_)
    known = [pc.is_valid(whose[key]) for key in ("name", "obsid") if key in whose]
    keep = pc.and_(pc.is_valid(otype), known[0] if len(known) == 1 else pc.or_(*known))
    rows = pc.indices_nonzero(keep)
    n = len(rows)
    made = {key: values.take(rows) for key, values in whose.items()}
    made |= {
        "row": pa.array(range(first, first + n), pa.int64()),
        "authority": _authority(found, columns, rows),
        "otype": otype.take(rows),
        "class": class_.take(rows),
        "predicted": pa.repeat(pa.scalar(found.statement.predicted), n),
        "probability": _probability(found, columns, labels, otype).take(rows),
        "extra": map_of({labels[p]: columns[p].take(rows) for p in found.details}, n),
    }
    for role, name in (("main_id", "main_id"), ("reference", "reference")):
        if role in found.columns:
            made[name] = columns[found.columns[role]].take(rows)
    if "separation" in found.columns:
        made["separation_arcsec"] = cast_column(columns[found.columns["separation"]], pa.float64()).values.take(rows)
    arrays = [made[f.name].cast(f.type) if f.name in made else pa.nulls(n, f.type) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def paper_links(batch: pa.RecordBatch, seen: set[tuple[str, str]]) -> pa.RecordBatch:
    """Link sources to the papers that classify them.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        Rows of csc.classification.
    seen : set of (bibcode, name)
        Links already made; grows.

    Returns
    -------
    pyarrow.RecordBatch
        Rows of lit.paper_source, one per new pair of a valid bibcode and a name.
    """
    valid = pc.fill_null(pc.match_substring_regex(batch["reference"], BIBCODE), fill_value=False)
    batch = batch.filter(pc.and_(valid, pc.is_valid(batch["name"])))
    pairs = dict.fromkeys(zip(batch["reference"].to_pylist(), batch["name"].to_pylist(), strict=True))
    new = [pair for pair in pairs if pair not in seen]
    seen.update(new)
    file_ids = [batch["file_id"][0].as_py()] if new else None
    schema = TABLES["lit.paper_source"].schema
    return pa.RecordBatch.from_pylist(
        [{"bibcode": b, "name": n, "method": "class reference", "file_ids": file_ids} for b, n in new], schema
    )


def _first(names: tuple[str, ...], among: Mapping[str, int]) -> str | None:
    return next((n for n in names if n in among), None)


def _are_probabilities(values: pa.Array) -> bool:
    some = as_text(values[:1000]).drop_null()
    return len(some) > 0 and bool(pc.all(pc.match_substring_regex(some, _MEAN)).as_py())


def _authority(found: Found, columns: Mapping[int, pa.Array], rows: pa.Array) -> pa.Array:
    fixed = pa.repeat(pa.scalar(found.statement.authority), len(rows))
    return fixed if found.authority is None else pc.coalesce(columns[found.authority].take(rows), fixed)


def _probability(found: Found, columns: Mapping[int, pa.Array], labels: Mapping[int, str], otype: pa.Array) -> pa.Array:
    """Probability of the stated class: from its own column, or from the column named like the class."""
    if "probability" in found.columns:
        return cast_column(columns[found.columns["probability"]], pa.float64()).values
    probability = pa.nulls(len(otype), pa.float64())
    if not found.statement.predicted:
        return probability
    for place in found.details:
        mean = pc.struct_field(pc.extract_regex(columns[place], _MEAN), "mean").cast(pa.float64())
        probability = pc.if_else(pc.fill_null(pc.equal(otype, labels[place]), fill_value=False), mean, probability)
    return probability
