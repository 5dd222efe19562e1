"""Many files at once, politely: a few threads, each file verified before it gets its name, nothing twice.

An interrupt at any moment leaves whole files and `.part` files. Whole files are not fetched again; a `.part`
goes on where it ends, where the service can answer ranges.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from catalog.errors import OutOfSpace, PhotonlakeError
from ingest.remote.bodies import download
from ingest.remote.csccli import is_product
from ingest.remote.errors import BodyIncomplete, NotThere, QuotaSpent, ServiceFault, ServiceUnreachable, WrongContent
from ingest.remote.http import Client
from ingest.remote.polite_session import Stopped
from ingest.remote.services import Request
from ingest.remote.verify import verify_file

PARALLEL = 4
MOST_PARALLEL = 8
"""More would be impolite."""

_GZIP = b"\x1f\x8b"
_DOWN = (ServiceUnreachable, ServiceFault, QuotaSpent)
_FAILURES_IN_A_ROW = 3
"""Files in a row that fail because the service is down, before the rest is left for later."""


@dataclass(frozen=True)
class Download:
    """One file to bring.

    Attributes
    ----------
    request : Request
    folder : Path
        Where it goes.
    name : str
        Its name without '.gz'; that is added where the body is gzipped.
    about_bytes : int
        Estimated size.
    """

    request: Request
    folder: Path
    name: str
    about_bytes: int = 0


@dataclass
class Fetched:
    """What came of many downloads.

    Attributes
    ----------
    files : list of Path
        Arrived and verified, in the order of their arrival.
    bytes : int
    failed : dict of str to PhotonlakeError
        Name -> why.
    missing : list of str
        Names of files that the service does not have.
    left : int
        Files not tried because the service is down.
    """

    files: list[Path] = field(default_factory=list)
    bytes: int = 0
    failed: dict[str, PhotonlakeError] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    left: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing is left to fetch."""
        return not self.failed and not self.left


@dataclass(frozen=True)
class Moved:
    """How far downloads have come."""

    files: int
    of_files: int
    bytes: int
    of_bytes: int


def fetch_files(
    client: Client,
    downloads: Iterable[Download],
    *,
    parallel: int = PARALLEL,
    of_files: int = 0,
    of_bytes: int = 0,
    on_progress: Callable[[Moved], None] | None = None,
) -> Fetched:
    """Bring many files.

    Parameters
    ----------
    client : Client
    downloads : iterable of Download
        Taken lazily, a few ahead of what is under way.
    parallel : int
        Threads, at most `MOST_PARALLEL`.
    of_files, of_bytes : int
        How many are expected, for progress.
    on_progress : callable, optional
        Called after each piece and each file.

    Returns
    -------
    Fetched
        A file that fails is in `failed`, and stops no other; a service that is down stops the rest.

    Raises
    ------
    OutOfSpace
        If the disk runs full; what has arrived stays.
    """
    run = _Run(client, of_files, of_bytes, on_progress or (lambda _: None))
    workers = max(1, min(parallel, MOST_PARALLEL))
    waiting: dict[Future[Path], Download] = {}
    items = iter(downloads)
    with ThreadPoolExecutor(workers, thread_name_prefix="fetch") as pool:
        try:
            while True:
                while len(waiting) < 2 * workers and not run.down and (item := next(items, None)) is not None:
                    waiting[pool.submit(run.bring, item)] = item
                if not waiting:
                    break
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    run.note(waiting.pop(future), future)
                if run.down:
                    for future in [f for f in waiting if f.cancel()]:
                        waiting.pop(future)
                        run.result.left += 1
        except BaseException:
            client.close()  # wakes the threads; what they have stays in .part files
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if run.down:
        run.result.left += sum(1 for _ in items)
    return run.result


class _Damaged(BodyIncomplete):
    """A file came to its end, and is damaged all the same: it is fetched anew."""


class _Run:
    """What the threads of one call share."""

    def __init__(self, client: Client, of_files: int, of_bytes: int, on_progress: Callable[[Moved], None]) -> None:
        self.client, self.result, self.down = client, Fetched(), False
        self._of = (of_files, of_bytes)
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._bytes = self._files = self._in_a_row = 0

    def bring(self, item: Download) -> Path:
        """Bring one file: to its `.part`, verified, renamed."""
        if self.down:
            raise Stopped("the service is down")
        item.folder.mkdir(parents=True, exist_ok=True)
        part = item.folder / f"{item.name}.part"

        def once() -> None:
            download(self.client, item.request, part, check_head=is_product, on_bytes=self._came)  # patient by itself
            try:
                verify_file(part)
            except (BodyIncomplete, WrongContent) as error:  # whole, but damaged: from the start
                self._came(-part.stat().st_size)
                part.unlink()
                if isinstance(error, WrongContent):
                    raise
                raise _Damaged(f"{item.name}: {error}") from error

        self.client.patiently(once, _Damaged)
        with part.open("rb") as stream:
            suffix = ".gz" if stream.read(2) == _GZIP else ""
        final = item.folder / f"{item.name}{suffix}"
        part.replace(final)
        return final

    def note(self, item: Download, future: Future[Path]) -> None:
        """Take in what came of one file.

        Raises
        ------
        OutOfSpace
            If that is why it failed.
        """
        error = future.exception()
        self._files += 1
        self._in_a_row = self._in_a_row + 1 if isinstance(error, _DOWN) else 0
        if error is None:
            final = future.result()
            self.result.files.append(final)
            self.result.bytes += final.stat().st_size
        elif isinstance(error, NotThere):
            self.result.missing.append(item.name)
        elif isinstance(error, Stopped):
            self.result.left += 1
        elif isinstance(error, OutOfSpace) or not isinstance(error, PhotonlakeError):
            raise error
        else:
            self.result.failed[item.name] = error
        self.down = self.down or isinstance(error, QuotaSpent) or self._in_a_row >= _FAILURES_IN_A_ROW
        self._tell()

    def _came(self, n_bytes: int) -> None:
        with self._lock:
            self._bytes += n_bytes
        self._tell()

    def _tell(self) -> None:
        of_files, of_bytes = self._of
        self._on_progress(Moved(self._files, max(of_files, self._files), self._bytes, max(of_bytes, self._bytes)))
