from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from factories.store import NAMES, write

import catalog
from catalog.catalog import Catalog, parse_snapshot
from catalog.errors import ForbiddenStatement, QueryError, StoreNotFound, UnknownName
from catalog.query.names import relations
from catalog.schema import TABLES
from catalog.store import engine


def test_a_query_with_parameters(opened):
    found = opened.sql(
        "SELECT name FROM cone($ra, $dec, $radius) ORDER BY separation_arcsec", ra=83.75, dec=-5.4, radius=20
    )
    assert found.columns == ("name",)
    assert found.fetchall() == [(NAMES[0],), (NAMES[1],)]


def test_rows_come_in_every_form(opened):
    query = "SELECT name, ra, significance, conf_flag, file_ids FROM csc.master_source ORDER BY name"
    arrow = opened.sql(query).arrow()
    assert isinstance(arrow, pa.Table)
    assert arrow.num_rows == 3
    assert arrow.schema.field("ra").metadata[b"unit"] == b"deg"
    frame = opened.sql(query).pl()
    assert isinstance(frame, pl.DataFrame)
    assert frame["significance"].to_list() == [12.5, None, None]
    pandas = opened.sql(query).df()
    assert isinstance(pandas, pd.DataFrame)
    assert pandas["conf_flag"].to_list() == [True, pd.NA, False]
    assert list(opened.sql(query))[0][4] == [1, 2]  # noqa: RUF015 - the iterator is what is tested


def test_an_astropy_table_has_units_and_masks(opened):
    table = opened.sql(
        "SELECT obsid, energy_ev AS e, max(time_s) OVER () AS last FROM product.event ORDER BY e"
    ).table()
    assert str(table["e"].unit) == "eV"
    assert table["e"].description == "Energy; from PI where the file has none; NULL for HRC"
    assert table["e"].meta["ucd"] == "em.energy"
    assert str(table["last"].unit) == "s"
    assert table["obsid"].unit is None
    sources = opened.sql("SELECT significance, conf_flag, name FROM csc.master_source ORDER BY name").table()
    assert sources["significance"].mask.tolist() == [False, True, True]
    assert sources["conf_flag"].mask.tolist() == [False, True, False]
    assert sources["name"].dtype.kind == "U"


def test_asking_a_result_twice_gives_the_same(opened):
    result = opened.sql("SELECT * FROM product.event ORDER BY row")
    assert result.arrow() is result.arrow()
    assert result.fetchall() == result.fetchall()
    assert len(result) == 10


def test_rows_that_were_streamed_are_gone_and_say_so(opened):
    result = opened.sql("SELECT * FROM product.event")
    assert sum(b.num_rows for b in result.reader(4)) == 10
    with pytest.raises(QueryError, match="streamed already"):
        result.arrow()


def test_sums_are_integers_and_decimals_are_doubles(opened):
    schema = opened.sql("SELECT sum(obsid) AS s, 1.5 AS d, count(*) AS n FROM product.event").arrow().schema
    assert schema.types == [pa.int64(), pa.float64(), pa.int64()]


def test_repeated_names_get_a_number(opened):
    result = opened.sql("SELECT 1 AS a, 2 AS a, 3 AS a_1")
    assert result.columns == ("a", "a_1", "a_1_1")
    assert result.pl().row(0) == (1, 2, 3)


def test_a_result_shows_itself(opened):
    assert "2CXO J053500.0-052400" in repr(opened.sql("SELECT name FROM csc.master_source"))
    assert repr(opened.sql("SELECT * FROM csc.master_source")).endswith("columns are empty here and left out")
    many = opened.sql("SELECT i, NULL AS n FROM range(1234) t(i)")
    assert "<p>the first 20 of 1,234 rows</p>" in many._repr_html_()
    assert repr(many).endswith("the first 20 of 1,234 rows")
    assert "<th title=''>n</th>" in many._repr_html_()  # it was asked for by its name
    starred = opened.sql("SELECT t.*, 1 AS one FROM (SELECT i, NULL AS n FROM range(2) u(i)) t")
    assert "<p>2 rows, 1 of 3 columns are empty here and left out</p>" in starred._repr_html_()
    assert starred.columns == ("i", "n", "one")
    list(starred.reader())
    html = opened.sql("SELECT title, 'x' AS b FROM lit.paper")._repr_html_()
    assert "Löwe &amp; &lt;X-rays&gt;" in html
    assert "<i>eV</i>" in opened.sql("SELECT energy_ev FROM product.event")._repr_html_()


