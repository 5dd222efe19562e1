"""Tables of sources in binary formats: Parquet, and FITS tables (binary, ASCII, and column-wise ones of one row).

Source: FITS standard 4.0 (Pence et al. 2010, A&A 524, A42; IAU FWG 2018), sections 7.2 and 7.3; STIL's description of
its 'colfits' format: one row, in which every column is an array over the table's rows.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO, cast

import pyarrow as pa

from catalog.errors import UnreadableFile
from ingest.fits import HDU, Array, integer, null_mask, read_hdus
from ingest.fits import Field as FitsField
from ingest.readers import JOINS_AS_IT_IS
from ingest.tables.bounds import parquet_batches
from ingest.tables.column_names import names_sources
from ingest.tables.tabular import BATCH_ROWS, Field, Sheet, batch_of, named_release

_SPOOL_BYTES = 64 << 20  # what is larger goes to disk


def parquet_sheet(stream: BinaryIO) -> Sheet:
    """Read a Parquet file; its index stands at its end, so it is spooled to a temporary file.

    Raises
    ------
    UnreadableFile
        If it is damaged.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - a third of pyarrow's import time, for one format

    flags: list[str] = []
    resources = ExitStack()
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115 - closed with the sheet's resources
    resources.push(spool)
    while piece := stream.read(1 << 20):
        spool.write(piece)
    spool.seek(0)
    limits = {"thrift_string_size_limit": 64 << 20, "thrift_container_size_limit": 1 << 20}
    try:
        file = pq.ParquetFile(pa.PythonFile(spool, mode="r"), **limits)
        columns = [(f.name, (f.metadata or {}).get(b"unit", b"").decode("utf-8", "replace")) for f in file.schema_arrow]
    except (pa.ArrowException, OSError, ValueError) as error:
        resources.close()
        raise UnreadableFile("a Parquet file", str(error).splitlines()[0], "write it again") from None

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from parquet_batches(cast("BinaryIO", spool), file, BATCH_ROWS, flags)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UnreadableFile("a whole Parquet file", str(error).splitlines()[0], "write it again") from None

    fields = tuple(Field(n.strip() or f"column {i + 1}", unit=unit) for i, (n, unit) in enumerate(columns))
    comments = " ".join(str(v) for v in (file.schema_arrow.metadata or {}).values())
    return Sheet(fields, batches(), named_release(comments), flags=flags, resources=resources)


_NAMES = re.compile(r"(.*[._])?(name(_\d)?|obsid|obs_id|detection_id|2cxo)", re.IGNORECASE)
_ASCII_FORM = re.compile(r"\s*[AIFED](\d+)(\.\d+)?\s*")


def is_ascii_table(hdu: HDU) -> bool:
    """Tell whether an HDU is an ASCII table, as old catalogs have them."""
    return str(hdu.header.get("XTENSION", "")).strip() == "TABLE"


def fits_sheet(stream: BinaryIO) -> Sheet:
    """Read the first table of a FITS file that names sources or observations.

    Raises
    ------
    UnreadableFile
        If there is none.
    """
    seen: list[str] = []
    for hdu in read_hdus(stream):
        if not hdu.is_table and not is_ascii_table(hdu):
            continue
        names = hdu.column_names
        if names_sources(names) or any(_NAMES.fullmatch(n) for n in names):
            return _ascii_sheet(hdu) if is_ascii_table(hdu) else _binary_sheet(hdu)
        seen += names
    raise UnreadableFile(
        "a FITS table with a column of CSC source names (name) or obsid",
        f"columns {', '.join(seen[:8])}" if seen else "no table",
        JOINS_AS_IT_IS if seen else "",
    )


