"""The services: where they are, and a request to one as data, so that a user can check what would go over the wire."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode

from catalog.errors import UnknownName

CSC, TAP, ADS = "the Chandra Source Catalog", "the catalog's TAP service", "ADS"
_TAP_HOST = "https://cda.cfa.harvard.edu"
_CSC_URL = "https://cda.cfa.harvard.edu/csccli"
_ADS_URL = "https://api.adsabs.harvard.edu/v1"


@dataclass(frozen=True)
class Release:
    """One release of the catalog.

    Attributes
    ----------
    name : str
        '2.1', as every row carries it.
    schema : str
        Schema of its tables in TAP.
    tap_url : str
        Its TAP service.
    version : str
        What the command-line service calls it.
    folder : str
        Folder in the store for what was fetched of it.
    """

    name: str
    schema: str
    tap_url: str
    version: str
    folder: str


FLOOR = "2.1"
"""A release that is there. Whether there are newer ones is asked of the service: `ingest.remote.tap.newest_release`."""

_NAME = re.compile(r"[2-9]\.[0-9]")
_OWN_SCHEMAS = {"2.0": "csc2"}  # named when nobody thought of a second one


def release_named(name: str) -> Release:
    """Return a release by the service's own rule; whether it is there, the service tells.

    Its TAP address is taken from $PHOTONLAKE_TAP_URL where that is set.

    Raises
    ------
    UnknownName
        If no release can be called so.

    Examples
    --------
    >>> release_named("2.1").schema, release_named("2.0").schema, release_named("2.2").version
    ('csc21', 'csc2', 'rel2.2')
    """
    if not _NAME.fullmatch(name):
        raise UnknownName(f"there is no release {name!r} of the catalog; one is called {FLOOR}, or 2.0")
    schema = _OWN_SCHEMAS.get(name, f"csc{name.replace('.', '')}")
    url = os.environ.get("PHOTONLAKE_TAP_URL", f"{_TAP_HOST}/{schema}tap").rstrip("/")
    return Release(name, schema, url, f"rel{name}", "files" if name == FLOOR else f"files-{name}")


def csc_url() -> str:
    """Return the address of the catalog's command-line service: $PHOTONLAKE_CSC_URL, else the real one."""
    return os.environ.get("PHOTONLAKE_CSC_URL", _CSC_URL).rstrip("/")


def ads_url() -> str:
    """Return the address of ADS: $PHOTONLAKE_ADS_URL, else the real one."""
    return os.environ.get("PHOTONLAKE_ADS_URL", _ADS_URL).rstrip("/")


Method = Literal["GET", "POST"]


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    Parameters
    ----------
    method : {'GET', 'POST'}
        GET carries `values` in its address, POST in its body.
    url : str
        Without a query.
    values : mapping of str to str
        Parameters or form fields, in order.
    service : str
        The service's name, as messages use it.
    needs_token : bool
        A token is added when it is sent; it is no part of this object.
    what : str
        What it asks for, in a few words.

    Examples
    --------
    >>> print(Request("GET", "https://x.org/v1", {"q": "M 82"}, "ADS", needs_token=True).shown())
    GET https://x.org/v1?q=M+82
        Authorization: Bearer (your token)
    """

    method: Method
    url: str
    values: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    needs_token: bool = False
    what: str = ""

    @property
    def name(self) -> str:
        """How messages name it: what it asks for, else its address."""
        return self.what or self.url

    @property
    def address(self) -> str:
        """The address with what GET adds to it."""
        return f"{self.url}?{urlencode(self.values)}" if self.method == "GET" and self.values else self.url

    def shown(self) -> str:
        """Return the request as text, secrets left out."""
        lines = [f"# {self.what}"] if self.what else []
        lines.append(f"{self.method} {self.address}")
        if self.method == "POST":
            lines += [f"    {key}={value}" for key, value in self.values.items()]
        if self.needs_token:
            lines.append("    Authorization: Bearer (your token)")
        return "\n".join(lines)
