"""How we behave towards a service: how often, how patiently, and when we give it up.

A service that only drips is given up wherever it drips: in the status line, the headers or the body. What comes is
measured at the socket, over time that was spent waiting: a slow disk of ours is no fault of the service.
"""

from __future__ import annotations

import functools
import http.client
import io
import os
import random
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager, Retry
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import InvalidHeader

from catalog.errors import Terminal


@dataclass(frozen=True)
class Manners:
    """Numbers of politeness. Each can be set by a variable $PHOTONLAKE_HTTP_..., upper case.

    Attributes
    ----------
    attempts : int
        Tries in a row that bring nothing, before we give up.
    backoff_s : float
        Longest wait before the second try; it doubles with every further one.
    longest_wait_s : float
        Longest wait at all; a service that asks for more is left alone.
    connect_s, read_s : float
        Patience for a connection, and for the next byte.
    requests_per_s : float
        To one host, all threads together.
    slowest_bytes_per_s, slow_window_s : float
        A body slower than this over a whole window counts as stuck.
    """

    attempts: int = 5
    backoff_s: float = 1.0
    longest_wait_s: float = 300.0
    connect_s: float = 15.0
    read_s: float = 120.0
    requests_per_s: float = 5.0
    slowest_bytes_per_s: float = 500.0
    slow_window_s: float = 60.0

    @classmethod
    def from_environment(cls) -> Manners:
        """Take numbers from the environment where it has them.

        Raises
        ------
        NotANumber
            If a variable holds something else.
        """
        given: dict[str, float] = {}
        for name in cls.__dataclass_fields__:
            text = os.environ.get(f"PHOTONLAKE_HTTP_{name.upper()}")
            if text is None:
                continue
            try:
                given[name] = float(text)
            except ValueError:
                raise NotANumber(f"$PHOTONLAKE_HTTP_{name.upper()} is {text!r}; give a number or unset it") from None
        attempts = int(given.pop("attempts", cls.attempts))
        return cls(attempts=max(1, attempts), **given)

    def pause_s(self, failures: int) -> float:
        """Return a random wait after so many failures in a row: full jitter, doubling, capped.

        Examples
        --------
        >>> all(0.5 <= Manners().pause_s(1) <= 1.0 and Manners().pause_s(30) <= 300 for _ in range(100))
        True
        """
        most = min(self.longest_wait_s, self.backoff_s * float(1 << min(failures - 1, 20)))
        return most * random.uniform(0.5, 1.0)  # noqa: S311 - it spreads clients in time, nothing is secret


class NotANumber(Terminal, ValueError):
    """A setting that must be a number and is none."""


class Pace:
    """Hand out moments at which to send, so that all threads together keep to a rate."""

    def __init__(self, per_s: float) -> None:
        self._gap_s = 1.0 / per_s if per_s > 0 else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    def wait_s(self) -> float:
        """Take the next moment; return how long to wait for it."""
        with self._lock:
            now = time.monotonic()
            moment = max(now, self._next)
            self._next = moment + self._gap_s
            return moment - now


_ANY = Retry()
_ANY.retry_after_max = 10**9
"""A service may ask for any patience: it is told to the user where it is more than ours."""


def told_by(status: int, headers: Mapping[str, str]) -> datetime | None:
    """Read when a service asks to come back: Retry-After (seconds, or a date), and X-RateLimit-Reset of a spent quota.

    Examples
    --------
    >>> told_by(503, {"Retry-After": "Thu, 01 Jan 2045 00:10:00 GMT"}).year
    2045
    >>> told_by(503, {"Retry-After": "soon"}) is None
    True
    """
    value = headers.get("Retry-After")
    try:
        if value:
            return datetime.now(UTC) + timedelta(seconds=_ANY.parse_retry_after(value))
    except (InvalidHeader, OverflowError, ValueError):
        pass
    return reset_at(headers.get("X-RateLimit-Reset")) if status == HTTPStatus.TOO_MANY_REQUESTS else None


def reset_at(value: str | None) -> datetime | None:
    """Read an X-RateLimit-Reset header: seconds since 1970.

    Examples
    --------
    >>> reset_at("1767225600").isoformat(), reset_at("never")
    ('2026-01-01T00:00:00+00:00', None)
    """
    try:
        return datetime.fromtimestamp(float(value), UTC) if value else None
    except (ValueError, OverflowError, OSError):
        return None


class TooSlow(TimeoutError):
    """Less came in a window of time than any working service sends."""


class _Measured(io.RawIOBase):
    """What a socket gives."""

    def __init__(self, raw: io.RawIOBase, manners: Manners) -> None:
        self._raw, self._manners = raw, manners
        self._begun = False
        self._waited_s, self._came = 0.0, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        """Read what has come.

        Raises
        ------
        TooSlow
            If that is too little for too long.
        """
        since = time.monotonic()
        n = self._raw.readinto(buffer)
        if self._begun:  # a service may think about its first byte as long as the patience for one goes
            self._waited_s += time.monotonic() - since
        self._begun = True
        self._came += n or 0
        if n and self._waited_s >= self._manners.slow_window_s:
            if self._came < self._waited_s * self._manners.slowest_bytes_per_s:
                raise TooSlow(f"it came too slowly, {self._came} bytes in {self._waited_s:.0f} s")
            self._waited_s, self._came = 0.0, 0
        return n

    def close(self) -> None:
        """Close it."""
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose bytes are measured from the first on."""

    def __init__(self, sock: socket.socket, *arguments: Any, manners: Manners, **options: Any) -> None:  # noqa: ANN401 - handed through
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Measured(self.fp.detach(), manners))


class PacedAdapter(HTTPAdapter):
    """Connections whose answers are measured.

    Parameters
    ----------
    manners : Manners
        What counts as too slow.
    patience : urllib3.Retry
        When to ask again.
    """

    def __init__(self, manners: Manners, patience: Retry) -> None:
        self._manners = manners
        super().__init__(max_retries=patience)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - handed through
        """Make the connections of services."""
        super().init_poolmanager(*arguments, **options)
        self._teach(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - handed through
        """Make the connections of a proxy."""
        manager = super().proxy_manager_for(*arguments, **options)
        self._teach(manager)
        return manager

    def _teach(self, manager: PoolManager) -> None:
        response = staticmethod(functools.partial(_Response, manners=self._manners))
        pools: dict[str, type[HTTPConnectionPool]] = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
        manager.pool_classes_by_scheme = {}
        for scheme, pool in pools.items():
            connection = type("Connection", (pool.ConnectionCls,), {"response_class": response})
            manager.pool_classes_by_scheme[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
