"""VOTable 1.4 in BINARY2, BINARY or TABLEDATA, batch by batch: lists are arrays of variable length.

Every cell can be null: in BINARY2 by a flag, in TABLEDATA by an empty cell. BINARY has neither: there the smallest
integer stands for null, and the field says so.

Source: VOTable Format Definition 1.4 (Ochsenbein et al. 2019, IVOA Recommendation), sections 4 and 5.4; VOUnits 1.1.
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Literal
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from astropy import units as u

from catalog.formats.astropy_table import metadata_of, parse_unit
from catalog.formats.plain_types import json_text, plain, time_text
from catalog.formats.ragged_bytes import Ragged, joined, ragged

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_FLUX = u.mW / u.m**2
_GROUP = 3  # bytes that give four characters of base64
_NUMBERS: dict[pa.DataType, tuple[str, str]] = {
    # VOTable has no signed byte: int8 widens to short
    pa.int8(): ("short", ">i2"),
    pa.uint8(): ("short", ">i2"),
    pa.int16(): ("short", ">i2"),
    pa.uint16(): ("int", ">i4"),
    pa.int32(): ("int", ">i4"),
    pa.uint32(): ("long", ">i8"),
    pa.int64(): ("long", ">i8"),
    pa.uint64(): ("long", ">i8"),  # VOTable has no larger one: see `_filled`
    pa.float16(): ("float", ">f4"),
    pa.float32(): ("float", ">f4"),
    pa.float64(): ("double", ">f8"),
}


@dataclass(frozen=True)
class _Kind:
    """How one column is declared and encoded: as one array of fixed width, or as counts and what they count."""

    attributes: str
    fixed: Callable[[pa.Array], npt.NDArray[np.generic]] | None = None
    cells: Callable[[pa.Array], tuple[npt.NDArray[np.generic], Ragged]] | None = None
    array_null: str = ""
    null: int | None = None


Serialization = Literal["BINARY2", "BINARY", "TABLEDATA"]
"""How the rows stand in a VOTable."""


@lru_cache(maxsize=512)
def vounit(text: str) -> str:
    """Spell a unit as VOUnits does; '' for what is no unit there, which a reader would stumble over.

    VOUnits no longer wants the erg: a flux in erg/s/cm**2 is declared as mW.m**-2, which is the same number, as VizieR
    does it.

    Examples
    --------
    >>> vounit("erg/s/cm**2"), vounit("count/s"), vounit("erg"), vounit("nat"), vounit("")
    ('mW.m**-2', 'count.s**-1', 'cm**2.g.s**-2', '', '')
    """
    unit = parse_unit(text)
    if unit is None or isinstance(unit, u.UnrecognizedUnit):
        return ""
    if unit == _FLUX:
        unit = _FLUX
    try:
        return str(unit.to_string("vounit", deprecations="convert"))
    except (ValueError, u.UnitsError):
        return ""


def write_votable(
    reader: pa.RecordBatchReader,
    stream: BinaryIO,
    notes: Mapping[str, str],
    serialization: Serialization = "BINARY2",
    *,
    more: bool = False,
    after: str = "",
) -> None:
    """Write a VOTable.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
        Rows; unit, ucd and description as metadata of the fields.
    stream : binary file
    notes : mapping of str to str
        Written as INFO elements.
    serialization : {'BINARY2', 'BINARY', 'TABLEDATA'}
    more : bool
        There are more rows than these: the table says so at its end, as DALI has it.
    after : str
        Further elements RESOURCE, which may refer to fields: one whose metadata has an `id` carries it.
    """
    kinds = [_kind(field.type) for field in reader.schema]
    stream.write(_head(reader.schema, kinds, notes, serialization).encode())
    if serialization == "TABLEDATA":
        stream.write(b"<DATA><TABLEDATA>\n")
        stream.writelines(_written_rows(batch).encode() for batch in reader)
        stream.write(b"</TABLEDATA></DATA>")
    else:
        stream.write(f'<DATA><{serialization}><STREAM encoding="base64">\n'.encode())
        _write_binary(reader, stream, kinds, flags=serialization == "BINARY2")
        stream.write(f"</STREAM></{serialization}></DATA>".encode())
    end = '<INFO name="QUERY_STATUS" value="OVERFLOW"/>' if more else ""
    stream.write(f"</TABLE>{end}</RESOURCE>{after}</VOTABLE>\n".encode())


def header_votable(schema: pa.Schema, notes: Mapping[str, str]) -> str:
    """Return a VOTable without rows: what VOParquet keeps in a Parquet file.

    Parameters
    ----------
    schema : pyarrow.Schema
    notes : mapping of str to str
    """
    kinds = [_kind(field.type) for field in schema]
    return f"{_head(schema, kinds, notes, 'TABLEDATA')}</TABLE></RESOURCE></VOTABLE>"


def _write_binary(reader: pa.RecordBatchReader, stream: BinaryIO, kinds: list[_Kind], *, flags: bool) -> None:
    rest = b""
    for batch in reader:
        data = rest + _rows(batch, kinds, flags=flags)
        whole = len(data) - len(data) % _GROUP
        stream.write(binascii.b2a_base64(data[:whole]))
        rest = data[whole:]
    stream.write(binascii.b2a_base64(rest))


def _written_rows(batch: pa.RecordBatch) -> str:
    """Write rows as XML."""
    columns = [_written_cells(column) for column in batch.columns]
    return "".join(f"<TR>{''.join(f'<TD>{cell}</TD>' for cell in row)}</TR>\n" for row in zip(*columns, strict=True))


def _written_cells(column: pa.Array) -> Iterable[str]:
    type_ = column.type
    values = column.to_pylist()
    if type_ in _NUMBERS:
        return ["" if v is None else _number(v) for v in values]
    if pa.types.is_boolean(type_):
        return ["" if v is None else str(v).lower() for v in values]
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        return map(time_text, values)
    if (pa.types.is_list(type_) or pa.types.is_fixed_size_list(type_)) and type_.value_type in _NUMBERS:
        dtype = _NUMBERS[type_.value_type][1]
        missing = "NaN" if dtype[1] == "f" else str(np.iinfo(dtype).min)
        nothing = " ".join([missing] * type_.list_size) if pa.types.is_fixed_size_list(type_) else ""
        return [nothing if v is None else " ".join(missing if x is None else _number(x) for x in v) for v in values]
    return [escape(allowed(v if isinstance(v, str) else "" if v is None else json_text(v))) for v in values]


def _number(value: float) -> str:
    """Write a number as VOTable has it: +Inf, -Inf, NaN."""
    return repr(value) if math.isfinite(value) else "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _head(schema: pa.Schema, kinds: list[_Kind], notes: Mapping[str, str], serialization: Serialization) -> str:
    taken: set[str] = set()
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">',
        '<RESOURCE type="results">',
        '<INFO name="QUERY_STATUS" value="OK"/>',
        *(f"<INFO {_named(k, set())} value={_quoted(v)}/>" for k, v in notes.items()),
        '<COOSYS ID="icrs" system="ICRS"/>',
        "<TABLE>",
    ]
    for field, kind in zip(schema, kinds, strict=True):
        about = metadata_of(field)
        own = f"ID={_quoted(about['id'])} " if "id" in about else ""
        attributes = f"{own}{_named(field.name, taken)} {kind.attributes}"
        meaning, unit = about.get("description", ""), about.get("unit", "")
        if declared := vounit(unit):
            attributes += f" unit={_quoted(declared)}"
        elif unit:
            meaning = f"{meaning} [{unit}]".strip()
        if ucd := about.get("ucd"):
            attributes += f" ucd={_quoted(ucd)}"
            attributes += ' ref="icrs"' if ucd.startswith("pos.eq") else ""
        attributes += f" utype={_quoted(about['utype'])}" if "utype" in about else ""
        description = f"<DESCRIPTION>{escape(allowed(meaning))}</DESCRIPTION>" if meaning else ""
        null = (
            f'<VALUES null="{kind.null}"/>' if serialization == "BINARY" and kind.null is not None else kind.array_null
        )
        lines.append(f"<FIELD {attributes}>{description}{null}</FIELD>")
    return "\n".join(lines)


def _named(name: str, taken: set[str]) -> str:
    """Write a name, and an ID beside it where readers would have to make one up: 'count(*)', or the second 'name'."""
    stem = own = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    if not _NAME.fullmatch(own):
        stem = own = f"_{own}"
    n = 1
    while own in taken:
        n += 1
        own = f"{stem}_{n}"
    taken.add(own)
    return f"name={_quoted(name)}" if own == name else f"ID={_quoted(own)} name={_quoted(name)}"


def allowed(text: str) -> str:
    """Replace what no XML may hold: control characters, halves of surrogate pairs."""
    return _FORBIDDEN.sub("\ufffd", text)


def _quoted(text: str) -> str:
    return quoteattr(allowed(text))


def _rows(batch: pa.RecordBatch, kinds: list[_Kind], *, flags: bool) -> bytes:
    """Encode rows: flags of the null cells where there are any, first column in the highest bit, then the cells.

    Neighbours of fixed width go as one array, so that a table of numbers costs no Python per row.
    """
    if not batch.num_rows:
        return b""
    nulls = np.zeros((batch.num_rows, len(kinds)), dtype=bool)
    pieces: list[npt.NDArray[np.generic] | Ragged] = []
    run: list[npt.NDArray[np.generic]] = []
    for i, (column, kind) in enumerate(zip(batch.columns, kinds, strict=True)):
        nulls[:, i] = column.is_null().to_numpy(zero_copy_only=False)
        if kind.fixed is not None:
            run.append(
                kind.fixed(column if flags or kind.null is None else _signed(column).cast("int64").fill_null(kind.null))
            )
        elif kind.cells is not None:
            counts, cells = kind.cells(column)
            pieces += [_side_by_side([*run, counts], batch.num_rows), cells]
            run = []
    first = [np.packbits(nulls, axis=1)] if flags else []
    if not pieces:
        return _side_by_side([*first, *run], batch.num_rows).tobytes()
    return joined([*first, *pieces, _side_by_side(run, batch.num_rows)], batch.num_rows)


def _side_by_side(arrays: list[npt.NDArray[np.generic]], n_rows: int) -> npt.NDArray[np.void]:
    """Put columns into one array of records."""
    out = np.empty(n_rows, dtype=[(f"c{i}", a.dtype, a.shape[1:]) for i, a in enumerate(arrays)])
    for i, array in enumerate(arrays):
        out[f"c{i}"] = array
    return out


def _kind(type_: pa.DataType) -> _Kind:
    if type_ in _NUMBERS:
        name, dtype = _NUMBERS[type_]
        null = None if dtype[1] == "f" else int(np.iinfo(dtype).min)
        return _Kind(f'datatype="{name}"', fixed=lambda c: _filled(c, dtype), null=null)
    if pa.types.is_boolean(type_):
        return _Kind('datatype="boolean"', fixed=_truths)
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        attributes = 'datatype="char" arraysize="*" xtype="timestamp"'
        return _Kind(attributes, cells=_times)
    if pa.types.is_fixed_size_list(type_) and type_.value_type in _NUMBERS and type_.list_size:
        name, dtype = _NUMBERS[type_.value_type]
        size = type_.list_size
        sentinel = "" if dtype[1] == "f" else f'<VALUES null="{np.iinfo(dtype).min}"/>'
        attributes = f'datatype="{name}" arraysize="{size}"'
        return _Kind(attributes, fixed=lambda c: _equal_arrays(c, dtype, size), array_null=sentinel)
    if pa.types.is_list(type_) and type_.value_type in _NUMBERS:
        name, dtype = _NUMBERS[type_.value_type]
        sentinel = "" if dtype[1] == "f" else f'<VALUES null="{np.iinfo(dtype).min}"/>'
        return _Kind(f'datatype="{name}" arraysize="*"', cells=lambda c: _arrays(c, dtype), array_null=sentinel)
    return _Kind('datatype="unicodeChar" arraysize="*"', cells=_texts)


def _signed(column: pa.Array) -> pa.Array:
    """Return unsigned integers of 64 bits as VOTable's largest type; what has no place there is refused."""
    return plain(column, pa.int64(), "of unsigned integers") if pa.types.is_uint64(column.type) else column


