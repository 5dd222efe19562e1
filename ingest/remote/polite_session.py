"""A session that keeps to a rate, waits and asks again, and raises our errors for what does not heal."""

from __future__ import annotations

import contextlib
import logging
import platform
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError

from catalog.errors import PhotonlakeError, Transient
from ingest.remote.errors import QuotaSpent, ServiceFault, ServiceUnreachable
from ingest.remote.manners import Manners, Pace, PacedAdapter, TooSlow, told_by

log = logging.getLogger(__name__)
_TOO_MANY, _SERVER_ERROR = 429, 500
_NAME_TRIES = 2
"""Tries where a host's name cannot be resolved: that rarely heals within seconds."""
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_BREAKS = (requests.RequestException, HTTPError, ConnectionError, TimeoutError)


class Stopped(Transient, InterruptedError):
    """The client was closed while it waited."""


class _Patience(urllib3.Retry):
    """What urllib3 asks again, and when it has asked often enough; the session says how long it waits before."""

    session: PoliteSession
    host = ""

    @classmethod
    def of(cls, session: PoliteSession) -> Self:
        """Ask again after any break, and whatever says that a service is broken or busy."""
        statuses = [_TOO_MANY, *range(_SERVER_ERROR, 600)]
        patience = cls(session.manners.attempts - 1, status_forcelist=statuses, allowed_methods=None, redirect=False)
        # What is left after the last try is an answer as others are: `PoliteSession.send` says what is wrong.
        patience.raise_on_status = False
        patience.session = session
        return patience

    def new(self, **changes: Any) -> Self:  # noqa: ANN401 - handed through
        """Return what is left of it after a try."""
        left = super().new(**changes)
        left.session, left.host = self.session, self.host
        return left

    def increment(self, method: str | None = None, url: str | None = None, **seen: Any) -> Self:  # type: ignore[override]  # noqa: ANN401 - as urllib3 calls it
        """Count a try.

        Raises
        ------
        MaxRetryError
            If it was the last one, or the next one cannot help.
        """
        left = super().increment(method, url, **seen)
        response, error, pool = seen.get("response"), seen.get("error"), seen["_pool"]
        left.host = pool.host
        log.debug("%s %s: %s", method, _plain(url), response.status if response else error)
        unnamed = isinstance(error, NameResolutionError) and len(left.history) >= _NAME_TRIES
        if unnamed or (response and self.session.asks_too_long(response.status, response.headers)):
            raise MaxRetryError(pool, url or "", error)
        if response:
            response.close()
        return left

    def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
        """Wait before the next try."""
        told = told_by(response.status, response.headers) if response is not None else None
        manners = self.session.manners
        self.session.pause(_seconds_to(told) if told else manners.pause_s(len(self.history)))
        self.session.keep_pace(self.host)


class PoliteSession(requests.Session):
    """A session that keeps to a rate, waits and asks again, and raises our errors for what does not heal."""

    def __init__(self, manners: Manners) -> None:
        super().__init__()
        self.manners = manners
        self.stopped = threading.Event()
        self._paces: dict[str, Pace] = {}
        self._mine = threading.local()
        self._lock = threading.Lock()
        self.headers["User-Agent"] = f"photonlake/{version('photonlake')} Python/{platform.python_version()} (science)"
        for scheme in ("http://", "https://"):
            self.mount(scheme, PacedAdapter(manners, _Patience.of(self)))
        # Bodies come as they are stored: lengths and ranges would mean something else after compression.
        self.headers["Accept-Encoding"] = "identity"

    @contextlib.contextmanager
    def closing_streams(self) -> Iterator[None]:
        """Close on the way out what was opened inside, by this thread, and left open: pyvo closes nothing."""
        self._mine.opened = []
        try:
            yield
        finally:
            for response in self._mine.opened:
                response.close()
            self._mine.opened = None

    def pause(self, seconds: float) -> None:
        """Wait, unless the client is closed.

        Raises
        ------
        Stopped
            If it is.
        """
        if self.stopped.wait(max(0.0, seconds)):
            raise Stopped("stopped")

    def keep_pace(self, host: str) -> None:
        """Wait for the next moment at which a host may be asked."""
        with self._lock:
            pace = self._paces.setdefault(host, Pace(self.manners.requests_per_s))
        self.pause(pace.wait_s())

    def asks_too_long(self, status: int, headers: Mapping[str, str]) -> bool:
        """Tell whether a service asks for more patience than we have."""
        told = told_by(status, headers)
        return told is not None and _seconds_to(told) > self.manners.longest_wait_s

    def send(self, request: requests.PreparedRequest, **kwargs: object) -> requests.Response:
        """Send, and send again where that can help.

        Raises
        ------
        ServiceUnreachable, ServiceFault, QuotaSpent
            When it did not help.
        """
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (self.manners.connect_s, self.manners.read_s)
        where = urlsplit(request.url or "")
        self.keep_pace(where.hostname or "")
        try:
            response = super().send(request, **kwargs)
        except PhotonlakeError:
            raise  # from a redirect, which comes through here, too
        except _BREAKS as error:
            if self.stopped.is_set():
                raise Stopped("stopped") from error
            raise unreachable(where.netloc, error) from error
        log.debug("%s %s: %s", request.method, _plain(request.url), response.status_code)
        if response.status_code == _TOO_MANY or response.status_code >= _SERVER_ERROR:
            with response:
                raise self._given_up(response, where.netloc)
        if (opened := getattr(self._mine, "opened", None)) is not None:
            opened.append(response)
        return response

    @staticmethod
    def _given_up(response: requests.Response, host: str) -> PhotonlakeError:
        """Say why a service that answers is given up."""
        told = told_by(response.status_code, response.headers)
        if response.status_code == _TOO_MANY:
            return QuotaSpent(host, told)
        when = f" and asks to come back after {told:%Y-%m-%d %H:%M} UTC" if told else ""
        return ServiceFault(f"{host} answers {response.status_code} {response.reason}{when}; type the same again later")


def unreachable(host: str, error: BaseException) -> ServiceUnreachable:
    """Say in one line why a host does not answer."""
    if any(isinstance(e, NameResolutionError) for e in causes(error)):
        return ServiceUnreachable(f"the name {host} cannot be resolved; is there a network? type the same again then")
    return ServiceUnreachable(f"{host} does not answer ({short(error)}); type the same again later")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what is behind it, outermost first: libraries wrap one into the other in many ways."""
    for _ in range(10):
        if error is None:
            return
        yield error
        held = (getattr(error, "cause", None), getattr(error, "reason", None), *error.args[:1])
        inner = next((e for e in held if isinstance(e, BaseException)), None)
        error = inner or error.__cause__ or error.__context__


def short(error: BaseException) -> str:
    """Name the innermost cause of a broken connection in a few words."""
    chain = list(causes(error))
    for one in chain:
        if isinstance(one, TooSlow):
            return str(one)
    if any(isinstance(one, _TIMEOUTS) for one in chain):
        return "timed out"
    return getattr(chain[-1], "strerror", None) or type(chain[-1]).__name__


def _plain(url: str | None) -> str:
    return (url or "").partition("?")[0]


def _seconds_to(moment: datetime) -> float:
    return (moment - datetime.now(UTC)).total_seconds()
