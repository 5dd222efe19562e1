"""What readers are given, what they give back, and which one reads a kind: imported when its first file turns up.

A reader is a pure function from a stream of bytes to Arrow: it opens nothing, asks no database, and never
sees a path it could follow. Everything it has to say, it yields: rows for a table, or a flag that says what
is missing in the file. A file that cannot be read raises `catalog.errors.UnreadableFile`.
"""

from __future__ import annotations

import hashlib
import importlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from catalog.schema.flags import meaning
from ingest.streams import unpacked_name

CHUNK_ROWS = 1 << 20
"""Rows a reader holds at once: bounds memory whatever the file's size."""

JOINS_AS_IT_IS = "a query joins such a table as it is: python -m catalog sql --with mine=FILE"
"""What to do with a table that is no catalog's."""


@dataclass(frozen=True)
class FileName:
    """The little a reader may know about its file besides the bytes.

    Parameters
    ----------
    file_id : int
        Key of the file in meta.file; goes into every row.
    name : str
        Base name without '.gz' and the like, in the case it has on disk.
    folder : str
        The folder it lies in, only to tell files of one folder from those of another; never opened.
    release : str or None
        CSC release the user vouches for ('2.1'), where the file itself does not say.
    """

    file_id: int
    name: str
    folder: str = ""
    release: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, path: str, release: str | None = None) -> FileName:
        """Name a file by its path or URL.

        Examples
        --------
        >>> FileName.of("/data/acisf00942N004_evt2.fits.gz").name
        'acisf00942N004_evt2.fits'
        """
        pure = PurePath(path)
        return cls(file_id_of(path), unpacked_name(pure.name), str(pure.parent), release)


class Rows(NamedTuple):
    """Rows for one table, in the table's column order (`catalog.schema.TABLES[table].schema`)."""

    table: str
    batch: pa.RecordBatch


@dataclass(frozen=True)
class Flag:
    """What a user should know of a file that was read all the same: 'energy_from_pi', 'no_good_times', ...

    A word is explained in `catalog.schema.flags`, with details behind a colon; anything else is a sentence.
    """

    text: str

    def __post_init__(self) -> None:
        """Warn of a word that has no explanation: no reason to fail a user's file, and an error in the tests."""
        if meaning(self.text) is None:
            warnings.warn(f"flag {self.text!r} has no explanation in catalog/schema/flags.py", stacklevel=3)


Reader = Callable[[BinaryIO, FileName], Iterator[Rows | Flag]]
"""stream (decompressed, read once, forward only), name -> rows and flags."""


def file_id_of(path: str) -> int:
    """Return the key of a file in meta.file: 63 bits of the hash of its path or URL.

    It depends on the path alone, so that an interrupted and an undisturbed refresh give the same tables.

    Examples
    --------
    >>> file_id_of("/data/a.fits") == file_id_of("/data/a.fits") != file_id_of("/data/b.fits")
    True
    """
    return int.from_bytes(hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big") >> 1


READERS: dict[str, str] = {
    "events": "ingest.products.events:read_events",
    "spectrum": "ingest.products.spectra:read_spectra",
    "arf": "ingest.products.responses:read_response",
    "rmf": "ingest.products.responses:read_response",
    "light_curve": "ingest.products.light_curves:read_light_curve",
    "region": "ingest.products.regions:read_region",
    "source_table": "ingest.tables.source_tables:read_source_table",
    "papers": "ingest.literature.papers:read_papers",
    "corpus": "ingest.tables.corpus:read_corpus",
    "truth": "ingest.simulate.truth:read_truth",
}


@cache
def reader(kind: str) -> Reader:
    """Return the reader of a kind.

    Raises
    ------
    KeyError
        If no reader is registered for it.

    Examples
    --------
    >>> reader("events").__name__
    'read_events'
    """
    module, _, name = READERS[kind].partition(":")
    function: Reader = getattr(importlib.import_module(module), name)
    return function
