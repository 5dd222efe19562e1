"""The only module that opens a socket: sends what `ingest.remote.request` describes, and is patient about it.

Whatever goes over the wire goes through one session: pyvo is given the same one, so that its calls keep to the
same rate, wait as long, and fail with the same errors.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Self
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, NameResolutionError

from catalog.errors import PhotonlakeError, Transient
from catalog.schema.identifiers import whole_number
from ingest.remote.errors import (
    BodyIncomplete,
    NotThere,
    QueryRefused,
    QuotaSpent,
    ServiceFault,
    ServiceUnreachable,
    TokenRefused,
    WrongContent,
)
from ingest.remote.manners import Manners, Pace, reset_at, retry_after
from ingest.remote.request import Request
from ingest.remote.trickle import PacedAdapter, TooSlow

log = logging.getLogger(__name__)

PIECE = 1 << 20
MAX_ANSWER = 256 << 20
_TOO_MANY, _UNAUTHORIZED, _FORBIDDEN, _MISSING, _GONE, _RANGE = 429, 401, 403, 404, 410, 416
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_NAME_TRIES = 2
"""Tries where a host's name cannot be resolved: that rarely heals within seconds."""

_BREAKS = (requests.RequestException, HTTPError, ConnectionError, TimeoutError)
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")


class Stopped(Transient, InterruptedError):
    """The client was closed while it waited."""


class _Token(AuthBase):
    """Adds the token at the last moment; requests drops it when a service redirects to another host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


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
            self.mount(scheme, PacedAdapter(manners))
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

    def send(self, request: requests.PreparedRequest, **kwargs: object) -> requests.Response:
        """Send, and send again where that can help.

        Raises
        ------
        ServiceUnreachable, ServiceFault, QuotaSpent
            When it did not help.
        """
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (self.manners.connect_s, self.manners.read_s)
        host = urlsplit(request.url or "").netloc
        failures = 0
        while True:
            self.pause(self._pace(host).wait_s())
            try:
                response = super().send(request, **kwargs)
            except PhotonlakeError:
                raise  # from a redirect, which comes through here, too
            except _BREAKS as error:
                failures += 1
                named = _unresolved(error)
                if failures >= (min(_NAME_TRIES, self.manners.attempts) if named else self.manners.attempts):
                    raise unreachable(host, error) from error
                log.debug("%s %s: %s", request.method, _plain(request.url), error)
                self.pause(self.manners.pause_s(failures))
                continue
            log.debug("%s %s: %s", request.method, _plain(request.url), response.status_code)
            if response.status_code != _TOO_MANY and response.status_code < _SERVER_ERROR:
                if (opened := getattr(self._mine, "opened", None)) is not None:
                    opened.append(response)
                return response
            failures += 1
            self.pause(self._wait_after(response, host, failures))

    def _wait_after(self, response: requests.Response, host: str, failures: int) -> float:
        """Return how long to wait before the next try, or raise for good."""
        now = datetime.now(UTC)
        told = retry_after(response.headers.get("Retry-After"), now)
        if response.status_code == _TOO_MANY and told is None:
            told = reset_at(response.headers.get("X-RateLimit-Reset"))
        status, reason = response.status_code, response.reason
        response.close()
        wait_s = (told - now).total_seconds() if told else self.manners.pause_s(failures)
        if status == _TOO_MANY and (wait_s > self.manners.longest_wait_s or failures >= self.manners.attempts):
            raise QuotaSpent(host, told)
        if wait_s > self.manners.longest_wait_s or failures >= self.manners.attempts:
            when = f" and asks to come back after {told:%Y-%m-%d %H:%M} UTC" if told else ""
            raise ServiceFault(f"{host} answers {status} {reason}{when}; type the same again later")
        return wait_s

    def _pace(self, host: str) -> Pace:
        with self._lock:
            return self._paces.setdefault(host, Pace(self.manners.requests_per_s))


class Client:
    """Sends requests and brings their bodies, whole.

    Parameters
    ----------
    manners : Manners, optional
        Default: from the environment.
    token : str, optional
        For requests that need one. It is never logged, stored or shown.
    """

    def __init__(self, manners: Manners | None = None, token: str | None = None) -> None:
        self.manners = manners or Manners.from_environment()
        self.session = PoliteSession(self.manners)
        self._auth = _Token(token) if token else None

    def __enter__(self) -> Self:
        """Use as a context: closed at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close connections and wake whoever waits."""
        self.close()

    def close(self) -> None:
        """Close connections and wake whoever waits."""
        self.session.stopped.set()
        self.session.close()

    def answer(self, request: Request) -> tuple[bytes, dict[str, str]]:
        """Send a request and return its body, which must be small, and its headers (names in lower case).

        Raises
        ------
        Transient or Terminal
            As `ingest.remote.errors` tells them apart.
        """
        failures = 0
        while True:
            try:
                with self.open(request, {}) as response:
                    body = b"".join(_limited(self.pieces(response), MAX_ANSWER, request))
                    refuse_html(body[:2000], request)
                    return body, {k.lower(): v for k, v in response.headers.items()}
            except (BodyIncomplete, WrongContent):
                failures += 1
                if failures >= self.manners.attempts:
                    raise
                self.session.pause(self.manners.pause_s(failures))

    def open(self, request: Request, extra: dict[str, str]) -> requests.Response:
        """Send, and refuse an answer that is none; the caller closes it, and reads its body with `pieces`."""
        if request.needs_token and self._auth is None:
            raise TokenRefused(
                f"{request.service} wants a token: put yours into $ADS_DEV_KEY, $ADS_API_TOKEN or ~/.ads/dev_key"
            )
        values = dict(request.values)
        response = self.session.request(
            request.method,
            request.url,
            params=values if request.method == "GET" else None,
            data=values if request.method == "POST" else None,
            headers=extra,
            auth=self._auth if request.needs_token else None,
            stream=True,
        )
        if response.status_code < _CLIENT_ERROR or response.status_code == _RANGE:
            return response
        with response:
            raise self._refusal(response, request)

    def _refusal(self, response: requests.Response, request: Request) -> PhotonlakeError:
        status, what = response.status_code, request.name
        if status in {_UNAUTHORIZED, _FORBIDDEN} and request.needs_token:
            return TokenRefused(
                f"{request.service} does not take the token ({status}): it is wrong or expired; "
                "make a new one at https://ui.adsabs.harvard.edu/user/settings/token"
            )
        if status in {_MISSING, _GONE}:
            return NotThere(f"{what}: {request.service or 'the service'} has no such thing ({status})")
        try:
            said = next(_limited(self.pieces(response), PIECE, request), b"")[:2000]
        except Transient:
            said = b""
        return QueryRefused(f"{what}: {request.service or 'the service'} refused it ({status}): {spoken(said)}")

    def pieces(self, response: requests.Response, at: int = 0) -> Iterator[bytes]:
        """Yield a body, which begins at byte `at`, in pieces as they come.

        Raises
        ------
        BodyIncomplete
            If it ends early or comes too slowly.
        Stopped
            If the client is closed.
        """
        length = response.headers.get("Content-Length", "")
        expected = whole_number(length)
        received = 0
        try:
            while piece := response.raw.read1(PIECE, decode_content=False):
                if self.session.stopped.is_set():
                    raise Stopped("stopped")
                received += len(piece)
                yield piece
        except (HTTPError, urllib3.exceptions.TimeoutError, ConnectionError, TimeoutError) as error:
            raise BodyIncomplete(f"the body broke off after {at + received:,} bytes ({_short(error)})") from error
        if expected is not None and received < expected:
            raise BodyIncomplete(f"the body ended after {at + received:,} of {at + expected:,} bytes")


def spoken(body: bytes) -> str:
    """Return what a service says in an error's body: one line, without tags, at most 200 characters.

    Examples
    --------
    >>> spoken(b"<html><body><h1>Bad</h1> syntax</body></html>")
    'Bad syntax'
    """
    text = body.decode("utf-8", "replace")
    plain, inside = [], False
    for mark in text:
        inside = mark == "<" or (inside and mark != ">")
        plain.append(" " if inside or mark == ">" else mark)
    return " ".join("".join(plain).split())[:200] or "no reason given"


def unreachable(host: str, error: BaseException) -> ServiceUnreachable:
    """Say in one line why a host does not answer."""
    if _unresolved(error):
        return ServiceUnreachable(f"the name {host} cannot be resolved; is there a network? type the same again then")
    return ServiceUnreachable(f"{host} does not answer ({_short(error)}); type the same again later")


def _unresolved(error: BaseException | None) -> bool:
    """Tell whether an error, or one within it, says that a host's name is not known."""
    seen = 0
    while error is not None and seen < 10:  # noqa: PLR2004 - no chain is longer
        if isinstance(error, NameResolutionError):
            return True
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        error = inner if isinstance(inner, BaseException) else error.__cause__
        seen += 1
    return False


