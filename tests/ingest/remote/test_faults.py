"""Services that fail: each fault one clear line, a decision, and nothing half-ingested."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from factories.server import Fault
from factories.survey import Streamed, product_name, small_survey

from catalog.errors import Terminal, Transient
from ingest.remote.errors import WrongColumns

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("service", ["tap", "csccli"])
@pytest.mark.parametrize(
    ("fault", "decision", "says"),
    [
        (Fault("503", "tap/async|getProp"), Transient, "answers 503"),
        (Fault("html", "tap/async|getProp"), Transient, "web page|cannot be read"),
        (Fault("reset", "tap/async|getProp"), Transient, "does not answer"),
        (Fault("truncate", "results/result|getProp"), Transient, "ended after|broke off|damaged"),
        (Fault("wrong_columns", "phase|getProp"), Terminal, "asked for .*name"),
        (Fault("query_error", "getProp"), Terminal, "refuses the query: Incorrect syntax near 'x'."),
    ],
    ids=lambda x: x.kind if isinstance(x, Fault) else "",
)
def test_a_table_that_does_not_come(serve, ingest, sql, store, service, fault, decision, says):
    server = serve(small_survey(2, products=False))
    if fault.kind == "query_error" and service == "tap":
        pytest.skip("TAP says it otherwise")
    server.faults = [fault]
    outcome = ingest("csc", "--obsid", "10542", "--service", service)
    assert isinstance(outcome.error, decision), outcome
    assert re.search(says, str(outcome.error)), outcome.error
    assert "\n" not in str(outcome.error)
    assert sql("SELECT count(*) FROM meta.file") == sql("SELECT count(*) FROM meta.source") == [(0,)]
    assert not [p for p in (store / "files").rglob("*") if p.is_file() and p.name != ".fetch.lock"]


def test_a_query_that_tap_refuses(serve, ingest):
    serve(small_survey(1, products=False))
    outcome = ingest("csc", "--adql", "SELECT name, mood FROM csc21.master_source")
    assert isinstance(outcome.error, Terminal)
    assert "mood" in str(outcome.error)


def test_wrong_columns_name_what_came(serve, ingest):
    server = serve(small_survey(1, products=False))
    server.faults = [Fault("wrong_columns", "getProp")]
    outcome = ingest("csc", "--obsid", "10542", "--service", "csccli")
    assert isinstance(outcome.error, WrongColumns)
    assert "strange_name" in str(outcome.error)


@pytest.mark.parametrize(
    "kind", ["500", "flip", *(pytest.param(k, marks=pytest.mark.slow) for k in ("html", "truncate", "reset"))]
)
def test_one_file_that_never_comes_stops_no_other(serve, ingest, sql, store, kind):
    server = serve(small_survey(3))
    bad = product_name(server.survey.detections[1], "pha3", 27)
    server.ranges = False
    server.faults = [Fault(kind, bad)]
    outcome = ingest("csc", "--obsid", "10542", "--products", "pha")
    assert outcome.code == 75
    assert bad in outcome.text
    assert "1 files are still to come" in outcome.text
    assert sql("SELECT count(*) FROM product.spectrum") == [(2,)]
    assert not [p for p in store.rglob(f"{bad}*") if p.suffix != ".part"]
    server.faults = []
    assert ingest().code == 0
    assert sql("SELECT count(*) FROM product.spectrum") == [(3,)]


def test_a_service_that_goes_down_on_the_way_leaves_what_came(serve, ingest, sql):
    server = serve(small_survey(8))
    server.faults = [Fault("503", f"r{r:04d}_pha3") for r in range(3, 9)]
    outcome = ingest("csc", "--obsid", "10542", "--products", "pha", "--parallel", "1")
    assert outcome.code == 75
    assert "6 files are still to come" in outcome.text
    assert "To go on: python -m ingest --store" in outcome.text
    assert sql("SELECT count(*) FROM product.spectrum") == [(2,)]
    assert len([s for s in server.requests("retrieveFile") if "r0008" in s.values["filename"]]) == 0


@pytest.mark.slow
def test_a_refresh_of_a_service_that_is_down_still_refreshes_the_rest(serve, ingest, tmp_path, sql):
    server = serve(small_survey(1))
    ingest("csc", "--obsid", "10542", "--products", "pha")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "table.csv").write_text("name,obsid,region_id,theta\n2CXO J000000.0+000000,1,1,2.5\n")
    ingest("files", str(folder))
    (folder / "more.csv").write_text("name,obsid,region_id,theta\n2CXO J000000.1+000000,2,1,2.5\n")
    server.faults = [Fault("503")]
    outcome = ingest()
    assert outcome.code == 75
    assert "answers 503" in outcome.text
    assert sql("SELECT count(*) FROM csc.master_source") == [(3,)]


def test_ten_per_cent_of_faults_and_everything_arrives_once(serve, ingest, sql, monkeypatch):
    monkeypatch.setenv("PHOTONLAKE_HTTP_READ_S", "0.5")
    server = serve(small_survey(12, per_source=2))
    monkeypatch.setenv("PHOTONLAKE_HTTP_READ_S", "0.5")
    kinds = ("500", "503", "429", "reset", "stall", "truncate", "flip", "html")
    server.faults = [Fault(kind, share=0.1 / len(kinds)) for kind in kinds]
    outcome = ingest("csc", "--obsid", "10542,10543", "--products", "usual")
    assert outcome.code == 0, outcome.text
    assert len(server.injected) >= 8
    assert "144 files fetched" in outcome.text
    assert sql("SELECT kind, count(*) FROM meta.file WHERE status = 'loaded' GROUP BY 1 ORDER BY 1") == [
        ("arf", 24),
        ("events", 24),
        ("light_curve", 24),
        ("region", 24),
        ("rmf", 24),
        ("source_table", 1),
        ("spectrum", 24),
    ]
    assert sql("SELECT count(*) FROM product.event") == [(480,)]


def start(server, store, *arguments: str) -> subprocess.Popen:
    environment = {**os.environ, **server.environment}
    command = [sys.executable, "-m", "ingest", *arguments, "--store", str(store)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.slow
def test_killed_in_the_middle_of_two_hundred_downloads(serve, ingest, sql, store):
    server = serve(small_survey(100, per_source=2, dec=10.0))
    command = ("csc", "--obsid", "10542,10543", "--products", "pha")
    for goal in (40, 90, 150):
        server.delay_s = 0.01
        process = start(server, store, *command)
        since = time.monotonic()
        while len(list(store.rglob("*_pha3.fits.gz"))) < goal and time.monotonic() - since < 120:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    whole = {p.name.removesuffix(".gz") for p in store.rglob("*_pha3.fits.gz")}
    assert 150 <= len(whole) < 200
    server.delay_s = 0.0
    before = len(server.requests("retrieveFile"))
    outcome = ingest()  # the query is remembered: it goes on
    assert outcome.code == 0, outcome.text
    again = [s.values["filename"] for s in server.requests("retrieveFile")[before:]]
    assert len(again) == len(set(again)) == 200 - len(whole)
    assert not whole & set(again)
    assert sql("SELECT count(*), count(DISTINCT detection_id) FROM product.spectrum") == [(200, 200)]
    assert not list(store.rglob("*.part"))


@pytest.mark.slow
def test_a_body_of_two_gigabytes_streams_in_flat_memory(serve, store):
    """A gzip member of stored blocks around an image of 2 GB: as large on the wire as on the disk."""
    n = 2_000_000_000 // 2880
    block = bytes(range(240)) * 12
    header = "".join(
        f"{card:80}"
        for card in (
            "SIMPLE  =                    T",
            "BITPIX  =                    8",
            "NAXIS   =                    1",
            f"NAXIS1  = {n * 2880:>20}",
            "END",
        )
    ).ljust(2880)
    per_piece = 20  # 57,600 bytes: the most that fits into one stored block

    def pieces():
        crc = zlib.crc32(header.encode())
        yield b"\x1f\x8b\x08\x00\0\0\0\0\0\xff" + stored(header.encode(), last=False)
        left = n
        while left:
            k = min(left, per_piece)
            data = block * k
            crc = zlib.crc32(data, crc)
            left -= k
            yield stored(data, last=not left)
        yield crc.to_bytes(4, "little") + ((n + 1) * 2880 % 2**32).to_bytes(4, "little")

    def stored(data: bytes, *, last: bool) -> bytes:
        size = len(data)
        return bytes([last]) + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + data

    n_blocks = 1 + -(-n // per_piece)
    survey = small_survey(1, products=False)
    survey.files[product_name(survey.detections[0], "evt3", 27)] = Streamed(
        10 + 5 * n_blocks + (n + 1) * 2880 + 8, pieces
    )
    server = serve(survey)
    code = (
        "import sys\n"
        "from ingest.remote import csc\n"
        "from ingest.remote.http import Client\n"
        "from ingest.remote.selection import Selection\n"
        "from pathlib import Path\n"
        "with Client() as client:\n"
        "    report = csc.fetch(client, Path(sys.argv[1]), Selection(obsids=(10542,), products=('evt',)))\n"
        "assert report.complete, report.error\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(report.fetched.bytes, status['VmHWM'].split()[0])\n"
    )
    environment = {**os.environ, **server.environment, "PHOTONLAKE_HTTP_READ_S": "60"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(store)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    n_bytes, peak_kb = map(int, done.stdout.split())
    assert n_bytes > 2_000_000_000
    assert peak_kb < 400_000