def _binary_sheet(hdu: HDU) -> Sheet:
    kept = [f for f in hdu.fields if f.code not in "PQXCM" and f.repeat > 0]
    left_out = [f.name for f in hdu.fields if f not in kept]
    flags = [f"columns left out, of variable length, bits or complex: {', '.join(left_out)}"] if left_out else []
    unique = {str(i): f for i, f in enumerate(kept)}
    by_column = hdu.n_rows == 1 and len({_length(f) for f in kept}) == 1 and _length(kept[0]) > 1

    def batches() -> Iterator[pa.RecordBatch]:
        for chunk in hdu.chunks({key: f.name for key, f in unique.items()}, BATCH_ROWS):
            if not by_column:
                yield batch_of([_arrow(chunk[key], f) for key, f in unique.items()])
                continue
            columns = [(chunk[key][0].reshape(_length(f), -1), f) for key, f in unique.items()]
            for first in range(0, _length(kept[0]), BATCH_ROWS):
                parts = [(values[first : first + BATCH_ROWS], f) for values, f in columns]
                yield batch_of([_arrow(v[:, 0] if v.shape[1] == 1 else v, f) for v, f in parts])

    return _sheet(hdu, [(f.name, f.unit) for f in kept], batches(), flags)


def _length(f: FitsField) -> int:
    """Return over how many rows a column of a column-wise table goes: its slowest axis."""
    return f.dims[-1] if len(f.dims) > (f.code == "A") else 1 if f.code == "A" else f.repeat


def _arrow(values: Array, f: FitsField) -> pa.Array:
    mask = null_mask(values, f)
    if f.code == "L":
        values = values == 1
    if values.ndim == 1:
        return pa.array(values, mask=mask)
    cells = values.astype(object)
    if mask is not None:
        cells[mask] = None
    return pa.array(cells.reshape(len(cells), -1).tolist())


def _ascii_sheet(hdu: HDU) -> Sheet:
    """Read an ASCII table: every value as text, as from any other text table."""
    header, width = hdu.header, integer(hdu.header, "NAXIS1")
    cells: list[tuple[int, int]] = []
    names = hdu.column_names
    for i in range(1, len(names) + 1):
        start, form = header.get(f"TBCOL{i}"), _ASCII_FORM.fullmatch(str(header.get(f"TFORM{i}")))
        if not isinstance(start, int) or not form or not 0 < start <= width:
            found = f"TBCOL{i} = {start}, TFORM{i} = {header.get(f'TFORM{i}')!r}"
            raise UnreadableFile(f"a place and a format of column {i} of an ASCII table", found)
        if any(header.get(f"{key}{i}") not in (None, default) for key, default in (("TSCAL", 1), ("TZERO", 0))):
            raise UnreadableFile(
                "an ASCII table without TSCAL and TZERO", f"them in column {i}", "save it as a binary table"
            )
        cells.append((start - 1, min(start - 1 + int(form[1]), width)))

    def batches() -> Iterator[pa.RecordBatch]:
        data, n_rows = hdu.read(), hdu.n_rows
        for first in range(0, n_rows, BATCH_ROWS):
            rows = [
                data[r * width : (r + 1) * width].decode("latin-1")
                for r in range(first, min(first + BATCH_ROWS, n_rows))
            ]
            columns = []
            for i, (begin, end) in enumerate(cells, start=1):
                null = str(header.get(f"TNULL{i}") or "").strip()
                texts = [row[begin:end].strip() for row in rows]
                columns.append(pa.array([None if null and text == null else text for text in texts], pa.string()))
            yield batch_of(columns)

    units = [str(header.get(f"TUNIT{i}") or "").strip() for i in range(1, len(names) + 1)]
    return _sheet(hdu, list(zip(names, units, strict=True)), batches(), [])


def _sheet(hdu: HDU, columns: list[tuple[str, str]], batches: Iterator[pa.RecordBatch], flags: list[str]) -> Sheet:
    comments = " ".join(str(v) for k, v in hdu.header.items() if not k.startswith(("TFORM", "TDISP", "TTYPE", "TUNIT")))
    fields = tuple(Field(name or f"column {i}", unit=unit) for i, (name, unit) in enumerate(columns))
    release = named_release(comments)
    return Sheet(fields, batches, release, own=release is not None, flags=flags)
