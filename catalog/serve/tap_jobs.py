"""Jobs of an asynchronous service, as UWS has them: kept as files, so that they are there after a restart.

Each job is a folder with job.json, the tables that came with it, and its result. Whatever was waiting or running when
the server ended is run again when it starts. Several servers may share a folder: who runs a job holds a lock on it,
and all read what another has written.

Source: Universal Worker Service Pattern 1.1 (IVOA Recommendation 2016).
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import pyarrow as pa
from pyarrow import feather

from catalog.errors import PhotonlakeError, QueryError, UnknownName
from catalog.serve.tap_formats import tap_format
from catalog.serve.tap_service import ASYNC_S, LONGEST_S, TapService
from catalog.serve.tap_uploads import query_of, rows_of

RETENTION = timedelta(days=7)
LONGEST_RETENTION = timedelta(days=60)
ACTIVE = frozenset({"PENDING", "QUEUED", "EXECUTING", "SUSPENDED"})
_AT_ONCE = 2
_WATCH_S = 0.5
_ID = re.compile(r"[0-9a-f]{32}")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One job at one moment.

    Attributes
    ----------
    job_id : str
        32 hex digits.
    phase : str
        PENDING, QUEUED, EXECUTING, COMPLETED, ERROR, ABORTED.
    parameters : dict of str to str
        As they were given, names in capitals.
    created, started, ended, destruction : str
        Times, ISO 8601 in UTC; '' for none.
    duration_s : int
        So long it may run [s].
    uploads : list of str
        Names of the tables that came with it.
    error : str
        What went wrong.
    """

    job_id: str
    phase: str
    parameters: dict[str, str]
    created: str
    destruction: str
    duration_s: int = int(ASYNC_S)
    started: str = ""
    ended: str = ""
    uploads: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def quote(self) -> str:
        """When it will be done, at the latest."""
        begin = datetime.fromisoformat(self.started) if self.started else datetime.now(UTC)
        return self.ended or _text(begin + timedelta(seconds=self.duration_s))


