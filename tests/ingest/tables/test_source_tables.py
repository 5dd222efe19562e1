"""Tables as users have them, taken apart into sources, detections and statements of types."""

from __future__ import annotations

import base64
import io
import re
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import parse_single_table
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UnreadableFile
from catalog.formats.fits_table import write_fits
from catalog.schema import TABLES
from catalog.schema.identifiers import DETECTION_ID
from ingest.readers import FileName, Flag
from ingest.tables import delimited
from ingest.tables.source_tables import read_source_table

MASTER, OBSERVATION, TYPES = "csc.master_source", "csc.observation_source", "csc.classification"
NAMES = ["2CXO J031948.1+413046", "2CXO J095550.1+694046", "2CXO J140515.6+542458X"]


def read(data: bytes, name: str = "table.csv", release: str | None = None):
    """Rows by table, as lists of dicts, and flags; every batch must fit its table."""
    tables: dict[str, list[dict]] = {}
    flags = []
    for item in read_source_table(io.BytesIO(data), FileName.of(name, release)):
        if isinstance(item, Flag):
            flags.append(item.text)
            continue
        assert item.batch.schema.equals(TABLES[item.table].schema, check_metadata=True)
        item.batch.validate(full=True)
        tables.setdefault(item.table, []).extend(item.batch.to_pylist())
    return tables, flags


def read_real(path: Path):
    return read(path.read_bytes(), path.name)


def csv(*rows: str) -> bytes:
    return "\n".join(rows).encode() + b"\n"


def test_plain_table_of_sources_is_one_partial_row_each():
    tables, flags = read(
        csv("name,ra,hard_hs,mood", f"{NAMES[0]},49.95,0.5,good", f"{NAMES[1]}, NaN ,,"), release="2.1"
    )
    first, second = tables[MASTER]
    assert (first["name"], first["ra"], first["hard_hs"], first["release"]) == (NAMES[0], 49.95, 0.5, "2.1")
    assert first["extra"] == [("mood", "good")]
    assert second["extra"] is None
    assert (second["ra"], second["hard_hs"]) == (None, None)
    assert OBSERVATION not in tables
    assert flags == ["unknown columns, kept in extra: mood"]


def test_columns_by_prefix_go_where_the_prefix_says_and_stack_columns_are_not_the_detections():
    header = "m.name,m.hard_hs,o.hard_hs,csc21.observation_source.obsid,o.obi,o.region_id,a.match_type,s.flux_aper_b"
    tables, flags = read(csv(header, f"{NAMES[0]},0.1,0.2,1575,1,85,u,1e-13"))
    (source,), (detection,) = tables[MASTER], tables[OBSERVATION]
    assert (source["hard_hs"], detection["hard_hs"]) == (0.1, 0.2)
    assert (detection["detection_id"], detection["match_type"]) == ("1575.1.85", "u")
    assert detection["flux_aper_b"] is None
    assert detection["extra"] == [("s.flux_aper_b", "1e-13")]
    assert flags == ["unknown columns, kept in extra: s.flux_aper_b"]


@pytest.mark.parametrize(("first", "second"), [("", ".1"), ("_x", "_y"), ("_1", "_2")])
def test_of_a_column_spelled_twice_the_first_is_the_sources(first, second):
    header = f"name,obsid,region_id,hard_hs{first},hard_hs{second}"
    tables, flags = read(csv(header, f"{NAMES[0]},1575,85,0.1,0.2"))
    assert tables[MASTER][0]["hard_hs"] == 0.1
    assert tables[OBSERVATION][0]["hard_hs"] == 0.2
    assert flags == []


def test_a_suffixed_column_beside_the_only_one_there_can_be_is_another_catalogs():
    tables, flags = read(csv("name,ra,ra_x", f"{NAMES[0]},49.95,50.1"))
    assert tables[MASTER][0]["ra"] == 49.95
    assert tables[MASTER][0]["extra"] == [("ra_x", "50.1")]
    assert flags == ["unknown columns, kept in extra: ra_x"]


def test_columns_of_both_tables_are_told_apart_by_their_values():
    """hard_hs stays within a source, powlaw_gamma changes, sat_src_flag cannot tell."""
    rows = [f"{n},{obsid},{i},{0.1 * i},{obsid / 1000},FALSE" for i, n in enumerate(NAMES) for obsid in (1, 2, 3)]
    tables, _ = read(csv("name,obsid,region_id,hard_hs,powlaw_gamma,sat_src_flag", *rows))
    assert [r["hard_hs"] for r in tables[MASTER]] == pytest.approx([0.0, 0.1, 0.2])
    assert {r["powlaw_gamma"] for r in tables[MASTER]} == {None}
    assert {r["hard_hs"] for r in tables[OBSERVATION]} == {None}
    assert [r["powlaw_gamma"] for r in tables[OBSERVATION]] == [0.001, 0.002, 0.003] * 3