def test_no_rows_are_rows_too(opened):
    result = opened.sql("SELECT name, ra, file_ids, extra FROM csc.master_source WHERE false")
    assert len(result) == 0
    assert result.fetchall() == []
    assert len(result.table()) == 0
    assert result.df().empty
    assert result.pl().is_empty()


@pytest.mark.parametrize(
    ("query", "kind", "says"),
    [
        ("SELECT * FROM product.evnt", UnknownName, "did you mean product.event?"),
        ("SELECT * FROM master_sourc", UnknownName, "did you mean csc.master_source?"),
        ("SELECT * FROM nowhere.t", UnknownName, "nowhere"),
        ("SELECT energy FROM product.event", UnknownName, "no column energy in product.event; did you mean energy_ev"),
        ("SELECT e.hard_sh FROM csc.master_source e", UnknownName, "did you mean hard_"),
        ("SELECT medain(ra) FROM csc.master_source", UnknownName, "did you mean median"),
        ("SELECT current_setting('threads')", ForbiddenStatement, "current_setting"),
        ("SELEC 1", QueryError, "syntax error"),
        ("SELECT 'x'::INT", QueryError, "Could not convert"),
        ("SELECT count(*) FROM product.event GROUP", QueryError, "syntax error"),
        ("SELECT obsid, count(*) FROM product.event", QueryError, "GROUP BY"),
        ("SELECT * FROM cone(1, 2)", QueryError, "cone"),
        ("SELECT $a", QueryError, "names $a"),
        ("SELECT ?", QueryError, "has no name"),
        ("DROP TABLE csc.master_source", ForbiddenStatement, "DROP"),
        ("SELECT 1; SELECT 2", ForbiddenStatement, "2 statements"),
        ("SELECT * FROM 'x.csv'", ForbiddenStatement, "python -m ingest files"),
        ("", ForbiddenStatement, "no statement"),
    ],
)
def test_errors_say_what_to_do_in_one_line(opened, query, kind, says):
    with pytest.raises(kind) as caught:
        opened.sql(query).arrow()
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_errors_while_rows_stream_are_ours_too(opened):
    result = opened.sql("SELECT CASE WHEN i < 300000 THEN '1' ELSE 'x' END::INT FROM range(400000) t(i)")
    with pytest.raises(QueryError, match="Could not convert"):
        result.arrow()


def test_a_parameter_that_the_query_lacks(opened):
    with pytest.raises(QueryError, match=r"no \$radios; did you mean radius"):
        opened.sql("SELECT $radius", radios=1, radius=2)


def test_a_pivot_finds_its_values_in_the_snapshot_of_the_query(store):
    with Catalog(store) as cat:
        query = "PIVOT lit.paper ON bibcode USING count(*) GROUP BY year"
        assert cat.sql(query).columns == ("year", "2001ApJ...1A")
        write(store, "lit.paper", {"bibcode": "2002ApJ...9Z", "year": 2002})
        found = cat.sql(f"EXPLAIN {query}").fetchall()
        assert "2002ApJ" in found[0][1]
        assert cat.sql(query).columns == ("year", "2001ApJ...1A", "2002ApJ...9Z")
        where = "PIVOT (FROM lit.paper WHERE year > $y) ON bibcode USING count(*) GROUP BY year"
        assert cat.sql(where, y=2001).fetchall() == [(2002, 1)]
        with pytest.raises(QueryError, match=r"names \$y"):
            cat.sql(where)
        with pytest.raises(UnknownName, match=r"product\.event"):
            cat.sql("PIVOT product.evnt ON a USING sum(b)")


@pytest.mark.slow
def test_a_query_may_be_larger_than_memory(made_store):
    query = "SELECT count(*) FROM (SELECT hash(i) AS h, i FROM range(6000000) t(i) ORDER BY h OFFSET 1)"
    with Catalog(made_store, threads=1, memory="60MB") as cat:
        assert cat.sql(query).fetchall() == [(5_999_999,)]


def test_memory_and_disk_of_a_query_are_limited(made_store):
    query = "SELECT max(h) FROM (SELECT hash(i) AS h, i FROM range(2000000) t(i) ORDER BY h OFFSET 1)"
    with Catalog(made_store, threads=1, memory="20MB", spill="1MB") as cat:
        with pytest.raises(QueryError, match="more memory, or more of the disk"):
            cat.sql(query).fetchall()
        assert cat.sql("SELECT 1").fetchall() == [(1,)]
    with pytest.raises(QueryError, match="amount like 8GB"):
        Catalog(made_store, memory="much")


