from __future__ import annotations

import io
import json
import math
import shutil
import subprocess
import tracemalloc
import warnings
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.io import fits, votable
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import OutOfSpace, UnknownName
from catalog.formats.export import FORMATS, export, find_format, write
from catalog.schema import TABLES

NOTES = {"query": 'SELECT "a" < 1 & more', "snapshot": "7"}


def field(name, type_, unit="", ucd="", description=""):
    about = {"unit": unit, "ucd": ucd, "description": description}
    return pa.field(name, type_, metadata={k: v for k, v in about.items() if v})


SCHEMA = pa.schema(
    [
        field("name", pa.string(), ucd="meta.id;src", description="Name of the source, '<&>'"),
        field("ra", pa.float64(), "deg", "pos.eq.ra;meta.main", "Right ascension"),
        field("flux", pa.float32(), "erg/s/cm**2", "phot.flux", "Energy flux"),
        field("obsid", pa.int32(), ucd="meta.id;obs"),
        field("big", pa.int64()),
        field("small", pa.int8()),
        field("flag", pa.bool_()),
        field("counts", pa.list_(pa.int32()), "count"),
        field("latent", pa.list_(pa.float32())),
        field("author", pa.list_(pa.string())),
        field("extra", pa.map_(pa.string(), pa.string())),
        field("at", pa.timestamp("us")),
    ]
)
NOON = datetime.fromisoformat("2020-01-02T12:00:05")
LAUNCH = datetime.fromisoformat("1999-07-23T04:31:00.25")
ROWS = [
    [
        "2CXO J1",
        83.8,
        1.5e-14,
        732,
        2**62,
        -7,
        True,
        [1, 2, 3],
        [0.5, 1.5],
        ["Ä, B"],
        [("k", "v")],
        NOON,
    ],
    [None] * 12,
    ["Löwe ☃ 𝄞 <&>", -0.0, -1.0, -1, -5, 127, False, [], [], [], [], LAUNCH],
    ["", 1e300, 3.4e38, 2**31 - 1, 0, 0, True, [None, 5], [None, 2.0], ["a", None], [("x", None)], None],
]
TABLE = pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in ROWS], schema=SCHEMA)


def written(name, table=TABLE):
    stream = io.BytesIO()
    write(table.to_reader(2), stream, name, NOTES)
    return stream.getvalue()


