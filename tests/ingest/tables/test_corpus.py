"""The axia corpus: photons, properties and types of the same detections."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from ingest.readers import FileName, Flag
from ingest.tables import corpus
from ingest.tables.corpus import read_corpus

EVENTS, OBSERVATION, TYPES = "product.event_stored", "csc.observation_source", "csc.classification"


def read(data: bytes):
    batches: dict[str, list[pa.RecordBatch]] = {}
    flags = []
    for item in read_corpus(io.BytesIO(data), FileName.of("corpus.json")):
        if isinstance(item, Flag):
            flags.append(item.text)
        else:
            assert item.batch.schema.equals(TABLES[item.table].schema)
            item.batch.validate(full=True)
            batches.setdefault(item.table, []).append(item.batch)
    return {table: pa.Table.from_batches(parts) for table, parts in batches.items()}, flags


def record(i: int, n_photons: int = 3, **more) -> dict:
    photons = [[1e8 + i + k, 1000.0 + k] for k in range(n_photons)]
    return {
        "obsid": 900 + i,
        "obi": 0,
        "region_id": i,
        "source_name": "2CXO J025608.1+192634",
        "source_type": "CataclyV*",
        "source_type_category": "White Dwarf accretors",
        "theta": 0.4,
        "hard_hs": None,
        "original_event_list": photons,
        "event_list": [[0.0, 1000.0]],
    } | more


def test_photons_carry_time_energy_and_detection_and_count_through_the_file():
    tables, flags = read(json.dumps([record(1), record(2, 2)]).encode())
    events = tables[EVENTS]
    assert events["row"].to_pylist() == [0, 1, 2, 3, 4]
    assert events["detection_id"].to_pylist() == ["901.0.1"] * 3 + ["902.0.2"] * 2
    assert events["time_s"].to_pylist()[3:] == [1e8 + 2, 1e8 + 3]
    assert events["energy_ev"].to_pylist()[:2] == [1000.0, 1001.0]
    assert set(events["pi_stored"].to_pylist()) == {0}
    assert events["x"].null_count == 5
    assert flags == []


def test_properties_and_types_stand_beside_the_photons():
    tables, _ = read(json.dumps([record(1, mood="fine")]).encode())
    (row,) = tables[OBSERVATION].to_pylist()
    assert (row["detection_id"], row["theta"], row["hard_hs"], row["release"]) == ("901.0.1", 0.4, None, "2.1")
    assert row["extra"] == [("mood", "fine")]
    (statement,) = tables[TYPES].to_pylist()
    assert (statement["authority"], statement["otype"], statement["class"]) == (
        "axia",
        "CataclyV*",
        "White Dwarf accretors",
    )


def test_fields_that_only_later_records_have_are_kept(monkeypatch):
    monkeypatch.setattr(corpus, "BATCH_RECORDS", 1)
    tables, flags = read(json.dumps([record(1), record(2, late=7)]).encode())
    assert tables[OBSERVATION]["extra"].to_pylist() == [None, [("further_fields", '{"late": 7}')]]
    assert flags == ["unknown columns, kept in extra: further_fields"]


def test_caps_bad_photons_and_missing_lists_are_flagged():
    capped = record(1, _event_list_capped=True, _event_list_original_size=8617)
    bad = record(2) | {"original_event_list": [[1.0, 2.0], [1.0], "x", [None, 1.0]]}
    relative = {k: v for k, v in record(3).items() if k != "original_event_list"}
    _, flags = read(json.dumps([capped, bad, relative]).encode())
    assert flags[-3:] == [
        "events_capped: 4 of 8,618",
        "events left out, not [time, energy]: 3",
        "records without original_event_list, whose event_list has no mission times: 1",
    ]


def test_what_is_no_corpus_is_refused():
    with pytest.raises(UnreadableFile, match="obsid and source_name"):
        read(b'[{"bibcode": "x"}]')
    with pytest.raises(UnreadableFile, match="file's end"):
        read(json.dumps([record(1)]).encode()[:-1])


@settings(max_examples=100, deadline=None)
@given(
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=5),
    keep=st.floats(0.2, 1),
)
def test_a_damaged_corpus_is_read_or_refused(edits, keep):
    data = bytearray(json.dumps([record(1), record(2)], indent=1).encode())
    for where, new, n_old in edits:
        at = int(where * len(data))
        data[at : at + n_old] = new
    try:
        tables, flags = read(bytes(data[: max(1, int(keep * len(data)))]))
    except UnreadableFile as error:
        assert str(error)  # noqa: PT017 - either outcome is right, another exception is not
    else:
        assert tables or flags


@pytest.mark.real
def test_real_corpus_photon_by_photon(real):
    data = (real / "events" / "axia_sample_corpus.json").read_bytes()
    records = json.loads(data)
    tables, flags = read(data)
    events = tables[EVENTS]
    expected = np.concatenate([r["original_event_list"] for r in records])
    assert np.array_equal(events["time_s"].to_numpy(), expected[:, 0])
    assert np.array_equal(events["energy_ev"].to_numpy(), expected[:, 1].astype(np.float32))
    assert len(set(events["detection_id"].to_pylist())) == 22
    assert tables[OBSERVATION].num_rows == tables[TYPES].num_rows == 22
    assert {r["detection_id"]: r["flux_significance_b"] for r in tables[OBSERVATION].to_pylist()} == {
        f"{r['obsid']}.{r['obi']}.{r['region_id']}": r["flux_significance_b"] for r in records
    }
    assert "events_capped: 17,600 of 297,177" in flags
