"""Papers from ADS: pages, quota, tokens, and links that say whose papers they are."""

from __future__ import annotations

import itertools
import json

import pytest
from factories.server import TOKEN, Fault
from factories.survey import Survey, small_survey

from catalog.errors import Terminal, Transient, UnreadableFile
from ingest.remote import ads
from ingest.remote.ads import ROWS, AdsReport, fetch_query, find_token
from ingest.remote.ads_objects import Target, fetch_objects
from ingest.remote.errors import QueryRefused, TokenRefused, WrongContent
from ingest.remote.http import Client
from ingest.remote.manners import Manners
from ingest.remote.shelf import Shelf


@pytest.fixture
def client(serve):
    serve(Survey())  # one in haste, for the manners it sets; each test starts its own
    with Client(token=TOKEN) as made:
        yield made


def many(n: int, *, every: int) -> Survey:
    """Sources of which each so manieth has papers, some of them shared with the next."""
    survey = Survey()
    for i in range(n):
        name = survey.add_source(i / 10, 5.0)
        if i % every == 0:
            codes = survey.add_papers(name, 1 + i % 3, 2010 + i % 7)
            survey.objects.setdefault(f"alias {i + 1}", []).extend(codes[:1])
    return survey


def targets(survey: Survey) -> list[Target]:
    return [Target(s["name"], (f"alias {i}",)) for i, s in enumerate(survey.sources)]


def linked(folder) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in folder.glob("*.jsonl"):
        if not path.name.startswith("."):
            for record in map(json.loads, path.read_text().splitlines()):
                for name in record.get("photonlake_sources", []):
                    found.setdefault(name, set()).add(record["bibcode"])
    return found


@pytest.mark.parametrize("every", [1, 3, 40])
def test_links_are_right_however_sources_are_batched(serve, client, tmp_path, every):
    survey = many(120, every=every)
    server = serve(survey)
    report = AdsReport()
    fetch_objects(client, targets(survey), Shelf(tmp_path), report)
    wanted = {}
    for i, source in enumerate(survey.sources):
        codes = {c for n in (source["name"], f"alias {i}") for c in survey.objects.get(n, [])}
        if codes:
            wanted[source["name"]] = codes
    assert linked(tmp_path) == wanted
    assert (report.asked, report.with_papers) == (120, len(wanted))
    if every == 40:
        assert len(server.requests("search")) < 60
    assert len(server.requests("search")) <= (130 if every == 1 else 160)


def test_from_the_store_to_the_store(serve, ingest, sql):
    survey = small_survey(3, products=False)
    for i, source in enumerate(survey.sources):
        survey.add_papers(source["name"], i)
    serve(survey)
    ingest("csc", "--obsid", "10542")
    outcome = ingest("ads", "--objects")
    assert outcome.code == 0, outcome.text
    assert "3 sources asked for, 2 have papers" in outcome.text
    links = sql("SELECT name, method, count(*) FROM lit.paper_source GROUP BY ALL ORDER BY ALL")
    names = [s["name"] for s in survey.sources]
    ways = ("ADS object query", "name in text")  # the titles name them too, and links are made of that at once
    assert links == [(names[i], way, i) for i in (1, 2) for way in ways]
    assert sql("SELECT count(*), max(citation_count) FROM lit.paper") == [(3, 3)]
    assert ("ads", '{"objects": true}') in sql("SELECT kind, specification FROM meta.source")
    assert "Nothing new" in ingest("ads", "--objects").text


def test_changed_records_are_updated_and_lost_links_go(serve, ingest, sql):
    survey = small_survey(2, products=False)
    first, second = (s["name"] for s in survey.sources)
    codes = survey.add_papers(first, 2)
    survey.objects[second] = codes[:1]
    serve(survey)
    ingest("csc", "--obsid", "10542")
    ingest("ads", "--objects")
    survey.papers[codes[0]]["citation_count"] = 99
    survey.objects[first] = codes[:1]
    outcome = ingest("ads", "--objects", "--older-than", "0")
    assert outcome.code == 0
    assert sql("SELECT citation_count FROM lit.paper ORDER BY bibcode") == [(99,), (3,)]
    by_object = "SELECT bibcode, name FROM lit.paper_source WHERE method = 'ADS object query' ORDER BY name"
    assert sql(by_object) == [(codes[0], first), (codes[0], second)]


def test_a_query_comes_page_by_page(serve, ingest, sql):
    survey = Survey()
    survey.add_papers("x", 230)
    server = serve(survey)
    server.page = 50
    outcome = ingest("ads", "--query", 'bibgroup:"Chandra" year:2020-2026')
    assert outcome.code == 0, outcome.text
    assert sql("SELECT count(*) FROM lit.paper") == [(230,)]
    cursors = [s.values["cursorMark"] for s in server.requests("search")]
    assert cursors == ["*", "n50", "n100", "n150", "n200"]
    assert {s.values["sort"] for s in server.requests("search")} == {"date desc,id desc"}
    assert sql("SELECT count(*) FROM lit.paper_source") == [(0,)]
    assert "Nothing new" in ingest().text