def test_where_no_source_repeats_shared_columns_are_the_detections():
    tables, _ = read(csv("name,obsid,hard_hs", f"{NAMES[0]},1,0.5", f"{NAMES[1]},1,0.6"))
    assert [r["hard_hs"] for r in tables[OBSERVATION]] == [0.5, 0.6]
    assert [r["detection_id"] for r in tables[OBSERVATION]] == [f"1.-.{NAMES[0]}", f"1.-.{NAMES[1]}"]
    assert all(re.fullmatch(DETECTION_ID, r["detection_id"]) for r in tables[OBSERVATION])


def test_values_that_are_none_of_their_column_are_kept_and_flagged():
    header = "name,obsid,region_id,theta,sat_src_flag"
    tables, flags = read(csv(header, f"{NAMES[0]},1575,85,far,perhaps", f"{NAMES[1]},1575,86,2.5,T"))
    first, second = tables[OBSERVATION]
    assert (first["theta"], first["sat_src_flag"]) == (None, None)
    assert dict(first["extra"]) == {"theta": "far", "sat_src_flag": "perhaps"}
    assert (second["theta"], second["sat_src_flag"], second["extra"]) == (2.5, True, None)
    assert flags == ["values that are none of their column's, kept in extra: theta (1), sat_src_flag (1)"]


def test_rows_that_name_nothing_are_counted_and_a_table_of_them_is_refused():
    tables, flags = read(csv("name,ra", f"{NAMES[0]},1", "M 82,2"))
    assert len(tables[MASTER]) == 1
    assert "rows left out, with neither a CSC source name nor an obsid: 1" in flags
    with pytest.raises(UnreadableFile, match="CSC source names"):
        read(csv("name,ra", "M 82,2", "M 81,2"))
    with pytest.raises(UnreadableFile, match=r"name.*found columns a, b"):
        read(csv("a,b", "1,2"))


def test_an_ambiguous_match_does_not_take_the_detection_from_its_unique_source():
    header = "name,obsid,obi,region_id,match_type"
    tables, flags = read(csv(header, f"{NAMES[0]},1,0,7,u", f"{NAMES[1]},1,0,7,a"))
    (detection,) = tables[OBSERVATION]
    assert (detection["name"], detection["match_type"]) == (NAMES[0], "u")
    assert len(tables[MASTER]) == 2
    assert flags == ["rows of one detection disagree, the last value was kept: name (1), match_type (1)"]


@pytest.mark.parametrize(
    ("text", "release"),
    [("# csc21 query", "2.1"), ("# version=rel2.0", "2.0"), ("# The Chandra Source Catalog", None)],
)
def test_release_comes_from_the_files_comments(text, release):
    tables, _ = read(csv(text, "name,ra", f"{NAMES[0]},1"))
    assert tables[MASTER][0]["release"] == release


def test_release_of_the_row_beats_the_files():
    tables, _ = read(csv("# rel2.0", "name,release", f"{NAMES[0]},CSC 2.1", f"{NAMES[1]},"))
    assert [r["release"] for r in tables[MASTER]] == ["2.1", "2.0"]


def test_releases_are_never_mixed_in_a_row():
    tables, _ = read(csv("name,release,ra,hard_hs", f"{NAMES[0]},2.0,,0.1", f"{NAMES[0]},2.1,49.9,"))
    assert [(r["release"], r["ra"], r["hard_hs"]) for r in tables[MASTER]] == [("2.0", None, 0.1), ("2.1", 49.9, None)]


def test_own_exports_are_read_back():
    tables, _ = read(csv("detection_id,name,theta", f"1575.1.85,{NAMES[0]},2.5", f"9.-.{NAMES[1]},{NAMES[1]},1"))
    assert [r["detection_id"] for r in tables[OBSERVATION]] == ["1575.1.85", f"9.-.{NAMES[1]}"]
    assert [(r["obsid"], r["obi"], r["region_id"]) for r in tables[OBSERVATION]] == [(1575, 1, 85), (9, None, None)]


# -- formats


