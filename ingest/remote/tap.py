"""The catalog's TAP service, through pyvo: jobs are made, watched and deleted by pyvo, their tables streamed to disk.

pyvo is given our session, so that its calls keep to our rate, wait as we wait, and fail with our errors.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from xml.parsers.expat import ExpatError

import requests
from urllib3.exceptions import HTTPError

from catalog.errors import PhotonlakeError
from ingest.remote.answers import Answer
from ingest.remote.csccli import fetch_table
from ingest.remote.errors import BodyIncomplete, QueryRefused, ServiceFault, WrongContent
from ingest.remote.http import Client, spoken
from ingest.remote.polite_session import causes
from ingest.remote.queries import columns_query
from ingest.remote.services import FLOOR, TAP, Release, Request, release_named
from ingest.tables.column_names import MASTER, OBSERVATION

UPLOAD = "names"
"""Name of the uploaded table of source names: TAP_UPLOAD.names."""

NAMES_AT_ONCE = 1000
"""Names in one uploaded table."""

NAMES_INLINE = 100
"""Names in one query where they are spelled out."""

_POLL_FIRST_S, _POLL_GROWTH, _POLL_LONGEST_S = 0.2, 1.5, 10.0
_LONGEST_JOB_S = 3600.0
_UNDER_WAY = frozenset({"PENDING", "QUEUED", "EXECUTING", "HELD", "SUSPENDED", "COMPLETED", "ERROR", "ABORTED"})
_CLIENT_ERROR, _SERVER_ERROR = 400, 500

Result = TypeVar("Result")


def query_request(
    query: str, release: Release, *, max_rows: int, uploads: Sequence[str] = (), what: str = ""
) -> Request:
    """Describe a job as pyvo will send it.

    Examples
    --------
    >>> from ingest.remote.services import release_named
    >>> print(query_request("SELECT 1", release_named("2.1"), max_rows=5).shown().splitlines()[1])
    POST https://cda.cfa.harvard.edu/csc21tap/async
    """
    values = {"REQUEST": "doQuery", "LANG": "ADQL", "MAXREC": str(max_rows), "QUERY": query}
    if uploads:
        values["UPLOAD"] = ";".join(f"{u},param:{u}" for u in uploads)
    return Request("POST", f"{release.tap_url}/async", values, TAP, what=what or "a table of properties")


def columns_request(release: Release) -> Request:
    """Describe the question for the columns that the service has."""
    values = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": columns_query(release.schema)}
    return Request("GET", f"{release.tap_url}/sync", values, TAP, what="which columns there are")


def fetch_columns(client: Client, release: Release) -> dict[str, list[str]] | None:
    """Ask which columns the service has.

    Returns
    -------
    dict of str to list of str or None
        By table ('csc.master_source', 'csc.observation_source'); None where it does not say.

    Raises
    ------
    Transient or Terminal
        As `ingest.remote.services` tells them apart.
    """
    import pyvo  # noqa: PLC0415 - a second of import that only this service needs

    service = pyvo.dal.TAPService(release.tap_url, session=client.session)
    try:
        rows = _patiently(client, lambda: service.run_sync(columns_query(release.schema)), "which columns there are")
    except QueryRefused:
        return None
    found: dict[str, list[str]] = {MASTER: [], OBSERVATION: []}
    for row in rows:
        table = f"csc.{str(row['table_name']).strip().lower().rpartition('.')[2]}"
        if table in found:
            found[table].append(str(row["column_name"]).strip().strip('"').lower())
    return found if all(found.values()) else None


def newest_release(client: Client) -> str:
    """Ask which release of the catalog is the newest that the service has.

    Where the service does not answer, it is the one that we know of: whatever is asked next tells what is wrong.
    """
    newest = FLOOR
    for minor in range(int(FLOOR[-1]) + 1, 10):
        name = f"{FLOOR[:-1]}{minor}"
        try:
            if fetch_columns(client, release_named(name)) is None:
                break
        except PhotonlakeError:
            break
        newest = name
    return newest


def fetch_table_of(
    client: Client,
    release: Release,
    query: str,
    target: Path,
    *,
    required: Sequence[str],
    max_rows: int,
    names: Sequence[str] | None = None,
    what: str = "",
) -> Answer:
    """Run a query as a job and bring its table; the file is there only when it is whole.

    Parameters
    ----------
    client : Client
    release : Release
    query : str
        ADQL.
    target : Path
        Where the VOTable goes.
    required : sequence of str
        Columns the answer must have.
    max_rows : int
        An answer of more is refused.
    names : sequence of str, optional
        Source names to upload as TAP_UPLOAD.names.
    what : str
        For messages.

    Raises
    ------
    Transient or Terminal
        As `ingest.remote.services` tells them apart; `target` is untouched then.
    """
    uploads = {UPLOAD: _table(names)} if names else None
    job = _patiently(client, lambda: _start(client, release, query, max_rows, uploads), what)
    try:
        address = _wait(client, job, what)
        part = target.with_name(f"{target.name}.part")
        request = Request("GET", address, service=TAP, what=what or "a table of properties")
        return fetch_table(client, request, part, target, None, required, max_rows)
    finally:
        with contextlib.suppress(Exception), client.session.closing_streams():  # the service deletes old jobs itself
            job.delete()


def _start(client: Client, release: Release, query: str, max_rows: int, uploads: Mapping[str, object] | None) -> Any:  # noqa: ANN401 - pyvo is untyped
    import pyvo  # noqa: PLC0415 - a second of import that only this service needs

    job = pyvo.dal.AsyncTAPJob.create(release.tap_url, query, maxrec=max_rows, uploads=uploads, session=client.session)
    if job.phase not in _UNDER_WAY:
        raise ValueError(f"no job but something in phase {job.phase!r}")
    return job.run()


def _wait(client: Client, job: Any, what: str) -> str:  # noqa: ANN401 - pyvo is untyped
    """Watch a job until it ends; return the address of its table."""
    since, gap_s = time.monotonic(), _POLL_FIRST_S
    while (phase := _patiently(client, lambda: job.phase, what)) not in {"COMPLETED", "ERROR", "ABORTED"}:
        if phase not in _UNDER_WAY:
            raise WrongContent(
                f"{what}: {TAP} answers no job but something in phase {phase!r}; type the same again later"
            )
        if time.monotonic() - since > _LONGEST_JOB_S:
            raise ServiceFault(f"{what}: {TAP} has worked on it for an hour; type the same again later")
        client.session.pause(gap_s)
        gap_s = min(_POLL_LONGEST_S, gap_s * _POLL_GROWTH)
    if phase != "COMPLETED":
        summary = getattr(job.job, "errorsummary", None)
        said = summary.message.content if summary and summary.message else "no reason given"
        raise QueryRefused(f"{TAP} refuses the query: {' '.join(str(said).split())[:200]}")
    address = job.result_uri
    if not address:
        raise WrongContent(f"{what}: {TAP} finished the job and gives no table; type the same again later")
    return str(address)


def _patiently(client: Client, call: Callable[[], Result], what: str) -> Result:
    """Call pyvo; try again where an answer was cut; turn its errors into ours."""
    import pyvo.dal.exceptions as pyvo_errors  # noqa: PLC0415 - a second of import that only this service needs
    from astropy.io.votable.exceptions import VOWarning  # noqa: PLC0415

    def once() -> Result:
        try:
            with client.session.closing_streams():
                return call()
        except PhotonlakeError:
            raise
        except pyvo_errors.DALQueryError as error:
            raise QueryRefused(f"{TAP} refuses the query: {' '.join(str(error.reason).split())[:200]}") from error
        except (
            pyvo_errors.DALServiceError,
            pyvo_errors.DALFormatError,
            requests.RequestException,
            HTTPError,
            ExpatError,
            VOWarning,
            ValueError,
            IndexError,
            OSError,
        ) as error:
            for inside in causes(error):
                if isinstance(inside, PhotonlakeError):
                    raise inside from error
            code = getattr(error, "code", None)
            if isinstance(code, int) and _CLIENT_ERROR <= code < _SERVER_ERROR:
                raise QueryRefused(f"{what}: {TAP} refused it ({code}): {spoken(str(error).encode())}") from error
            raise BodyIncomplete(f"{what}: {TAP} answers what cannot be read ({_line(error)})") from error

    return client.patiently(once, BodyIncomplete)


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _table(names: Iterable[str]) -> object:
    """Build the table of names to upload."""
    from astropy.table import Table  # noqa: PLC0415 - a second of import

    return Table({"name": list(names)})