def test_it_stops_at_the_limit_and_goes_on_later(serve, ingest, sql):
    survey = small_survey(6, products=False)
    for source in survey.sources:
        survey.add_papers(source["name"], 1)
    server = serve(survey)
    ingest("csc", "--obsid", "10542")
    server.quota = 5
    outcome = ingest("ads", "--objects")
    assert outcome.code == 75
    assert "ADS lets nothing more through for now; go on after 20" in outcome.text
    assert "UTC" in outcome.text
    asked = len(server.requests("search"))
    assert asked == 5  # the header says 0 are left: no request is wasted on hearing it
    assert 0 < sql("SELECT count(*) FROM lit.paper")[0][0] < 6
    server.quota = None
    assert ingest("ads", "--objects").code == 0
    by_object = "SELECT count(*), count(DISTINCT name) FROM lit.paper_source WHERE method = 'ADS object query'"
    assert sql(by_object) == [(6, 6)]
    assert len(server.requests("search")) - asked < 12


def test_a_429_is_a_clean_stop(serve, ingest):
    survey = Survey()
    survey.add_papers("x", 3)
    server = serve(survey)
    server.quota = 0
    outcome = ingest("ads", "--query", "x")
    assert outcome.code == 75
    assert "go on after" in outcome.text
    assert len(server.seen) == 1


def test_names_that_ads_does_not_know_spoil_nothing(serve, client, tmp_path):
    survey = many(40, every=9)
    server = serve(survey)
    server.spoilers = {survey.sources[i]["name"] for i in (3, 4, 20)}
    report = AdsReport()
    fetch_objects(client, targets(survey), Shelf(tmp_path), report)
    assert sorted(report.unknown) == sorted(server.spoilers)
    assert report.asked == 40
    assert set(linked(tmp_path)) >= {survey.sources[i]["name"] for i in (0, 9, 18, 27, 36)}


def test_where_everything_is_refused_it_is_no_answer(serve, client, tmp_path):
    survey = many(30, every=2)
    server = serve(survey)
    server.spoilers = {s["name"] for s in survey.sources}
    with pytest.raises(QueryRefused, match="no such object"):
        fetch_objects(client, targets(survey), Shelf(tmp_path), AdsReport())
    assert Shelf(tmp_path).asked_before(survey.sources[0]["name"]) is None


@pytest.mark.parametrize("kind", ["500", "reset", "truncate", "html"])
def test_faults_on_the_way_heal(serve, client, tmp_path, kind):
    survey = Survey()
    survey.add_papers("x", 60)
    server = serve(survey)
    server.page = 20
    server.faults = [Fault(kind, times=3)]
    report = AdsReport()
    fetch_query(client, "x", Shelf(tmp_path), report)
    assert report.papers == 60
    assert len(server.injected) == 3


def test_an_expired_token_is_terminal_and_nothing_is_remembered(serve, ingest, monkeypatch, sql):
    serve(Survey())
    monkeypatch.setenv("ADS_DEV_KEY", "expired-0123456789")
    outcome = ingest("ads", "--query", "x")
    assert isinstance(outcome.error, TokenRefused)
    assert isinstance(outcome.error, Terminal)
    assert "expired-0123456789" not in outcome.text + str(outcome.error)
    assert sql("SELECT count(*) FROM meta.source") == [(0,)]


def test_no_token_says_where_to_get_one(serve, ingest, monkeypatch, tmp_path):
    serve(Survey())
    monkeypatch.delenv("ADS_DEV_KEY")
    assert "user/settings/token" in str(ingest("ads", "--query", "x").error)
    (tmp_path / ".ads").mkdir()
    (tmp_path / ".ads" / "dev_key").write_text(f"{TOKEN}\n")
    assert find_token() == TOKEN
    monkeypatch.setenv("ADS_API_TOKEN", "  other-token-123  ")
    assert find_token() == "other-token-123"
    monkeypatch.setenv("ADS_DEV_KEY", "two words here")
    with pytest.raises(TokenRefused) as caught:
        find_token()
    assert "two words" not in str(caught.value)


def test_the_token_is_nowhere_in_the_store(serve, ingest, store):
    survey = Survey()
    survey.add_papers("x", 3)
    serve(survey)
    shown = ingest("ads", "--query", "x", "--show-requests").text
    outcome = ingest("ads", "--query", "x")
    assert TOKEN not in shown + outcome.text
    assert not [p for p in store.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]


