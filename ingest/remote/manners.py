"""How we behave towards a service: how often, how patiently, how long we wait before we ask again."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from urllib3 import Retry
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
