"""Any table a user may have (CSV, TSV, VOTable, FITS, Parquet) -> one shape: fields, then batches of columns.

A `Sheet` says nothing of what the columns mean; `ingest.tables.source_tables` does that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

import pyarrow as pa

HEAD_BYTES = 64 << 10
BATCH_ROWS = 1 << 15
_RELEASE = re.compile(
    r"(?<![a-z0-9])(?:csc|rel(?:ease)?)(?:[\s_-]*v?(?P<major>[12])[._](?P<minor>\d)|(?P<digits>2\d)|[\s_-]+(?P<two>2[01]))"
    r"(?!\d)",
    re.IGNORECASE | re.ASCII,
)
_VIZIER = re.compile(r"(?<![\w/])IX/(?P<number>45|57|70)(?!\d)")
_VIZIER_RELEASES = {"45": "1.1", "57": "2.0", "70": "2.1"}
"""The catalog's releases as VizieR numbers them."""


@dataclass(frozen=True)
class Field:
    """One column as its file introduces it.

    Attributes
    ----------
    name : str
        In the file's spelling, stripped; never empty.
    table, column : str
        CSC table and column where the file says them (a csccli preamble maps aliases); else empty.
    unit : str
        As the file declares it; empty where it does not.
    """

    name: str
    table: str = ""
    column: str = ""
    unit: str = ""


@dataclass
class Sheet:
    """A table being read.

    Attributes
    ----------
    fields : tuple of Field
    batches : iterator of pyarrow.RecordBatch
        Columns in the order of `fields`, text or numbers; read once.
    release : str or None
        CSC release, where the file names it in its comments.
    own : bool
        Whether the file says that it comes from the catalog's own service, and is not somebody's list.
    flags : list of str
        What a user should know; complete once the batches have been read.
    resources : contextlib.ExitStack
        What is open while batches are read; whoever reads them closes it.
    """

    fields: tuple[Field, ...]
    batches: Iterator[pa.RecordBatch]
    release: str | None = None
    own: bool = False
    flags: list[str] = field(default_factory=list)
    resources: ExitStack = field(default_factory=ExitStack)


class HeadStream:
    """A forward-only stream whose first bytes can be looked at before they are read.

    Examples
    --------
    >>> import io
    >>> stream = HeadStream(io.BytesIO(b"abcdef"))
    >>> stream.head[:3], stream.read(4), stream.read(4)
    (b'abc', b'abcd', b'ef')
    """

    def __init__(self, stream: BinaryIO, n_bytes: int = HEAD_BYTES) -> None:
        self._stream = stream
        pieces: list[bytes] = []
        while n_bytes > 0 and (piece := stream.read(n_bytes)):
            pieces.append(piece)
            n_bytes -= len(piece)
        self.head = self._left = b"".join(pieces)

    def read(self, n: int = -1) -> bytes:
        """Read at most n bytes; all that is left for a negative n."""
        if n < 0:
            out, self._left = self._left + self._stream.read(), b""
            return out
        if self._left:
            out, self._left = self._left[:n], self._left[n:]
            return out
        return self._stream.read(n)


_OWN = re.compile(
    r"<RESOURCE CSC>|cda\.(cfa\.)?harvard\.edu/csc|\bcsc2\d?\.(master|observation|stack)_|(?<![\w/])IX/(45|57|70)/",
    re.IGNORECASE,
)


def names_service(comments: str) -> bool:
    """Tell whether comments say that a table is the answer of a service of the catalog: CSCview, TAP, VizieR.

    Examples
    --------
    >>> names_service("#Name: IX/57/csc2master"), names_service("matched with CSC 2.1 by hand")
    (True, False)
    """
    return bool(_OWN.search(comments))


def named_release(text: str) -> str | None:
    """Find the CSC release that a comment, a query or a service's address names; None where none is.

    Examples
    --------
    >>> [named_release(text) for text in ("SELECT m.name FROM csc21.master_source m", "version=rel2.0", "IX/70")]
    ['2.1', '2.0', '2.1']
    >>> named_release("the Chandra Source Catalog") is None
    True
    """
    if match := _RELEASE.search(text):
        major, minor = match["major"], match["minor"]
        return f"{major}.{minor}" if major else ".".join(match["digits"] or match["two"])
    if match := _VIZIER.search(text):
        return _VIZIER_RELEASES[match["number"]]
    return None


def batch_of(columns: list[pa.Array | pa.ChunkedArray]) -> pa.RecordBatch:
    """Make a batch whose columns are known by position alone: headers may repeat names."""
    arrays = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns]
    return pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])


def unique_labels(names: Sequence[str]) -> dict[int, str]:
    """Tell repeated headers apart, as pandas does: z, z.1, z.2."""
    seen: Counter[str] = Counter()
    labels = {}
    for place, name in enumerate(names):
        labels[place] = f"{name}.{seen[name]}" if seen[name] else name
        seen[name] += 1
    return labels
