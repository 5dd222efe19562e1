"""Tables of the services and of users go through the same code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import PhotonlakeError
from ingest.readers import FileName, Rows
from ingest.remote.answers import read_answer
from ingest.remote.errors import BodyIncomplete, QueryRefused, WrongColumns
from ingest.tables.source_tables import read_source_table


@pytest.mark.real
def test_a_real_csccli_answer(real):
    path = real / "tables" / "search_csc_source.tsv"
    answer = read_answer(path, required=["name", "obsid", "obi", "region_id", "obi_hard_hm"])
    n_lines = sum(1 for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")) - 1
    assert answer.n_rows == n_lines
    first = answer.detections[0]
    assert (first.name, *first[1:5]) == ("2CXO J010337.5-720133", 1541, 0, 1, "ACIS")
    assert first.counts == 739
    with path.open("rb") as stream:
        batches = [i.batch for i in read_source_table(stream, FileName.of(str(path))) if isinstance(i, Rows)]
    ids = {d for b in batches if "detection_id" in b.schema.names for d in b["detection_id"].to_pylist()}
    assert {f"{d.obsid}.{d.obi}.{d.region_id}" for d in answer.detections} == ids


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "rows"), [("csc_cdfs.vot", None), ("cscresults_M101.vot", None), ("your_xray_example.vot", None)]
)
def test_real_votables(real, name, rows):
    path = real / "tables" / name
    answer = read_answer(path)
    assert answer.n_rows == path.read_text().count("<TR>") != rows
    assert all(n.startswith("2CXO J") for n in answer.names)
    assert len(answer.names) > 0


def test_an_error_in_a_200(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("Error executing query: Incorrect syntax near 'WHER'.\n")
    with pytest.raises(QueryRefused, match="Incorrect syntax near 'WHER'"):
        read_answer(path)


def test_missing_columns(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("name\tra\n2CXO J000000.0+000000\t1.0\n")
    with pytest.raises(WrongColumns, match="asked for obsid; the service answered with columns name, ra"):
        read_answer(path, required=["name", "obsid"])


VOTABLE = (
    '<?xml version="1.0"?><VOTABLE version="1.3"><RESOURCE type="results"><TABLE>'
    '<FIELD name="name" datatype="char" arraysize="*"/><FIELD name="obsid" datatype="int"/>'
    '<FIELD name="region_id" datatype="int"/><DATA><TABLEDATA>'
    "<TR><TD>2CXO J000000.0+000000</TD><TD>7</TD><TD>3</TD></TR>"
    "<TR><TD>2CXO J000000.1+000000</TD><TD>8</TD><TD>4</TD></TR>"
    "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
)


@given(st.integers(1, len(VOTABLE) - 1))
def test_a_cut_votable_is_never_believed(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("cut") / "a.vot"
    path.write_text(VOTABLE[:length])
    with pytest.raises((BodyIncomplete, WrongColumns)):
        read_answer(path, required=["name", "obsid", "region_id"])


@given(st.binary(max_size=300))
def test_anything_else_is_an_error_of_ours(tmp_path_factory, body):
    path = tmp_path_factory.mktemp("any") / "a"
    path.write_bytes(body)
    with pytest.raises(PhotonlakeError):
        read_answer(path, required=["name", "obsid"])