def test_what_was_let_through_once_is_judged_by_its_own_text_still(store):
    with Catalog(store) as cat:
        for _ in range(2):
            assert cat.sql("SELECT $n + 1 AS m", n=1).fetchall() == [(2,)]
            assert cat.sql("SELECT $n + 1 AS m", n=2).fetchall() == [(3,)]
            with pytest.raises(QueryError, match=r"names \$n"):
                cat.sql("SELECT $n + 1 AS m")
            with pytest.raises(ForbiddenStatement):
                cat.sql("SELECT $n + 1 AS m; DROP TABLE lit.paper", n=1)
            with pytest.raises(UnknownName):
                cat.sql("SELECT $n + nothing(1) AS m", n=1)


def test_an_open_catalog_sees_what_is_written_and_lets_it_be_written(store):
    with Catalog(store) as cat:
        for n in range(1, 4):
            assert cat.sql("SELECT count(*) FROM lit.paper").fetchall() == [(n,)]
            write(store, "lit.paper", {"bibcode": f"200{n}ApJ...9Z"})
            assert cat.sql("SELECT count(*) FROM lit.paper").fetchall() == [(n + 1,)]
    write(store, "lit.paper", {"bibcode": "2009ApJ...9Z"})


def test_rows_that_stream_stay_those_of_their_snapshot(store):
    with Catalog(store) as cat:
        before = cat.sql("SELECT bibcode FROM lit.paper, range(200000)")
        write(store, "lit.paper", {"bibcode": "2002ApJ...9Z"})
        assert cat.sql("SELECT count(*) FROM lit.paper").fetchall() == [(2,)]
        assert len(before) == 200_000


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files")
def test_an_open_catalog_holds_no_file_of_the_store_between_queries(store):
    with Catalog(store) as cat:
        cat.sql("SELECT count(*) FROM lit.paper").fetchall()
        links = [os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir()]
        assert not [link for link in links if link.startswith(str(store))]


def test_a_snapshot_is_reopened_by_number_and_by_time(store):
    cat = Catalog(store)
    before = cat.snapshots()[-1]
    moment = datetime.now(UTC)
    write(store, "lit.paper", {"bibcode": "2002ApJ...1A"}, message="one more")
    query = "SELECT count(*) FROM lit.paper"
    assert cat.sql(query).fetchall() == [(2,)]  # the open catalog sees the newest
    for snapshot in (before.number, str(before.number), moment, moment.isoformat(), moment.replace(tzinfo=None)):
        assert cat.sql(query, snapshot=snapshot).fetchall() == [(1,)]
    last = cat.snapshots()[-1]
    assert cat.snapshot == last.number
    assert (last.number, last.message) == (before.number + 1, "one more")
    day = last.time.date()
    assert cat.sql(query, snapshot=str(day)).snapshot == cat.sql(query, snapshot=day).snapshot == last.number
    assert parse_snapshot(str(day)) == datetime(day.year, day.month, day.day, 23, 59, 59, 999999, UTC)
    for wrong in (9999, "soon", "1999-01-01", "\u00b2", "\u0663", "9" * 40, "-1", "1e3", "\x00"):
        with pytest.raises(UnknownName, match="snapshots"):
            cat.sql(query, snapshot=wrong)
    cat.close()


def test_one_query_sees_one_snapshot_while_a_writer_commits(store):
    query = "SELECT (SELECT count(*) FROM lit.paper), (SELECT count(DISTINCT bibcode) FROM lit.paper)"
    stop = threading.Event()
    seen = []

    def read():
        with Catalog(store) as cat:
            while not stop.is_set():
                seen.append(cat.sql(query).fetchall()[0])

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(4):
        write(store, "lit.paper", *({"bibcode": f"new {i} {j}"} for j in range(10)))
    stop.set()
    reader.join()
    assert seen
    assert all(a == b and (a - 1) % 10 == 0 for a, b in seen)
    assert seen == sorted(seen)


def test_tables_views_and_macros_are_listed(opened):
    found = {r.name: r for r in opened.tables()}
    assert set(relations()) <= set(found)
    assert found["product.event_stored"].n_rows == 10
    assert found["csc.master_source"].n_rows == 3
    assert found["product.event"].kind == "view"
    assert found["product.event"].n_rows is None
    assert "cone(ra, dec, radius_arcsec)" in found


@pytest.mark.parametrize("name", relations())
def test_every_column_of_every_relation_says_what_it_is(opened, name):
    about = opened.info(name)
    assert about.relation.description
    for column in about.columns:
        assert column.description, column
        assert column.type