def test_tab_semicolon_quotes_byte_order_mark_and_windows_lines():
    expected = read(csv("name,ra,note", f"{NAMES[0]},1.5,a b"))[0][MASTER][0]["extra"]
    for data in (
        f"name\tra\tnote\r\n{NAMES[0]}\t1.5\ta b\r\n".encode(),
        f"\ufeffname;ra;note\n{NAMES[0]};1.5;a b\n".encode(),
        f'"name","ra","note"\n"{NAMES[0]}","1.5","a b"\n'.encode(),
        f"\n# name,ra,note\n{NAMES[0]},1.5,a b\n\n".encode(),
    ):
        (row,) = read(data)[0][MASTER]
        assert (row["name"], row["ra"], row["extra"]) == (NAMES[0], 1.5, expected)


def test_quoted_values_may_hold_delimiters_and_line_ends():
    tables, _ = read(b'name,note,ra\n"' + NAMES[0].encode() + b'","one, two\nthree ""x""",1.5\n')
    assert tables[MASTER][0]["extra"] == [("note", 'one, two\nthree "x"')]
    assert tables[MASTER][0]["ra"] == 1.5


@pytest.mark.parametrize("block", [64, 101, 1000])
def test_blocks_of_any_size_give_the_same_rows(block, monkeypatch):
    rows = [f'{NAMES[i % 3][:-2]}{i:02d},{i},"a{i}\n,b"' for i in range(40)]
    data = csv("csc_name,significance,note", *rows)
    expected = read(data)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", block)
    assert read(data)[0][MASTER] == expected[0][MASTER]


def votable(fields: str, data: str, info: str = "") -> bytes:
    head = '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
    return f"{head}<RESOURCE>{info}<TABLE>{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>".encode()


FIELDS = (
    '<FIELD ID="col0" name="master_source.name" datatype="char" arraysize="*"/>'
    '<FIELD ID="col1" name="observation_source.obsid" datatype="int"><VALUES null="-1"/></FIELD>'
    '<FIELD ID="col2" name="observation_source.theta" datatype="double"/>'
    '<FIELD ID="col3" name="observation_source.sat_src_flag" datatype="boolean"/>'
)


def test_votable_of_text_cells():
    cells = f"<TD> {NAMES[0]} </TD><TD>1575</TD><TD>2.5</TD><TD>T</TD>"
    nulls = f"<TD>{NAMES[1]}</TD><TD>-1</TD><TD/><TD>?</TD>"
    info = '<INFO name="QUERY" value="SELECT * FROM csc21.observation_source"/>'
    tables, flags = read(votable(FIELDS, f"<TABLEDATA><TR>{cells}</TR><TR>{nulls}</TR></TABLEDATA>", info), "a.vot")
    (row,) = tables[OBSERVATION]
    assert (row["obsid"], row["theta"], row["sat_src_flag"], row["release"]) == (1575, 2.5, True, "2.1")
    assert len(tables[MASTER]) == 2
    assert flags == []  # '?' is how a VOTable writes a truth value that is NULL


@pytest.mark.parametrize("nulls", [True, False], ids=["BINARY2", "BINARY"])
def test_votable_of_binary_cells(nulls):
    raw = b""
    for name, obsid, theta, flag in ((NAMES[0], 1575, 2.5, b"T"), (NAMES[1], 943, np.nan, b"F")):
        null_bits = (b"\x20" if np.isnan(theta) else b"\x00") if nulls else b""
        raw += null_bits + struct.pack(">i", len(name)) + name.encode() + struct.pack(">id", obsid, theta) + flag
    tag = "BINARY2" if nulls else "BINARY"
    stream = f'<{tag}><STREAM encoding="base64">{base64.encodebytes(raw).decode()}</STREAM></{tag}>'
    tables, _ = read(votable(FIELDS, stream), "a.vot")
    assert [(r["obsid"], r["theta"], r["sat_src_flag"]) for r in tables[OBSERVATION]] == [
        (1575, 2.5, True),
        (943, None, False),
    ]
    cut = f'<{tag}><STREAM encoding="base64">{base64.encodebytes(raw[:-3]).decode()}</STREAM></{tag}>'
    with pytest.raises(UnreadableFile, match="stream's end"):
        read(votable(FIELDS, cut), "a.vot")


