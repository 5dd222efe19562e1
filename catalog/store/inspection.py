"""What a store's catalog may name: looked at before the store is opened, for it may be from somebody else.

A DuckLake catalog holds paths of files and the SQL text of views and macros. Paths must lie in the store's own lake;
SQL must pass the same guard as a query. Then a store that is opened can make the engine read its own tables alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from catalog.errors import PhotonlakeError, UntrustedStore
from catalog.store.engine import is_engines, tree_of
from catalog.store.place import FILE, Place, PlaceWrong, place_of
from catalog.store.sqlite_catalog import Ask
from sql import guard

_PATHS = (
    "ducklake_schema",
    "ducklake_table",
    "ducklake_data_file",
    "ducklake_delete_file",
    "ducklake_files_scheduled_for_deletion",
)
_OUTSIDE = (
    "path_is_relative IS NOT 1 OR typeof(path) <> 'text' OR path LIKE '/%' OR path LIKE '%..%' "
    "OR instr(path, ':') OR instr(path, char(92)) OR instr(path, char(0))"
)
_OUTSIDE_IN = {
    "sqlite": _OUTSIDE,
    "postgres": (
        "path_is_relative IS NOT TRUE OR path IS NULL OR path LIKE '/%' OR path LIKE '%..%' "
        "OR strpos(path, ':') > 0 OR strpos(path, chr(92)) > 0"
    ),
}
_INLINED = re.compile(r"ducklake_inlined_(data|delete)_\d+(_\d+)?")


def check(ask: Ask, store: Path) -> None:
    """Refuse a store whose catalog names files outside its lake, or tables by names that are none.

    A folder of the store may be a link, to another disk; but not to one that holds the store and much else.

    Parameters
    ----------
    ask : callable
        Answers queries on the tables of the store's catalog.
    store : Path
        For the message.

    Raises
    ------
    UntrustedStore
        With what it names.
    """
    if ask.dialect == "postgres":
        _check_data_path(ask, place_of(store))
    for entry in store.iterdir():
        if entry.is_symlink() and store.resolve().is_relative_to(entry.resolve()):
            raise UntrustedStore(f"{entry}: expected a folder of the store, found a link to {entry.resolve()}")
    outside = _OUTSIDE_IN[ask.dialect]
    found = " UNION ALL ".join(f"SELECT '{table}' AS t, path FROM {table} WHERE {outside}" for table in _PATHS)
    for table, path in ask(f"{found} LIMIT 1"):
        raise UntrustedStore(
            f"{store}: expected paths inside its lake, found {path!r} in {table}; photonlake writes none: "
            "ask whoever made the store for an unchanged copy"
        )
    for (name,) in ask("SELECT table_name FROM ducklake_inlined_data_tables"):
        if not _INLINED.fullmatch(str(name)):
            raise UntrustedStore(f"{store}: expected names that DuckLake gives, found a table {name!r}")


def _check_data_path(ask: Ask, place: Place) -> None:
    """Refuse a folder of tables that is not the one of the database: a repair would take its files for left-overs."""
    for (told,) in ask("SELECT value FROM ducklake_metadata WHERE key = 'data_path'"):
        if told != place.data_path:
            raise PlaceWrong(
                f"{place.store / FILE}: expected data = {str(told).rstrip('/')!r}, as the database says; "
                f"found {str(place.data)!r}"
            )


@dataclass(frozen=True)
class Definition:
    """A view or macro of a store that does more than read tables.

    Attributes
    ----------
    table, key : str, int
        Where it stands in the catalog: 'ducklake_view' or 'ducklake_macro', and its id there.
    name, text, wrong : str
        Its name, its SQL, and what is wrong with that.
    """

    table: str
    key: int
    name: str
    text: str
    wrong: str

    @property
    def kind(self) -> str:
        """What it is: view or macro."""
        return self.table.rpartition("_")[2]


_VIEWS = "SELECT view_id, view_name, sql, 'table' AS type FROM ducklake_view"
_MACROS = "SELECT macro_id, macro_name, sql, type FROM ducklake_macro JOIN ducklake_macro_impl USING (macro_id)"
_DEFAULTS = (
    "SELECT macro_id, macro_name, p.default_value, 'scalar' AS type FROM ducklake_macro "
    "JOIN ducklake_macro_parameters AS p USING (macro_id) WHERE p.default_value_type = 'expression'"
)
_DEFINITIONS = (("ducklake_view", _VIEWS), ("ducklake_macro", _MACROS), ("ducklake_macro", _DEFAULTS))


def refused_definitions(ask: Ask) -> list[Definition]:
    """Return the views and macros whose SQL does more than read tables."""
    # A macro may call others of the store; but one named like a function of the engine must not let that one through.
    macros = frozenset(
        str(name).lower()
        for (name,) in ask("SELECT macro_name FROM ducklake_macro")
        if not is_engines(str(name).lower())
    )
    refused = []
    for table, query in _DEFINITIONS:
        for key, name, body, form in ask(query):
            text = f"SELECT ({body}\n)" if form == "scalar" else str(body)
            if wrong := _what_is_wrong(text, macros):
                refused.append(Definition(table, int(str(key)), str(name), text, wrong))
    return refused


@lru_cache(1024)
def _what_is_wrong(text: str, macros: frozenset[str]) -> str:
    """Return why a text is not one query that reads tables; nothing where it is."""
    try:
        guard.judge(text, tree_of(text), functions=macros, table_functions=macros)
    except (guard.Refused, PhotonlakeError) as error:
        return str(error)
    return ""


def check_for_jobs(ask: Ask, store: Path) -> None:
    """Refuse what a job must not meet: its engine writes, and has the extension that opens any SQLite file.

    Raises
    ------
    UntrustedStore
        With what the catalog names.
    """
    check(ask, store)
    for definition in refused_definitions(ask):
        called = {str(node.get("function_name")).lower() for node in guard.nodes(tree_of(definition.text))}
        if any(name.startswith(("sqlite", "postgres")) for name in called):
            raise UntrustedStore(f"{store}: {definition.kind} {definition.name}: {definition.wrong}")
    expressions = "SELECT column_name FROM ducklake_column WHERE default_value_type = 'expression' LIMIT 1"
    for (name,) in ask(expressions):
        raise UntrustedStore(f"{store}: expected columns without defaults, found an expression for {name!r}")
