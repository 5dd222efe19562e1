"""The addresses of the page: its files, its questions, and the SQL that is typed into it."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from catalog.errors import PhotonlakeError, QueryError
from catalog.serve.answers import Answers, Json
from catalog.serve.callers import refused

PAGE = {"/": "index.html", "/page.js": "page.js", "/drawing.js": "drawing.js", "/page.css": "page.css"}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_MAX_BODY = 1 << 16
_MAX_FIELDS = 16
_LOG = logging.getLogger(__name__)


@dataclass
class PageRoutes:
    """What the page asks, each at an address of its own.

    Parameters
    ----------
    answers : Answers
    painted : threading.Event
        Set when the page has asked for the last of what it shows first.
    """

    answers: Answers
    painted: threading.Event

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes, for Starlette."""
        files = [Route(path, self._file) for path in PAGE]
        asked = [Route(path, self._question) for path in self._questions]
        return [*files, *asked, Route("/api/sql", self._sql, methods=["POST"])]

    @property
    def _questions(self) -> dict[str, tuple[Callable[..., Json], tuple[str, ...]]]:
        """Address -> what answers it, and the names of what it must be given."""
        answers = self.answers
        return {
            "/api/overview": (answers.overview, ()),
            "/api/map": (answers.map, ("space",)),
            "/api/colours": (answers.colours, ("space", "column")),
            "/api/detection": (answers.detection, ("id",)),
            "/api/spectrum": (answers.spectrum, ("id",)),
            "/api/light_curve": (answers.light_curve, ("id",)),
            "/api/neighbours": (answers.neighbours, ("space", "id")),
            "/api/search": (answers.search, ("space", "text")),
        }

    async def _file(self, request: Request) -> Response:
        name = PAGE[_path(request)]
        content = resources.files("catalog.serve").joinpath("page", name).read_bytes()
        return Response(content, media_type=f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8")

    async def _question(self, request: Request) -> Response:
        path = _path(request)
        try:
            query = request.scope["query_string"].decode("latin-1")
            given = {name: values[-1] for name, values in parse_qs(query, max_num_fields=_MAX_FIELDS).items()}
        except ValueError:
            return refused(400, "expected an address of this page")
        ask, names = self._questions[path]
        if missing := [n for n in names if n not in given]:
            return refused(400, f"{path} needs {', '.join(missing)}")
        answer = await answered(path, lambda: ask(*(given[n] for n in names)))
        if path == "/api/colours":  # the last that the page asks for
            self.painted.set()
        return answer

    async def _sql(self, request: Request) -> Response:
        length = request.headers.get("content-length", "")
        if (
            not re.fullmatch(r"[0-9]{1,9}", length)
            or int(length) > _MAX_BODY
            or "transfer-encoding" in request.headers
            or request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json"
        ):
            return refused(400, f"expected a query as JSON, of at most {_MAX_BODY:,} bytes, with its length")
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response()  # nobody is there to read it
        return await answered("/api/sql", lambda: self.answers.sql(_query_of(body)))


async def answered(what: str, ask: Callable[[], Json]) -> Response:
    """Ask on a thread, and return the answer as JSON; an error of ours is told, any other is for the log."""
    try:
        value, status = await run_in_threadpool(ask), 200
    except PhotonlakeError as error:
        value, status = {"error": str(error)}, 400
    except Exception:  # noqa: BLE001 - one question must not end the server
        _LOG.exception("%s", what)
        value, status = {"error": "this could not be answered; see the log (-v)"}, 500
    return Response(json.dumps(value, allow_nan=False), status, media_type="application/json; charset=utf-8")


async def nothing_there(request: Request, error: Exception) -> Response:
    """Say that an address is none of ours."""
    del error
    return refused(400, f"there is nothing at {request.method} {_path(request)}")


def _path(request: Request) -> str:
    return str(request.scope["path"]).removeprefix(str(request.scope.get("root_path", "")))


def _query_of(body: bytes) -> str:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"expected a query as JSON, found {error}") from error
    if not isinstance(given, dict) or not isinstance(given.get("query"), str):
        raise QueryError('expected {"query": "SELECT ..."}')
    return str(given["query"])
