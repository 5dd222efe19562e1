"""Views and macros: one file each under views/ and macros/, read here and put in order.

A file begins with a comment that says what the object is, its parameters, and its columns with unit, UCD and
meaning; then stands one CREATE statement. Values of a macro are of type DOUBLE where no other type stands behind the
name, as in `<VARCHAR>`. The store, `python -m catalog info` and the reference page are all made from these files. Text
in, text out: no database.

A macro cannot hand another the answer of a query. So two that differ in how they begin only share a text: where the
one's file says `-- goes on as other`, what follows the line `-- one goes on so` in the other's file stands in the lake.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import Literal

Kind = Literal["view", "scalar macro", "table macro"]

_CREATE = re.compile(
    r"^CREATE (?P<kind>VIEW|MACRO) (?P<name>[a-z_.]+)\s*(?:\([^)]*\)\s*)?AS\s+(?P<table>TABLE\b)?", re.MULTILINE
)
_COLUMN = re.compile(
    r"^ {2}(?P<name>\w+)(?: <(?P<type>[A-Z]+(?:\[\])?)>)?(?: \[(?P<unit>[^\]]+)\])?(?: \{(?P<ucd>[^}]+)\})? "
    r"(?P<description>\S.*)$"
)
_GOES_ON = re.compile(r"^-- goes on as (?P<other>[a-z_.]+)\n", re.MULTILINE)
_SECTIONS = ("parameters:", "columns:", "returns:")


@dataclass(frozen=True)
class Described:
    """A parameter or a column of an object: name, unit (VOUnits), UCD (UCD1+), meaning; of a macro's, DuckDB's type."""

    name: str
    description: str
    unit: str = ""
    ucd: str = ""
    type: str = ""


@dataclass(frozen=True)
class SqlObject:
    """One view or macro of the lake.

    Attributes
    ----------
    full_name : str
        'schema.view', or a macro's bare name.
    kind : {'view', 'scalar macro', 'table macro'}
    purpose : str
        What it is, in one paragraph.
    columns : tuple of Described
        What it returns: columns of a view or table macro, the one value of a scalar macro.
    parameters : tuple of Described
        A macro's parameters, in order.
    body : str
        The CREATE statement as it stands in the file.
    """

    full_name: str
    kind: Kind
    purpose: str
    columns: tuple[Described, ...]
    parameters: tuple[Described, ...]
    body: str = field(repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with the definition: how a store learns that it is out of date."""
        return hashlib.sha256(f"{self.purpose}\n{self.body}".encode()).hexdigest()[:16]

    @property
    def signature(self) -> str:
        """The name as one types it: 'cone(ra, dec, radius_arcsec)'."""
        if self.kind == "view":
            return self.full_name
        return f"{self.full_name}({', '.join(p.name for p in self.parameters)})"

    def ddl(self) -> list[str]:
        """Return the statements that make the object, or replace an older one of its name."""
        statements = [self.body.replace("CREATE ", "CREATE OR REPLACE ", 1)]
        if self.kind == "view":  # DuckLake keeps comments on views, but neither on macros nor on a view's columns
            statements.append(f"COMMENT ON VIEW {self.full_name} IS {_literal(self.purpose)}")
        return statements


def parse_object(text: str) -> SqlObject:
    """Parse the text of one file: header comment, then one CREATE statement.

    Raises
    ------
    ValueError
        If the header or the statement is not of the form that all files here have.

    Examples
    --------
    >>> made = parse_object('''-- Doubles a number.
    ... -- parameters:
    ... --   x [s] A time
    ... -- returns:
    ... --   twice [s] {time} Twice of it
    ... CREATE MACRO twice(x) AS 2 * x;''')
    >>> made.signature, made.columns[0].unit, made.kind
    ('twice(x)', 's', 'scalar macro')
    """
    lines = text.splitlines()
    n_header = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    body = "\n".join(lines[n_header:]).strip().removesuffix(";")
    created = _CREATE.match(body)
    if created is None:
        raise ValueError(f"expected a header comment, then CREATE VIEW or CREATE MACRO, found {body[:60]!r}")
    purpose: list[str] = []
    sections: dict[str, list[Described]] = {name: [] for name in _SECTIONS}
    current: list[Described] | None = None
    for line in (line[2:].removeprefix(" ") for line in lines[:n_header]):
        if line in sections:
            current = sections[line]
        elif current is None:
            purpose.append(line)
        elif match := _COLUMN.match(line):
            usual = "DOUBLE" if created["kind"] == "MACRO" else ""
            said = (match["description"], match["unit"] or "", match["ucd"] or "", match["type"] or usual)
            current.append(Described(match["name"], *said))
        else:
            raise ValueError(f"{created['name']}: expected '  name <TYPE> [unit] {{ucd}} description', found {line!r}")
    kind: Kind = "view" if created["kind"] == "VIEW" else "table macro" if created["table"] else "scalar macro"
    return SqlObject(
        created["name"],
        kind,
        " ".join(" ".join(purpose).split()),
        (*sections["columns:"], *sections["returns:"]),
        tuple(sections["parameters:"]),
        body,
    )