class TapJobs:
    """All jobs of a service; safe for several threads.

    Parameters
    ----------
    folder : Path
        Where they are kept; made with the first.
    service : TapService
    """

    def __init__(self, folder: Path, service: TapService) -> None:
        self.folder, self._service = folder, service
        self._guard = threading.RLock()
        self._stops: dict[str, threading.Event] = {}
        self._locks: dict[str, TextIO] = {}
        self._read: dict[str, tuple[int, int]] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tap-job")
        self._jobs: dict[str, Job] = {}
        self._look()
        for job in sorted(self._jobs.values(), key=lambda j: j.created):
            if job.phase in {"QUEUED", "EXECUTING"}:
                self._queue(job.job_id)
        self._watching = threading.Thread(target=self._watch, name="tap-jobs", daemon=True)
        self._watching.start()

    def _look(self) -> None:
        """Read all jobs that are new, or that another server has changed."""
        for job_id in self._jobs.keys() | {file.parent.name for file in self.folder.glob("*/job.json")}:
            self._look_at(job_id)

    def _look_at(self, job_id: str) -> Job | None:
        """Return a job as its file has it; None where there is none."""
        file = self.folder / job_id / "job.json"
        try:
            if self._read.get(job_id) != (written := _written(file)):
                self._jobs[job_id] = Job(**json.loads(file.read_text("utf-8")))
                self._read[job_id] = written
        except FileNotFoundError:
            self._jobs.pop(job_id, None)
        except (OSError, ValueError, TypeError) as error:
            _LOG.warning("%s is no job, and left alone: %s", file, error)
        return self._jobs.get(job_id)

    def _watch(self) -> None:
        """End what another server has ended."""
        while not self._closed:
            with self._guard:
                for job_id in list(self._stops):
                    job = self._look_at(job_id)
                    if job is None or job.phase not in ACTIVE:
                        self._stops.pop(job_id).set()
            time.sleep(_WATCH_S)

    def create(self, parameters: Mapping[str, str], uploads: Mapping[str, pa.Table]) -> Job:
        """Make a job that waits to be run."""
        now = datetime.now(UTC)
        job = Job(uuid.uuid4().hex, "PENDING", dict(parameters), _text(now), _text(now + RETENTION))
        folder = self.folder / job.job_id
        folder.mkdir(parents=True, mode=0o700)
        for name, table in uploads.items():
            feather.write_feather(table, str(folder / f"{name}.arrow"))
        return self._change(replace(job, uploads=list(uploads)))

    def job(self, job_id: str) -> Job:
        """Return a job.

        Raises
        ------
        UnknownName
            If there is none of that name, or its time is over.
        """
        with self._guard:
            job = self._look_at(job_id) if _ID.fullmatch(job_id) else None
            if job is not None and job.destruction < _text(datetime.now(UTC)):
                self.delete(job_id)
                job = None
        if job is None:
            raise UnknownName(f"there is no job {job_id}")
        return job

    def jobs(self) -> list[Job]:
        """Return all jobs, the newest first; those whose time is over go."""
        with self._guard:
            now = _text(datetime.now(UTC))
            self._look()
            for job in [j for j in self._jobs.values() if j.destruction < now]:
                self.delete(job.job_id)
            return sorted(self._jobs.values(), key=lambda j: j.created, reverse=True)

    def run(self, job_id: str) -> None:
        """Let a job run that waits to be; any other stays as it is."""
        with self._guard:
            if self.job(job_id).phase == "PENDING":
                self._queue(job_id)

    def abort(self, job_id: str) -> None:
        """End a job that is not at its end."""
        with self._guard:
            job = self.job(job_id)
            if job.phase in ACTIVE:
                self._change(replace(job, phase="ABORTED", ended=_text(datetime.now(UTC))))
                if stop := self._stops.pop(job_id, None):
                    stop.set()

    def delete(self, job_id: str) -> None:
        """End a job and remove all that is of it."""
        with self._guard:
            if stop := self._stops.pop(job_id, None):
                stop.set()
            self._jobs.pop(job_id, None)
            if _ID.fullmatch(job_id):
                shutil.rmtree(self.folder / job_id, ignore_errors=True)

    def set_parameters(self, job_id: str, parameters: Mapping[str, str]) -> None:
        """Add to the parameters of a job, or change them, before it runs.

        Raises
        ------
        QueryError
            If it has run.
        """
        with self._guard:
            job = self.job(job_id)
            if job.phase != "PENDING":
                raise QueryError(f"job {job_id} is {job.phase}: its parameters stay as they are")
            self._change(replace(job, parameters=job.parameters | dict(parameters)))

    def set_duration(self, job_id: str, seconds: float) -> None:
        """Set how long a job may run [s]; 0 means as long as any may."""
        allowed = int(min(seconds, LONGEST_S)) if seconds > 0 else int(LONGEST_S)
        with self._guard:
            self._change(replace(self.job(job_id), duration_s=allowed))

    def set_destruction(self, job_id: str, text: str) -> None:
        """Set when a job is removed, within sixty days.

        Raises
        ------
        QueryError
            If the text is no time.
        """
        try:
            time = datetime.fromisoformat(text)
            time = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError) as error:  # the year 1, east of Greenwich, is before all years
            raise QueryError(f"DESTRUCTION={text}: expected a time, as 2027-01-31T12:00:00Z") from error
        with self._guard:
            latest = datetime.now(UTC) + LONGEST_RETENTION
            self._change(replace(self.job(job_id), destruction=_text(min(time, latest))))

    def result(self, job: Job) -> Path:
        """Return the file with a job's result."""
        return self.folder / job.job_id / f"result{tap_format(job.parameters.get('RESPONSEFORMAT')).suffix}"

    def close(self) -> None:
        """End what runs; it runs again when the service starts again."""
        with self._guard:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._closed = True
            for stop in self._stops.values():
                stop.set()
        self._threads.shutdown(wait=True)
        for lock in self._locks.values():
            lock.close()

    _closed = False

    def _queue(self, job_id: str) -> None:
        """Let a job run here, unless another server has it."""
        lock = (self.folder / job_id / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return
        except OSError as error:  # some disks of a network have no locks
            _LOG.warning("%s cannot be locked: %s; let one server alone use it", self.folder, error)
        job = self._look_at(job_id)
        if job is None or job.phase not in {"PENDING", "QUEUED", "EXECUTING"}:  # another server was quicker
            lock.close()
            return
        self._locks[job_id] = lock  # it goes with the process, however that ends
        stop = self._stops[job_id] = threading.Event()
        self._change(replace(job, phase="QUEUED"))
        self._threads.submit(self._run, job_id, stop)

    def _run(self, job_id: str, stop: threading.Event) -> None:
        try:
            self._run_locked(job_id, stop)
        except Exception:  # noqa: BLE001 - nobody asks the thread what went wrong
            _LOG.exception("job %s", job_id)
        finally:
            with self._guard:
                if lock := self._locks.pop(job_id, None):
                    lock.close()

    def _run_locked(self, job_id: str, stop: threading.Event) -> None:
        with self._guard:
            queued = self._look_at(job_id)  # another server may have ended it
            if stop.is_set() or queued is None or queued.phase != "QUEUED" or self._closed:
                return
            job = self._change(replace(queued, phase="EXECUTING", started=_text(datetime.now(UTC))))
        phase, said = "COMPLETED", ""
        try:
            self._answer(job, stop)
        except PhotonlakeError as error:
            phase, said = "ERROR", str(error)
        except Exception:  # noqa: BLE001 - one job must not end the server; what went wrong is for the log
            _LOG.exception("job %s", job_id)
            phase, said = "ERROR", "this could not be answered; see the log (-v)"
        with self._guard:
            now = self._look_at(job_id)  # another server may have ended it
            if not stop.is_set() and now is not None and now.phase == "EXECUTING":
                self._stops.pop(job_id, None)
                self._change(replace(self._jobs[job_id], phase=phase, error=said, ended=_text(datetime.now(UTC))))

    def _answer(self, job: Job, stop: threading.Event) -> None:
        folder = self.folder / job.job_id
        uploads = {name: feather.read_table(str(folder / f"{name}.arrow")) for name in job.uploads}
        given = job.parameters
        answer = self._service.ask(
            query_of(given), rows=rows_of(given), seconds=job.duration_s, uploads=uploads, stop=stop
        )
        result = self.result(job)
        half = result.with_suffix(".half")
        with half.open("wb") as stream:
            tap_format(given.get("RESPONSEFORMAT")).write(answer.table, stream, answer.more)
        half.replace(result)

    def _change(self, job: Job) -> Job:
        """Keep a job as it now is: the file first, so that what was told is still there after a crash."""
        with self._guard:
            file = self.folder / job.job_id / "job.json"
            half = file.with_suffix(".half")
            half.write_text(json.dumps(asdict(job)), "utf-8")
            os.replace(half, file)  # noqa: PTH105 - os.replace says that it is atomic
            self._jobs[job.job_id], self._read[job.job_id] = job, _written(file)
        return job


def _written(file: Path) -> tuple[int, int]:
    """Return what changes whenever a file is replaced."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