def _slow(error: BaseException | None) -> TooSlow | None:
    """Find what tells of a drip behind an error."""
    for _ in range(10):
        if isinstance(error, TooSlow) or error is None:
            return error
        inner = error.args[0] if error.args else None
        error = error.__cause__ or error.__context__ or (inner if isinstance(inner, BaseException) else None)
    return None


def _short(error: BaseException) -> str:
    """Name the innermost cause of a broken connection in a few words."""
    if slow := _slow(error):
        return str(slow)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return "timed out"
    inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    if isinstance(inner, BaseException):
        return _short(inner)
    return getattr(error, "strerror", None) or type(error).__name__


def refuse_html(head: bytes, request: Request) -> None:
    """Refuse a web page in place of data.

    Raises
    ------
    WrongContent
        If it is one.
    """
    start = head.lstrip()[:200].lower()
    if start.startswith(_HTML) or (start.startswith(b"<?xml") and b"<html" in start):
        raise WrongContent(
            f"{request.name}: {request.service or 'the service'} sent a web page in place of data "
            f"({spoken(head)[:80]!r}); is it down for maintenance? type the same again later"
        )


def _limited(pieces: Iterator[bytes], most: int, request: Request) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > most:
            raise QueryRefused(f"{request.name}: the answer is larger than {most >> 20} MB; ask for less")
        yield piece


def _plain(url: str | None) -> str:
    return (url or "").partition("?")[0]
