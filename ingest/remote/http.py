"""The only module that opens a socket: sends what `ingest.remote.services` describes, and is patient about it.

Whatever goes over the wire goes through one session: pyvo is given the same one, so that its calls keep to the
same rate, wait as long, and fail with the same errors.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError

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
from ingest.remote.manners import Manners, Pace, PacedAdapter, TooSlow, told_by
from ingest.remote.services import Request

log = logging.getLogger(__name__)

PIECE = 1 << 20
MAX_ANSWER = 256 << 20
_TOO_MANY, _UNAUTHORIZED, _FORBIDDEN, _MISSING, _GONE, _RANGE = 429, 401, 403, 404, 410, 416
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_NAME_TRIES = 2
"""Tries where a host's name cannot be resolved: that rarely heals within seconds."""

_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_BREAKS = (requests.RequestException, HTTPError, ConnectionError, TimeoutError)
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")


Result = TypeVar("Result")


class Stopped(Transient, InterruptedError):
    """The client was closed while it waited."""


class _Token(AuthBase):
    """Adds the token at the last moment; requests drops it when a service redirects to another host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


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
            As `ingest.remote.services` tells them apart.
        """
        return self.read(request, lambda body, headers: (body, headers))

    def read(self, request: Request, read: Callable[[bytes, dict[str, str]], Result]) -> Result:
        """Send a request and read its answer, which must be small; ask again where it cannot be read.

        Parameters
        ----------
        request : Request
        read : callable
            Body and headers (names in lower case) -> what they say; it raises `WrongContent` for what cannot be read.

        Raises
        ------
        Transient or Terminal
            As `ingest.remote.services` tells them apart.
        """

        def once() -> Result:
            with self.open(request, {}) as response:
                body = b"".join(_limited(self.pieces(response), MAX_ANSWER, request))
                refuse_html(body[:2000], request)
                return read(body, {k.lower(): v for k, v in response.headers.items()})

        return self.patiently(once, BodyIncomplete, WrongContent)

    def patiently(self, call: Callable[[], Result], *damaged: type[PhotonlakeError]) -> Result:
        """Call; where what comes is damaged, wait and call again, as often as our manners allow."""
        failures = 0
        while True:
            try:
                return call()
            except damaged:
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
        except (HTTPError, ConnectionError, TimeoutError) as error:
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
    if any(isinstance(e, NameResolutionError) for e in causes(error)):
        return ServiceUnreachable(f"the name {host} cannot be resolved; is there a network? type the same again then")
    return ServiceUnreachable(f"{host} does not answer ({_short(error)}); type the same again later")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what is behind it, outermost first: libraries wrap one into the other in many ways."""
    for _ in range(10):
        if error is None:
            return
        yield error
        held = (getattr(error, "cause", None), getattr(error, "reason", None), *error.args[:1])
        inner = next((e for e in held if isinstance(e, BaseException)), None)
        error = inner or error.__cause__ or error.__context__


def _short(error: BaseException) -> str:
    """Name the innermost cause of a broken connection in a few words."""
    chain = list(causes(error))
    for one in chain:
        if isinstance(one, TooSlow):
            return str(one)
    if any(isinstance(one, _TIMEOUTS) for one in chain):
        return "timed out"
    return getattr(chain[-1], "strerror", None) or type(chain[-1]).__name__


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


def _seconds_to(moment: datetime) -> float:
    return (moment - datetime.now(UTC)).total_seconds()
