"""What comes with a request to a TAP service: parameters, and tables.

Source: TAP 1.1, section 2.5; DALI 1.1, section 3.4.5.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Message, Receive

from catalog.errors import QueryError
from catalog.formats import own_tables
from catalog.serve.tap_service import UPLOAD_BYTES, USUAL_ROWS

_PIECE = 1 << 20
_MAX_FIELDS = 64
_MOST_CELLS = 1 << 26


@dataclass
class Given:
    """What came with a request: parameters, their names in capitals, and tables."""

    parameters: dict[str, str]
    uploads: dict[str, pa.Table]


_TOO_LARGE = "at most {} MB can be uploaded"


def at_most(most: int, receive: Receive) -> Receive:
    """Return what takes a body as `receive` does, up to so many bytes; more is a `QueryError`."""
    came = 0

    async def take() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise QueryError(_TOO_LARGE.format(most >> 20) if most >> 20 else f"at most {most:,} bytes can be sent")
        return message

    return take


async def given_with(request: Request, result_at: Callable[[str], Path | None]) -> Given:
    """Read parameters and tables of a request.

    Parameters
    ----------
    request : Request
    result_at : callable
        Address -> the file of a result of this service; None for an address elsewhere.

    Raises
    ------
    QueryError
        If an upload is not one.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > UPLOAD_BYTES:
        raise QueryError(_TOO_LARGE.format(UPLOAD_BYTES >> 20))
    request = Request(request.scope, at_most(UPLOAD_BYTES, request.receive))  # TOPCAT sends pieces of untold length
    items: list[tuple[str, object]] = list(request.query_params.multi_items())
    form = None
    if request.method == "POST":
        form = await request.form(max_fields=_MAX_FIELDS, max_files=_MAX_FIELDS, max_part_size=_PIECE)
        items += form.multi_items()
    named = [(name.upper(), value) for name, value in items]
    texts = {name: value for name, value in named if isinstance(value, str)}
    texts["RESPONSEFORMAT"] = texts.get("RESPONSEFORMAT") or texts.pop("FORMAT", "")
    texts.pop("FORMAT", None)
    asked = ";".join(value for name, value in named if name == "UPLOAD" and isinstance(value, str))
    files = {name: value for name, value in items if isinstance(value, UploadFile)}
    try:
        uploads = {
            name: await run_in_threadpool(_uploaded, name, source, files, result_at)
            for name, _, source in (part.partition(",") for part in asked.split(";") if part)
        }
    finally:
        if form is not None:
            await form.close()
    return Given({n: v for n, v in texts.items() if v or n == "QUERY"}, uploads)


def _uploaded(
    name: str, source: str, files: dict[str, UploadFile], result_at: Callable[[str], Path | None]
) -> pa.Table:
    """Read one table: UPLOAD=mine,param:file, and the VOTable in the field `file`; or the result of a job here."""
    if not re.fullmatch(r"[A-Za-z]\w{0,63}", name):
        raise QueryError(f"UPLOAD={name}: a table's name is letters, digits and underscores")
    kind, _, field = source.partition(":")
    if kind in {"http", "https"}:
        if (file := result_at(source)) is None:
            raise QueryError(f"UPLOAD={name},{source}: only results of this service are taken by their address")
        return table_of_votable(file)
    if kind != "param" or field not in files:
        raise QueryError(f"UPLOAD={name},{source}: a table comes with the request: UPLOAD={name},param:FIELD")
    with tempfile.TemporaryDirectory(prefix="photonlake-") as folder:
        path = Path(folder) / f"{name}.vot"
        with path.open("wb") as stream:
            while piece := files[field].file.read(_PIECE):
                stream.write(piece)
        return table_of_votable(path)


def table_of_votable(path: Path) -> pa.Table:
    """Read the first table of a VOTable; times in it are times.

    Raises
    ------
    QueryError
        If it is none.
    """
    import warnings  # noqa: PLC0415 - for uploads alone

    from astropy.io.votable import parse_single_table  # noqa: PLC0415 - as above

    with path.open("rb") as stream:
        own_tables.check_votable(stream, _MOST_CELLS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what could be written better
            read = parse_single_table(str(path))
            table = own_tables.from_frame(read.to_table())
    except QueryError:
        raise
    except Exception as error:  # astropy's readers fail with whatever a broken file leads to
        said = str(error).strip().splitlines()
        raise QueryError(f"the table that was sent is no VOTable: {said[0] if said else error!r}") from error
    for place, about in enumerate(read.fields):
        if about.xtype == "timestamp" and pa.types.is_string(table.schema.field(place).type):
            times = [t and t.replace("T", " ").removesuffix("Z") for t in table.column(place).to_pylist()]
            column = pc.cast(pa.array([t or None for t in times], pa.string()), pa.timestamp("us"))
            table = table.set_column(place, table.schema.field(place).with_type(column.type), column)
    return table


def query_of(parameters: Mapping[str, str]) -> str:
    """Return the query among parameters.

    Raises
    ------
    QueryError
        If there is none, or it is in a language that is not ADQL.
    """
    request = parameters.get("REQUEST", "doQuery")
    if request.lower() != "doquery":
        raise QueryError(f"REQUEST={request}: there is doQuery alone")
    language = parameters.get("LANG", "")
    if not re.fullmatch(r"ADQL(-2\.[01])?", language, re.IGNORECASE):
        raise QueryError(
            f"LANG={language}: queries are in ADQL; add LANG=ADQL" if language else "LANG is missing: LANG=ADQL"
        )
    if not parameters.get("QUERY", "").strip():
        raise QueryError("QUERY is missing: QUERY=SELECT TOP 5 * FROM csc.master_source")
    return parameters["QUERY"]


def rows_of(parameters: Mapping[str, str]) -> int:
    """Return the most rows that are wanted.

    Raises
    ------
    QueryError
        If MAXREC is no number.
    """
    text = parameters.get("MAXREC", str(USUAL_ROWS))
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise QueryError(f"MAXREC={text}: expected a whole number, 0 or more")
    return int(text)
