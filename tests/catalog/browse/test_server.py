"""What the page is answered, and what it is refused."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import shutil
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from importlib import resources

import numpy as np
import pyarrow.parquet as pq
import pytest
from factories.store import write

from catalog.catalog import Catalog
from catalog.errors import QueryError
from catalog.objects.space_map import projected
from catalog.palette import CLASS_COLOURS
from catalog.serve.address import Address, address
from catalog.serve.answers import Answers
from catalog.serve.maps import Drawn, Maps
from catalog.serve.server import BrowseServer


def ask(server, path, given=None, body=None, headers=None):
    query = f"?{urllib.parse.urlencode(given)}" if given else ""
    request = urllib.request.Request(f"{server.url[:-1]}{path}{query}", headers=headers or {})  # noqa: S310 - localhost
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def unpacked(content):
    """Take arrays as the page does."""
    n = int.from_bytes(content[:4], "little")
    head = json.loads(content[4 : 4 + n])
    made = {k: v for k, v in head.items() if k != "arrays"}
    for array in head["arrays"]:
        made[array["name"]] = np.frombuffer(content, array["type"], array["length"], 4 + n + array["at"])
    return made


def arrays(server, path, given):
    with urllib.request.urlopen(f"{server.url[:-1]}{path}?{urllib.parse.urlencode(given)}") as answer:  # noqa: S310
        assert answer.headers["Content-Encoding"] in {None, "identity"}
        return unpacked(answer.read())


def texts(found, name):
    offsets, content = found[f"{name}.offsets"], found[f"{name}.bytes"].tobytes()
    return [content[a:b].decode() for a, b in itertools.pairwise(offsets)]


def post(server, path, body, type_):
    request = urllib.request.Request(f"{server.url[:-1]}{path}", body, {"Content-Type": type_})  # noqa: S310 - localhost
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def select(server, bits, type_="application/octet-stream"):
    status, answer = post(server, "/api/select?space=spectrum", bits, type_)
    return status, json.loads(answer)


def saved(server, given):
    status, answer = post(server, "/api/save", json.dumps(given).encode(), "application/json")
    assert status == 200, answer
    assert b"store_id" in answer or given.get("format", "csv") == "csv"
    assert str(server.answers.store).encode() not in answer  # where it is on this machine is nobody's business
    return answer


def sql(server, query):
    return ask(server, "/api/sql", body={"query": query})


def test_the_page_learns_what_there_is(server):
    _, found = ask(server, "/api/overview")
    assert [s["space"] for s in found["spaces"]] == ["spectrum"]
    assert (found["detections"], found["papers"], found["simulated"]) == (300, 1, 0)
    points = arrays(server, "/api/map", {"space": "spectrum"})
    assert len(points["x"]) == len(points["y"]) == 300
    ids = arrays(server, "/api/ids", {"space": "spectrum"})
    assert texts(ids, "id")[0] == "1.0.0"
    types = arrays(server, "/api/values", {"space": "spectrum", "column": "otype"})
    assert types["classes"] == ["QSO", "YSO"]
    assert (types["class"] == -1).sum() == 100
    hard = arrays(server, "/api/values", {"space": "spectrum", "column": "hard_hs"})
    assert hard["value"][:2].tolist() == pytest.approx([0, 1 / 300])
    place = arrays(server, "/api/values", {"space": "spectrum", "column": "ra"})
    assert (place["value"][0], place["unit"]) == (pytest.approx(295.86528), "deg")
    assert np.isnan(arrays(server, "/api/values", {"space": "spectrum", "column": "theta"})["value"]).all()
    assert ask(server, "/api/values", {"space": "spectrum", "column": "x; DROP"})[0] == 400
    names = ask(server, "/api/names")[1]
    assert "hard_hs" in names["relations"]["csc.observation_source"]
    assert "cone" in names["functions"]


def test_a_map_in_the_order_of_another_has_no_place_for_rows_that_it_lacks(browsed):
    maps = Maps(Catalog(browsed))
    one = maps.of("spectrum")
    maps._held["other", maps.catalog.snapshot] = Drawn(one.ids[::-1][:299], one.points[::-1][:299])
    x = unpacked(maps.points("other", "spectrum"))["x"]
    assert np.isnan(x[0])
    assert x[1:].tolist() == one.points[1:, 0].tolist()


def test_a_stored_map_is_offered_and_is_in_the_order_of_the_space(mapped):
    _, found = ask(mapped, "/api/overview")
    assert found["maps"] == [{"map": "spectrum:tsne", "said": "spectrum: t-SNE"}]
    points = arrays(mapped, "/api/map", {"space": "spectrum:tsne", "rows_of": "spectrum"})
    assert points["said"] == "spectrum: t-SNE, perplexity 10.0, metric euclidean, seed 0, fitted rows 300"
    _, asked = sql(mapped, "SELECT x, y FROM meta.map_point WHERE id = '1.0.7'")
    at = texts(arrays(mapped, "/api/ids", {"space": "spectrum"}), "id").index("1.0.7")
    assert [points["x"][at], points["y"][at]] == pytest.approx(asked["rows"][0])
    status, refused = ask(mapped, "/api/map", {"space": "spectrum:umap"})
    assert (status, "embed map spectrum --method umap" in refused["error"]) == (400, True)
    assert ask(mapped, "/api/map", {"space": "spectrum:no"})[0] == 400


def test_rows_that_are_selected_are_a_relation_and_a_file(server):
    chosen = np.zeros(300, np.uint8)
    chosen[[0, 7, 299]] = 1
    bits = np.packbits(chosen, bitorder="little").tobytes()
    status, kept = select(server, bits)
    assert (status, kept["n_rows"]) == (200, 3)
    given = {"query": "SELECT detection_id FROM selection ORDER BY ALL", "selection": kept["selection"]}
    expected = [["1.0.0"], ["1.0.7"], ["6.0.49"]]
    assert ask(server, "/api/sql", body=given)[1]["rows"] == expected
    csv = saved(server, given | {"format": "csv"}).decode().split()
    assert [line.strip('"') for line in csv[1:]] == [row[0] for row in expected]
    table = pq.read_table(io.BytesIO(saved(server, given | {"format": "parquet"})))
    assert table["detection_id"].to_pylist() == [row[0] for row in expected]
    assert b"VOTABLE" in saved(server, given | {"format": "votable"})
    assert ask(server, "/api/save", body=given | {"format": "exe"})[0] == 400
    assert sql(server, "SELECT count(*) FROM selection")[1]["rows"] == [[0]]  # nothing is selected
    assert "select the points again" in ask(server, "/api/sql", body=given | {"selection": "0" * 16})[1]["error"]
    assert select(server, bits[:-1])[0] == 400
    assert select(server, bits, "text/plain")[0] == 400


@pytest.mark.parametrize("address", ["/api/ids?space=spectrum", "/api/values?space=spectrum&column=ra"])
def test_rows_of_another_snapshot_than_the_page_shows_are_refused(server, address):
    status, answer = ask(server, address + "&snapshot=1")
    assert status == 400
    assert "load the page again" in answer["error"]
    status, answer = post(server, "/api/select?space=spectrum&snapshot=1", b"\0" * 38, "application/octet-stream")
    assert status == 400
    assert "load the page again" in answer.decode()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("1.0.7", "1.0.7"),
        ("2CXO J000007.0+000000", "1.0.7"),
        ("J000007", "1.0.7"),
        ("j000007.0+0", "1.0.7"),
        ("295.86528 -10.5", "1.0.3"),
        ("295.86528, -10.5", "1.0.3"),
        ("19:43:27.667 -10:30:00", "1.0.3"),
        ("19h43m27.667s -10d30m00s", "1.0.3"),
    ],
)
def test_a_search_understands_names_parts_of_names_and_positions(server, text, first):
    assert ask(server, "/api/search", {"space": "spectrum", "text": text})[1]["rows"][0]["id"] == first


@pytest.mark.parametrize("text", ["J999999", "9999.0.1", "12.5 +80", "2CXO J999999.9+999999"])
def test_a_search_that_finds_nothing_says_so(server, text):
    status, answer = ask(server, "/api/search", {"space": "spectrum", "text": text})
    assert status == 400
    assert answer["error"]


def test_a_detection_is_told_with_neighbours_and_papers(server):
    given = {"id": "1.0.0"}
    _, found = ask(server, "/api/detection", given)
    assert {f["name"]: f["value"] for f in found["fields"]}["name"] == "2CXO J000000.0+000000"
    assert [t["otype"] for t in found["types"]] == ["YSO"]
    _, spectrum = ask(server, "/api/spectrum", given)
    # 3 counts per channel of 14.6 eV, one of background, in 1,000 s
    assert np.median(spectrum["rate"]) == pytest.approx(2 / 0.0146 / 1e3, rel=0.05)
    assert ask(server, "/api/light_curve", given)[1] == {}
    _, near = ask(server, "/api/neighbours", {"space": "spectrum", **given})
    distances = [r["distance"] for r in near["rows"]]
    assert len(distances) == 12
    assert distances == sorted(distances)
    assert "1.0.0" not in [r["id"] for r in near["rows"]]
    assert found["papers"][0]["title"] == "<b>Löwe</b> & X-rays"
    assert ask(server, "/api/search", {"space": "spectrum", "text": "1.0.3"})[1]["rows"][0]["id"] == "1.0.3"


def test_a_detection_is_told_with_blocks_photons_likeness_and_how_unusual_it_is(browsed, tmp_path):
    store = shutil.copytree(browsed, tmp_path / "s")
    anomaly = {"space": "spectrum", "run_id": 1, "extremes": ["hard_hs +4.1"], "warnings": []}
    write(store, "analysis.anomaly", *(anomaly | {"detection_id": f"1.0.{i}", "rank": i + 1} for i in range(3)))
    answers = Answers(store)
    try:
        told = answers.detection("1.0.1")
        assert [(u["rank"], u["n_ranked"], u["extremes"]) for u in told["unusual"]] == [(2, 3, ["hard_hs +4.1"])]
        assert answers.detection("1.0.9")["unusual"] == []
        assert [p["evidence"] for p in answers.detection("1.0.0")["papers"]] == ["Dips"]
        near = answers.neighbours("spectrum", "1.0.0")["rows"]
        assert all(("hard_hs" in r["unlike"]) == (r["hard_hs"] > 0.34) for r in near)  # 0 to 1, evenly
        assert any("hard_hs" in r["unlike"] for r in near)
        blocks = answers.blocks("1.0.1")  # photons come evenly for 3,700 s, then none for 300 s
        assert blocks["rate"] == pytest.approx([1 / 37, 0], rel=0.05)
        assert blocks["start_s"] == pytest.approx([1000, 4667], abs=8)
        assert answers.photon_map("1.0.1") == {}  # their energies are not known
        assert answers.blocks("1.0.7") == answers.photon_map("1.0.7") == {}
    finally:
        answers.close()


def test_a_light_curve_is_the_same_before_and_after_all_regions_are_read(browsed):
    answers = Answers(browsed)
    looked_up = answers.light_curve("1.0.1")
    assert looked_up["bin_s"] == 92  # from the first photon to the last
    assert answers.light_curve("1.0.2") == {}
    assert answers.light_curve("1.0.1", "1000")["bin_s"] == 1000
    for bins, said in (("0", "more than 0"), ("nan", "more than 0"), ("x", "more than 0"), ("1e-9", "or more")):
        with pytest.raises(QueryError, match=said):
            answers.light_curve("1.0.1", bins)
    answers.rehearse()
    at_hand = answers.light_curve("1.0.1")
    assert at_hand["bin_s"] == 100  # the length of the file
    columns = "start_s, stop_s, rate, rate_lolim, rate_hilim"
    for found in (looked_up, at_hand):
        query = f"SELECT {columns} FROM light_curve('1.0.1', {found['bin_s']})"
        assert answers.catalog.sql(query).fetchall() == list(zip(*(found[c] for c in columns.split(", ")), strict=True))
    assert answers.light_curve("1.0.2") == {}


def test_a_new_snapshot_is_seen(browsed, tmp_path):
    store = shutil.copytree(browsed, tmp_path / "s")
    answers = Answers(store)
    answers.prepare()
    answers.rehearse()
    assert answers.light_curve("1.0.2") == {}
    before = answers.overview()["snapshot"]
    key = {"file_id": 9, "obsid": 1, "obi": 0, "region_id": 2, "detection_id": "1.0.2"}
    write(store, "product.header", key | {"kind": "events", "n_rows": 2, "tstart_s": 0.0, "tstop_s": 400.0})
    photon = key | {"x": 1.0, "y": 1.0}
    write(store, "product.event_stored", *(photon | {"row": i, "time_s": 100.0 * i} for i in range(3)))
    assert answers.overview()["snapshot"] > before
    assert "not known where" in answers.light_curve("1.0.2")["said"]
    circle = {"shape": "circle", "x": [1.0], "y": [1.0], "r": [4.0], "r_arcsec": [2.0], "include": True, "row": 0}
    circle |= {"x_region": 1.0, "y_region": 1.0, "r_region": 4.0, "r_region_arcsec": 2.0, "component": 1}
    write(store, "product.region", key | circle | {"file_id": 10, "told_by": "reg3", "role": "source"})
    assert answers.overview()["snapshot"] > before
    assert len(answers.light_curve("1.0.2")["rate"]) > 1


def test_the_light_curve_of_a_file_stands_in_for_photons(browsed):
    answers = Answers(browsed)
    looked_up = answers.light_curve("1.0.3")
    assert (looked_up["bin_s"], looked_up["rate"]) == (10, [1, 2, 3, 4, 5])
    assert "light curve file" in looked_up["said"]
    answers.rehearse()
    assert answers.light_curve("1.0.3") == looked_up


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DROP TABLE lit.paper", "DROP is not a query"),
        ("SELECT * FROM read_csv('/etc/passwd')", "read_csv"),
        ("SELECT * FROM '/etc/passwd'", "is a file, not a table"),
        ("SELECT nme FROM csc.observation_source", "did you mean name"),
        ("SELECT 1; SELECT 2", "one"),
    ],
)
def test_sql_that_does_more_than_read_is_refused_with_a_reason(server, query, said):
    status, answer = sql(server, query)
    assert status == 400
    assert said in answer["error"]


def test_sql_is_bounded_in_rows_and_in_time(server, monkeypatch):
    status, answer = sql(server, "SELECT * FROM range(5000)")
    assert (status, len(answer["rows"]), answer["more"]) == (200, 1000, True)
    assert sql(server, "SELECT 1 AS one")[1] == {"columns": ["one"], "rows": [[1]], "more": False}
    starred = sql(server, "SELECT * FROM (SELECT 1 AS one, NULL AS none)")[1]
    assert starred == {"columns": ["one"], "rows": [[1]], "more": False, "notes": ["1 empty columns left out"]}
    notes = sql(server, "SELECT title FROM lit.paper WHERE bibcode = '1066'")[1]["notes"]
    assert "lit.paper has no bibcode '1066'" in notes[0]
    monkeypatch.setattr("catalog.serve.answers.MAX_SECONDS", 0.3)
    status, answer = sql(server, "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b")
    assert status == 400
    assert "stopped after 0.3 s" in answer["error"]
    monkeypatch.undo()  # on a busy machine the smallest question takes as long
    assert sql(server, "SELECT 1 AS one")[0] == 200  # the next one is answered


def test_other_pages_get_nothing(server):
    assert ask(server, "/api/overview", headers={"Host": "evil.example"})[0] == 403
    assert ask(server, "/api/overview", headers={"Origin": "http://evil.example"})[0] == 403
    request = urllib.request.Request(f"{server.url}api/sql", data=b'{"query": "SELECT 1"}')  # noqa: S310 - localhost
    with pytest.raises(urllib.error.HTTPError, match="400"):  # a form of another page cannot say that it is JSON
        urllib.request.urlopen(request)  # noqa: S310 - as above
    assert server.server_address[0] == "127.0.0.1"


def test_many_connections_at_once_are_taken(browsed):
    with BrowseServer(browsed) as waiting, contextlib.ExitStack() as stack:  # it accepts none yet
        for _ in range(20):
            stack.enter_context(socket.create_connection(waiting.server_address, timeout=0.5))


def test_what_is_wrong_is_said(server):
    assert "there is nothing at" in ask(server, "/api/nothing")[1]["error"]
    assert "needs id" in ask(server, "/api/detection")[1]["error"]
    assert "no embedding space 'spectrm'" in ask(server, "/api/map", {"space": "spectrm"})[1]["error"]


def test_the_page_has_the_colours_of_reports_and_notebooks():
    script = resources.files("catalog.serve").joinpath("page", "colours.js").read_text()
    assert json.loads(re.search(r"CLASS_COLOURS = (\[.*?\])", script)[1]) == list(CLASS_COLOURS)


def test_a_map_of_few_or_flat_vectors_is_drawn():
    assert projected(np.zeros((1, 4), np.float32)).tolist() == [[0, 0]]
    assert projected(np.ones((5, 4), np.float32)).tolist() == [[0, 0]] * 5
    assert projected(np.arange(6, dtype=np.float32)[:, None]).shape == (6, 2)


QUESTION = b'{"query": "SELECT 1 AS one"}'


def said(server, content):
    """Send bytes as they are; return the status and the body of the first answer."""
    with socket.create_connection(server.server_address, timeout=60) as connection:
        connection.sendall(content)
        with connection.makefile("rb") as answers:
            status = answers.readline()
            lines = [line.decode().rstrip().partition(": ") for line in iter(answers.readline, b"\r\n") if line]
            headers = {name.lower(): value for name, _, value in lines}
            body = answers.read(int(headers.get("content-length", 0)))
            return int(status.split()[1]), body


def request(server, *lines, body=b"", method="POST", path="/api/sql"):
    head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.server_port}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


@pytest.mark.parametrize(
    "length",
    [
        *("Content-Length: -1", "Content-Length: x", "Content-Length: ", "Content-Length: 1e3", "Content-Length: +28"),
        *(
            "Content-Length: 0x1c",
            "Content-Length: 28, 1",
            "Content-Length: 9999999999999999999",
            "Content-Length: 65537",
        ),
        *("X-Length: 28", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 28"),
        *("Content-Length: 28\r\nContent-Length: 1", "Content-Length: 28\r\nTransfer-Encoding: chunked"),
        "Content-Length: \u0662\u0668",
    ],
)
def test_a_body_says_its_length_once_and_as_a_number(server, length):
    content = request(server, "Content-Type: application/json", length, body=QUESTION)
    status, body = said(server, content)
    assert status == 400
    assert b"with its length" in body
    assert sql(server, "SELECT 1 AS one")[0] == 200


def test_what_follows_a_refused_request_is_not_answered(server):
    hidden = request(server, "Content-Type: application/json", f"Content-Length: {len(QUESTION)}", body=QUESTION)
    for first in (
        request(server, "Content-Type: application/json", "Content-Length: -1"),
        request(server, "Content-Length: 3", method="GET", path="/api/nothing"),
    ):
        with socket.create_connection(server.server_address, timeout=60) as connection:
            connection.sendall(first + hidden)
            whole = b"".join(iter(lambda c=connection: c.recv(1 << 16), b""))
        assert whole.count(b"HTTP/1.1 ") == 1


def test_half_a_request_is_not_answered_and_holds_up_nobody(server):
    head = ["Content-Type: application/json", f"Content-Length: {len(QUESTION)}"]
    halves = [b"", b"GET", b"GET /api/overview HTTP/1.1\r\nHost:", request(server, *head, body=QUESTION[:9])]
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(socket.create_connection(server.server_address, timeout=60)) for _ in halves]
        for connection, half in zip(waiting, halves, strict=True):
            connection.sendall(half)
        assert sql(server, "SELECT 1 AS one")[0] == 200
        for connection in waiting:
            connection.shutdown(socket.SHUT_WR)
        assert all(b"200 OK" not in b"".join(iter(lambda c=c: c.recv(1 << 16), b"")) for c in waiting)


def test_a_request_that_drips_is_ended_and_so_is_one_that_says_nothing(browsed, monkeypatch):
    monkeypatch.setattr("catalog.serve.connections.REQUEST_S", 0.2)
    with BrowseServer(browsed) as impatient:
        threading.Thread(target=impatient.serve_forever, daemon=True).start()
        for begin in (b"", b"GET / HTTP/1.1\r\nHost: "):
            with socket.create_connection(impatient.server_address, timeout=60) as connection:
                connection.sendall(begin)
                assert connection.recv(1 << 10) == b""
        monkeypatch.setattr("catalog.serve.connections.REQUEST_S", 2.0)
        monkeypatch.setattr("catalog.serve.connections.PIECE", 100)
        with socket.create_connection(impatient.server_address, timeout=60) as connection:
            host = f"127.0.0.1:{impatient.server_address[1]}"
            head = f"POST /tap/sync HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            connection.sendall(f"{head}Content-Length: 600\r\n\r\n".encode())
            for _ in range(6):  # together longer than a request may take, but each piece in time
                time.sleep(0.5)
                connection.sendall(b"x" * 100)
            assert connection.recv(1 << 10).startswith(b"HTTP/1.1 4")
        impatient.shutdown()


@pytest.mark.parametrize("port", [80, 8080])
def test_a_browser_leaves_out_port_80_and_no_other(port):
    known = {"127.0.0.1", "localhost", "127.0.0.1:80", "localhost:80"}
    assert Address(port=port).names == (known if port == 80 else {"127.0.0.1:8080", "localhost:8080"})


@pytest.mark.parametrize(
    ("site", "mode", "path", "status"),
    [
        ("same-origin", "cors", "/api/overview", 200),
        ("none", "navigate", "/api/overview", 200),
        ("cross-site", "cors", "/api/overview", 403),
        ("same-site", "no-cors", "/api/overview", 403),
        ("cross-site", "navigate", "/api/overview", 403),
        ("cross-site", "navigate", "/", 200),  # a link from elsewhere may open the page
        ("cross-site", "no-cors", "/page.js", 403),
        ("same-origin", "no-cors", "/page.js", 200),
        ("", "cors", "/api/overview", 403),
    ],
)
def test_no_page_of_another_site_may_ask(server, site, mode, path, status):
    content = request(server, f"Sec-Fetch-Site: {site}", f"Sec-Fetch-Mode: {mode}", method="GET", path=path)
    assert said(server, content)[0] == status


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Origin: http://127.0.0.1:{port}"], 200),
        (["Origin: http://localhost:{port}"], 200),
        (["Origin: null"], 403),
        (["Origin: https://127.0.0.1:{port}"], 403),
        (["Origin: http://127.0.0.1:{port}.evil.example"], 403),
        (["Origin: http://127.0.0.1:1"], 403),
        (["Sec-Fetch-Site: cross-site"], 403),
        (["Host: evil.example"], 400),  # a second one
        (["Content-Type: text/plain"], 400),
    ],
)
def test_sql_is_taken_from_our_own_page_alone(server, lines, status):
    kind = [] if lines[0].startswith("Content-Type") else ["Content-Type: application/json"]
    lines = [line.format(port=server.server_port) for line in lines]
    content = request(server, *lines, *kind, f"Content-Length: {len(QUESTION)}", body=QUESTION)
    assert said(server, content)[0] == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 60000,
        b"nul",
        b"[]",
        b"{}",
        b'{"query": 1}',
        b'{"query": null}',
        b"\xff\xfe",
        b'{"query": "\\ud800"}',
    ],
)
def test_a_body_that_is_no_query_is_told(server, body):
    content = request(server, "Content-Type: application/json", f"Content-Length: {len(body)}", body=body)
    status, answer = said(server, content)
    assert status == 400
    assert json.loads(answer)["error"]


def test_an_address_that_makes_no_sense_is_told(server):
    for path in ("//[", "/api/map?" + "&".join(f"a{i}=1" for i in range(99)), "/../secret"):
        assert said(server, request(server, method="GET", path=path))[0] == 400


def test_an_answer_says_what_a_browser_may_do_with_it(server):
    with urllib.request.urlopen(server.url) as page:  # noqa: S310 - localhost
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Access-Control-Allow-Origin"] is None


def test_a_server_behind_a_prefix_or_a_proxy_answers_to_its_public_name(browsed):
    with BrowseServer(browsed, public="https://data.example.org/chandra") as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        assert made.url == "https://data.example.org/chandra/"
        lines = ["Host: data.example.org", "Origin: https://data.example.org"]
        for path in ("/chandra/api/overview", "/api/overview"):  # a proxy leaves the prefix, or takes it off
            content = "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()
            assert said(made, content)[0] == 200
        assert said(made, b"GET /chandra HTTP/1.1\r\nHost: data.example.org\r\n\r\n")[0] == 307
        assert said(made, b"GET /chandra/ HTTP/1.1\r\nHost: evil.example\r\n\r\n")[0] == 403
        evil = b"GET /api/overview HTTP/1.1\r\nHost: data.example.org\r\nOrigin: https://evil.example\r\n\r\n"
        assert said(made, evil)[0] == 403
        made.shutdown()


def test_an_address_says_what_is_wrong_with_it():
    assert address(prefix="a/b/").url == "http://127.0.0.1:0/a/b/"
    assert "10.1.2.3:80" in address("10.1.2.3", 80).names
    for wrong in ("data.example.org", "ftp://x", "https://x/?a=1"):
        with pytest.raises(QueryError, match="expected the address"):
            address(public=wrong)