def _in_order(objects: list[SqlObject]) -> tuple[SqlObject, ...]:
    """Sort so that each object comes after those its body names."""
    by_name = {o.full_name: o for o in objects}
    names = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(by_name, key=len, reverse=True)))})\b")
    needs = {o.full_name: set(names.findall(o.body)) - {o.full_name} for o in objects}
    done: dict[str, SqlObject] = {}
    while len(done) < len(by_name):
        ready = sorted(name for name in by_name.keys() - done.keys() if needs[name] <= done.keys())
        if not ready:
            raise ValueError(f"views or macros that need each other: {sorted(by_name.keys() - done.keys())}")
        done.update((name, by_name[name]) for name in ready)
    return tuple(done.values())


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _listing(objects: tuple[SqlObject, ...]) -> SqlObject:
    """Make meta.object: what is defined in a store, readable from bare DuckDB, and how old it is."""
    rows = ",\n  ".join(
        f"({', '.join(_literal(v) for v in (o.full_name, o.kind, o.signature, o.purpose, o.fingerprint))})"
        for o in objects
    )
    return SqlObject(
        "meta.object",
        "view",
        "One row per view and macro of this store: what it is for, and a fingerprint of its definition.",
        (
            Described("name", "Name of the view or macro", ucd="meta.id"),
            Described("kind", "view, scalar macro or table macro"),
            Described("signature", "The name with its parameters"),
            Described("purpose", "What it is for"),
            Described("fingerprint", "16 hex digits that change with the definition", ucd="meta.version"),
        ),
        (),
        "CREATE VIEW meta.object AS\n"
        f"SELECT * FROM (VALUES\n  {rows}\n) AS o(name, kind, signature, purpose, fingerprint)",
    )


def shared(texts: Mapping[str, str]) -> dict[str, str]:
    r"""Write out the texts that go on as another's.

    Parameters
    ----------
    texts : mapping of str to str
        Name of a view or macro -> text of its file.

    Raises
    ------
    ValueError
        If the other's file does not say where.

    Examples
    --------
    >>> shared({"a": "SELECT 1\n-- b goes on so\n+ 2;", "b": "SELECT 3\n-- goes on as a\n;"})["b"]
    'SELECT 3\n+ 2;'
    """
    whole = {}
    for name, text in texts.items():
        if found := _GOES_ON.search(text):
            _, mark, rest = texts.get(found["other"], "").partition(f"-- {name} goes on so\n")
            if not mark:
                raise ValueError(f"{name} goes on as {found['other']}, whose file has no line '-- {name} goes on so'")
            whole[name] = text[: found.start()] + rest.rstrip().removesuffix(";") + text[found.end() :]
        else:
            whole[name] = text
    return whole


def _read() -> tuple[SqlObject, ...]:
    texts = {}
    for folder in ("macros", "views"):
        for entry in sorted(resources.files("sql").joinpath(folder).iterdir(), key=lambda e: e.name):
            if entry.name.endswith(".sql"):
                texts[entry.name.removesuffix(".sql")] = entry.read_text(encoding="utf-8")
    objects = []
    for name, text in shared(texts).items():
        made = parse_object(text)
        if made.full_name != name:
            raise ValueError(f"{name}.sql defines {made.full_name}")
        objects.append(made)
    ordered = _in_order(objects)
    return (*ordered, _listing(ordered))


OBJECTS: tuple[SqlObject, ...] = _read()
"""Every view and macro, each after those it needs; the last one, meta.object, lists the others."""
