"""What unpacks beyond reason: a cell costs itself, a column its row group, a file itself. Tables of people pass."""

from __future__ import annotations

import io
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from catalog.errors import UnreadableFile
from ingest.readers import FileName, Flag
from ingest.tables import bounds
from ingest.tables.source_tables import read_source_table

NAMES = ["2CXO J000001.2+000001", "2CXO J000002.2+000001"]


def read(data):
    """Return names, what stands in `note`, and flags."""
    names, notes, flags = [], [], []
    for item in read_source_table(io.BytesIO(data), FileName.of("a")):
        if isinstance(item, Flag):
            flags.append(item.text)
        elif item.table == "csc.master_source":
            rows = item.batch.to_pylist()
            names += [r["name"] for r in rows]
            notes += [dict(r["extra"] or []).get("note") for r in rows]
    return names, notes, flags


def parquet(table, **options):
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd", **options)
    return stream.getvalue()


def fits_table(columns):
    stream = io.BytesIO()
    Table(columns).write(stream, format="fits")
    return stream.getvalue()


def repeated(text, n):
    return pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array([text]))


@pytest.fixture
def small(monkeypatch):
    """The same with limits that tests reach in no time."""
    monkeypatch.setattr(bounds, "MAX_CELL_BYTES", 1 << 10)
    monkeypatch.setattr(bounds, "_SLICE_BYTES", 1 << 16)
    monkeypatch.setattr(bounds, "_MAX_CHUNK", 1 << 20)
    monkeypatch.setattr(bounds, "MAX_UNPACKED", 2 << 20)
    monkeypatch.setattr(bounds, "MAX_GROWTH", 20)
    monkeypatch.setattr(bounds, "_MAX_TEXT", 1 << 16)
    monkeypatch.setattr(bounds, "_MAX_STREAM", 1 << 18)


@pytest.mark.usefixtures("small")
def test_a_large_cell_of_any_format_costs_itself():
    large = "x" * 2000
    tables = {
        "csv": f"name,note\n{NAMES[0]},{large}\n{NAMES[1]},kept\n".encode(),
        "parquet": parquet(pa.table({"name": NAMES, "note": [large, "kept"]})),
        "votable": (
            '<?xml version="1.0"?><VOTABLE><RESOURCE><TABLE><FIELD name="name" datatype="char" arraysize="*"/>'
            '<FIELD name="note" datatype="char" arraysize="*"/><DATA><TABLEDATA>'
            f"<TR><TD>{NAMES[0]}</TD><TD>{large}</TD></TR><TR><TD>{NAMES[1]}</TD><TD>kept</TD></TR>"
            "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
        ).encode(),
        "fits": fits_table({"name": NAMES, "note": [large, "kept"]}),
    }
    for kind, data in tables.items():
        names, notes, flags = read(data)
        assert (names, notes) == (NAMES, [None, "kept"]), kind
        assert any(f.startswith("cells left out, larger than") and "note (1)" in f for f in flags), kind


@pytest.mark.usefixtures("small")
def test_a_column_of_parquet_that_unpacks_without_end_is_not_unpacked():
    for n_bytes in (30 << 20, 60 << 20):
        data = parquet(pa.table({"name": NAMES, "note": ["a" * n_bytes, "b"]}))
        assert len(data) < 10_000
        tracemalloc.start()
        before = pa.total_allocated_bytes()
        names, notes, flags = read(data)
        assert (names, notes) == (NAMES, [None, None])
        assert "columns left out where they unpack without end: note" in flags
        assert pa.total_allocated_bytes() - before < 1 << 20
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()


@pytest.mark.usefixtures("small")
def test_other_row_groups_keep_the_column():
    table = pa.table({"name": NAMES, "note": ["a" * (30 << 20), "kept"]})
    assert read(parquet(table, row_group_size=1))[:2] == (NAMES, [None, "kept"])


@pytest.mark.usefixtures("small")
def test_lists_that_unpack_without_end_are_left_out_too():
    table = pa.table({"name": NAMES, "note": pa.array([[1] * 3_000_000, [2]], pa.list_(pa.int32()))})
    names, _, flags = read(parquet(table))
    assert names == NAMES
    assert "columns left out where they unpack without end: note" in flags


