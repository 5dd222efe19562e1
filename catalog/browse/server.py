"""The page's server: this machine only, reading only.

A page of another origin could make a browser ask us, too: so a request must name this host (DNS rebinding), and one
that carries SQL must be JSON from our own page. Answers are compressed: a map of 100,000 points is a few megabytes.
"""

from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from catalog.browse.answers import Answers, Json
from catalog.errors import PhotonlakeError, QueryError

HOST = "127.0.0.1"
PAGE = {"/": "index.html", "/page.js": "page.js", "/drawing.js": "drawing.js", "/page.css": "page.css"}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_POLICY = "default-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
_MAX_BODY = 1 << 16
_WORTH_COMPRESSING = 1 << 12
_PAINTED_S = 5.0
"""So long after the start the page is painted, or nobody looks at it."""
_DRAWN_S = 0.3
"""So long the browser draws what it was sent; it has the processors until then."""
_LOG = logging.getLogger(__name__)


class BrowseServer(ThreadingHTTPServer):
    """Serves one store on 127.0.0.1.

    Parameters
    ----------
    store : Path
    port : int
        0 takes a free one.
    """

    daemon_threads = True
    request_queue_size = 128  # with the usual 5 a browser's connection may be dropped, and tried again a second later

    def __init__(self, store: Path, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.answers = Answers(store)
        self.painted, self._closed = threading.Event(), threading.Event()
        threading.Thread(target=self._prepare, daemon=True).start()

    def _prepare(self) -> None:
        try:
            self.answers.prepare()
            self.painted.wait(_PAINTED_S)
            if not self._closed.wait(_DRAWN_S):
                self.answers.rehearse()
        except PhotonlakeError as error:
            _LOG.info("not prepared: %s", error)  # the page, when it asks, is told the same

    def server_close(self) -> None:
        """Close the server; what is still to be prepared is not."""
        super().server_close()
        self._closed.set()
        self.painted.set()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser on this machine may call us."""
        return frozenset({f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"})


class _Handler(BaseHTTPRequestHandler):
    server: BrowseServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a question, or give a file of the page."""
        if not self._is_ours():
            return
        url = urlsplit(self.path)
        if url.path in PAGE:
            name = PAGE[url.path]
            content = resources.files("catalog.browse").joinpath("page", name).read_bytes()
            self._send(HTTPStatus.OK, content, _TYPES[name.rpartition(".")[2]])
            return
        given = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self._answer(lambda: self._question(url.path, given))
        if url.path == "/api/colours":  # the last that the page asks for
            self.server.painted.set()

    def do_POST(self) -> None:
        """Answer SQL."""
        if not self._is_ours():
            return
        n = int(self.headers.get("Content-Length") or 0)
        if n > _MAX_BODY or self.headers.get_content_type() != "application/json" or self.path != "/api/sql":
            self.close_connection = True
            self._send_json(HTTPStatus.BAD_REQUEST, {"error": "expected a query as JSON at /api/sql"})
            return
        body = self.rfile.read(n)
        self._answer(lambda: self.server.answers.sql(_query_of(body)))

    def _question(self, path: str, given: dict[str, str]) -> Json:
        answers = self.server.answers
        known: dict[str, tuple[Callable[..., Json], tuple[str, ...]]] = {
            "/api/overview": (answers.overview, ()),
            "/api/map": (answers.map, ("space",)),
            "/api/colours": (answers.colours, ("space", "column")),
            "/api/detection": (answers.detection, ("id",)),
            "/api/spectrum": (answers.spectrum, ("id",)),
            "/api/light_curve": (answers.light_curve, ("id",)),
            "/api/neighbours": (answers.neighbours, ("space", "id")),
            "/api/search": (answers.search, ("space", "text")),
        }
        if path not in known:
            raise QueryError(f"there is nothing at {path}")
        ask, names = known[path]
        if missing := [n for n in names if n not in given]:
            raise QueryError(f"{path} needs {', '.join(missing)}")
        return ask(*(given[n] for n in names))

    def _is_ours(self) -> bool:
        if self.headers.get("Host") in self.server.hosts and self.headers.get("Origin", self.server.url[:-1]) in {
            f"http://{h}" for h in self.server.hosts
        }:
            return True
        self.close_connection = True
        self._send_json(HTTPStatus.FORBIDDEN, {"error": "this page answers its own browser only"})
        return False

    def _answer(self, ask: Callable[[], Json]) -> None:
        try:
            self._send_json(HTTPStatus.OK, ask())
        except PhotonlakeError as error:
            self._send_json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except Exception:  # noqa: BLE001 - one question must not end the server; what went wrong is for the log
            _LOG.exception("%s", self.path)
            self._send_json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "this could not be answered; see the log (-v)"})

    def _send_json(self, status: HTTPStatus, value: Json) -> None:
        self._send(status, json.dumps(value, allow_nan=False).encode(), "application/json")

    def _send(self, status: HTTPStatus, content: bytes, type_: str) -> None:
        self.send_response(status)
        if len(content) > _WORTH_COMPRESSING and "gzip" in self.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content, 1)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", f"{type_}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Log where logs go, not on the user's terminal."""
        _LOG.debug(format, *args)


def _query_of(body: bytes) -> str:
    try:
        given = json.loads(body)
    except ValueError as error:
        raise QueryError(f"expected a query as JSON, found {error}") from error
    if not isinstance(given, dict) or not isinstance(given.get("query"), str):
        raise QueryError('expected {"query": "SELECT ..."}')
    return str(given["query"])
