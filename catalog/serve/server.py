"""The server of one store, its page and its TAP service: this machine only unless told, reading only.

Starlette finds who answers, uvicorn speaks HTTP. Answers are compressed: a map of 100,000 points is a few megabytes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from pathlib import Path
from typing import Self

from catalog.errors import QueryError
from catalog.serve.address import THIS_MACHINE, Address, address
from catalog.serve.answers import Answers

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.gzip import GZipMiddleware
    from starlette.routing import Mount, Route
except ModuleNotFoundError as error:
    raise QueryError(f"serving needs {error.name}; type: pip install 'photonlake[serve]'") from error

from catalog.serve.callers import Callers
from catalog.serve.cone_search import ConeSearch
from catalog.serve.connections import TimedConnection
from catalog.serve.datalink import DataLink
from catalog.serve.page_routes import PAGE, PageRoutes, nothing_there
from catalog.serve.tap_jobs import TapJobs
from catalog.serve.tap_routes import TapRoutes
from catalog.serve.tap_service import TapService

_WAITING = 128  # with the usual 5 a browser's connection may be dropped, and tried again a second later
_MAX_CONNECTIONS = 64
_WORTH_COMPRESSING = 1 << 12
_KEEP_ALIVE_S = 30
_END_S = 1
_PREPARING_S = 30
_LOG = logging.getLogger(__name__)


class BrowseServer:
    """Serves one store.

    Parameters
    ----------
    store : Path
    port : int
        0 takes a free one.
    host : str
        What to bind to; 127.0.0.1 is reached from this machine alone.
    prefix, public : str
        See `catalog.serve.address.Address`.
    snapshot : int, str or None
        TAP answers of this snapshot alone: a number, a name, or a time; else of the newest.
    jobs : Path, optional
        Where the jobs of TAP are kept; else in the user's folder for such things.

    Raises
    ------
    OSError
        If the port is in use.

    Examples
    --------
    >>> with BrowseServer(Path("demo")) as server:  # doctest: +SKIP
    ...     server.serve_forever()
    """

    def __init__(
        self,
        store: Path,
        port: int = 0,
        *,
        host: str = THIS_MACHINE,
        prefix: str = "",
        public: str = "",
        snapshot: int | str | None = None,
        jobs: Path | None = None,
    ) -> None:
        asked = address(host, port, prefix, public)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_WAITING)
        self.server_address = self._socket.getsockname()[:2]
        self.address = Address(asked.host, int(self.server_address[1]), asked.prefix, asked.public)
        self._closed, self._ended = threading.Event(), threading.Event()
        with contextlib.ExitStack() as undone:
            undone.callback(self._socket.close)
            self.answers = Answers(store)
            undone.callback(self.answers.close)
            catalog = self.answers.catalog
            number = None if snapshot is None else catalog.sql("SELECT 1 AS n", snapshot=snapshot).snapshot
            self.tap = TapService(store, catalog, number, url=self.url)
            self.tap_jobs = TapJobs(jobs or _jobs_folder(catalog.store_id), self.tap)
            undone.pop_all()
        config = uvicorn.Config(
            self.application(),
            http=TimedConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
            server_header=False,
            headers=[("Server", "photonlake")],
            limit_concurrency=_MAX_CONNECTIONS,
            backlog=_WAITING,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_END_S,
            proxy_headers=False,
        )
        self._uvicorn = uvicorn.Server(config)
        self._preparing = threading.Thread(target=self._prepare, daemon=True)
        self._preparing.start()

    def application(self) -> Starlette:
        """Return what answers: an ASGI application, for another server too."""
        links = DataLink(self.tap.products)
        compressed = Middleware(GZipMiddleware, minimum_size=_WORTH_COMPRESSING, compresslevel=1)
        return Starlette(
            routes=[
                Mount("/tap", routes=TapRoutes(self.tap, self.tap_jobs, f"{self.url}tap").routes),
                Route("/scs", ConeSearch(self.tap).__call__, methods=["GET"]),
                Route("/datalink", links.links, methods=["GET", "POST"]),
                Route("/file/{id}", links.file, methods=["GET"]),
                Mount("", routes=PageRoutes(self.answers, self.address.is_here).routes, middleware=[compressed]),
            ],
            middleware=[Middleware(Callers, address=self.address, pages=PAGE)],
            exception_handlers={404: nothing_there, 405: nothing_there},
        )

    def _prepare(self) -> None:
        try:
            self.answers.prepare()
            if not self._closed.is_set():
                self.answers.rehearse()
        except Exception as error:  # noqa: BLE001 - the page, when it asks, is told the same; the server may be closed
            _LOG.info("not prepared: %s", error)

    @property
    def server_port(self) -> int:
        """The port that it listens at."""
        return self.address.port

    @property
    def url(self) -> str:
        """Where the page is."""
        return self.address.url

    def serve_forever(self) -> None:
        """Answer until `shutdown`, or Ctrl-C."""
        try:
            self._uvicorn.run([self._socket])
        finally:
            self._ended.set()

    def shutdown(self) -> None:
        """End `serve_forever`, which runs on another thread, and wait until it has."""
        self._uvicorn.should_exit = True
        self._ended.wait()

    def close(self) -> None:
        """Close the server; what is still to be prepared is not."""
        self._socket.close()
        self._closed.set()
        self.tap_jobs.close()
        self.tap.close()
        self.answers.close()
        self._preparing.join(_PREPARING_S)  # a thread inside the engine at the program's end would abort it

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the server."""
        self.close()


def _jobs_folder(store_id: str) -> Path:
    """Return where the jobs of a store's service are kept: not in the store, which a server only reads."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(state) / "photonlake" / "jobs" / store_id
