"""How table functions are called: what a call says, what a function takes, and the value of each argument."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


class BadCall(ValueError):
    """A call that cannot be run; the text says where it stands, what is wrong, and how it is written."""


@dataclass(frozen=True)
class Parameter:
    """A `$name` among a call's arguments."""

    name: str


Constant: TypeAlias = "bool | int | float | str | list[Constant] | None"
Value: TypeAlias = "Constant | Parameter"


@dataclass(frozen=True)
class Call:
    """One call of a table function.

    Attributes
    ----------
    function : str
        Lower case.
    arguments : tuple
        By position: constants or `Parameter`.
    options : dict
        By name.
    relation : str
        Name of the relation that takes its place; equal calls share one.
    line, column : int
        Where it stands in the query, from 1.
    """

    function: str
    arguments: tuple[Value, ...]
    options: Mapping[str, Value]
    relation: str
    line: int = 1
    column: int = 1

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return f"{self.function}() at line {self.line}, column {self.column}"


@dataclass(frozen=True)
class Argument:
    """One argument that a table function takes.

    Attributes
    ----------
    name : str
    kind : str
        What it is, in words: 'text', 'integer', 'number', 'boolean', 'text or vector'.
    default : object
        `REQUIRED` if it must be given.
    description : str
        For the reference page.
    """

    name: str
    kind: str
    default: object
    description: str = ""


REQUIRED = object()


@dataclass(frozen=True)
class Signature:
    """How a table function is called: the first `n_by_position` arguments by position, any by name."""

    function: str
    arguments: tuple[Argument, ...]
    n_by_position: int

    @property
    def text(self) -> str:
        """The call as one types it: "nearest(space, target, k := 10)"."""
        shown = [
            a.name if a.default is REQUIRED or i < self.n_by_position else f"{a.name} := {_shown(a.default)}"
            for i, a in enumerate(self.arguments)
        ]
        return f"{self.function}({', '.join(shown)})"


def bind(call: Call, signature: Signature, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the value of every argument of a call.

    Parameters
    ----------
    call : Call
    signature : Signature
        What its function takes.
    parameters : mapping
        Values of $parameters.

    Raises
    ------
    BadCall
        If there are too many, an unknown one, one twice, one missing, or one of the wrong kind.

    Examples
    --------
    >>> k = Argument("k", "integer", 10)
    >>> bind(Call("f", (), {"k": Parameter("n")}, "__f_1"), Signature("f", (k,), 0), {"n": 3})
    {'k': 3}
    """
    given = _given(call, signature)
    bound: dict[str, object] = {}
    for argument in signature.arguments:
        name = argument.name
        if name not in given:
            if argument.default is REQUIRED:
                raise BadCall(f"{call.place} lacks {name}: {signature.text}")
            bound[name] = argument.default
            continue
        value = given[name]
        if isinstance(value, Parameter):
            if value.name not in parameters:
                raise BadCall(f"{call.place}: no value is given for ${value.name}")
            bound[name] = _kind(_from_text(parameters[value.name], argument.kind), argument, call)
        else:
            bound[name] = _kind(value, argument, call)
    return bound


def _given(call: Call, signature: Signature) -> dict[str, Value]:
    """Return the arguments that a call gives, by name."""
    if len(call.arguments) > signature.n_by_position:
        extra = signature.arguments[signature.n_by_position :][:1]
        hint = f"; write {extra[0].name} := ..." if extra else ""
        raise BadCall(
            f"{call.place} has {len(call.arguments)} arguments by position, it takes {signature.n_by_position}{hint}: "
            f"{signature.text}"
        )
    names = [a.name for a in signature.arguments]
    given = dict(zip(names, call.arguments, strict=False))
    for name, value in call.options.items():
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise BadCall(f"{call.place} has no option {name}{hint}: {signature.text}")
        if name in given:
            raise BadCall(f"{call.place} has {name} twice: {signature.text}")
        given[name] = value
    return given


def _from_text(value: object, kind: str) -> object:
    """Read a number or a truth value from text: a command line has only text to give."""
    if not isinstance(value, str):
        return value
    if kind == "boolean":
        return {"true": True, "false": False}.get(value.lower(), value)
    with contextlib.suppress(ValueError):
        if kind in {"integer", "number"}:
            return int(value) if kind == "integer" else float(value)
    return value


def _kind(value: object, argument: Argument, call: Call) -> object:
    """Return a value if it is of the kind its argument is."""
    if value is None and argument.default is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    right = {
        "text": isinstance(value, str),
        "integer": is_number and isinstance(value, int),
        "number": is_number,
        "boolean": isinstance(value, bool),
        "text or vector": isinstance(value, str) or hasattr(value, "__len__"),
    }[argument.kind]
    if not right:
        raise BadCall(f"{call.place}: {argument.name} must be {argument.kind}, found {value!r}")
    return value


def _shown(value: object) -> str:
    return {"None": "NULL", "True": "true", "False": "false"}.get(repr(value), repr(value))
