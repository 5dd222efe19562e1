"""Values of a query's $parameters: what the engine knows of them, and what astropy's quantities and positions become.

A quantity takes the unit of what it is compared with, or given to: `WHERE energy_ev > $e` with `e=2 * u.keV` asks for
more than 2000. A position stands for its two numbers, ICRS in degrees: `cone($here, 60)` is `cone($here_ra, $here_dec,
60)`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from sqlglot import exp

from catalog.errors import QueryError, suggestion
from catalog.query.names import MACROS
from catalog.query.provenance import meaning
from catalog.store.engine import words_of
from sql.guard import Statement
from sql.syntax import NotUnderstood, parse

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity


def understood(query: str, given: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Return a query and its parameters as the engine takes them.

    Parameters
    ----------
    query : str
    given : mapping of str to object
        Python's values, numpy's, and astropy's `Quantity`, `SkyCoord` and `Time`.

    Raises
    ------
    QueryError
        If a quantity's unit does not fit, or nothing tells which is wanted; if a position is several.

    Examples
    --------
    >>> from astropy import units as u
    >>> understood("SELECT * FROM cone(10, 20, $radius)", {"radius": 2 * u.arcmin})[1]
    {'radius': 120.0}
    """
    values: dict[str, object] = {}
    query = apart(query)
    # Positions first: each becomes two arguments, and only then is it known which argument a quantity is.
    for name, value in given.items():
        if _astropy_kind(value) == "SkyCoord":
            query, position = _position(query, name, value)
            values |= position
    for name, value in given.items():
        kind = _astropy_kind(value)
        if kind in {"Quantity", "Time"}:
            values[name] = _number(query, name, value)
        elif kind != "SkyCoord":
            if hasattr(value, "columns"):
                raise QueryError(f"${name} is a table: cat.register({name!r}, ...), and name it in FROM")
            values[name] = plain(value)
    return query, values


def apart(query: str) -> str:
    """Write a space behind a parameter that another follows: sqlglot takes '$a,$' for the start of a text.

    Examples
    --------
    >>> apart("SELECT '$a,$b' FROM cone($a,$b, 60)")
    "SELECT '$a,$b' FROM cone($a ,$b, 60)"
    """
    try:
        words = words_of(query)
    except UnicodeError:  # no SQL, as will be said
        return query
    last = query.rfind("$")
    ends = [
        place + len(word)
        for (mark_at, mark), (place, word) in itertools.pairwise(words)
        if mark == "$" and place == mark_at + 1 and place < last
    ]
    pieces = [query[a:b] for a, b in itertools.pairwise([0, *ends, len(query)])]
    return "".join(f"{a} " if b[:1].strip() else a for a, b in itertools.pairwise([*pieces, ""]))


def plain(value: object) -> object:
    """Take a numpy scalar or array out of numpy: the engine knows Python's values only."""
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value


def check_parameters(statement: Statement, given: Mapping[str, object]) -> None:
    """Complain of parameters that a query has and nobody gives, or the other way round.

    Raises
    ------
    QueryError
    """
    if numbered := {p for p in statement.parameters if p.isdigit()}:
        raise QueryError(f"parameter {min(numbered)} has no name; write $name and give name=value")
    if missing := statement.parameters - given.keys():
        name = min(missing)
        raise QueryError(f"the query names ${name} but no value is given; add {name}=... (--param {name}=VALUE)")
    if extra := given.keys() - statement.parameters:
        name = min(extra)
        raise QueryError(f"the query has no ${name}{suggestion(name, statement.parameters)}")


def _astropy_kind(value: object) -> str:
    """Return the name of the astropy class that a value is of; astropy is not loaded to find out."""
    for kind in type(value).__mro__:
        if kind.__module__.startswith("astropy.") and kind.__name__ in {"SkyCoord", "Quantity", "Time"}:
            return kind.__name__
    return ""


def _position(query: str, name: str, value: SkyCoord) -> tuple[str, dict[str, object]]:
    if not value.isscalar:
        raise QueryError(f"${name} is {len(value)} positions; give one, or join with a table of them")
    icrs = value.icrs
    numbers: dict[str, object] = {f"{name}_ra": float(icrs.ra.deg), f"{name}_dec": float(icrs.dec.deg)}
    return re.sub(rf"\${re.escape(name)}\b", f"${name}_ra, ${name}_dec", query), numbers


def _number(query: str, name: str, value: Quantity) -> object:
    from astropy import units as u  # noqa: PLC0415 - whoever gives a quantity has loaded it

    from catalog.formats.astropy_table import parse_unit  # noqa: PLC0415 - as above

    wanted = _units(query, name)
    if len(wanted) != 1:
        why = f"stands where {' and '.join(sorted(wanted))} are wanted" if wanted else "meets nothing that has a unit"
        raise QueryError(f"${name} is {value} and {why}; give a number: {name}=value.to_value(unit)")
    (unit,) = wanted
    if _astropy_kind(value) == "Time":
        if unit != "s":
            raise QueryError(f"${name} is a time and stands where {unit} is wanted; give a number")
        return plain(value.cxcsec)  # mission seconds
    try:
        return plain(value.to_value(parse_unit(unit)))
    except u.UnitConversionError as error:
        raise QueryError(f"${name} is {value} and stands where {unit} is wanted") from error


def _units(query: str, name: str) -> set[str]:
    """Return the units of what a parameter is given to, or compared with."""
    try:
        root = parse(query)
    except NotUnderstood:
        return set()
    found = set()
    for node in root.find_all(exp.Placeholder, exp.Parameter):
        if node.name == name:
            found.add(_unit(node))
    return found - {""}


def _unit(node: exp.Expr) -> str:
    parent = node.parent
    while isinstance(parent, exp.Paren | exp.Neg | exp.Tuple | exp.Array):
        node, parent = parent, parent.parent
    if isinstance(parent, exp.Anonymous) and parent.name.lower() in MACROS:
        parameters = MACROS[parent.name.lower()].parameters
        place = next((i for i, e in enumerate(parent.expressions) if e is node), -1)
        return parameters[place].unit if 0 <= place < len(parameters) else ""
    if isinstance(parent, exp.PropertyEQ) and isinstance(call := parent.parent, exp.Anonymous):
        named = {p.name: p.unit for p in MACROS[call.name.lower()].parameters} if call.name.lower() in MACROS else {}
        return named.get(parent.this.name.lower(), "")
    if isinstance(parent, exp.Predicate | exp.Between | exp.In | exp.Sub | exp.Add):
        others = [side for side in parent.iter_expressions() if side is not node]
        return next((known.unit for side in others if (known := meaning(side)) and known.unit), "")
    return ""