@pytest.mark.parametrize("tabledata_format", ["tabledata", "binary", "binary2"])
def test_votables_as_astropy_writes_them(tabledata_format, tmp_path):
    table = Table(
        {
            "name": NAMES[:2],
            "obsid": [1, 2],
            "hard_hs": [0.5, np.nan],
            "conf_flag": [True, False],
            "v": [[1, 2], [3, 4]],
        }
    )
    path = tmp_path / "a.vot"
    table.write(path, format="votable", tabledata_format=tabledata_format)
    tables, _ = read_real(path)
    assert [(r["obsid"], r["hard_hs"]) for r in tables[OBSERVATION]] == [(1, 0.5), (2, None)]
    assert [r["conf_flag"] for r in tables[MASTER]] == [True, False]


def test_messages_of_the_service_in_a_votable():
    error = '<INFO name="QUERY_STATUS" value="ERROR">no such column hard_sh</INFO>'
    with pytest.raises(UnreadableFile, match="no such column hard_sh"):
        read(votable(FIELDS, "<TABLEDATA/>", error), "a.vot")
    cells = f"<TR><TD>{NAMES[0]}</TD><TD>1</TD><TD/><TD/></TR>"
    full = votable(FIELDS, f"<TABLEDATA>{cells}</TABLEDATA>")
    full = full.replace(b"</RESOURCE>", b'<INFO name="QUERY_STATUS" value="OVERFLOW"/></RESOURCE>')
    assert any("OVERFLOW" in f for f in read(full, "a.vot")[1])