def test_a_dry_run_counts(serve, ingest, sql):
    survey = Survey()
    survey.add_papers("x", 4100 // 100)
    serve(survey)
    assert "41 papers, 1 requests, about 123.0 kB" in ingest("ads", "--query", "x", "--dry-run").text
    assert sql("SELECT count(*) FROM meta.source") == [(0,)]


def test_a_crash_in_the_notes_costs_one_answer(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.put({"bibcode": "2020ApJ...900....1X"})
    for name in ("2CXO J000000.0+000000", "2CXO J000000.1+000000"):
        shelf.answered(name, ["2020ApJ...900....1X"])
    shelf.flush()
    notes = tmp_path / ".asked.jsonl"
    notes.write_bytes(notes.read_bytes()[:-9])
    again = Shelf(tmp_path)
    assert again.asked_before("2CXO J000000.0+000000") is not None
    assert again.asked_before("2CXO J000000.1+000000") is None
    again.answered("2CXO J000000.1+000000", ["2020ApJ...900....1X"])
    assert again.flush() == 0  # the link is there already


def test_texts_of_all_kinds_are_kept_and_read_again(tmp_path):
    odd = "a\u2028b\u0085c\x0bd\x1ce é \ud800 \ud83d\udd2d"
    record = {"bibcode": "2020ApJ...900....1X", "title": [odd], "abstract": float("inf")}
    shelf = Shelf(tmp_path)
    shelf.put(record)
    shelf.put({"bibcode": "2020ApJ...900....2Y", "deep": json.loads("[" * 300 + "]" * 300)})  # nobody could read it
    assert shelf.flush() == 1
    again = Shelf(tmp_path)
    again.put(record)
    assert again.flush() == 0
    again.put({"bibcode": "2020ApJ...900....3Z", "title": ["later"]})
    assert again.flush() == 1
    stored = [json.loads(line) for line in (tmp_path / "2020.jsonl").read_text("ascii").split("\n") if line]
    assert [r["bibcode"][-1] for r in stored] == ["X", "Z"]
    assert stored[0]["title"] == ["a\u2028b\u0085c\x0bd\x1ce é \ufffd \U0001f52d"]


def test_a_file_of_an_earlier_version_is_read_and_a_broken_one_named(tmp_path):
    earlier = {"bibcode": "2020ApJ...900....1X", "title": ["a\u2028b"], "photonlake_sources": ["2CXO J000000.0+000000"]}
    (tmp_path / "2020.jsonl").write_text(json.dumps(earlier, ensure_ascii=False) + "\n", encoding="utf-8")
    shelf = Shelf(tmp_path)
    shelf.put({"bibcode": "2020ApJ...900....1X", "title": ["a\u2028b"]})
    assert shelf.flush() == 0
    (tmp_path / "2020.jsonl").write_text('{"bibcode": "2020ApJ', encoding="utf-8")
    with pytest.raises(UnreadableFile, match=r"2020\.jsonl: .* remove .*\.asked\.jsonl"):
        Shelf(tmp_path).put({"bibcode": "2020ApJ...900....1X"})


class Endless:
    """A client of an ADS that answers pages for ever."""

    def __init__(self, cursors, n_found):
        self.cursors, self.n_found, self.asked = cursors, n_found, 0
        self.manners = Manners(attempts=2, backoff_s=0.0)

    def answer(self, _request):
        self.asked += 1
        assert self.asked < 20, "it never ends"
        docs = [{"bibcode": f"2020ApJ...{self.asked:03d}....{i:04d}X"} for i in range(ROWS)]
        body = {"response": {"numFound": self.n_found(self.asked), "docs": docs}, "nextCursorMark": next(self.cursors)}
        return json.dumps(body).encode(), {"x-ratelimit-remaining": "--5"}

    def read(self, request, read):
        return read(*self.answer(request))


@pytest.mark.parametrize(
    ("cursors", "n_found"),
    [
        (map(str, itertools.count()), lambda n: n * ROWS + 1),
        (itertools.cycle(["a", "b"]), lambda _: 10**9),
        (map(str, itertools.count()), lambda _: 10**30),
    ],
    ids=["a number that runs away", "cursors in a circle", "a number that is none"],
)
def test_a_cursor_that_never_ends_is_left(tmp_path, monkeypatch, cursors, n_found):
    monkeypatch.setattr(ads, "MOST_PAPERS", 3 * ROWS)
    report = AdsReport()
    with pytest.raises(WrongContent, match="more papers than it has"):
        fetch_query(Endless(cursors, n_found), "x", Shelf(tmp_path), report)
    assert report.papers <= 6 * ROWS
    assert (tmp_path / "2020.jsonl").exists()  # what came is kept


def test_ads_that_is_down_is_transient(serve, ingest):
    server = serve(Survey())
    server.faults = [Fault("503")]
    outcome = ingest("ads", "--query", "x")
    assert outcome.code == 75 or isinstance(outcome.error, Transient)
    assert "answers 503" in outcome.text + str(outcome.error)
