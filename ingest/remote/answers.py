"""Tables that a service answered: read with the readers that ingest them, and believed only when whole.

TSV with a `#Column` preamble and VOTables go through the same code here as files of a user's own do later.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.schema.columns import FLOAT64, INT32
from ingest.remote.errors import BodyIncomplete, QueryRefused, WrongColumns
from ingest.remote.products import Detection
from ingest.streams import open_content
from ingest.tables.casting import as_text, cast_column, cast_name
from ingest.tables.column_names import resolve
from ingest.tables.delimited import delimited_sheet
from ingest.tables.tabular import HeadStream, Sheet
from ingest.tables.votable import votable_sheet

_KEYS = ("name", "obsid", "obi", "region_id", "instrument")
_COUNTS = ("src_cnts_aper_b", "cnts_aper_b", "src_cnts_aper_w", "cnts_aper_w")


@dataclass
class Answer:
    """What a table says, as far as fetching needs it.

    Attributes
    ----------
    columns : tuple of str
        As the service names them.
    n_rows : int
    names : dict of str to (float, float)
        Sources in order, with right ascension and declination in degrees; NaN where the table has none.
    detections : list of Detection
        In order, each once.
    """

    columns: tuple[str, ...]
    n_rows: int = 0
    names: dict[str, tuple[float, float]] = field(default_factory=dict)
    detections: list[Detection] = field(default_factory=list)

    def positions(self) -> npt.NDArray[np.float64]:
        """Return the sources' positions, shape (n, 2), degrees."""
        return np.array(list(self.names.values()), np.float64).reshape(-1, 2)


def open_sheet(stream: io.BufferedIOBase | io.RawIOBase) -> Sheet:
    """Open a VOTable or delimited text, whichever it is.

    Raises
    ------
    UnreadableFile
        If it is neither.
    """
    head = HeadStream(stream)  # type: ignore[arg-type]  # needs `read` alone
    is_votable = b"VOTABLE" in head.head[:2000].upper()
    return votable_sheet(head) if is_votable else delimited_sheet(head)


def read_answer(path: Path, *, required: Iterable[str] = (), max_rows: int | None = None) -> Answer:
    """Read an answer to its end.

    Parameters
    ----------
    path : Path
        TSV or VOTable, gzipped or not.
    required : iterable of str
        Columns that were asked for.
    max_rows : int, optional
        What the service was allowed to answer.

    Raises
    ------
    QueryRefused
        If the service answered an error, or more rows than were allowed.
    WrongColumns
        If columns are missing.
    BodyIncomplete
        If it is cut or damaged.
    """
    try:
        with open_content(str(path)) as stream:
            sheet = open_sheet(stream)  # type: ignore[arg-type]
            missing = sorted({c.lower() for c in required} - {_bare(f.name) for f in sheet.fields})
            if missing:
                has = ", ".join(f.name for f in sheet.fields[:8])
                raise WrongColumns(f"asked for {', '.join(missing[:8])}; the service answered with columns {has}, ...")
            answer = _read(sheet)
            if any("OVERFLOW" in flag for flag in sheet.flags) or (max_rows and answer.n_rows > max_rows):
                raise QueryRefused(
                    f"there are more than {answer.n_rows:,} rows; narrow the selection, or allow more with --max-rows"
                )
            return answer
    except UnreadableFile as error:
        said = str(error)
        if "Error executing query" in said or "the service's error" in said:
            raise QueryRefused(f"the service refuses the query: {error.found}") from error
        raise BodyIncomplete(f"the service's table is damaged: {said}") from error
    except EOFError as error:
        raise BodyIncomplete(f"the service's table is cut: {error}") from error


def _bare(name: str) -> str:
    return name.strip().lower().rpartition(".")[2]


def _read(sheet: Sheet) -> Answer:
    answer = Answer(tuple(f.name for f in sheet.fields))
    targets = {t.column: t.index for t in reversed(resolve(sheet.fields)) if t.table and not t.rank}
    seen: dict[tuple[int, int, int], None] = {}
    for batch in sheet.batches:
        answer.n_rows += batch.num_rows
        for detection, ra, dec in _rows(batch, targets):
            if detection.name:
                answer.names.setdefault(detection.name, (ra, dec))
            key = detection[1:4]
            if detection.obsid >= 0 and detection.region_id >= 0 and key not in seen:
                seen[key] = None
                answer.detections.append(detection)
    return answer


def _rows(batch: pa.RecordBatch, targets: dict[str, int]) -> Iterator[tuple[Detection, float, float]]:
    def numbers(column: str, type_: pa.DataType, missing: float) -> list[float]:
        if column not in targets:
            return [missing] * batch.num_rows
        values = cast_column(batch[targets[column]], type_).values.to_pylist()
        return [missing if v is None else v for v in values]

    n = batch.num_rows
    names = cast_name(batch[targets["name"]]).values.to_pylist() if "name" in targets else [None] * n
    words = as_text(batch[targets["instrument"]]).to_pylist() if "instrument" in targets else [None] * n
    obsids, regions = (numbers(c, INT32, -1) for c in ("obsid", "region_id"))
    obis = numbers("obi", INT32, 0)
    ra, dec = (numbers(c, FLOAT64, np.nan) for c in ("ra", "dec"))
    counts = [numbers(c, FLOAT64, 0.0) for c in _COUNTS]
    for i in range(n):
        n_counts = max(c[i] for c in counts)
        instrument = (words[i] or "ACIS").strip().upper()
        yield (
            Detection(names[i] or "", int(obsids[i]), int(obis[i]), int(regions[i]), instrument, n_counts),
            ra[i],
            dec[i],
        )