def _truths(column: pa.Array) -> npt.NDArray[np.generic]:
    values = np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
    letters = np.where(values, b"T", b"F")
    letters[column.is_null().to_numpy(zero_copy_only=False)] = b"?"
    return letters


def _filled(column: pa.Array, dtype: str) -> npt.NDArray[np.generic]:
    """Return numbers in VOTable's byte order; NULLs hold NaN or zero under their flag."""
    if dtype[1] == "f":
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=dtype)
    return np.asarray(_signed(column).fill_null(0).to_numpy(zero_copy_only=False), dtype=dtype)


def _arrays(column: pa.Array, dtype: str) -> tuple[npt.NDArray[np.generic], Ragged]:
    """Encode lists: how many elements, and these; a NULL element is NaN, or the smallest integer."""
    missing = np.nan if dtype[1] == "f" else np.iinfo(dtype).min
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False), np.int64)
    wide = (values := _signed(column.flatten())).cast(pa.from_numpy_dtype(np.dtype(dtype).newbyteorder("=")))
    filled = wide.fill_null(missing) if values.null_count else wide
    data = np.asarray(filled.to_numpy(zero_copy_only=False), dtype=dtype)
    return lengths.astype(">i4"), Ragged(lengths * data.itemsize, np.frombuffer(data.tobytes(), np.uint8))


