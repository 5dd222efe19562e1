"""A FITS binary table from Arrow: TUNIT, TUCD, TNULL, text, lists in the heap.

Source: FITS standard 4.0 (Pence et al. 2010, A&A 524, A42; IAU FWG 2018), section 7.3. TCOMMn and TUCDn are the
keywords that TOPCAT and STILTS read descriptions and UCDs from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from astropy import units as u
from astropy.io import fits

from catalog.formats.astropy_table import metadata_of, parse_unit
from catalog.formats.plain_types import is_plain, json_text, plain, time_text

_BLOCK = 2880
_INTEGERS = {1: ("I", ">i2"), 2: ("I", ">i2"), 4: ("J", ">i4"), 8: ("K", ">i8")}
_FLOATS = {2: ("E", ">f4"), 4: ("E", ">f4"), 8: ("D", ">f8")}
_KEYWORDS = {"parameters": "PARAMS"}  # of the notes; the others have no more than eight letters

Array = npt.NDArray[np.generic]


@dataclass
class _Column:
    """One column as FITS holds it: TFORM, the bytes of the rows, and what lies in the heap."""

    form: str
    values: Array
    cards: dict[str, object] = field(default_factory=dict)
    heap: bytes = b""


def write_fits(table: pa.Table, stream: BinaryIO, notes: Mapping[str, str]) -> None:
    """Write a FITS file: an empty primary HDU and one binary table.

    Parameters
    ----------
    table : pyarrow.Table
        Fields may carry unit, ucd and description as metadata.
    stream : binary file
    notes : mapping of str to str
        Written into the header of the table, as QUERY, SNAPSHOT, ...: where `astropy.table.Table.read` looks. And as
        HISTORY of the primary HDU: for people.
    """
    primary = fits.PrimaryHDU()
    primary.header["ORIGIN"] = "photonlake"
    for key, text in notes.items():
        primary.header.add_history(_one_line(f"{key}: {text}"))
    stream.write(primary.header.tostring(padding=True).encode("ascii"))

    columns: list[_Column] = []
    heap_size = 0
    for data in table.columns:
        column = _column(data.combine_chunks() if data.num_chunks != 1 else data.chunk(0))
        if column.heap:
            # descriptors: count, offset
            column.values = np.asarray(np.add(column.values, [0, heap_size]), dtype=">i8")
            heap_size += len(column.heap)
        columns.append(column)
    rows = np.empty(
        table.num_rows,
        dtype=[(f"c{i}", c.values.dtype, c.values.shape[1:]) for i, c in enumerate(columns)],
    )
    for i, column in enumerate(columns):
        rows[f"c{i}"] = column.values
    header = _header(table, columns, rows, heap_size)
    for key, text in notes.items():
        header[_KEYWORDS.get(key, key[:8].upper())] = int(text) if key == "snapshot" else _one_line(text)
    stream.write(header.tostring(padding=True).encode("ascii"))
    stream.write(rows.tobytes())
    for column in columns:
        stream.write(column.heap)
    stream.write(b"\0" * (-(rows.nbytes + heap_size) % _BLOCK))


def _header(table: pa.Table, columns: list[_Column], rows: Array, heap_size: int) -> fits.Header:
    header = fits.Header()
    header["XTENSION"] = "BINTABLE"
    header["BITPIX"] = 8
    header["NAXIS"] = 2
    header["NAXIS1"] = rows.dtype.itemsize
    header["NAXIS2"] = len(rows)
    header["PCOUNT"] = heap_size
    header["GCOUNT"] = 1
    header["TFIELDS"] = len(columns)
    header["EXTNAME"] = "RESULT"
    for n, (about_field, column) in enumerate(zip(table.schema, columns, strict=True), 1):
        about = metadata_of(about_field)
        header[f"TTYPE{n}"] = _ascii(about_field.name).decode()
        header[f"TFORM{n}"] = column.form
        if unit := _fits_unit(about.get("unit", "")):
            header[f"TUNIT{n}"] = unit
        if "ucd" in about:
            header[f"TUCD{n}"] = about["ucd"]
        if "description" in about:
            header[f"TCOMM{n}"] = _ascii(about["description"]).decode()
        for key, value in column.cards.items():
            header[f"{key}{n}"] = value
    return header


def _one_line(text: str) -> str:
    r"""Write a text as a card can hold it, so that nothing of it is lost: a query must be one that can be asked again.

    Where a comment ends with its line, the line's end must stay: as a backslash and an n. Characters beyond ASCII are
    told by their number, as Python does.

    Examples
    --------
    >>> _one_line("SELECT 'Löwe'\nFROM t"), _one_line("SELECT 1 -- one\nFROM t")
    ("SELECT 'L\\xf6we' FROM t", 'SELECT 1 -- one\\nFROM t')
    """
    end = "\\n" if "--" in text else " "
    return end.join(text.splitlines()).replace("\t", " ").encode("ascii", "backslashreplace").decode()


def _fits_unit(text: str) -> str:
    unit = parse_unit(text)
    if unit is None or isinstance(unit, u.UnrecognizedUnit):
        return text
    try:
        return str(unit.to_string("fits"))
    except ValueError:
        return text


def _column(data: pa.Array) -> _Column:
    type_ = data.type
    if pa.types.is_boolean(type_):
        letters = {None: b"\0", True: b"T", False: b"F"}
        return _Column("L", np.array([letters[v] for v in data.to_pylist()], dtype="S1").reshape(len(data)))
    if pa.types.is_floating(type_):
        code, dtype = _FLOATS[type_.bit_width // 8]
        return _Column(code, np.asarray(data.to_numpy(zero_copy_only=False), dtype=dtype))
    if pa.types.is_integer(type_):
        return _integers(data)
    if pa.types.is_list(type_) and (pa.types.is_integer(type_.value_type) or pa.types.is_floating(type_.value_type)):
        return _lists(data)
    return _texts(data)


def _integers(data: pa.Array) -> _Column:
    if pa.types.is_uint64(data.type):
        data = plain(data, pa.int64(), "of unsigned integers")  # FITS has no larger one
    width = data.type.bit_width // 8 * (2 if pa.types.is_unsigned_integer(data.type) else 1)
    code, dtype = _INTEGERS[min(width, 8)]
    if not data.null_count:
        return _Column(code, np.asarray(data.to_numpy(zero_copy_only=False), dtype=dtype))
    null = _free_value(data, dtype)
    values = np.asarray(data.fill_null(0).to_numpy(zero_copy_only=False), dtype=dtype)
    values[data.is_null().to_numpy(zero_copy_only=False)] = null
    return _Column(code, values, {"TNULL": null})


def _free_value(data: pa.Array, dtype: str) -> int:
    """Return a value that stands for NULL: the smallest that no cell has."""
    value = int(np.iinfo(dtype).min)
    while pc.any(pc.equal(data.cast(pa.from_numpy_dtype(np.dtype(dtype).newbyteorder("="))), value)).as_py():
        value += 1
    return value


def _texts(data: pa.Array) -> _Column:
    cells = [_ascii(text) for text in _strings(data)]
    width = max(map(len, cells), default=0) or 1
    return _Column(f"{width}A", np.array(cells, dtype=f"S{width}"))


def _strings(data: pa.Array) -> list[str]:
    spell: Callable[[object], str] = str if is_plain(data.type) else json_text
    if pa.types.is_timestamp(data.type):
        return [time_text(v) for v in data.to_pylist()]
    return ["" if v is None else spell(v) for v in data.to_pylist()]


def _ascii(text: str) -> bytes:
    """Write text in the only characters FITS has: accents are dropped, the rest becomes '?'."""
    if text.isascii():
        plain = text
    else:
        plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return bytes(b if 32 <= b < 127 else ord(" ") for b in plain.encode("ascii", "replace"))  # noqa: PLR2004 - printable


def _lists(data: pa.Array) -> _Column:
    """Put lists into the heap; the rows hold count and offset. Integers with NULLs among them become doubles."""
    flat = data.flatten()
    if flat.null_count and pa.types.is_integer(flat.type):
        flat = flat.cast(pa.float64(), safe=False)  # the standard's TNULL for arrays is what readers stumble over
    if pa.types.is_unsigned_integer(flat.type):
        wider = {8: pa.int16(), 16: pa.int32()}.get(flat.type.bit_width, pa.int64())
        flat = plain(flat, wider, "of unsigned integers")
    size = flat.type.bit_width // 8
    code, dtype = (_FLOATS if pa.types.is_floating(flat.type) else _INTEGERS)[size]
    values = np.asarray(flat.to_numpy(zero_copy_only=False), dtype=dtype)
    counts = np.asarray(data.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else counts
    descriptors = np.stack([counts, offsets * values.dtype.itemsize], axis=1).astype(">i8")
    return _Column(f"1Q{code}({int(counts.max(initial=0))})", descriptors, heap=values.tobytes())
