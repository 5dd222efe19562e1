"""Queries from outside: each limit ends the query that passes it, and no other."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from factories.store import NAMES, write

from catalog.catalog import Catalog
from catalog.errors import ForbiddenStatement, QueryError, StoreNotFound, UnknownName
from catalog.query.limited_process import Limits
from catalog.query.outside import Outside
from catalog.store import confinement

SECONDS = 0.4
ROWS = 1000
BRISK = Limits(seconds=SECONDS, rows=ROWS)
PATIENT = Limits(seconds=60, rows=ROWS)

ENDLESS = {
    "a plan of nested lambdas": "SELECT " + "list_transform([1], x -> " * 26 + "x" + ")" * 26,
    "one call": "SELECT levenshtein(repeat('a', 100000), repeat('b', 100000))",
}
MORE_ENDLESS = {
    "nested queries": "WITH a AS (SELECT range AS x FROM range(9))"
    + "".join(
        f", {b} AS (SELECT l.x FROM {a} l, {a} r)" for a, b in zip("abcdefghijklmno", "bcdefghijklmnop", strict=True)
    )
    + " SELECT count(*) FROM p, p q, p r",
    "columns": "SELECT "
    + ", ".join(f"sum(range + {i}) OVER (ORDER BY -range)" for i in range(3000))
    + " FROM range(9999)",
    "recursion": "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    "a pattern": "SELECT count(*) FROM range(100000000) WHERE regexp_matches(repeat('a', 5000) || range, '(a*)*b')",
    "short bins": "SELECT count(*) FROM light_curve('732.0.1', 0.0000001)",
    "PIVOT": "PIVOT (SELECT a.range % 7 AS k FROM range(1000000000) a, range(1000) b) ON k USING count(*)",
    "distances": "SELECT damerau_levenshtein(repeat('ab', 40000), repeat('ba', 40000))",
    "digits": "SELECT sum(length(repeat(range::VARCHAR, 1000))) FROM range(10000000000)",
}


@pytest.fixture(scope="module")
def asked(made_store):
    with Outside(made_store, PATIENT) as outside:
        yield outside


def value(answer):
    return answer.table.to_pylist()[0]


def is_there(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_answer_is_that_of_the_catalog(asked, opened):
    query = "SELECT name, ra, conf_flag, file_ids, extra FROM csc.master_source WHERE ra > $low ORDER BY name"
    answer = asked.ask(query, {"low": 80.0})
    assert answer.table == opened.sql(query, low=80.0).arrow().replace_schema_metadata(answer.table.schema.metadata)
    assert answer.table.schema.field("ra").metadata[b"unit"] == b"deg"
    assert (answer.more, answer.text, answer.query) == (False, query, query)
    assert answer.snapshot == opened.snapshot
    assert value(asked.ask("SELECT $a AS a, $b AS b, $c AS c, $d AS d, $e AS e", PARAMETERS)) == PARAMETERS | {
        "d": [1.5, 2.5]
    }
    assert value(asked.ask("EXPLAIN SELECT 1"))["explain_value"]
    assert "no name 'x'" in asked.ask("SELECT ra FROM csc.master_source WHERE name = 'x'").why_empty[0]
    assert value(asked.ask("SELECT count(*) AS n FROM product.event", snapshot=1)) == {"n": 0}
    assert value(asked.ask("SELECT count(*) AS n FROM product.event", snapshot=datetime.now(UTC))) == {"n": 10}


PARAMETERS = {"a": 2**62, "b": None, "c": "Löwe", "d": np.array([1.5, 2.5]), "e": datetime(2020, 1, 2)}  # noqa: DTZ001


@pytest.mark.parametrize(
    ("query", "given", "kind", "says"),
    [
        ("DROP TABLE lit.paper", {}, ForbiddenStatement, "DROP is not a query"),
        ("FROM read_text('/etc/passwd')", {}, ForbiddenStatement, "read_text reads files"),
        ("SELECT nme FROM csc.master_source", {}, UnknownName, "did you mean name"),
        ("SELECT 1 +", {}, QueryError, "syntax error"),
        ("SELECT $a", {}, QueryError, "a"),
        ("SELECT error('x' || 'y')", {}, QueryError, "xy"),
        ("SELECT '\ud800'", {}, QueryError, "cannot"),
        ("SELECT $a", {"a": object()}, QueryError, "parameter"),
        ("SELECT $a", {"a": 2**70}, QueryError, "parameter"),
        ("FROM nearest('spectrum', 'x')", {}, UnknownName, "spectrum"),
    ],
)
def test_errors_are_those_of_the_catalog(asked, query, given, kind, says):
    with pytest.raises(kind, match=says) as caught:
        asked.ask(query, given)
    assert type(caught.value) is kind
    assert len(str(caught.value).splitlines()) == 1


def test_errors_leave_the_process_as_it_was(asked):
    process = asked._idle[0]._process.pid
    with pytest.raises(UnknownName):
        asked.ask("FROM nothing")
    assert value(asked.ask("SELECT 1 AS one")) == {"one": 1}
    assert asked._idle[0]._process.pid == process


def test_rows_and_bytes_of_an_answer_are_limited(asked):
    for limit in (1, 2, 2047, 2048, 2049):
        answer = asked.ask("FROM range(2049)", limits=Limits(rows=limit))
        assert (answer.table.num_rows, answer.more) == (limit, limit < 2049)
    assert asked.ask("FROM range(1000)").more is False
    assert asked.ask("FROM range(1000000000000)", limits=Limits(rows=10)).more
    small = Limits(rows=None, answer_bytes=1 << 20)
    for query in (
        "SELECT repeat('x', 2000000)",
        "FROM range(1000000)",
        "SELECT [repeat('x', 9999) FOR i IN range(999)]",
    ):
        with pytest.raises(QueryError, match="larger than 1 MB"):
            asked.ask(query, limits=small)
    assert asked.ask("FROM range(100000)", limits=Limits(rows=None)).table.num_rows == 100_000


def test_a_query_is_ended_when_its_time_is_over_and_the_next_is_answered(asked):
    for query in ENDLESS.values():
        process = asked._idle[0]._process.pid
        with pytest.raises(QueryError, match=r"stopped after 0\.4 s"):
            asked.ask(query, limits=BRISK)
        assert not is_there(process)
        assert value(asked.ask("SELECT 1 AS one")) == {"one": 1}


@pytest.mark.slow
@pytest.mark.parametrize("query", MORE_ENDLESS.values(), ids=MORE_ENDLESS.keys())
def test_whatever_takes_long_is_ended(asked, query):
    with pytest.raises(QueryError) as caught:
        asked.ask(query, limits=BRISK)
    assert len(str(caught.value)) < 300
    assert value(asked.ask("SELECT 1 AS one")) == {"one": 1}


LARGE = "SELECT length(list(repeat('x', 1000000) || range)::VARCHAR) FROM range(900)"
SORTED = "SELECT count(*) FROM (SELECT range, hash(range) AS h FROM range(40000000) ORDER BY h LIMIT 39000000)"


@pytest.mark.parametrize("query", [LARGE, pytest.param(SORTED, marks=pytest.mark.slow)], ids=["memory", "disk"])
def test_memory_and_disk_of_a_query_are_limited(made_store, query):
    with Outside(made_store, Limits(seconds=60, memory=600 << 20, spill=1 << 22)) as outside:
        with pytest.raises(QueryError, match=r"memory|disk|large") as caught:
            outside.ask(query)
        assert len(str(caught.value).splitlines()) == 1
        assert value(outside.ask("SELECT 1 AS one")) == {"one": 1}


def test_who_gets_no_turn_is_told(asked):
    begun = threading.Event()

    def long():
        begun.set()
        with pytest.raises(QueryError, match="stopped"):
            asked.ask(
                "SELECT sum(a.range * b.range) FROM range(1000000000) a, range(1000000000) b",
                limits=Limits(seconds=1.5),
            )

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(long)
        begun.wait()
        while asked._turns._value:
            pass
        with pytest.raises(QueryError, match="too many queries at once"):
            asked.ask("SELECT 1", limits=Limits(seconds=0.05))
        running.result()
    assert value(asked.ask("SELECT 1 AS one")) == {"one": 1}


def test_what_was_committed_is_seen(store):
    query = "SELECT count(*) AS n FROM csc.master_source"
    with Outside(store, PATIENT) as outside:
        before = outside.ask(query)
        write(store, "csc.master_source", {"name": "2CXO J000000.0+000000", "ra": 0.0, "dec": 0.0})
        after = outside.ask(query)
        assert (value(before), value(after)) == ({"n": 3}, {"n": 4})
        assert after.snapshot > before.snapshot
        assert value(outside.ask(query, snapshot=before.snapshot)) == {"n": 3}
        folder = outside._copy.file.parent
        assert outside._copy.file in folder.iterdir()
        shutil.rmtree(store)
        with pytest.raises((StoreNotFound, QueryError)):
            outside.ask(query)


def test_several_ask_at_a_time_and_nothing_is_left_of_them(made_store):
    outside = Outside(made_store, PATIENT, processes=2)
    with ThreadPoolExecutor(6) as threads:
        queries = [f"SELECT {n} AS n, count(*) AS rows FROM range({n * 1000})" for n in range(12)]
        answers = [value(answer) for answer in threads.map(outside.ask, queries)]
    assert answers == [{"n": n, "rows": n * 1000} for n in range(12)]
    idle, copy = list(outside._idle), outside._copy.file
    assert 1 <= len(idle) <= 2
    assert all(process._folder.stat().st_mode & 0o077 == 0 for process in idle)
    outside.close()
    assert not [process for process in idle if is_there(process._process.pid) or process._folder.exists()]
    with pytest.raises(QueryError, match="is closed"):
        outside.ask("SELECT 1")
    del outside
    assert not copy.exists()


def test_a_process_that_is_ended_by_others_is_replaced(asked):
    value(asked.ask("SELECT 1 AS one"))
    asked._idle[0]._process.kill()
    with pytest.raises(QueryError, match="ended with status"):
        asked.ask("SELECT 1")
    assert value(asked.ask("SELECT 1 AS one")) == {"one": 1}


def test_a_store_that_is_none_is_told_before_a_process_is_started(tmp_path):
    with pytest.raises(StoreNotFound):
        Outside(tmp_path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the operating system holds processes on Linux alone")
def test_the_process_reaches_nothing_but_its_store(asked):
    asked.ask("SELECT 1")
    process = asked._idle[0]._process.pid
    environment = Path(f"/proc/{process}/environ").read_bytes()
    assert b"TOKEN" not in environment
    assert b"SECRET" not in environment
    open_files = [str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir()]
    assert not [name for name in open_files if "sqlite" in name or name.startswith("socket:")]
    status = Path(f"/proc/{process}/status").read_text()
    assert "NoNewPrivs:\t1" in status


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Landlock is Linux's")
def test_the_kernel_keeps_a_process_to_what_it_was_given(tmp_path):
    for name in ("given", "own", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    found, told = os.pipe()
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # lance, where a test before loaded it
        child = os.fork()
    if not child:
        tried = "-"
        try:
            if confinement.restrict(read=[tmp_path / "given"], write=[tmp_path / "own"]):
                tried = "".join(
                    "y" if _can(path, mode) else "n"
                    for path in ("given/file", "own/file", "other/file")
                    for mode in ("r", "w")
                    for path in [tmp_path / path]
                )
        finally:
            os.write(told, tried.encode())
            os._exit(0)
    os.waitpid(child, 0)
    os.close(told)
    tried = os.read(found, 100).decode()
    os.close(found)
    if tried == "-":
        pytest.skip("this kernel has no Landlock")
    assert tried == "ynyynn"


def _can(path, mode):
    try:
        path.open(mode).close()
    except OSError:
        return False
    return True


def test_a_lake_on_another_disk_is_read_and_the_folder_of_a_users_script_is_not(made_store, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "script.py")])
    store = Path(shutil.copytree(made_store, tmp_path / "s"))
    (store / "lake").rename(tmp_path / "disk")
    (store / "lake").symlink_to(tmp_path / "disk")
    with Outside(store, PATIENT) as outside:
        assert value(outside.ask("SELECT count(*) > 0 AS found FROM meta.state")) == {"found": True}
        environment = Path(f"/proc/{outside._idle[0]._process.pid}/environ")
        if environment.exists():
            imports = next(e for e in environment.read_bytes().split(b"\0") if e.startswith(b"PYTHONPATH="))
            assert str(tmp_path).encode() not in imports.removeprefix(b"PYTHONPATH=").split(os.pathsep.encode())


def test_a_catalog_with_a_time_asks_outside(made_store):
    with Catalog(made_store, memory="2GB", spill="1GB") as cat:
        assert cat.sql("SELECT name FROM csc.master_source WHERE ra > 100", timeout_s=60).fetchall() == [(NAMES[2],)]
        assert len(cat.sql("FROM range(5000)", timeout_s=60)) == 5000
        with pytest.raises(QueryError, match=r"stopped after 0\.3 s"):
            cat.sql(ENDLESS["one call"], timeout_s=0.3)
        assert cat.sql("SELECT 1 AS one", timeout_s=60).fetchall() == [(1,)]


def test_a_store_may_be_named_from_the_folder_one_is_in(made_store, monkeypatch):
    monkeypatch.chdir(made_store.parent)
    with Outside(Path(made_store.name), PATIENT) as outside:
        assert value(outside.ask("SELECT 1 AS one")) == {"one": 1}
