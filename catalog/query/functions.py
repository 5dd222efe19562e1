"""Functions that queries may call besides the engine's own: ours, and those that packages publish.

How a query that calls them is answered: `catalog.query.preparation`. Packages publish functions as entry points, and
one is loaded only when a query names it:

* group `photonlake.table_functions`: a `TableFunction`, under the name it is called by;
* group `photonlake.functions`: a `ScalarFunction`, likewise; or under a name that ends in an underscore, as `predict_`,
  a callable that gives the `ScalarFunction` of every name that begins so;
* group `photonlake.methods`: what a method of `Catalog` calls, as `graph`: a callable that takes the catalog first.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pyarrow as pa

from catalog.errors import QueryError, suggestion
from catalog.query.session import Session
from sql.objects import Described
from sql.signatures import Signature

TABLE_GROUP = "photonlake.table_functions"
SCALAR_GROUP = "photonlake.functions"
METHOD_GROUP = "photonlake.methods"
OURS = {
    "crossmatch": "catalog.query.crossmatch:CROSSMATCH",
    "nearest": "catalog.query.nearest:NEAREST",
    "similar_pairs": "catalog.query.similar_pairs:SIMILAR_PAIRS",
}


@dataclass(frozen=True)
class TableFunction:
    """A function that stands in FROM and gives rows.

    Attributes
    ----------
    signature : Signature
        Its name and arguments.
    run : callable
        (session, arguments by name) -> Arrow table, or batches where there may be many rows: see
        `catalog.query.table_relation`.
    columns : tuple of Described
        What it returns: unit, UCD, meaning.
    purpose : str
        One sentence for the reference page.
    """

    signature: Signature
    run: Callable[[Session, Mapping[str, object]], pa.Table | pa.RecordBatchReader]
    columns: tuple[Described, ...]
    purpose: str


@dataclass(frozen=True)
class ScalarFunction:
    """A function of values, vectorised over Arrow.

    Attributes
    ----------
    name : str
    parameters : tuple of str
        DuckDB types: 'FLOAT[]', 'VARCHAR', ... FLOAT[] takes vectors of an embedding too, and lists of any numbers.
    returns : str
        DuckDB type.
    make : callable
        session -> the function from Arrow arrays (of at most 2,048 rows) to an Arrow array, which may hold NULL.
        Made once per query, with the snapshot of that query and with `session.spaces`, the embedding spaces that
        the call is about; a NULL argument gives NULL without a call.
    columns : tuple of Described
        One: what the value is.
    purpose : str
        One sentence for the reference page.
    """

    name: str
    parameters: tuple[str, ...]
    returns: str
    make: Callable[[Session], Callable[..., pa.Array]]
    columns: tuple[Described, ...] = ()
    purpose: str = ""


def table_function(name: str) -> TableFunction:
    """Load a table function by its name."""
    if name in OURS:
        module, _, attribute = OURS[name].partition(":")
        loaded = getattr(importlib.import_module(module), attribute)
    else:
        loaded = _published(TABLE_GROUP)[name].load()
    if not isinstance(loaded, TableFunction):
        raise QueryError(f"{name}: the package that publishes it gives {type(loaded).__name__}, not a TableFunction")
    return loaded


def published_tables() -> frozenset[str]:
    """Return the names of the table functions of other packages."""
    return frozenset(_published(TABLE_GROUP))


def table_function_names() -> tuple[str, ...]:
    """Return the names of all table functions, ours and those of other packages."""
    return tuple(sorted({*OURS, *_published(TABLE_GROUP)}))


def scalar_function(name: str) -> ScalarFunction:
    """Load a scalar function by its name, or make it, where it is one of a family.

    Raises
    ------
    QueryError
        If what is published under the name is none.
    """
    entry = _scalar_entry(name)
    if entry is None:
        raise QueryError(f"no package publishes a function {name}{suggestion(name, scalar_function_names())}")
    loaded = entry.load()
    if entry.name.endswith("_") and not isinstance(loaded, ScalarFunction):
        loaded = loaded(name)
    if not isinstance(loaded, ScalarFunction):
        raise QueryError(f"{entry.name}: its package gives {type(loaded).__name__}, not a ScalarFunction")
    return loaded


def published_names() -> tuple[str, ...]:
    """Return the names of all functions that packages publish; a family's name ends in an underscore."""
    return tuple(sorted({*_published(TABLE_GROUP), *_published(SCALAR_GROUP)}))


def is_scalar(name: str) -> bool:
    """Tell whether a package publishes a scalar function of this name, or a family that it is of."""
    return _scalar_entry(name) is not None


def scalar_function_names() -> tuple[str, ...]:
    """Return the names of all scalar functions of packages; a family's name ends in an underscore."""
    return tuple(sorted(_published(SCALAR_GROUP)))


def _scalar_entry(name: str) -> EntryPoint | None:
    """Return the entry point of a function: of its name, else the longest family's that it belongs to."""
    published = _published(SCALAR_GROUP)
    if name in published and not name.endswith("_"):
        return published[name]
    families = [f for f in published if f.endswith("_") and name.startswith(f) and name != f]
    return published[max(families, key=len)] if families else None


def method(name: str) -> Callable[..., Any]:
    """Return what a method of `Catalog` calls that an upper floor publishes; it is loaded now.

    Raises
    ------
    QueryError
        If nothing installed publishes it.
    """
    found = _published(METHOD_GROUP).get(name)
    if found is None:
        raise QueryError(f"{name}: this installation is not whole; type: pip install --force-reinstall photonlake")
    loaded: Callable[..., Any] = found.load()
    return loaded


@functools.cache
def _published(group: str) -> dict[str, EntryPoint]:
    return {e.name.lower(): e for e in entry_points(group=group)}
