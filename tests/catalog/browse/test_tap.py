"""TAP: pyvo and astropy as clients of a served store."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pyvo
from astropy.io import fits, votable
from astropy.table import Table
from pyvo.dal import DALQueryError, DALServiceError

from catalog.errors import OutOfTime, UnknownName
from catalog.formats.votable import write_votable
from catalog.serve.server import BrowseServer
from catalog.serve.tap_formats import TAP_FORMATS, tap_format
from catalog.serve.tap_jobs import TapJobs
from catalog.serve.tap_service import TapService

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # of clients, about what others do
ENDLESS = (
    "SELECT COUNT(*) AS n FROM csc.observation_source AS a, csc.observation_source AS b, csc.observation_source AS c"
)
ENDLESS += ", csc.observation_source AS d WHERE SIN(a.hard_hs + b.hard_hs + c.hard_hs + d.hard_hs) > 2"


@pytest.fixture(scope="module")
def tap(server):
    return pyvo.dal.TAPService(f"{server.url}tap")


def ask(server, path, given=None, method=None, headers=None):
    """Return status, media type and content; redirections are followed."""
    data = urllib.parse.urlencode(given).encode() if given else None
    url = path if path.startswith("http") else f"{server.url}tap/{path}"
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})  # noqa: S310 - localhost
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


def sync(server, query, **given):
    return ask(server, "sync", {"LANG": "ADQL", "QUERY": query, **given})


def test_pyvo_asks_with_units_vectors_and_neighbours(tap):
    described = tap.tables["csc.observation_source"]
    assert {c.name: str(c.unit) for c in described.columns}["theta"] == "arcmin"
    found = tap.search(
        "SELECT TOP 5 n.detection_id, n.distance, o.hard_hs FROM nearest('spectrum', '1.0.0', 20) AS n "
        "JOIN csc.observation_source AS o ON o.detection_id = n.detection_id ORDER BY n.distance"
    ).to_table()
    assert found["detection_id"][0] == "1.0.0"
    assert list(found["distance"]) == sorted(found["distance"])
    vectors = tap.search("SELECT TOP 3 id, vector FROM embedding.spectrum").to_table()
    assert np.asarray(vectors["vector"]).shape == (3, 8)
    positions = tap.search("SELECT ra, dec FROM csc.master_source").to_table()
    assert str(positions["ra"].unit) == "deg"
    assert len(tap.examples) > 2


def test_what_tap_schema_says_is_what_tables_says_and_what_comes(tap, server):
    listed = tap.search("SELECT table_name FROM TAP_SCHEMA.tables").to_table()
    assert set(listed["table_name"]) == set(tap.tables.keys())
    columns = tap.search(
        "SELECT column_name, datatype, arraysize, unit, ucd FROM TAP_SCHEMA.columns "
        "WHERE table_name = 'csc.observation_source' ORDER BY column_index"
    ).to_table()
    came = tap.search("SELECT TOP 1 * FROM csc.observation_source").votable.get_first_table().fields
    assert [f.name for f in came] == [str(n).strip('"') for n in columns["column_name"]]
    assert [f.datatype for f in came] == list(columns["datatype"])
    assert [str(f.unit or "") for f in came][:5] == [str(u or "") for u in columns["unit"].filled("")][:5]
    keys = tap.search(
        "SELECT k.target_table FROM TAP_SCHEMA.keys AS k JOIN TAP_SCHEMA.key_columns AS c USING (key_id) "
        "WHERE k.from_table = 'csc.observation_source' AND c.from_column = 'name'"
    ).to_table()
    assert list(keys["target_table"]) == ["csc.master_source"]
    assert '"size"' in tap.search("SELECT column_name FROM TAP_SCHEMA.columns").to_table()["column_name"]
    assert ask(server, "tables/csc.master_source")[0] == 200
    assert ask(server, "tables/csc.nothing")[0] == 404
    assert b"<column>" not in ask(server, "tables?detail=min")[2]


QUERY = (
    "SELECT TOP 4 detection_id, obsid, hard_hs, CASE WHEN obsid > 1 THEN obsid END AS nothing, "
    "CASE WHEN region_id = 1 THEN region_id END AS one, name FROM csc.observation_source ORDER BY detection_id"
)


@pytest.mark.parametrize("name", [f.aliases[0] for f in TAP_FORMATS])
def test_each_format_says_the_same(server, name):
    status, mime, content = sync(server, QUERY, RESPONSEFORMAT=name)
    assert (status, mime.partition(";")[0]) == (
        200,
        next(f.mime for f in TAP_FORMATS if name in f.aliases).partition(";")[0],
    )
    if name.startswith("votable"):
        kind = {"votable/b2": b"<BINARY2>", "votable/b": b"<BINARY>"}.get(name, b"<TABLEDATA>")
        assert kind in content
        rows = votable.parse_single_table(io.BytesIO(content)).to_table()
    elif name == "fits":
        rows = Table.read(fits.open(io.BytesIO(content))[1])
    elif name == "json":
        rows = Table(rows=[[np.ma.masked if v is None else v for v in r.values()] for r in json.loads(content)])
    elif name == "parquet":
        read = pq.read_table(io.BytesIO(content))
        assert "unit" not in str(read.schema.field("hard_hs").metadata or "")
        header = read.schema.metadata[b"IVOA.VOTable-Parquet.content"]
        assert [f.name for f in votable.parse_single_table(io.BytesIO(header)).fields] == read.column_names
        rows = Table(rows=[[np.ma.masked if v is None else v for v in r.values()] for r in read.to_pylist()])
    else:
        rows = Table.read(content.decode(), format="ascii.csv" if name == "csv" else "ascii.tab")
    assert [str(v) for v in rows.columns[0]] == ["1.0.0", "1.0.1", "1.0.10", "1.0.11"]
    assert [int(v) for v in rows.columns[1]] == [1] * 4
    assert [float(v) for v in rows.columns[2]] == pytest.approx([0, 1 / 300, 10 / 300, 11 / 300])
    assert all(np.ma.is_masked(v) or np.isnan(v) for v in rows.columns[3])
    assert [None if np.ma.is_masked(v) or np.isnan(v) else int(v) for v in rows.columns[4]] == [None, 1, None, None]
    assert str(rows.columns[5][0]).startswith("2CXO J")


def test_tab_separated_values_have_no_quotes():
    stream = io.BytesIO()
    table = pa.table({"a": ['x "y"', "1\t2\r\n3", None], "b": [1.5, None, -2], "c": [[1, 2], None, []]})
    tap_format("tsv").write(table, stream, False)
    assert stream.getvalue().decode().split("\n") == ["a\tb\tc", 'x "y"\t1.5\t[1, 2]', "1 2  3\t\t", "\t-2\t[]", ""]


LARGEST = {8: 255, 16: 65535, 32: (1 << 32) - 1, 64: (1 << 63) - 1}


@pytest.mark.parametrize("serialization", ["BINARY2", "BINARY", "TABLEDATA"])
def test_a_votable_keeps_every_value_in_each_serialization(serialization):
    table = pa.table(
        {
            "i": pa.array([1, None, -3], pa.int16()),
            "x": pa.array([1.5, None, float("inf")]),
            "y": pa.array([[float("-inf")], [float("nan"), 2.5], [float("inf")]]),
            **{f"u{n}": pa.array([top, None, 0], f"uint{n}") for n, top in LARGEST.items()},
            "b": [True, None, False],
            "s": ["<a>&", None, "ö"],
            "v": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.float32(), 2)),
            "w": pa.array([[1], [], None], pa.list_(pa.int32())),
        }
    )
    stream = io.BytesIO()
    write_votable(table.to_reader(max_chunksize=2), stream, {}, serialization, more=True)
    stream.seek(0)
    parsed = votable.parse(stream)
    assert [i.value for i in parsed.resources[0].infos] == ["OK", "OVERFLOW"]
    read = parsed.get_first_table().to_table()
    assert [None if v is np.ma.masked else int(v) for v in read["i"]] == [1, None, -3]
    assert read["x"][0] == 1.5
    assert np.isinf(read["x"][2])
    assert read["x"].mask.tolist()[1] or np.isnan(read["x"][1])
    assert [str(v).replace("--", "nan") for row in read["y"] for v in row] == ["-inf", "nan", "2.5", "inf"]
    for n, top in LARGEST.items():
        assert [None if v is np.ma.masked else int(v) for v in read[f"u{n}"]] == [top, None, 0]
    assert [bool(read["b"][0]), bool(read["b"][2])] == [True, False]
    assert [read["s"][0], read["s"][2]] == ["<a>&", "ö"]
    assert np.asarray(read["v"])[2].tolist() == [3, 4]
    assert list(read["w"][0]) == [1]


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"QUERY": "SELECT nme FROM csc.master_source", "LANG": "ADQL"}, 400, "did you mean name"),
        ({"QUERY": "DROP TABLE csc.master_source", "LANG": "ADQL"}, 400, "found DROP"),
        ({"QUERY": "SELECT * FROM read_csv('/etc/passwd')", "LANG": "ADQL"}, 400, "no table function read_csv"),
        ({"QUERY": 'SELECT * FROM "/etc/passwd"', "LANG": "ADQL"}, 400, "is a file"),
        ({"QUERY": "SELECT * FROM TAP_UPLOAD.mine", "LANG": "ADQL"}, 400, "tap_upload"),
        ({"QUERY": "SELECT 1 AS x", "LANG": "SQL"}, 400, "LANG=ADQL"),
        ({"QUERY": "SELECT 1 AS x"}, 400, "LANG"),
        ({"LANG": "ADQL"}, 400, "QUERY is missing"),
        ({"QUERY": "SELECT 1 AS x", "LANG": "ADQL", "FORMAT": "doc"}, 400, "no such format"),
        ({"QUERY": "SELECT 1 AS x", "LANG": "ADQL", "MAXREC": "many"}, 400, "whole number"),
        ({"QUERY": "SELECT 1 AS x", "LANG": "ADQL", "UPLOAD": "t,http://x/y.vot"}, 400, "only results of this service"),
        ({"QUERY": "SELECT 1 AS x", "LANG": "ADQL", "UPLOAD": "t,param:none"}, 400, "comes with the request"),
        ({"QUERY": "SELECT 1 AS x", "LANG": "ADQL", "REQUEST": "getCapabilities"}, 400, "doQuery"),
    ],
)
def test_an_error_is_a_votable_that_says_so(server, given, status, said):
    found, mime, content = ask(server, "sync", given)
    assert (found, mime) == (status, "application/x-votable+xml")
    (info,) = [i for i in votable.parse(io.BytesIO(content)).resources[0].infos if i.value == "ERROR"]
    assert said.lower() in info.content.lower()


def test_rows_and_time_are_limited(server):
    for asked, rows, more in ((3, 3, True), (0, 0, True), (300, 300, False), (1000, 300, False)):
        content = sync(server, "SELECT detection_id FROM csc.observation_source", MAXREC=str(asked))[2]
        assert (b"OVERFLOW" in content) is more
        assert content.count(b"<TR>") == rows
    with pytest.raises(OutOfTime):
        server.tap.ask(ENDLESS, seconds=0.3)
    server.tap.sync_s, before = 0.3, server.tap.sync_s
    try:
        status, mime, content = sync(server, ENDLESS)
    finally:
        server.tap.sync_s = before
    assert (status, mime) == (408, "application/x-votable+xml")
    assert b"stopped after 0.3 s" in content


def test_a_table_that_is_sent_joins(tap):
    mine = Table({"ra": [359.999, 0.0101, 90.0], "dec": [80.0, 80.0, 0.0], "n": [7, 8, 9]})
    mine["ra"].unit = "deg"
    found = tap.search(
        "SELECT m.n, m.n / 2 AS half, IN_UNIT(m.ra, 'arcmin') AS arcmin, c.name, "
        "DISTANCE(POINT(c.ra, c.dec), POINT(m.ra, m.dec)) AS far FROM TAP_UPLOAD.mine AS m "
        "JOIN csc.master_source AS c ON 1 = CONTAINS(POINT(c.ra, c.dec), CIRCLE(m.ra, m.dec, 0.0005)) ORDER BY m.n",
        uploads={"mine": mine},
    ).to_table()
    assert list(found["n"]) == [7, 8]
    assert list(found["half"]) == [3, 4]
    assert found["arcmin"][1] == pytest.approx(0.606)
    matched = tap.search(
        "SELECT x.* FROM crossmatch('TAP_UPLOAD.mine', 'csc.master_source', 2, 'best') AS x", uploads={"mine": mine}
    ).to_table()
    assert len(matched) == 2
    assert list(found["far"]) == pytest.approx(
        [0.001 * np.cos(np.radians(80)), 0.0001 * np.cos(np.radians(80))], rel=1e-4
    )


@pytest.mark.slow
def test_a_hundred_thousand_rows_that_are_sent_join(tap):
    rng = np.random.default_rng(0)
    mine = Table({"ra": rng.uniform(0, 360, 100_000), "dec": rng.uniform(-90, 90, 100_000), "n": np.arange(100_000)})
    mine["ra"][5], mine["dec"][5] = 0.01, 80
    found = tap.search(
        "SELECT m.n FROM TAP_UPLOAD.mine AS m JOIN csc.master_source AS c "
        "ON 1 = CONTAINS(POINT(c.ra, c.dec), CIRCLE(m.ra, m.dec, 0.0005))",
        uploads={"mine": mine},
    ).to_table()
    assert 5 in found["n"]


def test_a_job_is_run_waited_for_and_removed(tap, server):
    job = tap.submit_job("SELECT TOP 2 detection_id FROM csc.observation_source ORDER BY detection_id", maxrec=10)
    assert job.phase == "PENDING"
    assert job.quote.isot > "2026"
    job.run().wait(timeout=60)
    assert (job.phase, list(job.fetch_result().to_table()["detection_id"])) == ("COMPLETED", ["1.0.0", "1.0.1"])
    assert job.job_id in [j.jobid for j in tap.get_job_list()]
    # the result of a job is a table that a query can be sent with
    sent = f"r,{job.result_uri}"
    assert b"<TD>2</TD>" in sync(server, "SELECT COUNT(*) AS n FROM TAP_UPLOAD.r", UPLOAD=sent)[2]
    job.delete()
    assert ask(server, f"async/{job.job_id}")[0] == 404
    failed = tap.submit_job("SELECT nme FROM csc.master_source").run()
    with pytest.raises(DALQueryError, match="did you mean name"):
        failed.wait(timeout=60).raise_if_error()
    assert b"did you mean name" in ask(server, f"async/{failed.job_id}/error")[2]


def test_a_job_that_runs_can_be_ended(tap, server):
    job = tap.submit_job(ENDLESS).run()
    base = f"async/{job.job_id}"
    while ask(server, f"{base}/phase")[2] == b"QUEUED":
        assert ask(server, f"{base}?WAIT=5&PHASE=QUEUED")[0] == 200
    assert b"EXECUTING" in ask(server, f"{base}?WAIT=0")[2]
    ask(server, f"{base}/phase", {"PHASE": "ABORT"})
    assert ask(server, f"{base}/phase")[2] == b"ABORTED"
    assert b"ABORTED" in ask(server, f"{base}?WAIT=-1")[2]  # no phase to wait for the end of
    short = tap.submit_job(ENDLESS)
    short.execution_duration = 1
    short.run()
    assert b"stopped after 1 s" in ask(server, f"async/{short.job_id}?WAIT=60&PHASE=QUEUED")[2] or (
        short.wait(timeout=60).phase == "ERROR"
    )
    waiting = tap.submit_job("SELECT 1 AS x")
    with pytest.raises(DALServiceError, match="404"):  # it looks for the job, which is gone
        waiting.destruction = "2020-01-01T00:00:00Z"
    assert ask(server, f"async/{waiting.job_id}")[0] == 404


def test_jobs_are_there_after_a_restart(server, tmp_path):
    query = {"LANG": "ADQL", "QUERY": "SELECT COUNT(*) AS n FROM TAP_UPLOAD.t", "RESPONSEFORMAT": "csv"}
    first = TapJobs(tmp_path, server.tap)
    done = first.create(query, {"t": pa.table({"a": [1, 2, 3]})})
    first.run(done.job_id)
    endless = first.create({"LANG": "ADQL", "QUERY": ENDLESS}, {})
    first.run(endless.job_id)
    while first.job(done.job_id).phase in {"QUEUED", "EXECUTING"} or first.job(endless.job_id).phase == "QUEUED":
        threading.Event().wait(0.02)
    waiting = first.create(query, {})
    first.close()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "job.json").write_text("{")
    second = TapJobs(tmp_path, server.tap)
    assert second.result(second.job(done.job_id)).read_text().split() == ['"n"', "3"]
    assert second.job(waiting.job_id).phase == "PENDING"
    assert second.job(endless.job_id).phase in {"QUEUED", "EXECUTING"}
    second.abort(endless.job_id)
    second.close()
    assert TapJobs(tmp_path, server.tap).job(endless.job_id).phase == "ABORTED"


def test_two_servers_share_a_folder_of_jobs(server, tmp_path):
    one, other = TapJobs(tmp_path, server.tap), TapJobs(tmp_path, server.tap)
    endless = one.create({"LANG": "ADQL", "QUERY": ENDLESS}, {})
    one.run(endless.job_id)
    while other.job(endless.job_id).phase != "EXECUTING":
        threading.Event().wait(0.02)
    third = TapJobs(tmp_path, server.tap)  # it starts while the job runs elsewhere, and leaves it there
    assert third.job(endless.job_id) == one.job(endless.job_id)
    other.run(endless.job_id)
    other.abort(endless.job_id)
    stop = one._stops.get(endless.job_id)
    assert stop is None or stop.wait(10)
    assert one.job(endless.job_id).phase == "ABORTED"
    waiting = other.create({"LANG": "ADQL", "QUERY": "SELECT 1 AS x", "RESPONSEFORMAT": "csv"}, {})
    third.run(waiting.job_id)
    while one.job(waiting.job_id).phase in {"QUEUED", "EXECUTING"}:
        threading.Event().wait(0.02)
    assert one.result(one.job(waiting.job_id)).read_text().split() == ['"x"', "1"]
    one.delete(waiting.job_id)
    assert [j.job_id for j in third.jobs()] == [endless.job_id]
    for jobs in (one, other, third):
        jobs.close()


def test_no_page_of_another_site_may_ask_tap(server):
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert ask(server, "availability", headers=headers)[0] == 403
    assert ask(server, "nothing")[0] == 400


def test_a_service_over_a_snapshot_sees_no_more(browsed, server):
    catalog = server.answers.catalog
    number = catalog.snapshots()[1].number  # with tables, and nothing in them
    cited = TapService(browsed, catalog, number)
    answer = cited.ask("SELECT COUNT(*) AS n FROM csc.master_source")
    cited.close()
    assert (answer.table["n"][0].as_py(), answer.snapshot) == (0, number)
    with pytest.raises(UnknownName, match="snapshot"):
        BrowseServer(browsed, snapshot=10_000)


def test_a_cone_is_searched(server):
    service = pyvo.dal.SCSService(f"{server.url}scs?")
    found = service.search(pos=(0.01, 80.0), radius=0.0005)
    assert [r.id for r in found] == ["2CXO J000001.0+000000"]
    assert found[0].pos.ra.deg == pytest.approx(0.01)
    everything = service.search(pos=(0.01, 80.0), radius=1, verbosity=3)
    assert len(everything) == 3
    assert len(everything.fieldnames) > 500
    for wrong in ("RA=1&DEC=2", "RA=1&DEC=99&SR=1", "RA=nan&DEC=1&SR=1"):
        content = ask(server, f"{server.url}scs?{wrong}")[2]
        assert b'name="Error"' in content


@pytest.mark.slow
def test_a_thousand_polls_of_a_job_all_answer(tap):
    job = tap.submit_job(ENDLESS).run()
    try:
        assert all(job.phase in {"QUEUED", "EXECUTING"} for _ in range(1000))
    finally:
        job.abort()


# What stays: texts are Unicode here; functions that give rows stand in FROM, which the checker's own parser of ADQL
# does not know.
EXPLAINED = ("Datatype mismatch (char != unicodeChar)", "Validation syntax error for example cone")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("stilts") is None, reason="no stilts on this machine")
def test_taplint_finds_no_error(server):
    stages = "TMV TME TMS TMC CPV CAP AVV QGE QPO QAS UWS MDQ OBS UPL EXA"
    command = ["stilts", "taplint", f"tapurl={server.url}tap", f"stages={stages}", "report=EFW"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    said = [line for line in done.stdout.splitlines() if line.startswith(("E-", "F-", "W-"))]
    assert [line for line in said if not any(known in line for known in EXPLAINED)] == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("stilts") is None, reason="no stilts on this machine")
@pytest.mark.parametrize("name", ["votable/td", "votable/b", "votable/b2"])
def test_votlint_finds_nothing_in_an_answer(server, tmp_path, name):
    for n, query in enumerate(
        (
            "SELECT TOP 20 * FROM csc.observation_source",
            "SELECT TOP 5 id, vector FROM embedding.spectrum",
            "SELECT * FROM ivoa.obscore",
            "SELECT * FROM lit.paper",
        )
    ):
        file = tmp_path / f"{n}.vot"
        file.write_bytes(sync(server, query, RESPONSEFORMAT=name)[2])
        command = ["stilts", "votlint", f"votable={file}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert (done.stdout + done.stderr).strip() == ""


@pytest.mark.parametrize("text", ["a\x01b", "a\0b", "\ufffe", "\x1b[31m", "]]>&<"])
def test_what_one_request_says_never_breaks_the_documents_of_jobs(server, text):
    made = {"LANG": "ADQL", "QUERY": f"SELECT '{text}' AS a", "RUNID": text, "RESPONSEFORMAT": "csv", "UPLOAD": ""}
    status, _, document = ask(server, "async", made)
    assert status == 200
    job = ET.fromstring(document).findtext("{*}jobId")  # noqa: S314 - ours
    for path in ("async", f"async/{job}", f"async/{job}/parameters"):
        status, _, document = ask(server, path)
        assert status == 200
        ET.fromstring(document)  # noqa: S314 - ours
    for time in ("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00", "soon", "9999-12-31"):
        assert ask(server, f"async/{job}/destruction", {"DESTRUCTION": time})[0] == (
            200 if time == "9999-12-31" else 400
        )
    assert ask(server, f"async/{job}", method="DELETE")[0] == 303


def test_an_upload_in_pieces_of_untold_length_is_taken_up_to_the_limit(server, monkeypatch):
    def send():
        form = iter([b"LANG=ADQL&QUERY=", b"SELECT+1+AS+a", b"&X=" + b"x" * 200])  # urllib sends such a body in chunks
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        request = urllib.request.Request(f"{server.url}tap/sync", data=form, headers=headers, method="POST")  # noqa: S310 - localhost
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            return answer.read()

    assert b'name="a"' in send()
    monkeypatch.setattr("catalog.serve.tap_uploads.UPLOAD_BYTES", 100)
    with pytest.raises(urllib.error.HTTPError) as refused:
        send()
    assert b"at most 100 bytes" in refused.value.read()
