"""Where the services are, and which release of the catalog each address serves."""

from __future__ import annotations

import os
from dataclasses import dataclass

from catalog.errors import UnknownName, suggestion

CSC, TAP, ADS = "the Chandra Source Catalog", "the catalog's TAP service", "ADS"
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


RELEASES = {
    "2.1": Release("2.1", "csc21", "https://cda.cfa.harvard.edu/csc21tap", "rel2.1", "files"),
    "2.0": Release("2.0", "csc2", "https://cda.cfa.harvard.edu/csc2tap", "rel2.0", "files-2.0"),
}
NEWEST = "2.1"


def release_named(name: str) -> Release:
    """Return a release, its TAP address taken from $PHOTONLAKE_TAP_URL where that is set.

    Raises
    ------
    UnknownName
        If there is no such release.

    Examples
    --------
    >>> release_named("2.1").schema
    'csc21'
    """
    if name not in RELEASES:
        raise UnknownName(f"no release {name!r}; there are {' and '.join(RELEASES)}{suggestion(name, RELEASES)}")
    known = RELEASES[name]
    url = os.environ.get("PHOTONLAKE_TAP_URL", known.tap_url).rstrip("/")
    return Release(known.name, known.schema, url, known.version, known.folder)


def csc_url() -> str:
    """Return the address of the catalog's command-line service: $PHOTONLAKE_CSC_URL, else the real one."""
    return os.environ.get("PHOTONLAKE_CSC_URL", _CSC_URL).rstrip("/")


def ads_url() -> str:
    """Return the address of ADS: $PHOTONLAKE_ADS_URL, else the real one."""
    return os.environ.get("PHOTONLAKE_ADS_URL", _ADS_URL).rstrip("/")
