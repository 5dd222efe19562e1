"""A service that only drips is given up, wherever it drips: in the status line, the headers, or the body.

The patience for the next byte says nothing of a service that sends one byte a minute. So what comes is measured where
it comes in, at the socket, over time that was spent waiting: a slow disk of ours is no fault of the service.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager, Retry
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ingest.remote.manners import Manners


class TooSlow(TimeoutError):
    """Less came in a window of time than any working service sends."""


class _Measured(io.RawIOBase):
    """What a socket gives."""

    def __init__(self, raw: io.RawIOBase, manners: Manners) -> None:
        self._raw, self._manners = raw, manners
        self._begun = False
        self._waited_s, self._came = 0.0, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        """Read what has come.

        Raises
        ------
        TooSlow
            If that is too little for too long.
        """
        since = time.monotonic()
        n = self._raw.readinto(buffer)
        if self._begun:  # a service may think about its first byte as long as the patience for one goes
            self._waited_s += time.monotonic() - since
        self._begun = True
        self._came += n or 0
        if n and self._waited_s >= self._manners.slow_window_s:
            if self._came < self._waited_s * self._manners.slowest_bytes_per_s:
                raise TooSlow(f"it came too slowly, {self._came} bytes in {self._waited_s:.0f} s")
            self._waited_s, self._came = 0.0, 0
        return n

    def close(self) -> None:
        """Close it."""
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose bytes are measured from the first on."""

    def __init__(self, sock: socket.socket, *arguments: Any, manners: Manners, **options: Any) -> None:  # noqa: ANN401 - handed through
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Measured(self.fp.detach(), manners))


class PacedAdapter(HTTPAdapter):
    """Connections whose answers are measured.

    Parameters
    ----------
    manners : Manners
        What counts as too slow.
    patience : urllib3.Retry
        When to ask again.
    """

    def __init__(self, manners: Manners, patience: Retry) -> None:
        self._manners = manners
        super().__init__(max_retries=patience)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - handed through
        """Make the connections of services."""
        super().init_poolmanager(*arguments, **options)
        self._teach(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - handed through
        """Make the connections of a proxy."""
        manager = super().proxy_manager_for(*arguments, **options)
        self._teach(manager)
        return manager

    def _teach(self, manager: PoolManager) -> None:
        response = staticmethod(functools.partial(_Response, manners=self._manners))
        pools: dict[str, type[HTTPConnectionPool]] = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
        manager.pool_classes_by_scheme = {}
        for scheme, pool in pools.items():
            connection = type("Connection", (pool.ConnectionCls,), {"response_class": response})
            manager.pool_classes_by_scheme[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