def _equal_arrays(column: pa.Array, dtype: str, size: int) -> npt.NDArray[np.generic]:
    """Return lists of one length as one array, shape (n, size); what is NULL is NaN, or the smallest integer."""
    missing = np.nan if dtype[1] == "f" else np.iinfo(dtype).min
    out = np.full((len(column), size), missing, dtype=dtype)
    values = _signed(column.flatten())  # of a list that is NULL there are none here
    wide = values.cast(pa.from_numpy_dtype(np.dtype(dtype).newbyteorder("=")))
    filled = wide.fill_null(missing) if values.null_count else wide
    there = column.is_valid().to_numpy(zero_copy_only=False)
    out[there] = filled.to_numpy(zero_copy_only=False).reshape(-1, size)
    return out


def _times(column: pa.Array) -> tuple[npt.NDArray[np.generic], Ragged]:
    made = ragged(time_text(v).encode("ascii") for v in column.to_pylist())
    return made.lengths.astype(">i4"), made


def _texts(column: pa.Array) -> tuple[npt.NDArray[np.generic], Ragged]:
    """Encode texts: how many units of UTF-16, and these."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        there = column.cast(pa.large_string()).fill_null("")
        if pc.all(pc.string_is_ascii(there), min_count=0).as_py():
            _, places, letters = there.buffers()
            ends = np.frombuffer(places, np.int64)[there.offset : there.offset + len(there) + 1]
            lengths = np.diff(ends)
            units = np.zeros((int(lengths.sum()), 2), np.uint8)
            if len(units):
                units[:, 1] = np.frombuffer(letters, np.uint8)[ends[0] : ends[-1]]
            return lengths.astype(">i4"), Ragged(lengths * 2, units.reshape(-1))
    made = ragged(_text(v).encode("utf-16-be") for v in column.to_pylist())
    return (made.lengths // 2).astype(">i4"), made


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json_text(value)
