"""The addresses of the page: its files, its questions, and the SQL that is typed into it."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from catalog.errors import PhotonlakeError, QueryError
from catalog.formats.export import FORMATS
from catalog.formats.origin import notes_of
from catalog.serve.answers import Answers
from catalog.serve.callers import refused
from catalog.serve.columns import MEDIA_TYPE
from catalog.serve.json_values import Json

PAGE = {"/": "index.html"} | {
    f"/{entry.name}": entry.name
    for entry in sorted(resources.files("catalog.serve").joinpath("page").iterdir(), key=lambda e: e.name)
    if entry.name.endswith((".js", ".css"))
}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_MAX_BODY = 1 << 16
_MAX_FIELDS = 16
_MAX_BITS = 1 << 21
"""Bytes of a selection: a bit for each of 16 million rows."""
_MAY_LACK = {"rows_of": "", "bin": "", "snapshot": ""}
_SAVED = {"csv": "text/csv", "votable": "application/x-votable+xml", "parquet": "application/vnd.apache.parquet"}
_LOG = logging.getLogger(__name__)


@dataclass
class PageRoutes:
    """What the page asks, each at an address of its own.

    Parameters
    ----------
    answers : Answers
    sends : bool
        Whether it may send tables to TOPCAT on this machine: where the page's user sits at it.
    """

    answers: Answers
    sends: bool = False

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes, for Starlette."""
        files = [Route(path, self._file) for path in PAGE]
        asked = [Route(path, self._question) for path in self._questions]
        taken = {"/api/sql": self._sql, "/api/select": self._select, "/api/save": self._save, "/api/samp": self._samp}
        return [*files, *asked, *(Route(path, take, methods=["POST"]) for path, take in taken.items())]

    @property
    def _questions(self) -> dict[str, tuple[Callable[..., Json | bytes], tuple[str, ...]]]:
        """Address -> what answers it, and the names of what it must be given."""
        answers = self.answers
        return {
            "/api/overview": (answers.overview, ()),
            "/api/names": (answers.names, ()),
            "/api/map": (answers.maps.points, ("space", "rows_of", "snapshot")),
            "/api/ids": (answers.maps.ids, ("space", "snapshot")),
            "/api/values": (answers.maps.values, ("space", "column", "snapshot")),
            "/api/detection": (answers.detection, ("id",)),
            "/api/spectrum": (answers.spectrum, ("id",)),
            "/api/light_curve": (answers.light_curve, ("id", "bin")),
            "/api/blocks": (answers.blocks, ("id",)),
            "/api/photon_map": (answers.photon_map, ("id",)),
            "/api/neighbours": (answers.neighbours, ("space", "id")),
            "/api/image": (answers.image, ("id",)),
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
        given = {**_MAY_LACK, **given}
        if missing := [n for n in names if n not in given]:
            return refused(400, f"{path} needs {', '.join(missing)}")
        return await answered(path, lambda: ask(*(given[n] for n in names)))

    async def _sql(self, request: Request) -> Response:
        body = await _body(request, "application/json", _MAX_BODY)
        if isinstance(body, Response):
            return body

        def ask() -> Json:
            given = _given(body)
            return self.answers.sql(given["query"], given.get("selection", ""))

        return await answered("/api/sql", ask)

    async def _select(self, request: Request) -> Response:
        body = await _body(request, "application/octet-stream", _MAX_BITS)
        if isinstance(body, Response):
            return body
        space, snapshot = (request.query_params.get(name, "") for name in ("space", "snapshot"))
        return await answered("/api/select", lambda: self.answers.maps.select(space, body, snapshot))

    async def _save(self, request: Request) -> Response:
        body = await _body(request, "application/json", _MAX_BODY)
        if isinstance(body, Response):
            return body

        def ask() -> bytes:
            given = _given(body)
            if (form := given.get("format", "csv")) not in _SAVED:
                raise QueryError(f"expected one of {', '.join(_SAVED)}, found {form!r}")
            table, content = self.answers.table(given["query"], given.get("selection", "")), io.BytesIO()
            FORMATS[form].write(table.to_reader(), content, notes_of(table.schema))
            return content.getvalue()

        return await answered("/api/save", ask, "application/octet-stream")

    async def _samp(self, request: Request) -> Response:
        """Send an answer, whole, to TOPCAT or another program on this machine: the user has pressed a button."""
        if not self.sends:
            return refused(403, "tables go to TOPCAT where the server, its page and TOPCAT are on one machine; save it")
        body = await _body(request, "application/json", _MAX_BODY)
        if isinstance(body, Response):
            return body

        def ask() -> Json:
            from catalog.publish.samp_messages import send  # noqa: PLC0415 - for who sends alone

            given = _given(body)
            table = self.answers.table(given["query"], given.get("selection", ""))
            return {"sent": send(table, given.get("program", "all")), "rows": table.num_rows}

        return await answered("/api/samp", ask)


async def _body(request: Request, type_: str, most: int) -> bytes | Response:
    """Return what was sent: of a type, with its length, of so many bytes at most; else why it is refused."""
    length = request.headers.get("content-length", "")
    if (
        not re.fullmatch(r"[0-9]{1,9}", length)
        or int(length) > most
        or "transfer-encoding" in request.headers
        or request.headers.get("content-type", "").partition(";")[0].strip().lower() != type_
    ):
        what = "a query as JSON" if type_ == "application/json" else "bits"
        return refused(400, f"expected {what}, of at most {most:,} bytes, with its length")
    try:
        return await request.body()
    except ClientDisconnect:
        return Response()  # nobody is there to read it


async def answered(what: str, ask: Callable[[], Json | bytes], type_: str = MEDIA_TYPE) -> Response:
    """Ask on a thread, and return the answer as JSON, or as it is; an error of ours is told, any other is logged."""
    try:
        value, status = await run_in_threadpool(ask), 200
    except PhotonlakeError as error:
        value, status = {"error": str(error)}, 400
    except Exception:  # noqa: BLE001 - one question must not end the server
        _LOG.exception("%s", what)
        value, status = {"error": "this could not be answered; see the log (-v)"}, 500
    if isinstance(value, bytes):
        # Numbers hardly get smaller, and to compress them takes longer than to send them.
        return Response(value, status, {"Content-Encoding": "identity"}, type_)
    return Response(json.dumps(value, allow_nan=False), status, media_type="application/json; charset=utf-8")


async def nothing_there(request: Request, error: Exception) -> Response:
    """Say that an address is none of ours."""
    del error
    return refused(400, f"there is nothing at {request.method} {_path(request)}")


def _path(request: Request) -> str:
    return str(request.scope["path"]).removeprefix(str(request.scope.get("root_path", "")))


def _given(body: bytes) -> dict[str, str]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"expected a query as JSON, found {error}") from error
    if not isinstance(given, dict) or not isinstance(given.get("query"), str):
        raise QueryError('expected {"query": "SELECT ..."}')
    return {name: value for name, value in given.items() if isinstance(value, str)}
