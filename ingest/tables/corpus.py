"""The axia corpus: JSON detections with catalog columns, object types and photons.

Each record is one detection of release 2.1 with `original_event_list`, its photons as [time, energy] in
mission seconds and eV, which a shared copy may cap (`_event_list_capped`, `_event_list_original_size`).
The pruned `event_list` follows from it and is not stored twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from catalog.schema.identifiers import detection_id, is_source_name, source_name, whole_number
from ingest.json_records import Json, LeftOut, Record, read_json_records
from ingest.readers import CHUNK_ROWS, FileName, Flag, Rows
from ingest.tables.source_tables import split_sheet
from ingest.tables.tabular import Field, HeadStream, Sheet, batch_of

RELEASE = "2.1"
"""The catalog's release that corpora are made of."""

BATCH_RECORDS = 200  # a full corpus has 50,000 photons a record
PHOTONS = "original_event_list"
FURTHER = "further_fields"
_WINDOW = "event_list"
_EVENTS, _LISTS = "product.event_stored", "product.event_list"
_LARGEST = 3e38  # what a float32 energy can hold
_LARGEST_IDS = {"obsid": 999_999, "obi": 999, "region_id": 99_999}


def read_corpus(stream: BinaryIO, file: FileName) -> Iterator[Rows | Flag]:
    r"""Read a corpus of detections with their photons.

    Parameters
    ----------
    stream : binary file
        A JSON list, or JSON lines, of records with obsid, source_name and original_event_list.
    file : FileName

    Yields
    ------
    Rows
        For product.event_stored (rows counted through the file), product.event_list, csc.master_source,
        csc.observation_source and csc.classification.
    Flag
        'events_capped: n of m' where the copy holds fewer photons than were observed; what
        `ingest.tables.source_tables` flags.

    Raises
    ------
    UnreadableFile
        If it is no JSON, or a record no detection.

    Examples
    --------
    >>> import io
    >>> record = b'{"obsid": 943, "obi": 0, "region_id": 3, "source_name": "2CXO J025608.1+192634", "theta": 0.4,'
    >>> record += b' "original_event_list": [[1.5, 1200.0]], "_event_list_original_size": 8617}'
    >>> for item in read_corpus(io.BytesIO(record), FileName.of("a.json")):
    ...     print(item.text if isinstance(item, Flag) else (item.table, item.batch.num_rows))
    ('product.event_stored', 1)
    ('product.event_list', 1)
    ('csc.master_source', 1)
    ('csc.observation_source', 1)
    unknown columns, kept in extra: _event_list_original_size
    events_capped: 1 of 8,617
    """
    photons = _Photons(file)
    unread: list[LeftOut] = []
    records = (photons.take(r) for r in _readable(read_json_records(HeadStream(stream)), unread))
    first = list(islice(records, BATCH_RECORDS))
    if unread and not first:
        raise UnreadableFile("records that can be read", unread[0].why, "look at that place, or fetch the file again")
    if not any({"obsid", "source_name", "name"} & r.keys() for r in first):
        keys = ", ".join(list(first[0])[:8]) if first else "no records"
        raise UnreadableFile("records of detections, with obsid and source_name", keys[:200])
    names = list(dict.fromkeys(key for r in first for key in r))
    fields = (*(Field(n.strip() or "unnamed") for n in names), Field(FURTHER))

    def batches() -> Iterator[pa.RecordBatch]:
        block = first
        while block:
            yield batch_of([_column(block, n) for n in names] + [_further(block, frozenset(names))])
            block = list(islice(records, BATCH_RECORDS))

    for item in split_sheet(Sheet(fields, batches(), release=RELEASE), file):
        yield from photons.stored()
        yield item
    yield from photons.flags()
    if unread:
        yield Flag(f"records left out, unreadable: {len(unread):,}, the first with {unread[0].why}")


def _readable(items: Iterator[Record | LeftOut], unread: list[LeftOut]) -> Iterator[Record]:
    """Pass on what can be read, and put the rest aside."""
    for item in items:
        if isinstance(item, LeftOut):
            unread.append(item)
        else:
            yield item


