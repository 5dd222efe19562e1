"""Tables that a user brings: data frames, and files of tables, as Arrow with units where they have them.

A store's owner may read files of their own. SQL that comes from outside may not, and never reaches this module.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.parsers import expat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import QueryError, UnreadableFile

if TYPE_CHECKING:
    from astropy.table import Table

_MOST_ELEMENTS = 1 << 16
"""Elements in one cell of a VOTable."""
_SIZE = re.compile(r"([0-9]{1,18}x)*([0-9]{1,18}|[0-9]{0,18}\*)|")
"""How many elements a cell has, as VOTable writes it: '3', '2x3', '2x*', '8*'."""
KINDS = ".csv, .tsv, .parquet, .arrow, .fits, .vot, .xml, .ecsv, also gzipped"


def from_frame(frame: object) -> pa.Table:
    """Make an Arrow table of what a user has at hand.

    Parameters
    ----------
    frame : object
        An Arrow table or batch, a polars or pandas data frame, an astropy Table, or a dict of columns.

    Returns
    -------
    pyarrow.Table
        NaN is NULL. Units, descriptions and UCDs of an astropy or Arrow table stand in the fields' metadata. A column
        of positions becomes two, of ra and dec in degrees (ICRS); times become UTC.

    Raises
    ------
    QueryError
        If it is no table, or a column cannot be taken.

    Examples
    --------
    >>> from_frame({"ra": [83.8, float("nan")]})["ra"].to_pylist()
    [83.8, None]
    """
    kind = next((k.__module__.partition(".")[0] for k in type(frame).__mro__ if k.__name__ in _CLASSES), "")
    try:
        table = _tables(kind, frame)
        columns = [_without_nan(c) for c in table.columns]
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise QueryError(f"this {type(frame).__name__} cannot be taken as a table: {error}") from error
    if again := [n for n, count in Counter(map(str.lower, table.column_names)).items() if count > 1]:
        raise QueryError(f"a column's name stands twice, in small or capital letters: {', '.join(again)}; rename one")
    return pa.table(columns, schema=pa.schema(pa.field(f.name, f.type, metadata=_about(f)) for f in table.schema))


def _about(column: pa.Field) -> dict[bytes, bytes]:
    """Return what a column says of itself, without what other libraries note in it."""
    return {key: text for key, text in (column.metadata or {}).items() if key in {b"unit", b"ucd", b"description"}}


_CLASSES = frozenset({"Table", "RecordBatch", "DataFrame", "LazyFrame", "dict"})


def _tables(kind: str, frame: Any) -> pa.Table:  # noqa: ANN401 - whatever a user has at hand
    match kind:
        case "pyarrow":
            return frame if isinstance(frame, pa.Table) else pa.Table.from_batches([frame])
        case "polars":
            return (frame.collect() if hasattr(frame, "collect") else frame).to_arrow()
        case "pandas":
            index = any(name is not None for name in frame.index.names)
            return pa.Table.from_pandas(frame, preserve_index=index)
        case "astropy":
            return _from_astropy(frame)
        case "builtins":
            return pa.table({name: _plain(values) for name, values in frame.items()})
    found = type(frame).__name__
    raise QueryError(f"expected a table (polars, pandas, Arrow, astropy Table, dict of columns), found {found}")


def _plain(values: object) -> object:
    return list(values) if isinstance(values, np.ndarray) and values.ndim > 1 else values


def _without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _from_astropy(table: Table) -> pa.Table:
    from astropy.coordinates import SkyCoord  # noqa: PLC0415 - whoever gives such a table has loaded it
    from astropy.time import Time  # noqa: PLC0415 - as above

    arrays, fields = [], []
    for name in table.colnames:
        column = table[name]
        about = {"unit": str(column.unit)} if getattr(column, "unit", None) else {}
        about |= {"description": str(column.info.description)} if column.info.description else {}
        about |= {"ucd": str(column.info.meta["ucd"])} if "ucd" in (column.info.meta or {}) else {}
        if isinstance(column, SkyCoord):
            for axis in ("ra", "dec"):
                arrays.append(pa.array(np.asarray(getattr(column.icrs, axis).deg, dtype=np.float64)))
                own = axis if axis not in table.colnames else f"{name}_{axis}"
                fields.append(pa.field(own, arrays[-1].type, metadata=about | {"unit": "deg"}))
            continue
        if isinstance(column, Time):
            arrays.append(pa.array(column.utc.datetime64.astype("datetime64[us]")))
        else:
            arrays.append(_array(column))
        fields.append(pa.field(name, arrays[-1].type, metadata=about or None))
    return pa.table(arrays, schema=pa.schema(fields))


def _array(column: Any) -> pa.Array:  # noqa: ANN401 - a Column, MaskedColumn, Quantity or Masked of astropy
    mask = getattr(column, "mask", None)
    values = np.asarray(getattr(column, "unmasked", getattr(column, "value", column)))
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "U":
        values = np.char.rstrip(values)
    if values.dtype.kind in "iufbc":
        values = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    if values.ndim > 1:
        return pa.array(values.tolist())
    hidden = None if mask is None else np.broadcast_to(np.asarray(mask, dtype=bool), values.shape)
    return pa.array(values.tolist() if values.dtype.kind in "UO" else values, mask=hidden)


def read(file: str | os.PathLike[str]) -> pa.Table:
    r"""Read a file with a table: what its name says, gzipped or not.

    Parameters
    ----------
    file : path-like
        CSV, TSV, Parquet, Arrow, FITS (its first table), VOTable (its first table), ECSV.

    Raises
    ------
    UnreadableFile
        If it is none of these, or a broken one.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "mine.csv"
    >>> _ = file.write_text("name,ra\nM 82,148.97\n")
    >>> read(file).to_pylist()
    [{'name': 'M 82', 'ra': 148.97}]
    """
    path = Path(file)
    suffixes = [s.lower() for s in path.suffixes]
    return read_as(path, next((s for s in reversed(suffixes) if s not in {".gz", ".zst", ".bz2", ".xz"}), ""))


def read_as(path: Path, suffix: str) -> pa.Table:
    """Read a file with a table of a kind, as '.vot', whatever its name; else as `read`."""
    if not path.is_file():
        raise UnreadableFile("a file with a table", "no such file", f"name one in {KINDS}", str(path))
    try:
        frame = _frame(path, suffix)
    except (QueryError, UnreadableFile):
        raise
    except Exception as error:  # each library that reads has errors of its own
        said = str(error).strip().splitlines()
        found = said[0] if said else type(error).__name__
        raise UnreadableFile("a table", found, f"name a whole one, in {KINDS}", str(path)) from error
    return from_frame(frame)


def _frame(path: Path, suffix: str) -> object:
    match suffix:
        case ".csv" | ".tsv":
            import polars as pl  # noqa: PLC0415 - for such a file alone

            return pl.read_csv(path, separator="\t" if suffix == ".tsv" else ",", infer_schema_length=None)
        case ".parquet" | ".pq":
            import pyarrow.parquet as pq  # noqa: PLC0415 - as above

            return pq.read_table(path)
        case ".arrow" | ".feather":
            import pyarrow.feather as pf  # noqa: PLC0415 - as above

            return pf.read_table(path)
        case ".fits" | ".fit" | ".vot" | ".votable" | ".xml" | ".ecsv":
            import warnings  # noqa: PLC0415 - as above

            from astropy.table import Table  # noqa: PLC0415 - as above

            kind = {".fits": "fits", ".fit": "fits", ".ecsv": "ascii.ecsv"}.get(suffix, "votable")
            options = {"table_id": 0} if kind == "votable" else {}
            if kind == "votable":
                from astropy.utils.data import get_readable_fileobj  # noqa: PLC0415 - as above

                with get_readable_fileobj(path, encoding="binary") as stream:
                    try:
                        check_votable(stream)
                    except QueryError as error:
                        raise UnreadableFile("a VOTable with its rows", str(error), name=str(path)) from error
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of units that astropy does not know: they are kept as they are
                return Table.read(path, format=kind, **options)
    raise QueryError(f"{path}: expected a table in {KINDS}; found a name that ends in {suffix or 'nothing'}")


def check_votable(stream: BinaryIO, most_cells: int | None = None) -> None:
    """Refuse a VOTable that must not be given to a reader: one that points to rows elsewhere, or asks for much memory.

    astropy opens what a STREAM's href names: any file that this program may read, any address that it can reach.

    Parameters
    ----------
    stream : binary file
        Its XML, without compression.
    most_cells : int, optional
        Elements of all rows of its tables together.

    Raises
    ------
    QueryError
        If it is such a one, or no XML.

    Examples
    --------
    >>> import io
    >>> check_votable(io.BytesIO(b'<VOTABLE><STREAM href="file:///a"/></VOTABLE>'))
    Traceback (most recent call last):
    ...
    catalog.errors.QueryError: the VOTable keeps its rows elsewhere (STREAM href); send them in it: TABLEDATA or BINARY2
    """
    width = rows = cells = 0

    def begin(tag: str, given: dict[str, str]) -> None:
        nonlocal width, rows, cells
        kind, size, n_rows = _plain_name(tag), given.get("arraysize", "").strip(), given.get("nrows", "0").strip()
        if kind == "stream" and "href" in map(_plain_name, given):
            raise QueryError(
                "the VOTable keeps its rows elsewhere (STREAM href); send them in it: TABLEDATA or BINARY2"
            )
        elements = _elements(size)
        if kind == "table":
            if not re.fullmatch("[0-9]{1,18}", n_rows):
                raise QueryError(f"the VOTable has nrows={n_rows[:40]!r}; expected a whole number")
            width, rows = 0, int(n_rows)
        elif kind == "field":
            width += elements
            cells += elements * rows
        elif kind == "tr":
            cells += width
        if most_cells is not None and cells > most_cells:
            raise QueryError(f"the VOTable says that it has more than {most_cells:,} cells; send fewer rows or columns")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    try:
        parser.ParseFile(stream)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, QueryError):
            raise
        raise QueryError(f"this is no VOTable: {error}") from error


def _plain_name(name: str) -> str:
    """Return a name of XML without its prefix, in small letters."""
    return name.rpartition(":")[2].lower()


def _elements(size: str) -> int:
    """Return how many elements an arraysize asks room for."""
    n = math.prod(max(1, int(n)) for n in re.findall("[0-9]+", size)) if _SIZE.fullmatch(size) else _MOST_ELEMENTS + 1
    if n > _MOST_ELEMENTS:
        raise QueryError(f"the VOTable has arraysize={size[:40]!r}; a cell has at most {_MOST_ELEMENTS} elements")
    return n
