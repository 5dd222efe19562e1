"""The addresses of a TAP service: sync, async, and its documents.

Source: TAP 1.1 (IVOA Recommendation 2019), section 2; UWS 1.1, section 2.2; DALI 1.1.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from catalog.errors import OutOfTime, PhotonlakeError, QueryError, UnknownName
from catalog.serve import tap_documents
from catalog.serve.tap_formats import VOTABLE, tap_format
from catalog.serve.tap_jobs import ACTIVE, Job, TapJobs
from catalog.serve.tap_service import TapService
from catalog.serve.tap_uploads import given_with, query_of, rows_of

_LONGEST_WAIT_S = 600.0
_TICK_S = 0.05
_PIECE = 1 << 20
_LOG = logging.getLogger(__name__)
Answering = Callable[[Request], Awaitable[Response]]


class TapRoutes:
    """A TAP service as routes.

    Parameters
    ----------
    service : TapService
    jobs : TapJobs
    url : str
        Where it is, without a slash at its end.
    """

    def __init__(self, service: TapService, jobs: TapJobs, url: str) -> None:
        self._service, self._jobs, self.url = service, jobs, url
        self._since = datetime.now(UTC)

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes, for Starlette, below the address of the service."""
        both = ["GET", "POST"]
        found: list[tuple[str, Answering, list[str]]] = [
            ("/sync", self._sync, both),
            ("/async", self._list, both),
            ("/async/{job}", self._job, [*both, "DELETE"]),
            ("/async/{job}/results/result", self._result, ["GET"]),
            ("/async/{job}/{part}", self._part, both),
            ("/capabilities", self._capabilities, ["GET"]),
            ("/availability", self._availability, ["GET"]),
            ("/tables", self._tables, ["GET"]),
            ("/tables/{table}", self._table, ["GET"]),
            ("/examples", self._examples, ["GET"]),
            ("/", self._examples, ["GET"]),
        ]
        return [Route(path, _told(answer), methods=methods) for path, answer, methods in found]

    async def _sync(self, request: Request) -> Response:
        given = await given_with(request, self._result_at)

        def answer() -> tuple[BinaryIO, str]:
            kind = tap_format(given.parameters.get("RESPONSEFORMAT"))
            answered = self._service.ask(
                query_of(given.parameters), rows=rows_of(given.parameters), uploads=given.uploads
            )
            stream = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
            kind.write(answered.table, stream, answered.more)
            stream.seek(0)
            return stream, kind.mime

        stream, mime = await run_in_threadpool(answer)
        return StreamingResponse(_pieces(stream), media_type=mime)

    async def _list(self, request: Request) -> Response:
        if request.method == "POST":
            given = await given_with(request, self._result_at)
            job = await run_in_threadpool(self._jobs.create, given.parameters, given.uploads)
            if given.parameters.get("PHASE") == "RUN":
                self._jobs.run(job.job_id)
            return self._see(job.job_id)
        query = {name.upper(): value for name, value in request.query_params.items()}
        phases = [v for n, v in request.query_params.multi_items() if n.upper() == "PHASE"]
        found = [j for j in self._jobs.jobs() if not phases or j.phase in phases]
        if after := query.get("AFTER"):
            found = [j for j in found if datetime.fromisoformat(j.created) > _time(after)]
        if last := query.get("LAST"):
            if not last.isdigit() or not int(last):
                raise QueryError(f"LAST={last}: expected a whole number, 1 or more")
            found = found[: int(last)]
        return _xml(tap_documents.jobs(found, f"{self.url}/async"))

    async def _job(self, request: Request) -> Response:
        job_id = request.path_params["job"]
        job = self._jobs.job(job_id)
        if request.method == "DELETE":
            self._jobs.delete(job_id)
            return RedirectResponse(f"{self.url}/async", 303)
        if request.method == "POST":
            given = (await given_with(request, self._result_at)).parameters
            if given.get("ACTION") == "DELETE":
                self._jobs.delete(job_id)
                return RedirectResponse(f"{self.url}/async", 303)
            self._set(job_id, given)
            return self._see(job_id)
        query = {name.upper(): value for name, value in request.query_params.items()}
        if "WAIT" in query:
            job = await self._waited(job, query["WAIT"], query.get("PHASE"))
        return _xml(tap_documents.job(job, f"{self.url}/async"))

    async def _waited(self, job: Job, wait: str, phase: str | None) -> Job:
        """Wait until a job leaves a phase, the one it is in unless another is named."""
        if not re.fullmatch(r"-?[0-9]{1,9}", wait):
            raise QueryError(f"WAIT={wait}: expected seconds, or -1")
        seconds = min(float(wait), _LONGEST_WAIT_S) if not wait.startswith("-") else _LONGEST_WAIT_S
        until = time.monotonic() + seconds
        begun = phase or job.phase
        while job.phase == begun and job.phase in ACTIVE and time.monotonic() < until:
            await asyncio.sleep(_TICK_S)
            job = self._jobs.job(job.job_id)
        return job

    async def _part(self, request: Request) -> Response:
        job_id, part = request.path_params["job"], request.path_params["part"]
        job = self._jobs.job(job_id)
        if request.method == "POST":
            given = (await given_with(request, self._result_at)).parameters
            self._set(job_id, given)
            return self._see(job_id)
        texts = {
            "phase": job.phase,
            "executionduration": str(job.duration_s),
            "destruction": job.destruction,
            "quote": job.quote,
            "owner": "",
        }
        if part in texts:
            return Response(texts[part], media_type="text/plain")
        if part == "parameters":
            return _xml(tap_documents.parameters(job))
        if part == "results":
            return _xml(tap_documents.results(job, f"{self.url}/async"))
        if part == "error" and job.phase == "ERROR":
            return Response(tap_documents.error_votable(job.error), media_type=VOTABLE)
        raise UnknownName(f"job {job_id} has no {part}")

    def _set(self, job_id: str, given: dict[str, str]) -> None:
        """Change what a request asks to change of a job."""
        rest = dict(given)
        if (seconds := rest.pop("EXECUTIONDURATION", None)) is not None:
            if not re.fullmatch(r"[0-9]{1,9}", seconds):
                raise QueryError(f"EXECUTIONDURATION={seconds}: expected seconds, as a whole number")
            self._jobs.set_duration(job_id, float(seconds))
        if (destruction := rest.pop("DESTRUCTION", None)) is not None:
            self._jobs.set_destruction(job_id, destruction)
        phase = rest.pop("PHASE", None)
        if rest:
            self._jobs.set_parameters(job_id, rest)
        if phase == "RUN":
            self._jobs.run(job_id)
        elif phase == "ABORT":
            self._jobs.abort(job_id)
        elif phase is not None:
            raise QueryError(f"PHASE={phase}: expected RUN or ABORT")

    def _see(self, job_id: str) -> Response:
        return RedirectResponse(f"{self.url}/async/{job_id}", 303)

    async def _result(self, request: Request) -> Response:
        job = self._jobs.job(request.path_params["job"])
        if job.phase != "COMPLETED":
            raise UnknownName(f"job {job.job_id} has no result: it is {job.phase}")
        return FileResponse(self._jobs.result(job), media_type=tap_format(job.parameters.get("RESPONSEFORMAT")).mime)

    def _result_at(self, address: str) -> Path | None:
        """Return the file of a job's result by its address; None for any other address."""
        found = re.fullmatch(re.escape(f"{self.url}/async/") + r"([0-9a-f]{32})/results/result", address)
        job = self._jobs.job(found[1]) if found else None
        return self._jobs.result(job) if job and job.phase == "COMPLETED" else None

    async def _capabilities(self, _: Request) -> Response:
        return _xml(tap_documents.capabilities(self.url))

    async def _availability(self, _: Request) -> Response:
        return _xml(tap_documents.availability(self._since))

    async def _tables(self, request: Request) -> Response:
        schema = await run_in_threadpool(self._service.schema)
        detailed = request.query_params.get("detail", "max") != "min"
        return _xml(await run_in_threadpool(tap_documents.tables, schema, detailed=detailed))

    async def _table(self, request: Request) -> Response:
        schema = await run_in_threadpool(self._service.schema)
        name = request.path_params["table"].lower()
        if (found := next((t for t in schema.tables if t.name.lower() == name), None)) is None:
            raise UnknownName(f"there is no table {name}")
        return _xml(tap_documents.table(schema, found))

    async def _examples(self, _: Request) -> Response:
        return Response(tap_documents.examples(self.url), media_type="application/xhtml+xml")


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(_PIECE):
            yield piece


def _told(answer: Answering) -> Answering:
    """Tell errors as VOTables, with the status that a client looks for."""

    async def guarded(request: Request) -> Response:
        try:
            return await answer(request)
        except ClientDisconnect:
            return Response()
        except PhotonlakeError as error:
            status = 408 if isinstance(error, OutOfTime) else 400
            if (
                isinstance(error, UnknownName)
                and "QUERY" not in request.query_params
                and "/sync" not in request.url.path
            ):
                status = 404
            said = str(error)
        except Exception:  # noqa: BLE001 - one request must not end the server
            _LOG.exception("%s", request.url.path)
            status, said = 500, "this could not be answered; see the log (-v)"
        return Response(tap_documents.error_votable(said), status, media_type=VOTABLE)

    return guarded


def _xml(content: bytes) -> Response:
    return Response(content, media_type="application/xml")


def _time(text: str) -> datetime:
    try:
        time_ = datetime.fromisoformat(text)
    except ValueError as error:
        raise QueryError(f"AFTER={text}: expected a time, as 2027-01-31T12:00:00Z") from error
    return time_ if time_.tzinfo else time_.replace(tzinfo=UTC)
