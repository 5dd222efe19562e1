"""The page's server: this machine only, reading only.

A page of another origin could make a browser ask us, too: so a request must name this host (DNS rebinding), must not
come from a page of another site, and one that carries SQL must be JSON from our own page. Who connects and says
nothing, or too little, is not waited for. Answers are compressed: a map of 100,000 points is a few megabytes.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from catalog.errors import PhotonlakeError, QueryError
from catalog.serve.answers import Answers, Json

HOST = "127.0.0.1"
PAGE = {"/": "index.html", "/page.js": "page.js", "/drawing.js": "drawing.js", "/page.css": "page.css"}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_POLICY = "default-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
_HTTP_PORT = 80
_MAX_BODY = 1 << 16
_MAX_FIELDS = 16
_MAX_CONNECTIONS = 64
_REQUEST_S = 30.0
"""So long we wait for a whole request, and for an answer to be taken."""
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
        self._free = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        threading.Thread(target=self._prepare, daemon=True).start()

    def _prepare(self) -> None:
        try:
            self.answers.prepare()
            self.painted.wait(_PAINTED_S)
            if not self._closed.wait(_DRAWN_S):
                self.answers.rehearse()
        except Exception as error:  # noqa: BLE001 - the page, when it asks, is told the same; the server may be closed
            _LOG.info("not prepared: %s", error)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Answer on a thread of its own; where too many connections are open, on none."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        """Answer, and make room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - as the base class has it
        """Log what went wrong with one connection; it is not the others' business, nor the terminal's."""
        _LOG.debug("connection from %s", client_address, exc_info=True)

    def server_close(self) -> None:
        """Close the server; what is still to be prepared is not."""
        super().server_close()
        self._closed.set()
        self.painted.set()
        self.answers.close()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser on this machine may call us."""
        names = {HOST, "localhost"}
        with_port = {f"{name}:{self.server_port}" for name in names}
        return frozenset(with_port | names if self.server_port == _HTTP_PORT else with_port)  # browsers leave out 80


class _Handler(BaseHTTPRequestHandler):
    server: BrowseServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Read what comes in under a time limit for the whole of it."""
        super().setup()
        self._incoming = _Incoming(self.connection)
        self.rfile = io.BufferedReader(self._incoming)

    def handle_one_request(self) -> None:
        """Answer one request."""
        self._incoming.deadline = time.monotonic() + _REQUEST_S
        super().handle_one_request()

    def do_GET(self) -> None:
        """Answer a question, or give a file of the page."""
        if self.headers.get("Content-Length") or self.headers.get("Transfer-Encoding"):
            self.close_connection = True  # whatever follows is no request
        try:
            url = urlsplit(self.path)
            given = {name: values[-1] for name, values in parse_qs(url.query, max_num_fields=_MAX_FIELDS).items()}
        except ValueError:
            self._refuse("expected an address of this page")
            return
        if not self._is_ours(asks=url.path not in PAGE):
            return
        if url.path in PAGE:
            name = PAGE[url.path]
            content = resources.files("catalog.serve").joinpath("page", name).read_bytes()
            self._send(HTTPStatus.OK, content, _TYPES[name.rpartition(".")[2]])
            return
        self._answer(lambda: self._question(url.path, given))
        if url.path == "/api/colours":  # the last that the page asks for
            self.server.painted.set()

    def do_POST(self) -> None:
        """Answer SQL."""
        if not self._is_ours(asks=True):
            return
        n = self._body_length()
        if n is None or self.headers.get_content_type() != "application/json" or self.path != "/api/sql":
            self._refuse(f"expected a query as JSON at /api/sql, of at most {_MAX_BODY:,} bytes, with its length")
            return
        body = self.rfile.read(n)
        if len(body) < n:
            self.close_connection = True
            return
        self._answer(lambda: self.server.answers.sql(_query_of(body)))

    def _body_length(self) -> int | None:
        """Return how long the body is; None where that is not said, said twice, or said to be too long."""
        lengths = self.headers.get_all("Content-Length") or []
        if (
            len(lengths) != 1
            or self.headers.get("Transfer-Encoding")
            or not re.fullmatch(r"[0-9]{1,9}", lengths[0].strip())
        ):
            return None
        n = int(lengths[0])
        return n if n <= _MAX_BODY else None

    def _refuse(self, reason: str) -> None:
        self.close_connection = True
        self._send_json(HTTPStatus.BAD_REQUEST, {"error": reason})

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

    def _is_ours(self, *, asks: bool) -> bool:
        """Tell whether a request may be answered: it names this host, and no page of another site made it.

        A link from elsewhere may open the page itself (`asks` is false); nothing but the page may ask.
        """
        hosts, site = self.headers.get_all("Host") or [], self.headers.get("Sec-Fetch-Site", "none")
        origin = self.headers.get("Origin", f"http://{hosts[0]}" if hosts else "")
        opens = not asks and self.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        if (
            len(hosts) == 1
            and hosts[0] in self.server.hosts
            and origin in {f"http://{h}" for h in self.server.hosts}
            and (site in {"same-origin", "none"} or opens)
        ):
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
        self.connection.settimeout(_REQUEST_S)
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


class _Incoming(io.RawIOBase):
    """What comes in on a connection, until a deadline: a byte now and then does not hold a thread for ever."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = time.monotonic() + _REQUEST_S

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as the base class has it
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def _query_of(body: bytes) -> str:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"expected a query as JSON, found {error}") from error
    if not isinstance(given, dict) or not isinstance(given.get("query"), str):
        raise QueryError('expected {"query": "SELECT ..."}')
    return str(given["query"])
