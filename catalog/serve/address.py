"""Where a server is reached, and by which names: what it binds to, and what others call it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from catalog.errors import QueryError

THIS_MACHINE = "127.0.0.1"
DEFAULT_PORT = 8642
_USUAL_PORTS = {"http": 80, "https": 443}
_LOOPBACK = frozenset({THIS_MACHINE, "localhost", "::1"})


@dataclass(frozen=True)
class Address:
    """How a server is reached.

    Attributes
    ----------
    host : str
        What it binds to; 127.0.0.1 is reached from this machine alone.
    port : int
    prefix : str
        First part of every path, as '/chandra'; '' for none.
    public : str
        The address that a proxy gives it, as 'https://data.example.org/chandra'; '' without a proxy. Its path is then
        the prefix.

    Examples
    --------
    >>> Address(port=8642, prefix="/x").url
    'http://127.0.0.1:8642/x/'
    >>> sorted(Address(port=80).names)
    ['127.0.0.1', '127.0.0.1:80', 'localhost', 'localhost:80']
    >>> "[::1]:8642" in Address("::1").names
    True
    """

    host: str = THIS_MACHINE
    port: int = DEFAULT_PORT
    prefix: str = ""
    public: str = ""

    @property
    def url(self) -> str:
        """Where others find it; ends in a slash."""
        if self.public:
            return self.public.rstrip("/") + "/"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.prefix}/"

    @property
    def is_here(self) -> bool:
        """Whether it is reached from this machine alone."""
        return self.host in _LOOPBACK and not self.public

    @property
    def names(self) -> frozenset[str]:
        """What a request may call this host: without a port too, where it is the usual one."""
        here = {*(_LOOPBACK - {"::1"}), self.host}
        plain = here if self.host in _LOOPBACK else {*_LOOPBACK, self.host, *_own_names()}
        plain = {f"[{name}]" if ":" in name else name for name in plain}
        names = {f"{name}:{self.port}" for name in plain}
        if self.port == _USUAL_PORTS["http"]:  # browsers leave it out
            names |= plain
        return frozenset(names | ({urlsplit(self.public).netloc.lower()} if self.public else set()))

    @property
    def origins(self) -> frozenset[str]:
        """What a browser calls the pages of this server."""
        own = {f"http://{name}" for name in self.names}
        return frozenset(own | ({self.public[: -len(urlsplit(self.public).path) or None]} if self.public else set()))


def address(host: str = THIS_MACHINE, port: int = 0, prefix: str = "", public: str = "") -> Address:
    """Return an address, its parts checked.

    Raises
    ------
    QueryError
        If the public address is none.

    Examples
    --------
    >>> address(public="https://data.example.org/chandra/").prefix
    '/chandra'
    """
    if public:
        parts = urlsplit(public)
        if parts.scheme not in _USUAL_PORTS or not parts.netloc or parts.query or parts.fragment:
            raise QueryError(
                f"--url {public}: expected the address that others type, as https://data.example.org/chandra"
            )
        prefix = parts.path
        public = f"{parts.scheme}://{parts.netloc.lower()}{parts.path}".rstrip("/")
    prefix = prefix.strip("/")
    return Address(host, port, f"/{prefix}" if prefix else "", public)


def _own_names() -> set[str]:
    """Return the names of this machine, for a server that others reach without a proxy."""
    return {socket.gethostname().lower(), socket.getfqdn().lower()}
