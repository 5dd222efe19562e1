"""Fetching from the Chandra Source Catalog: tables first, then which files there are, then those that are new.

Files of a lower N-version give way at the refresh that follows: `ingest.superseded`. Older snapshots keep the rows.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import filelock

from catalog.errors import PhotonlakeError, StoreLocked, Transient
from catalog.schema.identifiers import parse_product_name
from ingest.remote.answers import Answer
from ingest.remote.bodies import check_space
from ingest.remote.csccli import PACKAGES_AT_ONCE, browse_request, file_names, retrieve_request
from ingest.remote.downloads import PARALLEL, Download, Fetched, Moved, fetch_files
from ingest.remote.http import Client
from ingest.remote.products import PRODUCTS, Wanted, wanted
from ingest.remote.selection import Selection
from ingest.remote.services import Request, release_named
from ingest.remote.tables import fetch_tables, table_requests
from ingest.superseded import key_of, older_versions


def product_files(root: Path) -> Iterator[Path]:
    """List the product files below a folder; unfinished ones are passed over."""
    for path in sorted(root.glob("2CXO*/*/*")) if root.is_dir() else ():
        if not path.name.endswith(".part") and parse_product_name(path.name) is not None:
            yield path


TABLES_FOLDER = "tables"


@dataclass(frozen=True)
class Estimate:
    """What a fetch would bring.

    Attributes
    ----------
    sources, detections : int
    files : int
        That the detections should have; the service may lack some.
    here : int
        Of these, already in the store (in some version).
    bytes : int
        About what the others weigh.
    """

    sources: int
    detections: int
    files: int
    here: int
    bytes: int


@dataclass
class CscReport:
    """What a fetch brought.

    Attributes
    ----------
    sources, detections : int
    tables : list of Path
        Property tables, saved as they came.
    here : int
        Files that were already there in their newest version.
    absent : int
        Files that the service does not have.
    fetched : Fetched
    superseded : int
        Files of a lower N-version that give way at the refresh that follows.
    error : PhotonlakeError or None
        Why not everything came.
    """

    sources: int = 0
    detections: int = 0
    tables: list[Path] = field(default_factory=list)
    here: int = 0
    absent: int = 0
    fetched: Fetched = field(default_factory=Fetched)
    superseded: int = 0
    error: PhotonlakeError | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is left to fetch."""
        return self.error is None and self.fetched.complete


def files_folder(store: Path, release: str) -> Path:
    """Return the folder of a store for what is fetched of a release."""
    return store / release_named(release).folder


def estimate(client: Client, store: Path, selection: Selection) -> Estimate:
    """Find out how much a fetch would bring; nothing is written to the store.

    Raises
    ------
    Transient or Terminal
        As `ingest.remote.services` tells them apart.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer, _ = fetch_tables(client, selection, Path(folder), keys_only=True)
    files = list(wanted(answer.detections, selection.products, selection.bands))
    here = _here(files_folder(store, selection.release))
    missing = [f for f in files if f.key not in here]
    weight = sum(f.about_bytes for f in missing)
    return Estimate(len(answer.names), len(answer.detections), len(files), len(files) - len(missing), weight)


def fetch(
    client: Client,
    store: Path,
    selection: Selection,
    *,
    parallel: int = PARALLEL,
    on_progress: Callable[[Moved], None] | None = None,
    on_tables: Callable[[Answer], None] | None = None,
) -> CscReport:
    """Bring the tables and files of a selection into the store's folder; ingesting them is the refresh's business.

    Parameters
    ----------
    client : Client
    store : Path
    selection : Selection
    parallel : int
        Files at once.
    on_progress : callable, optional
        Called while files come.
    on_tables : callable, optional
        Called once the tables are there.

    Returns
    -------
    CscReport
        With `error` set where a service failed on the way; what came before stays, and the next call goes on.

    Raises
    ------
    Transient or Terminal
        If not even the tables came.
    OutOfSpace
        If the disk cannot hold it.
    StoreLocked
        If another process fetches into the same store.
    """
    root = files_folder(store, selection.release)
    root.mkdir(parents=True, exist_ok=True)
    with _alone(root):
        answer, tables = fetch_tables(client, selection, root / TABLES_FOLDER)
        report = CscReport(len(answer.names), len(answer.detections), tables)
        if on_tables:
            on_tables(answer)
        files = list(wanted(answer.detections, selection.products, selection.bands))
        here = _here(root)
        missing = [f for f in files if f.key not in here]
        check_space(root, sum(f.about_bytes for f in missing))
        listing = _Listing(client, root, selection, files, here, report)
        report.fetched = fetch_files(
            client,
            listing,
            parallel=parallel,
            of_files=len(missing),
            of_bytes=sum(f.about_bytes for f in missing),
            on_progress=on_progress,
        )
        report.absent += len(report.fetched.missing)
        report.error = report.error or next(iter(report.fetched.failed.values()), None)
        report.superseded = len(older_versions(map(str, product_files(root)), store))
    return report


class _Listing:
    """The files to download: names are learned a few at a time, while the files before them come."""

    def __init__(
        self,
        client: Client,
        root: Path,
        selection: Selection,
        files: list[Wanted],
        here: dict[tuple[int, int, int | None, str, str], int],
        report: CscReport,
    ) -> None:
        self._client, self._root, self._here, self._report = client, root, here, report
        self._release = release_named(selection.release)
        self._files = files

    def __iter__(self) -> Iterator[Download]:
        files = iter(self._files)
        while chunk := list(islice(files, PACKAGES_AT_ONCE)):
            try:
                names = list(file_names(self._client, chunk, self._release))
            except Transient as error:
                self._report.error = error  # what came so far stays; the next run goes on
                return
            for file, name in names:
                product = parse_product_name(name) if name else None
                if name is None or product is None:
                    self._report.absent += 1
                elif product.version <= self._here.get(file.key, -1):
                    self._report.here += 1
                else:
                    bare = name.removesuffix(".gz")
                    request = retrieve_request(file.product, bare, self._release)
                    yield Download(request, self._root / file.detection.folder, bare, file.about_bytes)


def requests_of(selection: Selection) -> Iterator[Request]:
    """Yield what would go over the wire, as far as it is known before the first answer."""
    yield from table_requests(selection)
    release = release_named(selection.release)
    for name in selection.products:
        product = PRODUCTS[name]
        band = "{band}" if product.banded else ""
        region = "{region_id}" if product.by_region else ""
        yield browse_request([f"{{obsid}}.{{obi}}.{region}/{product.filetype}/{band}"], release)
        yield retrieve_request(product, f"{{the name that browse answers}}_{product.kind}.fits", release)


def _here(root: Path) -> dict[tuple[int, int, int | None, str, str], int]:
    """Return the products that are there, with their N-versions."""
    found: dict[tuple[int, int, int | None, str, str], int] = {}
    for path in product_files(root):
        product = parse_product_name(path.name)
        if product is not None:
            key = key_of(product)
            found[key] = max(found.get(key, -1), product.version)
    return found


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Fetch alone into a folder: two at once would write the same unfinished files.

    Raises
    ------
    StoreLocked
        If another process fetches.
    """
    held = filelock.FileLock(root / ".fetch.lock")
    try:
        held.acquire(timeout=0)
    except filelock.Timeout as error:
        raise StoreLocked(f"another process fetches into {root}; wait for it, then type the same again") from error
    try:
        yield
    finally:
        held.release()
