"""The client of services: sends what `ingest.remote.services` describes, and reads the answers.

Whatever goes over the wire goes through one session (`ingest.remote.polite_session`): pyvo is given the same one, so
that its calls keep to the same rate, wait as long, and fail with the same errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self, TypeVar

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from catalog.errors import PhotonlakeError, Transient
from catalog.schema.identifiers import whole_number
from ingest.remote.errors import (
    BodyIncomplete,
    NotThere,
    QueryRefused,
    TokenRefused,
    WrongContent,
)
from ingest.remote.manners import Manners
from ingest.remote.polite_session import PoliteSession, Stopped, short
from ingest.remote.services import Request

PIECE = 1 << 20
MAX_ANSWER = 256 << 20
_UNAUTHORIZED, _FORBIDDEN, _MISSING, _GONE, _RANGE = 401, 403, 404, 410, 416
_CLIENT_ERROR = 400

_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")


Result = TypeVar("Result")


class _Token(AuthBase):
    """Adds the token at the last moment; requests drops it when a service redirects to another host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


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
            raise BodyIncomplete(f"the body broke off after {at + received:,} bytes ({short(error)})") from error
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
