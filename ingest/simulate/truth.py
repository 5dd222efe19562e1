"""truth.jsonl: what simulated sources really are, and its reader -> simulated.truth.

One JSON object per line, each beginning `{"simulated": "truth"`: that is how a file of truths is told apart from
every other JSON file, papers in particular.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from catalog.schema.identifiers import is_source_name, source_name
from ingest.readers import FileName, Flag, Rows

if TYPE_CHECKING:
    from ingest.simulate.fields import Source

BATCH_ROWS = 50_000
MAX_LINE = 1 << 20
_START = '{"simulated": "truth"'
_ADVICE = "write the survey again: python -m ingest simulate"
TABLE = "simulated.truth"


def is_truth(head: bytes) -> bool:
    """Tell a file of truths by its first bytes.

    Examples
    --------
    >>> is_truth(b'{"simulated": "truth", "name": "2CXO J0"}'), is_truth(b'{"bibcode": "2020SimA"}')
    (True, False)
    """
    return head.startswith(_START.encode())


def truth_line(source: Source, seed: int) -> str:
    """Return the line of one source.

    Parameters
    ----------
    source : Source
        What it is.
    seed : int
        Of the survey.
    """
    nature = source.nature
    model = {"base": [c.to_json() for c in nature.base], "extra": [c.to_json() for c in nature.extra]}
    rounded = {k: float(f"{v:.6g}") for k, v in nature.variability.parameters.items()}
    variability = {"kind": nature.variability.kind, "epoch_dex": round(nature.variability.epoch_dex, 4), **rounded}
    return json.dumps(
        {
            "simulated": "truth",
            "name": source.name,
            "class": nature.class_,
            "subclass": nature.subclass,
            "spectral_model": model,
            "variability": variability,
            "flux": float(f"{nature.flux:.6g}"),
            "distance_pc": float(f"{source.distance_pc:.6g}"),
            "seed": seed,
        }
    )


def read_truth(stream: BinaryIO, file: FileName) -> Iterator[Rows | Flag]:
    """Read a file of truths.

    Parameters
    ----------
    stream : binary file
        Decompressed JSON lines.
    file : FileName
        Its key.

    Yields
    ------
    Rows
        For simulated.truth.

    Raises
    ------
    UnreadableFile
        If a line is no truth.

    Examples
    --------
    >>> import io
    >>> line = b'{"simulated": "truth", "name": "2CXO J031948.1+413046", "class": "AGN", "flux": 1e-13, "seed": 1}'
    >>> rows = next(read_truth(io.BytesIO(line), FileName.of("truth.jsonl")))
    >>> rows.table, rows.batch["class"].to_pylist()
    ('simulated.truth', ['AGN'])
    """
    columns: dict[str, list[object]] = {name: [] for name in TABLES[TABLE].column_names}
    number = 0
    for number, line in enumerate(_lines(stream), 1):
        row = _row(line, number) | {"file_id": file.file_id}
        for name, values in columns.items():
            values.append(row[name])
        if len(columns["name"]) == BATCH_ROWS:
            yield _batch(columns)
    if columns["name"]:
        yield _batch(columns)
    if number == 0:
        raise UnreadableFile("truths of simulated sources", "an empty file", _ADVICE)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    left = b""
    while piece := stream.read(1 << 20):
        *whole, left = (left + piece).split(b"\n")
        if len(left) > MAX_LINE:
            raise UnreadableFile("one truth per line", f"a line of more than {MAX_LINE:,} bytes", _ADVICE)
        yield from (line for line in whole if line.strip())
    if left.strip():
        yield left


def _row(line: bytes, number: int) -> dict[str, object]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"JSON in line {number}", str(error), _ADVICE) from error
    if not isinstance(record, dict) or record.get("simulated") != "truth":
        raise UnreadableFile(f"a truth in line {number}", repr(line[:40].decode("latin-1")), _ADVICE)
    name, class_, flux, far, seed = (record.get(k) for k in ("name", "class", "flux", "distance_pc", "seed"))
    if not isinstance(name, str) or not is_source_name(name) or not isinstance(class_, str):
        raise UnreadableFile(f"a name and a class in line {number}", repr((name, class_)), _ADVICE)
    if not _is_number(flux) or not _is_number(far) or not _is_whole(seed):
        raise UnreadableFile(f"a flux, a distance and a seed in line {number}", repr((flux, far, seed)), _ADVICE)
    told = {k: json.dumps(record[k]) if record.get(k) is not None else None for k in ("spectral_model", "variability")}
    return {"name": source_name(name), "class": class_, "flux": flux, "distance_pc": far, "seed": seed, **told}


def _is_number(value: object) -> bool:
    """Tell a finite number, or nothing, from all else."""
    if isinstance(value, bool):
        return False
    return value is None or (isinstance(value, int | float) and abs(value) < 1e300)  # noqa: PLR2004 - and no NaN


def _is_whole(value: object) -> bool:
    """Tell a 64-bit integer, or nothing, from all else."""
    if isinstance(value, bool):
        return False
    return value is None or (isinstance(value, int) and -(1 << 63) <= value < 1 << 63)


def _batch(columns: dict[str, list[object]]) -> Rows:
    schema = TABLES[TABLE].schema
    batch = pa.RecordBatch.from_arrays([pa.array(columns[f.name], f.type) for f in schema], schema=schema)
    for values in columns.values():
        values.clear()
    return Rows(TABLE, batch)
