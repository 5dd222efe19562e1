"""The process that answers queries from outside: `catalog.query.outside` starts it, and ends it at its limits.

It gives up what it does not need before it loads anything: the network, all files but Python's own, the store's and a
folder of its own (Linux, by `catalog.store.confinement`), memory and files beyond its limits. It never opens the
store's own catalog, but a copy; so neither SQLite nor any way to write into the store is in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from catalog.query.frames import FrameKind, frames, packed
from catalog.store.confinement import restrict
from catalog.store.place import place_of

if TYPE_CHECKING:
    from catalog.catalog import Catalog

_BATCH_ROWS = 2048
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/opt", "/sys/devices/system", "/sys/fs/cgroup", "/proc/self")
_DEVICES = ("/dev/urandom", "/dev/null", "/dev/zero", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/sys/vm")


def main() -> None:
    """Answer queries from standard input until it ends."""
    given = json.loads(sys.argv[1])
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints says nothing to the other side
    _limit(given)
    _serve(given, questions, answers)


def _limit(given: Mapping[str, object]) -> None:
    """Give up what is not needed, for good."""
    memory, spill = given["memory"], given["spill"]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory is not None and sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_DATA, (int(str(memory)), int(str(memory))))
    if spill is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(str(spill)), int(str(spill))))
    python = [sys.prefix, sys.base_prefix, sys.exec_prefix, *(p for p in sys.path if p)]
    models = os.environ.get("PHOTONLAKE_SENTENCE_MODELS", "").split(os.pathsep)
    cache = os.environ.get("HF_HOME") or str(Path("~/.cache/huggingface").expanduser())
    read = [*python, *_SYSTEM, *_DEVICES, str(given["store"]), str(given["copies"]), cache, *filter(None, models)]
    place = place_of(Path(str(given["store"])))
    read += map(str, (place.data, place.vectors, place.models))
    on_other_disks = (entry.resolve() for entry in Path(str(given["store"])).iterdir() if entry.is_symlink())
    restrict(read=[*map(Path, read), *on_other_disks], write=[Path(str(given["spill_folder"])), Path("/dev/null")])


def _serve(given: Mapping[str, object], questions: BinaryIO, answers: BinaryIO) -> None:
    from catalog.catalog import Catalog  # noqa: PLC0415 - as above
    from catalog.errors import PhotonlakeError  # noqa: PLC0415 - as above
    from catalog.store import confinement  # noqa: PLC0415 - only now, that this process can do no harm

    confinement.spill_into(Path(str(given["spill_folder"])))
    os.environ["TMPDIR"] = str(given["spill_folder"])
    memory, spill = (given[k] for k in ("memory", "spill"))
    half = None if memory is None else int(str(memory)) // 2
    copies = sorted(Path(str(given["copies"])).glob("*.duckdb"), key=lambda p: p.stat().st_mtime_ns)
    catalog: Catalog | None = None
    opened = ""
    with contextlib.suppress(PhotonlakeError, OSError):  # the first question says what is wrong
        if copies:
            opened = str(copies[-1])
            catalog = _open(Catalog, given, opened, half, spill)
            catalog.sql("SELECT $n AS n", n=1).fetchall()  # what is loaded for the first query is loaded now
    answers.write(packed(FrameKind.READY))
    answers.flush()
    received = frames(_pieces(questions))
    for question in received:
        asked = json.loads(question.content)
        parameters, *own = [next(received).content for _ in range(1 + len(asked["own"]))]
        try:
            if asked["seconds"] is not None:
                signal.setitimer(signal.ITIMER_REAL, float(asked["seconds"]))  # ends the process, whatever it is at
            if catalog is None or asked["copy"] != opened:
                if catalog is not None:
                    catalog.close()
                opened = asked["copy"]
                catalog = _open(Catalog, given, opened, half, spill)
            with _registered(catalog, dict(zip(asked["own"], own, strict=True))):
                _answer(catalog, asked, parameters, answers)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side is told
            kind = type(error).__name__ if isinstance(error, PhotonlakeError) else "QueryError"
            message = str(error) if isinstance(error, PhotonlakeError) else f"this cannot be answered: {error!r:.300}"
            answers.write(packed(FrameKind.ERROR, json.dumps({"type": kind, "message": message}).encode()))
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.flush()


def _open(catalog: type[Catalog], given: Mapping[str, object], copy: str, memory: int | None, spill: object) -> Catalog:
    return catalog(
        str(given["store"]), memory=memory, spill=None if spill is None else int(str(spill)), copy=Path(copy)
    )


@contextlib.contextmanager
def _registered(catalog: Catalog, own: Mapping[str, bytes]) -> Iterator[None]:
    """Let one query see tables of its own."""
    import pyarrow as pa  # noqa: PLC0415 - see above

    with contextlib.ExitStack() as registered:
        for name, content in own.items():
            catalog.register(name, pa.ipc.open_stream(content).read_all())
            registered.callback(catalog.unregister, name)
        yield


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := os.read(stream.fileno(), 1 << 16):
        yield piece


class _Rows:
    """A file that hands on what is written to it, as frames of rows."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, content: bytes) -> int:
        content = bytes(content)
        self._stream.write(packed(FrameKind.ROWS, content))
        return len(content)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream open: more is said on it."""


def _answer(catalog: Catalog, asked: Mapping[str, object], parameters: bytes, answers: BinaryIO) -> None:
    import pyarrow as pa  # noqa: PLC0415 - see above

    from catalog.errors import QueryError  # noqa: PLC0415 - see above

    values = pa.ipc.open_stream(parameters).read_all().to_pylist()
    snapshot, rows, most = asked["snapshot"], asked["rows"], asked["answer_bytes"]
    result = catalog.sql(
        str(asked["query"]),
        snapshot=snapshot if isinstance(snapshot, int | str) else None,
        parameters=values[0] if values else {},
    )
    left = None if rows is None else int(str(rows))
    n_bytes, more, empty = 0, False, True
    reader = result.reader(_BATCH_ROWS if left is None else min(_BATCH_ROWS, left + 1))
    with pa.ipc.new_stream(_Rows(answers), reader.schema) as writer:
        for batch in reader:
            if left is not None and batch.num_rows > left:
                batch, more = batch.slice(0, left), True  # noqa: PLW2901 - the rest is over the limit
            n_bytes, empty = n_bytes + batch.nbytes, empty and not batch.num_rows
            if most is not None and n_bytes > int(str(most)):
                raise QueryError(f"the answer is larger than {int(str(most)) >> 20} MB; narrow it down (WHERE, LIMIT)")
            writer.write_batch(batch)
            left = None if left is None else left - batch.num_rows
            if more:
                break
    said = {"more": more, "text": result.statement.text, "query": result.statement.query}
    said |= {"snapshot": result.snapshot, "why_empty": result.why_empty() if empty else []}
    answers.write(packed(FrameKind.END, json.dumps(said).encode()))


if __name__ == "__main__":
    main()
