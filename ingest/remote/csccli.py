"""The catalog's command-line service: property tables as TSV, what files there are, the files themselves.

Source: the "CSC command line interface" (csccli) as CIAO's search_csc uses it.
"""

from __future__ import annotations

import filecmp
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ingest.remote.answers import Answer, read_answer
from ingest.remote.bodies import download
from ingest.remote.errors import BodyIncomplete, NotThere, QueryRefused, WrongContent
from ingest.remote.http import Client
from ingest.remote.products import Product, Wanted, newest
from ingest.remote.services import CSC, Release, Request, csc_url

PACKAGES_AT_ONCE = 24
"""Packages in one question for file names; the service answers in any order."""

_ERROR = b"Error executing query:"
_GZIP, _FITS = b"\x1f\x8b", b"SIMPLE  ="


def properties_request(query: str, release: Release, what: str = "") -> Request:
    """Ask for a table of properties.

    Examples
    --------
    >>> from ingest.remote.services import release_named
    >>> properties_request("SELECT m.name FROM master_source m", release_named("2.0")).values["version"]
    'rel2.0'
    """
    values = {"query": query, "coordFormat": "decimal", "nullAppearance": "NaN", "version": release.version}
    return Request("POST", f"{csc_url()}/getProperties", values, CSC, what=what or "a table of properties")


def browse_request(packagesets: Sequence[str], release: Release) -> Request:
    """Ask for the names of files: that is how the N-version is learned."""
    values = {"packageset": ",".join(packagesets), "version": release.version}
    return Request("POST", f"{csc_url()}/browse", values, CSC, what=f"names of {len(packagesets)} file(s)")


def retrieve_request(product: Product, filename: str, release: Release) -> Request:
    """Ask for a file."""
    values = {"filetype": product.filetype, "filename": filename, "version": release.version}
    return Request("POST", f"{csc_url()}/retrieveFile", values, CSC, what=filename)


def fetch_properties(client: Client, request: Request, target: Path, required: Sequence[str], max_rows: int) -> Answer:
    """Bring a table; it is there only when it is whole.

    Raises
    ------
    Transient or Terminal
        As `ingest.remote.services` tells them apart; `target` is untouched then.
    """

    def not_an_error(head: bytes) -> None:
        if _ERROR in head:
            said = " ".join(head[head.index(_ERROR) + len(_ERROR) :].decode("utf-8", "replace").split())
            raise QueryRefused(f"{CSC} refuses the query: {said[:200] or 'no reason given'}")

    part = target.with_name(f"{target.name}.part")
    return fetch_table(client, request, part, target, not_an_error, required, max_rows)


def fetch_table(
    client: Client,
    request: Request,
    part: Path,
    target: Path,
    check_head: Callable[[bytes], None] | None,
    required: Sequence[str],
    max_rows: int,
) -> Answer:
    """Bring a body, read it to its end, and rename it only then; an answer that is as before is left alone."""

    def once() -> Answer:
        download(client, request, part, check_head=check_head, resume=False)
        return read_answer(part, required=required, max_rows=max_rows)

    try:
        answer = client.patiently(once, BodyIncomplete)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if target.exists() and filecmp.cmp(part, target, shallow=False):
        part.unlink()  # its time stays, so that a refresh need not even read it
    else:
        part.replace(target)
    return answer


def file_names(client: Client, files: Sequence[Wanted], release: Release) -> Iterator[tuple[Wanted, str | None]]:
    """Learn the names, and so the versions, of files; None where the service has no such file.

    Raises
    ------
    Transient or Terminal
        As `ingest.remote.services` tells them apart.
    """
    found = _browse(client, files, release)
    for file in files:
        if file.key in found:
            yield file, found[file.key]
        elif len(files) == 1:
            yield file, None
        else:  # named among others it may be passed over: ask for it alone before it counts as not there
            yield file, _browse(client, [file], release).get(file.key)


def _browse(
    client: Client, files: Sequence[Wanted], release: Release
) -> dict[tuple[int, int, int | None, str, str], str]:
    request = browse_request([f.packageset for f in files], release)
    try:
        return client.read(request, lambda body, _: newest(_names(body)))
    except (NotThere, QueryRefused):
        return {}


def _names(body: bytes) -> list[str]:
    """Read an answer of browse: a JSON list of records with a file name."""
    try:
        records = json.loads(body) if body.strip() else []
    except ValueError as error:
        raise WrongContent(f"{CSC} answered no JSON where file names were asked for: {body[:60]!r}") from error
    if not isinstance(records, list):
        raise WrongContent(f"{CSC} answered no list where file names were asked for: {body[:60]!r}")
    return [str(r["filename"]) for r in records if isinstance(r, dict) and r.get("filename")]


def is_product(head: bytes) -> None:
    """Refuse what is neither gzip nor FITS.

    Raises
    ------
    WrongContent
        If it is something else.
    """
    if not head.startswith((_GZIP, _FITS)):
        raise WrongContent(f"{CSC} sent no FITS file but {head[:60]!r}")