def test_info_of_a_column_is_the_registrys(opened):
    column = next(c for c in opened.info("csc.observation_source").columns if c.name == "theta")
    assert (column.type, column.unit, column.ucd) == (
        "DOUBLE",
        "arcmin",
        TABLES["csc.observation_source"].column("theta").ucd,
    )


def test_info_of_macros_and_of_nothing(opened):
    about = opened.info("cone(ra, dec, radius_arcsec)")
    assert [p.unit for p in about.parameters] == ["deg", "deg", "arcsec"]
    with pytest.raises(UnknownName, match=r"did you mean product\.event"):
        opened.info("product.evnt")


def test_show_tables_shows_them(opened):
    shown = dict(opened.sql("SHOW TABLES").fetchall())
    assert shown["product.event_stored"] == TABLES["product.event_stored"].description
    assert "product.event" in shown


def test_pivot_and_explain_pass(opened):
    rows = opened.sql("PIVOT product.event ON ccd_id USING count(*) GROUP BY obsid").fetchall()
    assert rows == [(732, 10)]
    ((_, plan),) = opened.sql("EXPLAIN SELECT sum(x) FROM product.event WHERE time_s > 1e8").fetchall()
    assert "event_stored" in plan


def test_filters_on_photons_reach_the_scan(opened):
    ((_, plan),) = opened.sql(
        "EXPLAIN SELECT x FROM product.event WHERE obsid < 732.5 AND detection_id = '732.0.1' AND time_s > 1e8 "
        "AND energy_ev BETWEEN 500 AND 7000"
    ).fetchall()
    flat = "".join(c for c in plan if c not in " │\n")
    for wanted in ("detection_id='732.0.1'", "time_s>100000000.0", "energy_ev>=500.0"):
        assert wanted in flat
    assert "FILTER─" not in plan


def test_files_of_other_observations_are_not_opened(store):
    key = {"file_id": 2, "obsid": 99, "row": 0}
    write(store, "product.event_stored", *(key | {"row": i, "time_s": float(i)} for i in range(5000)))
    with Catalog(store) as cat:
        ((_, plan),) = cat.sql("EXPLAIN ANALYZE SELECT sum(time_s) FROM product.event WHERE obsid = 99").fetchall()
    flat = "".join(c for c in plan if c not in " │\n")
    assert "TotalFilesRead:1" in flat


def test_a_missing_store_says_what_to_type(tmp_path, monkeypatch):
    with pytest.raises(StoreNotFound, match="python -m"):
        catalog.open(tmp_path)
    monkeypatch.setenv("PHOTONLAKE_STORE", str(tmp_path / "elsewhere"))
    with pytest.raises(StoreNotFound, match="elsewhere"):
        catalog.open()


def test_the_store_is_found_by_the_environment(made_store, monkeypatch):
    monkeypatch.setenv("PHOTONLAKE_STORE", str(made_store))
    with catalog.open() as cat:
        assert cat.path == made_store


def test_a_closed_catalog_says_so(made_store):
    cat = Catalog(made_store)
    cat.close()
    with pytest.raises(QueryError, match="closed"):
        cat.sql("SELECT 1")


def test_importing_catalog_is_light():
    code = (
        "import sys, catalog\n"
        "assert not {'torch', 'lancedb', 'sentence_transformers', 'duckdb', 'astropy'} & set(sys.modules)\n"
        "catalog.open\n"
        "assert not {'torch', 'lancedb', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_the_package_has_no_other_names():
    with pytest.raises(AttributeError, match="opne"):
        catalog.opne  # noqa: B018 - the access is what is tested


def test_numpy_values_are_parameters(opened):
    query = "SELECT count(*) FROM product.event WHERE row < $n AND obsid IN (SELECT unnest($o))"
    assert opened.sql(query, n=np.int64(4), o=np.array([732, 5])).fetchall() == [(4,)]


def test_bare_duckdb_sees_the_same_store(made_store):
    connection = engine.start()
    connection.execute(f"ATTACH 'ducklake:sqlite:{made_store}/catalog.sqlite' AS lake (READ_ONLY)")
    assert connection.execute("SELECT count(*), max(pi) FROM lake.product.event").fetchone() == (10, 343)
    assert connection.execute("SELECT count(*) FROM lake.product.detection_region").fetchone() == (0,)
    connection.execute("USE lake")
    assert connection.execute("SELECT count(*) FROM cone(83.75, -5.4, 20)").fetchone() == (2,)
    connection.close()
