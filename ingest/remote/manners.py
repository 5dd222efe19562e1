"""How we behave towards a service: how often, how patiently, how long we wait before we ask again."""

from __future__ import annotations

import os
import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

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


def retry_after(value: str | None, now: datetime) -> datetime | None:
    """Read a Retry-After header: seconds, or a date.

    Examples
    --------
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> retry_after("90", now).isoformat(), retry_after("Thu, 01 Jan 2026 00:10:00 GMT", now).isoformat()
    ('2026-01-01T00:01:30+00:00', '2026-01-01T00:10:00+00:00')
    >>> retry_after("soon", now) is None
    True
    """
    if value is None:
        return None
    text = value.strip()
    try:
        if text.replace(".", "", 1).isdigit():
            return now + timedelta(seconds=float(text))
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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