@pytest.mark.parametrize("texts", [repeated("x" * 1000, 6_000), repeated("x" * 5000, 6_000)], ids=["cells", "large"])
@pytest.mark.usefixtures("small")
def test_a_text_in_very_many_rows_does_not_fill_the_memory(texts):
    names = [f"2CXO J{i:06d}.2+000001" for i in range(6_000)]
    data = parquet(pa.table({"name": names, "note": texts}))

    def read_all():
        for _ in read_source_table(io.BytesIO(data), FileName.of("a")):
            assert pa.total_allocated_bytes() < 64 << 20

    with pytest.raises(UnreadableFile, match="unpacks to at most 20 times"):
        read_all()


@pytest.mark.usefixtures("small")
def test_tables_as_people_have_them_pass():
    n = 6_000
    names = [f"2CXO J{i:06d}.2+000001" for i in range(n)]
    table = pa.table({"name": names, "note": [f"text {i}" for i in range(n)], "ra": [0.5] * n, "flag": [True] * n})
    found, notes, flags = read(parquet(table, row_group_size=1_000))
    assert (sorted(found), len(set(notes))) == (names, n)
    assert not any("left out" in f for f in flags)


START = b'<?xml version="1.0"?><VOTABLE><RESOURCE><TABLE><FIELD name="name" datatype="char" arraysize="*"/><DATA>'


@pytest.mark.parametrize(
    "data",
    [
        START + b"<TABLEDATA><TR><TD>" + b"x" * (3 << 20) + b"</TD></TR></TABLEDATA>",
        START + b'<TABLEDATA><TR a="' + b"x" * (3 << 20) + b'"/>',
        START + b"<!-- " + b"x" * (3 << 20) + b" --><TABLEDATA>",
        START + b"<BINARY2><STREAM encoding='base64'>" + b"A" * (3 << 20),
        START[:-6] + b'<FIELD name="' + b"x" * (3 << 20) + b'"/>',
    ],
    ids=["cell", "attribute", "comment", "stream", "name"],
)
@pytest.mark.usefixtures("small")
def test_xml_without_a_tag_ends(data):
    with pytest.raises(UnreadableFile, match="MB between two tags"):
        read(data)


@pytest.mark.usefixtures("small")
def test_a_stream_of_rows_may_be_larger_than_a_cell():
    with pytest.raises(UnreadableFile, match="a row of 1 cells"):  # it was read, and holds nonsense
        read(START + b"<BINARY2><STREAM encoding='base64'>" + b"A" * (1 << 17) + b"</STREAM></BINARY2>")


def test_entities_within_entities_are_not_written_out():
    lines = [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12)]
    doctype = f'<!DOCTYPE VOTABLE [<!ENTITY e0 "x">{"".join(lines)}]>'
    data = (
        START.replace(b"<VOTABLE>", doctype.encode() + b"<VOTABLE>") + b"<TABLEDATA><TR><TD>&e11;</TD></TR></TABLEDATA>"
    )
    with pytest.raises(UnreadableFile, match=r"broken XML"):
        read(data)


def test_too_many_columns_are_refused():
    fields = "".join(f'<FIELD name="c{i}" datatype="int"/>' for i in range(10_001)).encode()
    with pytest.raises(UnreadableFile, match="at most 10,000 columns"):
        read(START[:-6] + fields + b"<DATA><TABLEDATA></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>")


def test_a_row_of_a_fits_table_that_is_no_row_costs_its_file():
    cards = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 250000000", "NAXIS2  = 1", "PCOUNT  = 0"]
    cards += ["GCOUNT  = 1", "TFIELDS = 1", "TTYPE1  = 'name'", "TFORM1  = '250000000A'", "END"]
    primary = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "END"]
    head = b"".join("".join(c.ljust(80) for c in some).ljust(2880).encode() for some in (primary, cards))
    with pytest.raises(UnreadableFile, match="table rows of at most 67,108,864 bytes"):
        read(head)


def test_a_line_without_end_is_refused():
    class Endless(io.RawIOBase):
        """Begins as a table does, and goes on."""

        def __init__(self):
            self._start = b"name,ra\n2CXO J000001.2+000001,"

        def read(self, n=-1):
            start, self._start = self._start, b""
            return start or b"1" * min(n, 1 << 20)

    with pytest.raises(UnreadableFile, match="rows of at most 64 MB"):
        list(read_source_table(Endless(), FileName.of("a")))