def read_votable(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return votable.parse(io.BytesIO(data), verify="exception")


def test_votable_comes_back_from_astropy():
    document = read_votable(written("votable"))
    assert document.version == "1.4"
    table = document.get_first_table()
    fields = {f.name: f for f in table.fields}
    assert (str(fields["ra"].unit), fields["ra"].ucd, fields["ra"].ref) == ("deg", "pos.eq.ra;meta.main", "icrs")
    assert fields["flux"].unit == u.Unit("erg s**-1 cm**-2")
    assert fields["name"].description == "Name of the source, '<&>'"
    assert fields["counts"].unit == u.Unit("count")
    array = table.array
    assert array["name"].tolist()[2] == "Löwe ☃ 𝄞 <&>"
    assert array["ra"].mask.tolist() == [False, True, False, False]
    assert array["ra"].data[[0, 2, 3]].tolist() == [83.8, 0.0, 1e300]
    assert array["flux"].data[0] == np.float32(1.5e-14)
    for name in ("obsid", "big", "small"):
        assert array[name].tolist() == TABLE[name].to_pylist()
    assert array["flag"].tolist() == [True, None, False, True]
    assert array["counts"][0].tolist() == [1, 2, 3]
    assert len(array["counts"][2]) == 0
    assert array["counts"][3].tolist() == [None, 5]
    assert array["latent"][0].tolist() == [0.5, 1.5]
    assert json.loads(array["author"][0]) == ["Ä, B"]
    assert json.loads(array["extra"][0]) == {"k": "v"}
    assert array["at"][0] == "2020-01-02T12:00:05"
    assert array["at"][2] == "1999-07-23T04:31:00.250000"
    notes = {info.name: info.value for info in document.resources[0].infos}
    assert notes == NOTES | {"QUERY_STATUS": "OK"}


def every_column():
    """A table with every kind of column that the registry has, and one whose words are made to break a document."""
    fields = {(c.type, c.unit, c.ucd): c.field for t in TABLES.values() for c in t.columns}
    odd = [
        field("\x1b[31m<&>\"'", pa.string(), "no unit", "", "\x00 & \x85 <b>"),
        field("flux", pa.float64(), "erg", "", ""),
        field("", pa.int8(), "", "", "nat"),
    ]
    schema = pa.schema([*(f.with_name(f"c{i}") for i, f in enumerate(fields.values())), *odd])
    return pa.Table.from_pylist([{}, {}], schema=schema).rename_columns(schema.names)


@pytest.mark.parametrize("table", [TABLE, TABLE.slice(0, 0), every_column()], ids=["values", "no rows", "every column"])
def test_votables_are_valid(tmp_path, table):
    """By astropy's validator, and by STILTS where it is installed; both without a single warning."""
    document = tmp_path / "a.vot"
    with document.open("wb") as stream:
        write(table.to_reader(), stream, "votable", NOTES | {"odd \x1b": "\x00\ud800 \f"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = votable.parse_single_table(document, verify="exception")
        Table.read(document, format="votable")
    assert len(read.fields) == table.num_columns
    report = io.StringIO()
    assert votable.validate(document, output=report, xmllint=False), report.getvalue()
    if stilts := shutil.which("stilts"):
        said = subprocess.run([stilts, "votlint", str(document)], capture_output=True, text=True, check=False)
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_fits_comes_back_from_astropy():
    with fits.open(io.BytesIO(written("fits")), logical_as_bytes=True) as hdus:
        hdus.verify("exception")
        header, data = hdus[1].header, hdus[1].data
        assert "query: SELECT" in str(hdus[0].header["HISTORY"])
        assert header["TUNIT2"] == "deg"
        assert header["TUCD2"] == "pos.eq.ra;meta.main"
        assert header["TCOMM2"] == "Right ascension"
        assert header["TNULL4"] == np.iinfo(np.int32).min
        assert data["name"].tolist() == ["2CXO J1", "", "Lowe ? ? <&>", ""]
        assert math.isnan(data["ra"][1])
        assert data["ra"][0] == 83.8
        assert data["flux"][0] == np.float32(1.5e-14)
        assert data["big"].tolist()[0] == 2**62
        assert data["counts"][0].tolist() == [1, 2, 3]
        assert data["counts"][1].tolist() == []
        assert np.isnan(data["counts"][3][0])
        assert data["counts"][3][1] == 5
        assert data["latent"][0].tolist() == [0.5, 1.5]
        assert data["at"][0] == "2020-01-02T12:00:05"
        raw = written("fits")
        assert len(raw) % 2880 == 0
        assert data["flag"].tolist() == [b"T", b"", b"F", b"T"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Column 'flag' contains NULL")
        table = Table.read(io.BytesIO(raw), format="fits")
    assert table["obsid"].mask.tolist() == [False, True, False, False]
    assert table["flux"].unit.is_equivalent("erg s**-1 cm**-2")


def test_null_truth_values_in_fits_are_neither_true_nor_false():
    # FITS standard 4.0, 7.3.3.1: a zero byte is null
    table = pa.table({"flag": pa.array([True, False, None])})
    data = written("fits", table)
    start = 2880 * (len(data) // 2880 - 1)
    assert data[start : start + 3] == b"TF\0"


def test_the_value_that_stands_for_null_is_no_other():
    smallest = [-(2**15), -(2**15) + 1]
    table = pa.table({"a": pa.array([*smallest, None], pa.int16()), "b": pa.array([-128, 127, None], pa.int8())})
    read = Table.read(io.BytesIO(written("fits", table)), format="fits")
    assert read["a"].tolist() == [*smallest, None]
    assert read["b"].tolist() == [-128, 127, None]


def test_csv_comes_back():
    back = pa_csv.read_csv(
        io.BytesIO(written("csv")),
        convert_options=pa_csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False),
    )
    assert back.column_names == SCHEMA.names
    assert back["name"].to_pylist() == TABLE["name"].to_pylist()
    assert back["ra"].to_pylist() == TABLE["ra"].to_pylist()
    assert back["big"].to_pylist() == TABLE["big"].to_pylist()
    assert [v and json.loads(v) for v in back["counts"].to_pylist()] == TABLE["counts"].to_pylist()
    assert json.loads(back["extra"][0].as_py()) == {"k": "v"}


def test_json_is_one_array_of_objects():
    rows = json.loads(written("json"))
    assert [r["name"] for r in rows] == TABLE["name"].to_pylist()
    assert rows[1] == dict.fromkeys(SCHEMA.names)
    assert rows[0]["extra"] == {"k": "v"}
    assert rows[0]["at"] == "2020-01-02T12:00:05"
    assert json.loads(written("json", TABLE.slice(0, 0))) == []


def test_json_has_no_nan():
    assert json.loads(written("json", pa.table({"x": [float("nan"), float("inf"), 1.0]}))) == [
        {"x": None},
        {"x": None},
        {"x": 1.0},
    ]


def test_parquet_keeps_everything():
    back = pq.read_table(io.BytesIO(written("parquet")))
    assert back.to_pylist() == TABLE.to_pylist()
    assert back.schema.field("ra").metadata[b"unit"] == b"deg"
    assert back.schema.metadata[b"photonlake.snapshot"] == b"7"


@pytest.mark.parametrize("name", FORMATS)
def test_a_table_without_rows_is_written_too(name):
    data = written(name, TABLE.slice(0, 0))
    if name == "votable":
        assert len(read_votable(data).get_first_table().array) == 0
    elif name == "fits":
        assert len(Table.read(io.BytesIO(data), format="fits")) == 0
    elif name == "parquet":
        assert pq.read_table(io.BytesIO(data)).num_rows == 0
    else:
        assert data


CELLS = {
    pa.int16(): st.integers(-(2**15) + 1, 2**15 - 1),
    pa.int32(): st.integers(-(2**31) + 1, 2**31 - 1),
    pa.int64(): st.integers(-(2**63) + 1, 2**63 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False, allow_infinity=False),
    pa.float64(): st.floats(allow_nan=False, allow_infinity=False),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    pa.list_(pa.float64()): st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    pa.list_(pa.int32()): st.lists(st.integers(-(2**31) + 1, 2**31 - 1), max_size=4),
}


@st.composite
def tables(draw):
    types = draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=10))
    n_rows = draw(st.integers(1, 6))
    columns = [pa.array(draw(st.lists(st.none() | CELLS[t], min_size=n_rows, max_size=n_rows)), t) for t in types]
    return pa.table(columns, names=[f"c{i}" for i in range(len(types))])


@settings(max_examples=60, deadline=None)
@given(tables())
def test_any_table_goes_through_votable_and_back(table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        array = read_votable(written("votable", table)).get_first_table().array
    for name in table.column_names:
        expected = table[name].to_pylist()
        if pa.types.is_list(table[name].type):
            assert [np.asarray(v).tolist() for v in array[name]] == [v or [] for v in expected]
        elif pa.types.is_string(table[name].type):
            assert [v or "" for v in array[name].tolist()] == [v or "" for v in expected]
        else:
            assert array[name].tolist() == expected


@settings(max_examples=60, deadline=None)
@given(tables())
def test_any_table_goes_through_fits_and_back(table):
    with fits.open(io.BytesIO(written("fits", table)), logical_as_bytes=True) as hdus:
        data = hdus[1].data
        for i, name in enumerate(table.column_names, 1):
            expected, found = table[name].to_pylist(), data[name]
            null = hdus[1].header.get(f"TNULL{i}")
            if pa.types.is_list(table[name].type):
                assert [v.tolist() for v in found] == [v or [] for v in expected]
            elif pa.types.is_integer(table[name].type):
                assert found.tolist() == [null if v is None else v for v in expected]
            elif pa.types.is_floating(table[name].type):
                assert [None if math.isnan(v) else v for v in found.tolist()] == expected
            elif pa.types.is_boolean(table[name].type):
                assert found.tolist() == [{None: b"", True: b"T", False: b"F"}[v] for v in expected]
            else:
                assert len(found) == len(expected)


@pytest.mark.parametrize(("name", "limit_mb"), [("csv", 12), ("parquet", 12), ("votable", 12)])
def test_memory_does_not_grow_with_the_result(name, limit_mb):
    n_batches, n_rows = 30, 20_000
    schema = pa.schema([("a", pa.int64()), ("b", pa.float64()), ("c", pa.bool_())])
    batch = pa.record_batch([np.arange(n_rows), np.arange(n_rows) * 0.5, np.arange(n_rows) % 2 == 0], schema=schema)

    class Sink(io.RawIOBase):
        size = 0

        def write(self, data):
            self.size += len(data)
            return len(data)

        def writable(self):
            return True

    before = pa.total_allocated_bytes()
    tracemalloc.start()
    sink = Sink()
    write(pa.RecordBatchReader.from_batches(schema, (batch for _ in range(n_batches))), sink, name)
    peak = tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - before
    tracemalloc.stop()
    assert sink.size > 1_000_000
    assert peak < limit_mb * 1e6


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    output = tmp_path / "a.csv"
    export(TABLE.to_reader(), output)
    whole = output.read_bytes()

    def broken():
        yield TABLE.to_batches()[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        export(pa.RecordBatchReader.from_batches(SCHEMA, broken()), output)
    assert output.read_bytes() == whole
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_full_disk_is_said(tmp_path):
    full = tmp_path / "full.csv"
    full.symlink_to("/dev/full")

    def failing():
        raise OSError(28, "No space left on device")
        yield

    with pytest.raises(OutOfSpace, match="was not written"):
        export(pa.RecordBatchReader.from_batches(SCHEMA, failing()), tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()


@pytest.mark.parametrize(
    ("output", "name"), [("a.vot", "votable"), ("a.XML", "votable"), ("a.fits", "fits"), ("a.pq", "parquet")]
)
def test_the_suffix_tells_the_format(tmp_path, output, name):
    assert find_format(None, tmp_path / output) == name


def test_an_unknown_format_is_suggested(tmp_path):
    with pytest.raises(UnknownName, match="did you mean votable"):
        find_format("votabel")
    with pytest.raises(UnknownName, match="there are csv, json"):
        find_format(None, tmp_path / "a.doc")
