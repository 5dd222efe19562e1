"""Queries from outside: each is answered by a process that has limits, and is ended when it passes one.

Some queries cannot be stopped from within: a plan that takes for ever to make, one call that compares two texts of a
million letters. So they run in a process of their own, which holds no secrets, can write nothing but its spill folder,
and knows the store's catalog from a copy alone (`catalog.serve.outside_process`). Between queries it waits, with the
store open, so that a small question costs a few milliseconds; after it was ended, the next one is started at once.

The page asks so, and so does `Catalog.sql` with `timeout_s`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Self

import pyarrow as pa

from catalog.errors import OutOfTime, QueryError
from catalog.query.limited_process import Answer, LimitedProcess, Limits, arrow_bytes, parameter_bytes
from catalog.store import confinement, frozen
from catalog.store.location import check_exists


class Outside:
    """Asks one store on behalf of others; safe for several threads.

    Parameters
    ----------
    store : Path
    limits : Limits
    processes : int
        So many queries are answered at a time; others wait their turn.

    Examples
    --------
    >>> with Outside(Path("demo")) as outside:  # doctest: +SKIP
    ...     outside.ask("SELECT count(*) AS n FROM product.event").table["n"]
    """

    def __init__(self, store: Path, limits: Limits | None = None, processes: int = 1) -> None:
        check_exists(store)
        self.store = store.resolve()  # the processes have a folder of their own
        self.limits = limits or Limits()
        self._turns = threading.BoundedSemaphore(processes)
        self._idle: list[LimitedProcess] = []
        self._guard = threading.Lock()
        self._copy: _Copy | None = None
        self._is_closed = False

    def ask(
        self,
        query: str,
        parameters: Mapping[str, object] | None = None,
        *,
        snapshot: int | str | datetime | None = None,
        limits: Limits | None = None,
        own: Mapping[str, pa.Table] | None = None,
    ) -> Answer:
        """Answer one read-only query.

        Parameters
        ----------
        query, parameters, snapshot
            As for `Catalog.sql`.
        limits : Limits, optional
            Other limits of seconds, rows and bytes for this query; memory and spill are those of the process.
        own : mapping of str to pyarrow.Table, optional
            Tables that the query sees besides the store's.

        Raises
        ------
        PhotonlakeError
            As from `Catalog.sql`; a `QueryError` that says which limit was passed.
        """
        limits = limits or self.limits
        asked = {
            "query": query,
            "snapshot": snapshot.isoformat() if isinstance(snapshot, datetime) else snapshot,
            "rows": limits.rows,
            "answer_bytes": limits.answer_bytes,
            "seconds": limits.seconds,
        }
        own = own or {}
        contents = [parameter_bytes(parameters or {}), *map(arrow_bytes, own.values())]
        if not self._turns.acquire(timeout=limits.seconds):
            raise OutOfTime(f"too many queries at once: no turn came within {limits.seconds:g} s; try again")
        try:
            process, copy = self._process()
            try:
                found = process.ask(asked | {"copy": str(copy), "own": list(own)}, contents, limits)
            finally:
                self._back(process)
        finally:
            self._turns.release()
        return found

    def warm(self) -> None:
        """Start a process, so that the first query finds it ready."""
        process, _ = self._process()
        self._back(process)

    def close(self) -> None:
        """End all processes."""
        with self._guard:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes."""
        self.close()

    def _process(self) -> tuple[LimitedProcess, Path]:
        """Return a process that is idle, or a new one, and the newest copy of the catalog."""
        with self._guard:
            if self._is_closed:
                raise QueryError(f"{self.store} is closed; open it again")
            if self._copy is None or not self._copy.is_newest():
                self._copy = _Copy(self.store)
            copy = self._copy.file
            process = self._idle.pop() if self._idle else None
        return process or LimitedProcess(self.store, self.limits, copy.parent), copy

    def _back(self, process: LimitedProcess) -> None:
        """Keep a process for the next query; where it was ended, start another."""
        if not process.is_alive():
            process.end()
            process = LimitedProcess(self.store, self.limits, process.copies)
        with self._guard:
            if not self._is_closed:
                self._idle.append(process)
                return
        process.end()


class _Copy:
    """A copy of a store's catalog, in a folder that the processes may read; removed with this object."""

    def __init__(self, store: Path) -> None:
        folder = confinement.spill_folder() / "copies"
        folder.mkdir(mode=0o700, exist_ok=True)
        self.file = folder / confinement.private_file(".duckdb").name
        self._watch = frozen.freeze(store, self.file)
        weakref.finalize(self, self.file.unlink, missing_ok=True)

    def is_newest(self) -> bool:
        return self._watch.is_newest()
