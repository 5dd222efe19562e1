"""Files of a lower N-version give way: rows leave the store, files leave the disk; older snapshots keep the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog.schema.identifiers import parse_product_name
from catalog.store import lake, location
from ingest.forgetting import take_out
from ingest.remote.products import key_of


def product_files(root: Path) -> Iterator[Path]:
    """List the product files below a folder; unfinished ones are passed over."""
    for path in sorted(root.glob("2CXO*/*/*")) if root.is_dir() else ():
        if not path.name.endswith(".part") and parse_product_name(path.name) is not None:
            yield path


def superseded(root: Path) -> list[Path]:
    """List the files below a folder of which a higher N-version lies there, too.

    Parameters
    ----------
    root : Path
        The store's `files` folder.
    """
    best: dict[tuple[int, int, int | None, str, str], tuple[int, Path]] = {}
    old: list[Path] = []
    for path in product_files(root):
        product = parse_product_name(path.name)
        if product is None:
            continue
        key, this = key_of(product), (product.version, path)
        known = best.get(key)
        if known is None:
            best[key] = this
        elif known[0] < this[0]:
            best[key] = this
            old.append(known[1])
        elif known[0] > this[0]:
            old.append(path)
    return old


def drop_superseded(store: Path, root: Path, *, wait: bool = True) -> int:
    """Forget and delete the files of which a higher N-version has arrived.

    Rows first, files then: a crash between the two leaves files that the next call deletes.

    Returns
    -------
    int
        How many files there were.
    """
    old = superseded(root)
    if old:
        forget(store, old, wait=wait)
        for path in old:
            path.unlink(missing_ok=True)
    return len(old)


def forget(store: Path, paths: Sequence[Path], *, wait: bool = True) -> None:
    """Remove all rows of files, and their ledger rows, in one transaction.

    Files that repeated their content are marked as stale: the refresh that follows reads them.

    Parameters
    ----------
    store : Path
    paths : sequence of Path
        As the ledger has them: absolute.
    wait : bool
        Wait for another writer.

    Raises
    ------
    StoreLocked
        If another process writes and `wait` is false.
    """
    if not paths or not location.exists(store):
        return
    message = f"{len(paths)} superseded file(s)"
    with lake.writer(store, "forget superseded files", commit=message, wait=wait) as connection:
        take_out(connection, [str(path) for path in paths])
