"""Arrow result -> VOTable, FITS, CSV, JSON, Parquet, with units, UCDs and descriptions where the format has room.

CSV, JSON, Parquet and VOTable are written batch by batch, in memory that does not grow with the result; FITS must
know the longest text of each column first, and so holds the table. A file appears under its name only when it is whole.

Where the rows come from (query, parameters, snapshot, store, version) stands in the file. CSV and JSON have no room for
it: a second file beside them says it, and units and meanings too, as the W3C's CSV on the Web has it.
Source: Model for Tabular Data and Metadata on the Web (W3C Recommendation 2015), sections 5.3 and 6.6.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from catalog.errors import UnknownName, suggestion
from catalog.formats.origin import NOTE, notes_of
from catalog.formats.plain_types import is_plain, json_text
from catalog.formats.whole_files import whole

Notes = Mapping[str, str]
"""What to say of the whole table: query, parameters, snapshot, store, version."""
Writer = Callable[[pa.RecordBatchReader, BinaryIO, Notes], None]


@dataclass(frozen=True)
class Format:
    """One way to write a table.

    Attributes
    ----------
    write : callable
        (reader, binary stream, notes) -> None.
    binary : bool
        Not to be printed on a terminal.
    suffixes : tuple of str
        File names that mean this format.
    has_room : bool
        For units, meanings and notes; else they stand in a file beside it.
    """

    write: Writer
    binary: bool
    suffixes: tuple[str, ...]
    has_room: bool = True


def _write_csv(reader: pa.RecordBatchReader, stream: BinaryIO, notes: Notes) -> None:  # noqa: ARG001 - no room in CSV
    plain = [is_plain(f.type) for f in reader.schema]
    schema = pa.schema([f if p else pa.field(f.name, pa.string()) for f, p in zip(reader.schema, plain, strict=True)])
    with pa_csv.CSVWriter(stream, schema.remove_metadata()) as writer:
        for batch in reader:
            columns = [
                c if p else pa.array([None if v is None else json_text(v) for v in c.to_pylist()], pa.string())
                for c, p in zip(batch.columns, plain, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema.remove_metadata()))


def _write_json(reader: pa.RecordBatchReader, stream: BinaryIO, notes: Notes) -> None:  # noqa: ARG001 - rows alone
    """Write one array of objects, one object a line."""
    names = reader.schema.names
    stream.write(b"[")
    separator = "\n"
    for batch in reader:
        columns = [c.to_pylist() for c in batch.columns]
        lines = []
        for row in zip(*columns, strict=True):
            lines.append(separator + json_text(dict(zip(names, row, strict=True))))
            separator = ",\n"
        stream.write("".join(lines).encode())
    stream.write(b"\n]\n")


def _write_parquet(reader: pa.RecordBatchReader, stream: BinaryIO, notes: Notes) -> None:
    from catalog.formats.votable import header_votable  # noqa: PLC0415 - brings astropy

    said = {f"{NOTE}{k}": v for k, v in notes.items()}
    # VOParquet 1.0 (IVOA Note 2025): a VOTable without rows, for readers that know units and UCDs from it
    said |= {
        "IVOA.VOTable-Parquet.version": "1.0",
        "IVOA.VOTable-Parquet.content": header_votable(reader.schema, notes),
    }
    schema = reader.schema.with_metadata(said)
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))


def _write_votable(reader: pa.RecordBatchReader, stream: BinaryIO, notes: Notes) -> None:
    from catalog.formats.votable import write_votable  # noqa: PLC0415 - brings astropy

    write_votable(reader, stream, notes)


def _write_fits(reader: pa.RecordBatchReader, stream: BinaryIO, notes: Notes) -> None:
    from catalog.formats.fits_table import write_fits  # noqa: PLC0415 - brings astropy

    write_fits(reader.read_all(), stream, notes)


FORMATS: dict[str, Format] = {
    "csv": Format(_write_csv, binary=False, suffixes=(".csv",), has_room=False),
    "json": Format(_write_json, binary=False, suffixes=(".json",), has_room=False),
    "parquet": Format(_write_parquet, binary=True, suffixes=(".parquet", ".pq")),
    "votable": Format(_write_votable, binary=False, suffixes=(".vot", ".votable", ".xml")),
    "fits": Format(_write_fits, binary=True, suffixes=(".fits", ".fit")),
}
"""Name -> how to write it."""


def find_format(name: str | None, output: Path | None = None) -> str:
    """Return the format's name: as asked, else by the file's suffix.

    Raises
    ------
    UnknownName
        If there is no such format, or the suffix means none.

    Examples
    --------
    >>> find_format(None, Path("m82.vot"))
    'votable'
    """
    if name in FORMATS:
        return str(name)
    if name is None and output is not None:
        for known, format_ in FORMATS.items():
            if output.suffix.lower() in format_.suffixes:
                return known
    asked = name if name is not None else f"for a file called {output.name}" if output else "given"
    raise UnknownName(f"no format {asked}{suggestion(name or '', FORMATS)}; there are {', '.join(FORMATS)}")


def write(reader: pa.RecordBatchReader, stream: BinaryIO, name: str, notes: Notes | None = None) -> None:
    """Write a result to a binary stream.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
        Rows; unit, ucd and description as metadata of the fields. `catalog.Result.reader` gives one.
    stream : binary file
        Needs `write` alone.
    name : str
        A key of `FORMATS`.
    notes : mapping of str to str, optional
        What to say of the whole table; else what the reader's schema says, which a `catalog.Result` fills.

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO()
    >>> write(pa.table({"obsid": [732, None]}).to_reader(), stream, "csv")
    >>> stream.getvalue().splitlines()
    [b'"obsid"', b'732', b'']
    """
    FORMATS[find_format(name)].write(reader, stream, notes or notes_of(reader.schema))


def export(reader: pa.RecordBatchReader, output: Path, name: str | None = None, notes: Notes | None = None) -> None:
    """Write a result to a file, whole or not at all; of CSV and JSON, what they have no room for, to a file beside it.

    Parameters
    ----------
    reader, notes
        As for `write`.
    output : Path
        Replaced if it exists; its suffix tells the format unless `name` does. See `catalog.formats.whole_files.whole`
        for links, devices and permissions.
    name : str, optional
        A key of `FORMATS`.

    Raises
    ------
    UnknownName
        If the format is not known.
    QueryError
        If the file cannot be written there, or lies in a store.
    OutOfSpace
        If the disk is full; nothing of the file is left then.
    """
    format_ = find_format(name, output)
    notes = notes or notes_of(reader.schema)
    with whole(output) as stream:
        write(reader, stream, format_, notes)
    if notes and not FORMATS[format_].has_room and output.is_file():  # not beside a device, as /dev/stdout
        with whole(beside(output)) as stream:
            stream.write(_metadata(output.name, reader.schema, notes))


def beside(output: Path) -> Path:
    """Return where the metadata of a file stand that has no room for them.

    Examples
    --------
    >>> beside(Path("m82.csv")).name
    'm82.csv-metadata.json'
    """
    return output.with_name(f"{output.name}-metadata.json")


def _metadata(name: str, schema: pa.Schema, notes: Notes) -> bytes:
    columns = []
    for field in schema:
        about = {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
        named = {"dc:description": "description", "schema:unitText": "unit", "dc:subject": "ucd"}
        told = {key: about[ours] for key, ours in named.items() if ours in about}
        columns.append({"name": field.name, "titles": field.name} | told)
    made = {"@context": "http://www.w3.org/ns/csvw", "url": name, "tableSchema": {"columns": columns}, "notes": [notes]}
    return json.dumps(made, ensure_ascii=False, indent=1, default=dict).encode()