@pytest.mark.parametrize("format_", ["fits", "parquet"])
def test_binary_tables_say_the_same_as_text(format_, tmp_path):
    columns = {
        "name": [f" {n}" for n in NAMES],
        "obsid": np.array([1, 2, 3], np.int32),
        "hard_hs": np.array([0.5, np.nan, -0.25]),
        "conf_flag": np.array([True, False, True]),
        "cluster": np.array([7, 8, 9], np.int16),
        "latent": np.arange(6.0).reshape(3, 2),
    }
    path = tmp_path / f"a.{format_}"
    if format_ == "fits":
        Table(columns).write(path)
    else:
        pq.write_table(pa.table(columns | {"latent": columns["latent"].tolist()}), path)
    tables, flags = read_real(path)
    assert [(r["detection_id"], r["hard_hs"]) for r in tables[OBSERVATION]] == [
        (f"{i}.-.{n}", h) for i, n, h in zip((1, 2, 3), NAMES, (0.5, None, -0.25), strict=True)
    ]
    assert tables[OBSERVATION][0]["extra"] == [("cluster", "7"), ("latent", "[0.0, 1.0]")]
    assert [r["conf_flag"] for r in tables[MASTER]] == [True, False, True]
    assert flags == ["unknown columns, kept in extra: cluster, latent"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"# only\n# comments\n", "comments only"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
        (b"Error executing query: no such table\n", "no such table"),
        (csv("name,ra", f"{NAMES[0]},1", "<<<<<<< HEAD", f"{NAMES[1]},2"), "'<<<<<<<' in line 3"),
        (csv("name,ra", f"{NAMES[0]},1", "=======", f"{NAMES[1]},2"), "'=======' in line 3"),
        (
            csv("name,ra", f"{NAMES[0]},1", f"{NAMES[1]},2,3", f"{NAMES[2]},4"),
            "expected rows of 2 values, found 3 in line 3",
        ),
        (csv("# c", "name,ra", f"{NAMES[0]},1", "", f"{NAMES[1]}"), "found 1 in line 5"),
        (csv("name,ra", f"{NAMES[0]},1") + b"\xe9t\xe9,2\n", "the byte 0xe9 in line 3"),
        (csv("name,ra", f"{NAMES[0]},1").decode().encode("utf-16")[:-1], "UTF-16"),
        (csv("name,ra", f"{NAMES[0]},1") + b"\0\0\0\n", "a zero byte in line 3"),
        (b"<?xml version='1.0'?><VOTABLE><RESOURCE><TABLE></RESOURCE>", "broken XML"),
        (votable(FIELDS, f"<TABLEDATA><TR><TD>{NAMES[0]}</TD></TR></TABLEDATA>"), "rows of 4 cells"),
        (b"<?xml version='1.0'?><VOTABLE></VOTABLE>", "with a table"),
        (b"PAR1 and nothing more", "Parquet"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(data, words):
    with pytest.raises(UnreadableFile) as error:
        read(data)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


# -- types


def test_types_of_simbad_papers_and_classifiers_are_kept_apart():
    header = "name,Class,SubClass,ref,sep,main_type,main_id,z,_r_simbad"
    tables, flags = read(
        csv(header, f"{NAMES[0]},AGN,Q,2010A&A...518A..10V,0.6,QSO,3C 2,0.1,0.4", f"{NAMES[1]},CV,,arXiv:1,,,,,")
    )
    assert [(r["row"], r["authority"], r["otype"], r["class"], r["reference"]) for r in tables[TYPES]] == [
        (0, "literature", "Q", "AGN", "2010A&A...518A..10V"),
        (1, "literature", "CV", "CV", "arXiv:1"),
        (2, "simbad", "QSO", None, None),
    ]
    simbad = tables[TYPES][2]
    assert (simbad["main_id"], simbad["separation_arcsec"], simbad["extra"]) == ("3C 2", 0.4, [("z", "0.1")])
    assert {r["predicted"] for r in tables[TYPES]} == {False}
    assert tables["lit.paper_source"] == [
        {"bibcode": "2010A&A...518A..10V", "name": NAMES[0], "method": "class reference", "confidence": None}
        | {"evidence": None, "file_ids": [FileName.of("table.csv").file_id]}
    ]
    assert flags == []


def test_a_predicted_class_is_marked_predicted():
    header = "name,agg_master_class,master_class,HMXB,XB"
    tables, _ = read(csv(header, f"{NAMES[0]},XB,HMXB,0.241±0.215,0.142±0.222"))
    (row,) = tables[TYPES]
    assert (row["authority"], row["otype"], row["class"], row["predicted"], row["probability"]) == (
        "umlcaxs",
        "HMXB",
        "XB",
        True,
        0.241,
    )
    assert dict(row["extra"])["XB"] == "0.142±0.222"


def test_a_class_of_untold_authority_is_the_files_own():
    tables, _ = read(csv("name,class", f"{NAMES[0]},QSO", f"{NAMES[1]},"))
    assert [(r["authority"], r["otype"]) for r in tables[TYPES]] == [("file", "QSO")]
    tables, _ = read(csv("name,authority,otype", f"{NAMES[0]},me,QSO", f"{NAMES[1]},,X"))
    assert [(r["authority"], r["otype"]) for r in tables[TYPES]] == [("me", "QSO"), ("file", "X")]


# -- real tables


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "n_master", "n_observation", "n_types"),
    [
        ("IC2395_per_observation.csv", 163, 326, 0),
        ("NGC3532_20_per_observation.csv", 389, 389, 0),
        ("csc2_detections_features_simbad.csv", 1210, 1610, 1517 + 1615),
        ("csc2_detections_simbad_type.csv", 8133, 0, 17083),
        ("csc2_sources_umlcaxs.csv", 8271, 0, 8271),
        ("csc_cdfs.vot", 978, 0, 0),
        ("cscresults_M101.vot", 555, 0, 0),
        ("your_xray_example.vot", 1, 1, 0),
        ("search_csc_source.tsv", 1, 187, 0),
    ],
)
def test_rows_of_real_tables(real, name, n_master, n_observation, n_types):
    tables, _ = read_real(real / "tables" / name)
    counts = {table: len(rows) for table, rows in tables.items()}
    assert counts.get(MASTER, 0) == n_master
    assert counts.get(OBSERVATION, 0) == n_observation
    assert counts.get(TYPES, 0) == n_types
    for table, key in ((MASTER, "name"), (OBSERVATION, "detection_id")):
        keys = [r[key] for r in tables.get(table, [])]
        assert len(set(keys)) == len(keys)
        assert None not in keys


@pytest.mark.real
def test_real_literature_classes(real):
    tables, _ = read_real(real / "tables" / "csc2_sources_literature_class.csv")
    by_authority = {a: [r for r in tables[TYPES] if r["authority"] == a] for a in ("literature", "simbad")}
    assert len(by_authority["literature"]) == 4283
    assert len(by_authority["simbad"]) == 4283 - 178
    links = tables["lit.paper_source"]
    assert len({(r["bibcode"], r["name"]) for r in links}) == len(links)
    assert all(len(r["bibcode"]) == 19 for r in links)