class _Photons:
    """Takes the photons out of the records, so that a block of records stays small."""

    def __init__(self, file: FileName) -> None:
        self._file = file
        self._batches: list[pa.RecordBatch] = []
        self._lists: list[dict[str, object]] = []
        self._n_stored = self._n_observed = self._n_bad = self._n_relative = 0
        self._capped = False

    def take(self, record: Record) -> Record:
        """Keep the record's photons, give back its properties."""
        events = record.pop(PHOTONS, None)
        relative = record.pop(_WINDOW, None)
        self._n_relative += events is None and bool(relative)
        pairs = [e for e in events if _is_photon(e)] if isinstance(events, list) else []
        self._n_bad += len(events) - len(pairs) if isinstance(events, list) else 0
        size = record.get("_event_list_original_size")
        observed = size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None
        self._n_observed += max(observed or 0, len(pairs))
        capped = record.get("_event_list_capped") in (True, "true", "True") or (observed or 0) > len(pairs)
        self._capped |= capped
        if pairs:
            whose = self._whose(record)
            self._lists.append(whose | {"n_events": len(pairs), "n_observed": observed, "capped": capped})
            self._batches.append(self._batch(whose, np.asarray(pairs, np.float64)))
            self._n_stored += len(pairs)
        return record

    def stored(self) -> Iterator[Rows]:
        """Yield what has been taken since the last call."""
        batches, self._batches = self._batches, []
        for batch in pa.Table.from_batches(batches).combine_chunks().to_batches(CHUNK_ROWS) if batches else ():
            yield Rows(_EVENTS, batch)
        lists, self._lists = [made for made in self._lists if made["detection_id"]], []
        if lists:
            yield Rows(_LISTS, pa.RecordBatch.from_pylist(lists, TABLES[_LISTS].schema))

    def flags(self) -> Iterator[Flag]:
        """Yield what is missing."""
        if self._capped:
            yield Flag(f"events_capped: {self._n_stored:,} of {self._n_observed:,}")
        if self._n_bad:
            yield Flag(f"events left out, not [time, energy]: {self._n_bad:,}")
        if self._n_relative:
            yield Flag(f"records without {PHOTONS}, whose event_list has no mission times: {self._n_relative:,}")

    def _whose(self, record: Record) -> dict[str, object]:
        """Return the file and the detection of a record."""
        obsid, obi, region = (_whole(record.get(key), n) for key, n in _LARGEST_IDS.items())
        name = record.get("source_name") or record.get("name")
        where = region if region is not None else name if isinstance(name, str) and is_source_name(name) else None
        key = None
        if obsid is not None and where is not None:
            key = detection_id(obsid, obi, source_name(where) if isinstance(where, str) else where)
        return {"file_id": self._file.file_id, "obsid": obsid, "obi": obi, "region_id": region, "detection_id": key}

    def _batch(self, whose: dict[str, object], pairs: npt.NDArray[np.float64]) -> pa.RecordBatch:
        made = whose | {"pi_stored": 0}
        n = len(pairs)
        columns = {
            "row": pa.array(np.arange(self._n_stored, self._n_stored + n)),
            "time_s": pa.array(pairs[:, 0]),
            "energy_ev": pa.array(pairs[:, 1].astype(np.float32)),
        }
        schema = TABLES[_EVENTS].schema
        arrays = [
            columns[f.name].cast(f.type) if f.name in columns else pa.repeat(pa.scalar(made.get(f.name), f.type), n)
            for f in schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _is_photon(event: Json) -> bool:
    return (
        isinstance(event, list)
        and len(event) == 2  # noqa: PLR2004 - time and energy
        and all(isinstance(v, int | float) and abs(v) < _LARGEST for v in event)
    )


def _whole(value: Json, largest: int) -> int | None:
    if isinstance(value, str):
        value = whole_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= largest:
        return None
    return int(value) if value == int(value) else None


def _column(block: list[Record], name: str) -> pa.Array:
    """Spell a property of each record as text, as any table has it."""
    return pa.array([_spell(r.get(name)) for r in block], pa.string())


def _further(block: list[Record], known: frozenset[str]) -> pa.Array:
    """Keep what the first records did not have, as JSON."""
    rest = [{k: v for k, v in r.items() if k not in known and v is not None} for r in block]
    return pa.array([json.dumps(r) if r else None for r in rest], pa.string())


def _spell(value: Json) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
