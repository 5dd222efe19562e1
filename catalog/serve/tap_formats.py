"""The formats that a TAP service answers in: their names, their media types, and how each is written.

Source: TAP 1.1, section 2.7.3; VOTable 1.4, section 8; VOParquet (IVOA Note 2025).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, get_args

import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import QueryError
from catalog.formats.export import Notes, write
from catalog.formats.origin import notes_of
from catalog.formats.plain_types import is_plain, json_text
from catalog.formats.votable import Serialization, write_votable

_BATCH_ROWS = 1 << 16
VOTABLE = "application/x-votable+xml"
AFTER = b"votable.after"
"""In the metadata of an answer's schema: what stands behind its table in a VOTable."""


@dataclass(frozen=True)
class TapFormat:
    """One format of an answer.

    Attributes
    ----------
    mime : str
    aliases : tuple of str
        Other values of RESPONSEFORMAT that mean it.
    suffix : str
        Of a file with it.
    write : callable
        (answer, stream, whether there are more rows) -> None.
    """

    mime: str
    aliases: tuple[str, ...]
    suffix: str
    write: Callable[[pa.Table, BinaryIO, bool], None]


def _votable(serialization: Serialization) -> Callable[[pa.Table, BinaryIO, bool], None]:
    def made(table: pa.Table, stream: BinaryIO, more: bool) -> None:
        after = (table.schema.metadata or {}).get(AFTER, b"").decode()
        notes = notes_of(table.schema)
        write_votable(table.to_reader(_BATCH_ROWS), stream, notes, serialization, more=more, after=after)

    return made


def _exported(name: str) -> Callable[[pa.Table, BinaryIO, bool], None]:
    def made(table: pa.Table, stream: BinaryIO, more: bool) -> None:
        notes: Notes = notes_of(table.schema) | ({"overflow": "there are more rows than these"} if more else {})
        write(table.to_reader(_BATCH_ROWS), stream, name, notes)

    return made


def _tsv(table: pa.Table, stream: BinaryIO, more: bool) -> None:  # noqa: ARG001 - no room in TSV
    """Write cells with tabs between them; TSV knows no quotes, so a tab or a line's end in a text becomes a blank."""
    columns = [
        column.cast(pa.string()) if is_plain(column.type) else pa.array(map(_cell, column.to_pylist()), pa.string())
        for column in table.columns
    ]
    plain = [pc.replace_substring_regex(column, "[\t\r\n]", " ") for column in columns]
    heads = [re.sub(r"[\t\r\n]", " ", name) for name in table.column_names]
    stream.write(("\t".join(heads) + "\n").encode())
    if table.num_columns and table.num_rows:
        lines = pc.binary_join_element_wise(*plain, "\t", null_handling="replace", null_replacement="")
        stream.writelines(f"{line}\n".encode() for line in lines.to_pylist())


def _cell(value: object) -> str | None:
    return None if value is None else json_text(value)


TAP_FORMATS = (
    TapFormat(f"{VOTABLE};serialization=BINARY2", ("votable/b2",), ".vot", _votable("BINARY2")),
    TapFormat(f"{VOTABLE};serialization=TABLEDATA", ("votable/td",), ".vot", _votable("TABLEDATA")),
    TapFormat(f"{VOTABLE};serialization=BINARY", ("votable/b",), ".vot", _votable("BINARY")),
    TapFormat(VOTABLE, ("votable", "text/xml"), ".vot", _votable("TABLEDATA")),
    TapFormat("text/csv", ("csv", "text/csv;header=present"), ".csv", _exported("csv")),
    TapFormat("text/tab-separated-values", ("tsv",), ".tsv", _tsv),
    TapFormat("application/fits", ("fits",), ".fits", _exported("fits")),
    TapFormat("application/json", ("json",), ".json", _exported("json")),
    TapFormat("application/vnd.apache.parquet", ("parquet", "vnd.apache.parquet"), ".parquet", _exported("parquet")),
)
"""Formats, the one first that is usual."""
SERIALIZATIONS: tuple[str, ...] = get_args(Serialization)


def tap_format(name: str | None) -> TapFormat:
    """Return a format by its name or media type; the usual one for none.

    Raises
    ------
    QueryError
        If there is no such format.

    Examples
    --------
    >>> tap_format("CSV").mime, tap_format(None).mime
    ('text/csv', 'application/x-votable+xml')
    """
    asked = "".join((name or VOTABLE).lower().split())
    for known in TAP_FORMATS:
        if asked in {known.mime.lower(), *known.aliases}:
            return known
    there = ", ".join(f.aliases[0] for f in TAP_FORMATS)
    raise QueryError(f"RESPONSEFORMAT={name}: there is no such format; there are {there}")
