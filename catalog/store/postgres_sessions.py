"""Sessions with the PostgreSQL of a team's store: one that holds the writer's lock, and one that asks what is newest.

The lock is an advisory one, which the server frees when its holder is gone.
Source: PostgreSQL 15, chapter 13.3.5 (advisory locks) and 28.2.3 (pg_stat_activity). Whoever holds the lock says what
for in the name of its session, which every user of the database can read.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import TYPE_CHECKING

from catalog.errors import EngineMismatch, StoreLocked, StoreUnreachable
from catalog.store.place import Place

if TYPE_CHECKING:
    import psycopg

_KEY = 0x70686F746F6E  # "photon"; an advisory lock is a number, and is of one database
_HELD: dict[str, psycopg.Connection] = {}
"""Database -> the session of this process that holds its lock."""
_SETTINGS = """
SELECT set_config(name, value, false) FROM pg_settings JOIN (VALUES
  ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'),
  ('idle_session_timeout', '0'), ('lock_timeout', '0'), ('statement_timeout', '0')) AS wanted (name, value) USING (name)
"""  # a machine without power is given up after a minute; one that works for hours, never
_LONGEST_NAME = 63
_HOLDER = """
SELECT a.application_name, a.query_start AT TIME ZONE 'UTC'
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::BIGINT << 32) + l.objid::BIGINT = %s
"""


@contextlib.contextmanager
def held(place: Place, purpose: str, *, wait: bool, on_wait: Callable[[str], None] | None) -> Iterator[None]:
    """Hold the writer's lock of a team's store; see `catalog.store.transactions.lock`."""
    with contextlib.closing(_connected(place, purpose)) as session:
        if not _asked(session, "SELECT pg_try_advisory_lock(%s)", _KEY):
            message = f"{place.store} is being written by {_holder(session)}"
            if not wait:
                raise StoreLocked(f"{message}; leave out --no-wait to wait for it")
            if on_wait:
                on_wait(f"{message}; waiting")
            _waited(session, place)
        _HELD[place.catalog] = session
        try:
            yield
        finally:
            del _HELD[place.catalog]
            with contextlib.suppress(loaded().Error):  # a server that is gone has freed it
                session.execute("SELECT pg_advisory_unlock(%s)", (_KEY,))


def check(catalog: str) -> None:
    """Make sure that the lock of a database is still held: a server that was restarted has forgotten it.

    Raises
    ------
    StoreLocked
        If it is not; nothing may be committed then.
    """
    session = _HELD.get(catalog)
    if session is None:
        return  # a connection without a lock: our own tests and measures
    try:
        session.execute("SELECT 1")
    except loaded().Error as error:
        raise StoreLocked(
            "the connection to PostgreSQL was lost, and with it the writer's lock; what was committed stays: "
            "run the same again"
        ) from error


_ASKING: dict[tuple[int, str], psycopg.Connection] = {}
"""Process and database -> a session that asks small questions: a fork must not use its parent's."""
_GUARD = threading.Lock()


def row_of(catalog: str, query: str) -> tuple[object, ...]:
    """Return the first row of a small question, in a session that stays open: a query asks so each time.

    Raises
    ------
    StoreUnreachable
    """
    driver, key = loaded(), (os.getpid(), catalog)
    with _GUARD:
        for fresh in (False, True):
            try:
                if key not in _ASKING:
                    _ASKING[key] = driver.connect(catalog, autocommit=True, application_name="photonlake")
                    atexit.register(_ASKING[key].close)
                return tuple(_ASKING[key].execute(query).fetchone() or ())
            except driver.Error as error:  # a server that was restarted answers a new session
                if (session := _ASKING.pop(key, None)) is not None:
                    atexit.unregister(session.close)
                    session.close()
                if fresh or session is None:
                    raise StoreUnreachable(unreachable(catalog, error)) from error
    raise AssertionError


def _connected(place: Place, purpose: str) -> psycopg.Connection:
    driver = loaded()
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ours = f"photonlake {os.getpid()}@{socket.gethostname()[:16]} {since} "
    name = ours + re.sub(r"[^ -~]", "?", purpose)[: _LONGEST_NAME - len(ours)]
    try:
        session: psycopg.Connection = driver.connect(place.catalog, autocommit=True, application_name=name)
        session.execute(_SETTINGS)
    except driver.Error as error:
        raise StoreUnreachable(unreachable(place.catalog, error)) from error
    return session


def loaded() -> ModuleType:
    """Return psycopg.

    Raises
    ------
    EngineMismatch
        If it is not installed.
    """
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        raise EngineMismatch("a store in PostgreSQL needs psycopg; type: pip install 'photonlake[team]'") from error


def unreachable(catalog: str, error: BaseException) -> str:
    """Say what to do where PostgreSQL cannot be reached, or does not let us in."""
    said = " ".join(str(error).split())
    advice = "see that the server runs, and that this machine may connect"
    if "password" in said or "authentication" in said:
        advice = "give the password in $PGPASSWORD, or in ~/.pgpass"
    elif "ducklake_metadata" in said:
        advice = "it holds no store yet; make one: python -m catalog init --store STORE --catalog ... --data ..."
    elif "does not exist" in said:
        advice = "its owner makes it with: createdb NAME"
    return f"{catalog} cannot be opened: {said}; {advice}"


def _asked(session: psycopg.Connection, query: str, *values: object) -> object:
    row = session.execute(query, values).fetchone()
    return row[0] if row else None


def _waited(session: psycopg.Connection, place: Place) -> None:
    try:
        session.execute("SELECT pg_advisory_lock(%s)", (_KEY,))
    except loaded().Error as error:
        raise StoreUnreachable(unreachable(place.catalog, error)) from error


def _holder(session: psycopg.Connection) -> str:
    row = session.execute(_HOLDER, (_KEY,)).fetchone()
    if row is None:
        return "another process, which has just ended"
    name, since = row
    told = re.fullmatch(r"photonlake (\d+)@(\S+) (\S+)Z ?(.*)", str(name))
    if told is None:
        return (
            f"another program ({name or 'without a name'}{f', since {since:%Y-%m-%dT%H:%M:%S} UTC' if since else ''})"
        )
    pid, host, began, purpose = told.groups()
    began = f"{since:%Y-%m-%dT%H:%M:%S}" if since else began
    return f"process {pid} on {host} ({purpose}, since {began} UTC)"
