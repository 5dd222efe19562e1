"""A process that answers queries from outside, one at a time, and is ended when it passes a limit."""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from catalog import errors
from catalog.errors import OutOfTime, PhotonlakeError, QueryError
from catalog.query.frames import Frame, FrameKind, frames, packed

GIB = 1 << 30
_TICK_S = 0.05
_GRACE_S = 2.0
_START_S = 120.0
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


def _quarter_of_memory() -> int:
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 4 * GIB
    return max(GIB, min(4 * GIB, whole // 4))


@dataclass(frozen=True)
class Limits:
    """What one query from outside may use; None is without limit.

    Attributes
    ----------
    seconds : float or None
        Of wall time, from the question to the last row.
    rows : int or None
        Of the answer; it is cut there, and says so.
    answer_bytes : int or None
        Of the answer, as Arrow.
    memory : int or None
        Bytes that the process may take; a quarter of the machine's, at most 4 GiB.
    spill : int or None
        Bytes that it may write to its spill folder.
    stop : threading.Event or None
        Who sets it ends the query.
    """

    seconds: float | None = 10.0
    rows: int | None = 1000
    answer_bytes: int | None = 64 << 20
    memory: int | None = field(default_factory=_quarter_of_memory)
    spill: int | None = 4 * GIB
    stop: threading.Event | None = None


@dataclass(frozen=True)
class Answer:
    """What a query from outside was answered.

    Attributes
    ----------
    table : pyarrow.Table
        With unit, UCD and description in the fields' metadata.
    more : bool
        Whether there are more rows than the limit.
    text, query : str
        What was run, and the query inside EXPLAIN.
    snapshot : int
        What it saw.
    why_empty : tuple of str
        Of an answer without rows, why it may have none.
    """

    table: pa.Table
    more: bool
    text: str
    query: str
    snapshot: int
    why_empty: tuple[str, ...]


class LimitedProcess:
    """One process that answers queries, one at a time."""

    def __init__(self, store: Path, limits: Limits, copies: Path) -> None:
        self.copies = copies
        self._memory = limits.memory
        self._folder = Path(tempfile.mkdtemp(prefix="photonlake-"))
        given = {
            "store": str(store),
            "copies": str(copies),
            "spill_folder": str(self._folder),
            "memory": limits.memory,
            "spill": limits.spill,
        }
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-P", "-c", "from catalog.serve.outside_process import main; main()", json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("PHOTONLAKE_DEBUG_OUTSIDE") else subprocess.DEVNULL,
            env=_environment(limits.memory),
            cwd=self._folder,
            start_new_session=True,  # Ctrl-C is for us
        )
        self._ended = weakref.finalize(self, _end, self._process, self._folder)

    def is_alive(self) -> bool:
        """Tell whether it still runs."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it, and remove its folder."""
        self._ended()

    def ask(self, asked: Mapping[str, object], contents: Sequence[bytes], limits: Limits) -> Answer:
        """Hand a query over, and take the answer; the process is ended where it passes a limit."""
        try:
            return self._answer(asked, contents, limits)
        except BaseException as error:
            # Of an error that the process has told, it is ready for the next; else nobody knows what it is at.
            if not getattr(error, "told", False):
                self.end()
            raise

    def _answer(self, asked: Mapping[str, object], contents: Sequence[bytes], limits: Limits) -> Answer:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise QueryError("the process that answers queries has no pipes")
        received = frames(self._pieces(stdout.fileno(), limits))
        try:
            self._wait_until_ready(received)
            stdin.write(packed(FrameKind.QUESTION, json.dumps(asked).encode()))
            for content in contents:
                stdin.write(packed(FrameKind.TABLE, content))
            stdin.flush()
        except OSError:  # it has ended: what it said last, or how it ended, comes below
            pass
        rows = io.BytesIO()
        for frame in received:
            if frame.kind is FrameKind.ROWS:
                rows.write(frame.content)
            elif frame.kind is FrameKind.ERROR:
                raise _told(frame)
            elif frame.kind is FrameKind.END:
                said = json.loads(frame.content)
                rows.seek(0)
                table = pa.ipc.open_stream(rows).read_all()
                why_empty = tuple(map(str, said["why_empty"]))
                return Answer(table, said["more"], said["text"], said["query"], said["snapshot"], why_empty)
        raise self._how_it_ended(limits)

    _is_ready = False

    def _wait_until_ready(self, received: Iterator[Frame]) -> None:
        """Let a new process open the store; its time is not the query's."""
        if not self._is_ready:
            frame = next(received, None)
            if frame is not None and frame.kind is FrameKind.ERROR:
                raise _told(frame)
            self._is_ready = frame is not None and frame.kind is FrameKind.READY

    def _pieces(self, descriptor: int, limits: Limits) -> Iterator[bytes]:
        """Yield what the process says, until it ends, or says more than it may, or its time, or memory, is over."""
        seconds, most = limits.seconds, limits.answer_bytes
        n_bytes = 0
        poll = select.poll()
        poll.register(descriptor, select.POLLIN | select.POLLHUP)
        began, was_ready = time.monotonic(), self._is_ready
        while True:
            if poll.poll(_TICK_S * 1000):
                piece = os.read(descriptor, 1 << 20)
                if not piece:
                    return
                n_bytes += len(piece)
                if most is not None and n_bytes > 2 * most + (1 << 20):
                    raise QueryError(f"the answer is larger than {most >> 20} MB; narrow it down (WHERE, LIMIT)")
                yield piece
            if self._is_ready and not was_ready:
                began, was_ready = time.monotonic(), True
            allowed = _START_S if not was_ready else None if seconds is None else seconds + _GRACE_S
            if allowed is not None and time.monotonic() - began > allowed:
                raise OutOfTime(_too_long(seconds) if was_ready else "the process that answers queries did not start")
            if limits.stop is not None and limits.stop.is_set():
                raise QueryError("the query was stopped, as it was asked to be")
            if self._memory is not None and _resident(self._process.pid) > self._memory:
                raise QueryError(_too_large(self._memory))

    def _how_it_ended(self, limits: Limits) -> QueryError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        if self._process.returncode == -signal.SIGALRM:
            return OutOfTime(_too_long(limits.seconds))
        if self._process.returncode == -signal.SIGXFSZ:
            return QueryError("the query needs more of the disk than it may use; narrow it down (WHERE, LIMIT)")
        return QueryError(
            f"{_too_large(self._memory)} (the process that ran it ended with status {self._process.returncode})"
        )


def _too_long(seconds: float | None) -> str:
    return f"the query was stopped after {seconds or 0:g} s; narrow it down (WHERE, LIMIT)"


def _too_large(memory: int | None) -> str:
    amount = f" of {memory / GIB:.1f} GiB" if memory else ""
    return f"the query was stopped: it needs more memory than its limit{amount}; narrow it down (WHERE, LIMIT)"


def _told(frame: Frame) -> PhotonlakeError:
    """Return the error that a process tells, by the name of its class."""
    said = json.loads(frame.content)
    kind = getattr(errors, str(said["type"]), QueryError)
    if not (isinstance(kind, type) and issubclass(kind, PhotonlakeError)) or kind is errors.UnreadableFile:
        kind = QueryError
    error: PhotonlakeError = kind(str(said["message"]))
    error.told = True  # type: ignore[attr-defined]  # the process goes on
    return error


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    shutil.rmtree(folder, ignore_errors=True)


def _environment(memory: int | None) -> dict[str, str]:
    """Return what a process needs of our environment; no tokens."""
    kept = {
        k: v for k, v in os.environ.items() if k in _PASSED_ON or k.startswith(("PHOTONLAKE_", "OMP_", "OPENBLAS_"))
    }
    kept["PYTHONPATH"] = os.pathsep.join(_import_path())
    kept["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # the others reserve a gigabyte at once
    kept["MALLOC_ARENA_MAX"] = "4"
    if memory is not None:
        kept["PHOTONLAKE_VECTOR_MEMORY"] = str(memory // 4)
    return kept


def _import_path() -> list[str]:
    """Return the folders that a process imports from, and so may read: not that of the user's script, or notebook."""
    script = Path(sys.argv[0]).parent if sys.argv and sys.argv[0] else Path()
    users = {script.resolve(), Path.cwd()} - {Path(__file__).resolve().parents[1]}
    return [folder for folder in sys.path if folder and Path(folder).resolve() not in users]


def _resident(pid: int) -> int:
    """Return how much memory a process holds; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def parameter_bytes(parameters: Mapping[str, object]) -> bytes:
    """Write values of parameters so that they can be read without running anything: one row of Arrow."""
    try:
        return arrow_bytes(pa.table({name: [value] for name, value in parameters.items()}))
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise QueryError(f"a parameter has a value that cannot be handed over: {error}") from error


def arrow_bytes(table: pa.Table) -> bytes:
    """Write a table as a stream of Arrow."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()
