"""The errors photonlake raises: one root, each also the built-in it is a kind of.

A message always carries four things: where it happened, what was expected, what was found, and what to
type next. `Transient` and `Terminal` say whether trying again can help; a retry loop asks nothing else.
"""

from __future__ import annotations

import difflib
import errno
import shlex
from collections.abc import Iterable


class PhotonlakeError(Exception):
    """Root of every error that photonlake raises on purpose."""


class Transient(PhotonlakeError):
    """Trying again later, unchanged, can succeed (a lock, a busy server)."""


class Terminal(PhotonlakeError):
    """Trying again unchanged cannot succeed (a broken file, a wrong name)."""


class UnreadableFile(Terminal, ValueError):
    """A file is not what its kind promises.

    Parameters
    ----------
    expected : str
        What a file of this kind has at this place.
    found : str
        What stands there instead.
    advice : str, optional
        What the user can type or do next.
    name : str, optional
        The file's name; the refresh fills it in where a reader cannot know it.

    Examples
    --------
    >>> str(UnreadableFile("an EVENTS table", "0 rows", name="acis_evt2.fits"))
    'acis_evt2.fits: expected an EVENTS table, found 0 rows'
    """

    def __init__(self, expected: str, found: str, advice: str = "", name: str = "") -> None:
        self.expected, self.found, self.advice, self.name = expected, found, advice, name
        super().__init__(expected, found, advice, name)

    def __str__(self) -> str:
        """One line: name, expectation, finding, advice."""
        where = f"{self.name}: " if self.name else ""
        advice = f"; {self.advice}" if self.advice else ""
        return f"{where}expected {self.expected}, found {self.found}{advice}"


class StoreNotFound(Terminal, FileNotFoundError):
    """There is no store where one was asked for."""


class UntrustedStore(Terminal, PermissionError):
    """A store whose catalog names files or SQL that photonlake never writes into one."""


class StoreOutdated(Terminal, RuntimeError):
    """A store made by another version, without tables, views or columns that this one needs."""


class StoreNewer(Terminal, RuntimeError):
    """A store written by a later version of photonlake, or of DuckLake, than this one."""


class EngineMismatch(Terminal, ImportError):
    """DuckDB and its extensions, which a store needs, are not of one version, or one is missing."""


class StoreLocked(Transient, BlockingIOError):
    """Another process holds the writer's lock, or another program the catalog's file."""


class StoreUnreachable(Transient, ConnectionError):
    """The database that holds a team's catalog cannot be reached, or does not let us in."""


class UnknownName(Terminal, LookupError):
    """A table, column, function, snapshot or space that does not exist, with the nearest that does."""


class NotYet(UnknownName):
    """A name of this version that an older store, or an older snapshot, does not have."""


class ForbiddenStatement(Terminal, PermissionError):
    """A statement that is not a single read-only query."""


class ValuesMissing(ForbiddenStatement):
    """A PIVOT that does not list the values it makes columns of: the engine makes several statements of one."""


class QueryError(Terminal, ValueError):
    """The engine refused a query: syntax, types, or parameters."""


class OutOfTime(QueryError):
    """A query ran longer than it may, or no turn came for it in that time."""


class OutOfSpace(Transient, OSError):
    """The disk is full; what was committed stays, what was not is gone."""


def command(text: str, store: object) -> str:
    """Return a command as one types it, for a hint.

    Parameters
    ----------
    text : str
        Program, command and arguments: 'embed run spectrum'.
    store : path-like
        The store it is about; quoted where the shell needs it.

    Examples
    --------
    >>> command("embed run spectrum", "my stores/s")
    "python -m embed run spectrum --store 'my stores/s'"
    """
    return f"python -m {text} --store {shlex.quote(str(store))}"


def query_command(query: str, store: object) -> str:
    """Return the command that asks a query.

    Examples
    --------
    >>> query_command("SELECT 1", "s")
    'python -m catalog sql "SELECT 1" --store s'
    """
    return command(f'catalog sql "{query}"', store)


def suggestion(name: str, known: Iterable[str], n: int = 3, cutoff: float = 0.6) -> str:
    """Return '; did you mean ...?' for a misspelt name, or an empty string.

    Parameters
    ----------
    name : str
        What was typed.
    known : iterable of str
        What exists.
    n : int
        At most this many suggestions.
    cutoff : float
        How alike they must be, 0 to 1.

    Examples
    --------
    >>> suggestion("hard_sh", ["hard_hs", "hard_hm", "theta"])
    '; did you mean hard_hs or hard_hm?'
    >>> suggestion("zzz", ["hard_hs"])
    ''
    """
    close = difflib.get_close_matches(name.lower(), list(known), n=n, cutoff=cutoff)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error, or one behind it, says that the disk is full."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return True
        text = str(seen).lower()
        if "no space left" in text or "disk is full" in text or "disk quota" in text or "file too large" in text:
            return True
        seen = seen.__cause__
    return False
