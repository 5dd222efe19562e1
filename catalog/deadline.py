"""A query's deadline: the engine is interrupted when its time is over."""

from __future__ import annotations

import contextlib
import threading

import duckdb

from catalog.complaints import complaint
from catalog.errors import PhotonlakeError, QueryError
from sql.guard import Statement


class Deadline:
    """Interrupts a cursor once a time has passed; without one it never does.

    Parameters
    ----------
    cursor : duckdb.DuckDBPyConnection
    seconds : float or None
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, seconds: float | None) -> None:
        self.seconds = seconds
        self._cursor = cursor
        self._passed = False
        if seconds is not None:
            timer = threading.Timer(seconds, self._interrupt)
            timer.daemon = True  # a query that ended before leaves it asleep; it finds nothing to interrupt then
            timer.start()

    def _interrupt(self) -> None:
        self._passed = True
        with contextlib.suppress(duckdb.Error):
            self._cursor.interrupt()

    def complaint(self, error: duckdb.Error, statement: Statement) -> PhotonlakeError:
        """Say what went wrong: that the time was over, or else what the engine says."""
        if self._passed:
            return QueryError(f"the query was stopped after {self.seconds:g} s; narrow it down (WHERE, LIMIT)")
        return complaint(error, statement)
