"""One file's rows in memory, without a store: what a user's own spectrum is compared by."""

from __future__ import annotations

import io
import os
from collections import defaultdict
from pathlib import Path

import pyarrow as pa

from catalog.errors import UnreadableFile
from ingest.detect import ARCHIVE, ReplayStream, detect
from ingest.readers import FileName, Flag, reader
from ingest.streams import BUFFER, DAMAGED, open_content


def read_file(path: str | os.PathLike[str]) -> dict[str, pa.Table]:
    """Read a file of any kind that a refresh would read.

    Parameters
    ----------
    path : path-like
        Packed (.gz, .bz2, .xz, .zst) or not.

    Returns
    -------
    dict of str to pyarrow.Table
        Table of the store -> the rows that the file has for it.

    Raises
    ------
    UnreadableFile
        If it is no such file, or a broken one; the message names it.
    FileNotFoundError
        If it is not there.

    Examples
    --------
    >>> sorted(read_file("4736.pi"))  # doctest: +SKIP
    ['product.header', 'product.spectrum']
    """
    try:
        with open_content(os.fspath(path)) as raw:
            return _tables(ReplayStream(raw), FileName.of(os.fspath(path), None))
    except UnreadableFile as error:
        raise UnreadableFile(error.expected, error.found, error.advice, Path(path).name) from error
    except DAMAGED as error:
        raise UnreadableFile("a whole packed file", str(error), "fetch it again", Path(path).name) from error


def _tables(stream: ReplayStream, name: FileName) -> dict[str, pa.Table]:
    kind = detect(stream, name)
    if kind.name == ARCHIVE:
        raise UnreadableFile("a data product", "an archive", "unpack it, and name the file that came out")
    if not kind.readable:
        raise UnreadableFile("a data product", kind.reason)
    batches: dict[str, list[pa.RecordBatch]] = defaultdict(list)
    for item in reader(kind.name)(io.BufferedReader(stream, BUFFER), name):
        if not isinstance(item, Flag):
            batches[item.table].append(item.batch)
    return {table: pa.Table.from_batches(parts) for table, parts in batches.items()}