@pytest.mark.real
def test_real_join_of_both_tables_against_pandas_reading(real):
    """The suffixed columns are the detection's, the plain ones the source's, cell by cell."""
    import pandas as pd  # noqa: PLC0415 - slow to import, for one test

    path = real / "tables" / "IC2395_per_observation.csv"
    tables, flags = read_real(path)
    frame = pd.read_csv(path, na_values=["         ", "  "], skipinitialspace=True)
    detections = {r["detection_id"]: r for r in tables[OBSERVATION]}
    sources = {r["name"]: r for r in tables[MASTER]}
    for _, row in frame.iterrows():
        detection = detections[f"{row.obsid}.{row.obi}.{row.region_id}"]
        assert detection["flux_aper90_b"] == (
            pytest.approx(row["flux_aper90_b.1"]) if row["flux_aper90_b.1"] >= 0 else None
        )
        assert detection["theta"] == row.theta
        assert detection["name"] == row["name"]
        plain = row["flux_aper90_b"]
        assert sources[row["name"]]["flux_aper90_b"] == (pytest.approx(plain) if plain >= 0 else None)
    assert flags == ["unknown columns, kept in extra: separation, usrid"]


@pytest.mark.real
def test_real_votable_against_astropy(real):
    path = real / "tables" / "csc_cdfs.vot"
    theirs = parse_single_table(path).to_table(use_names_over_ids=True)
    ours = {r["name"]: r for r in read_real(path)[0][MASTER]}
    for row in theirs:
        mine = ours[row["master_source.name"]]
        for column in ("ra", "flux_aper_b", "flux_aper_avg_hilim_b", "conf_flag"):
            value = row[f"master_source.{column}"]
            assert mine[column] == (None if np.ma.is_masked(value) or value != value else value)  # noqa: PLR0124 - NaN


@pytest.mark.real
def test_real_file_with_conflict_markers_is_refused_with_the_line(real):
    with pytest.raises(UnreadableFile, match="'<<<<<<<' in line 1"):
        read_real(real / "broken" / "NGC3532_per_conflict_markers.csv")


# -- damage

TSV = (
    '#Column\tname\t(A22)\tName\t(master_source.name)\t[""]\t[]\n'
    '#Column\tobsid\t(I5)\tId\t(observation_source.obsid)\t[""]\t[]\n'
    '#Column\tobi_hard_hs\t(F9.4)\tRatio\t(observation_source.obi_hard_hs)\t[""]\t[]\n'
    f"name\tobsid\tobi_hard_hs\tsepn\n{NAMES[0]}\t 1575\t   0.5\t 1.0\n{NAMES[1]}\t 943\t      NaN\t 2.0\n"
).encode()
VOT = votable(FIELDS, f"<TABLEDATA><TR><TD>{NAMES[0]}</TD><TD>1575</TD><TD>2.5</TD><TD>T</TD></TR></TABLEDATA>")
_BINARY = base64.b64encode(
    b"\0" + struct.pack(">i", 21) + NAMES[0].encode() + struct.pack(">id", 1575, 2.5) + b"T"
).decode()
VOT2 = votable(FIELDS, f'<BINARY2><STREAM encoding="base64">{_BINARY}</STREAM></BINARY2>')
CSV = csv("name,obsid,hard_hs,main_type,class", f"{NAMES[0]},1,0.5,QSO,AGN", f'{NAMES[1]},2,"0.6",Star,"a,b"')


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"name": NAMES, "obsid": [1, 2, 3], "hard_hs": [0.1, None, 0.3]}), sink)
    return sink.getvalue()


@settings(max_examples=150, deadline=None)
@given(
    base=st.sampled_from([TSV, CSV, VOT, VOT2, parquet()]),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4), st.integers(0, 4)), min_size=1, max_size=6),
    keep=st.floats(0.2, 1),
)
def test_damaged_tables_are_read_or_refused_and_never_raise_anything_else(base, edits, keep):
    data = bytearray(base)
    for where, new, n_old in edits:
        at = int(where * len(data))
        data[at : at + n_old] = new
    try:
        tables, _ = read(bytes(data[: max(1, int(keep * len(data)))]))
    except UnreadableFile as error:
        assert str(error)  # noqa: PT017 - either outcome is right, another exception is not
    else:
        for rows in tables.values():
            assert rows


def test_a_logical_null_of_a_fits_table_stays_null_ours_included():
    mood = [[True, None], [False, True], [None, None]]
    stream = io.BytesIO()
    write_fits(pa.table({"name": NAMES, "conf_flag": [True, False, None], "mood": mood}), stream, {})
    rows = read(stream.getvalue(), "exported.fits")[0][MASTER]
    assert [row["conf_flag"] for row in rows] == [True, False, None]
    assert [dict(row["extra"])["mood"] for row in rows] == ["[true, null]", "[false, true]", "[null, null]"]
