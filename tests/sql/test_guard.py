"""What a query may be: DuckDB's tree of it is judged, part by part; whole texts are tried in test_admission.py."""

from __future__ import annotations

import json

import duckdb
import pytest
from factories.queries import ALLOWED, FORBIDDEN

from sql.guard import _ALLOWED, FUNCTIONS, OPERATORS, TABLE_FUNCTIONS, Refused, judge

NOT_FOR_QUERIES = """
can_cast_implicitly cast_to_type combine constant_or_null create_sort_key current_catalog current_connection_id
current_database current_query current_query_id current_role current_schema current_schemas current_setting
current_transaction_id current_user currval finalize get_block_size get_type getvariable icu_sort_key in_search_path
is_histogram_other_bin json_deserialize_sql json_serialize_plan json_serialize_sql make_type nextval
parse_duckdb_log_message remap_struct replace_type session_user setseed sleep_ms st_asbinary st_astext st_aswkb st_aswkt
st_crs st_geomfromwkb st_intersects_extent st_setcrs stats timetz_byte_comparable txid_current user
variant_bytes_to_variant variant_normalize variant_to_parquet_variant vector_type write_log
"""


@pytest.fixture(scope="module")
def plain_engine():
    with duckdb.connect() as connection:
        yield connection


def tree_of(connection, query):
    return json.loads(connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone()[0])


IS_ONE_SELECT = [q for q in ALLOWED if not q.upper().startswith(("EXPLAIN", "PIVOT PRODUCT.EVENT ON CCD_ID U"))]


@pytest.mark.parametrize("query", IS_ONE_SELECT)
def test_a_query_passes_by_its_tree(plain_engine, query):
    tree = tree_of(plain_engine, query)
    assert not tree["error"], tree
    judge(query, tree)


@pytest.mark.parametrize("query", FORBIDDEN)
def test_a_tree_that_does_more_than_read_is_refused_in_one_line(plain_engine, query):
    with pytest.raises(Refused) as caught:
        judge(query, tree_of(plain_engine, query))
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300


def test_tables_functions_and_parameters_are_named(plain_engine):
    query = (
        "WITH near AS (FROM cone($ra, $dec, 60)) SELECT median(e.energy_ev) FROM near JOIN product.event e USING (name)"
    )
    statement = judge(query, tree_of(plain_engine, query))
    assert statement.tables == {"product.event"}
    assert statement.table_functions == {"cone"}
    assert statement.functions == {"median"}
    assert statement.parameters == {"ra", "dec"}


def test_a_recursive_query_names_no_table_but_others(plain_engine):
    query = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r, lit.paper"
    assert judge(query, tree_of(plain_engine, query)).tables == {"lit.paper"}


def test_functions_can_be_added(plain_engine):
    query = "SELECT cluster_of(v) FROM nearest('events', 'x')"
    tree = tree_of(plain_engine, query)
    with pytest.raises(Refused, match="nearest"):
        judge(query, tree)
    judge(query, tree, functions=["cluster_of"], table_functions=["nearest"])


def test_a_misspelt_function_is_told_from_its_neighbours(plain_engine):
    query = "SELECT seperation_arcsec(1, 2, 3, 4)"
    with pytest.raises(Refused, match="did you mean separation_arcsec") as caught:
        judge(query, tree_of(plain_engine, query))
    assert caught.value.function == "seperation_arcsec"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "STATEMENT_NODE"},
        {"type": "COLUMN_DATA"},
        {"type": "something new"},
        {"class": "BOUND_FUNCTION", "type": "FUNCTION"},
        {"class": "something new"},
        {"class": None},
        {"class": "FUNCTION", "function_name": "__internal_compress_string_ubigint"},
        {"class": "FUNCTION", "function_name": "+x"},
        {"type": "TABLE_FUNCTION", "function": None},
        {"type": "TABLE_FUNCTION", "function": {"class": "CONSTANT"}},
        {"type": "SHOW_REF", "table_name": '"variables"', "query": None},
    ],
)
def test_a_part_that_nobody_looked_at_is_refused(part):
    with pytest.raises(Refused):
        judge("", {"error": False, "statements": [{"node": {"type": "SELECT_NODE", "select_list": [part]}}]})


def test_operators_are_those_of_the_engine(plain_engine):
    rows = plain_engine.execute("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()
    found = {name for (name,) in rows if not name[0].isalpha() and not name.startswith("__internal")}
    assert found <= OPERATORS
    assert not any(name[0].isalnum() or name[0] == "_" for name in OPERATORS)


def test_every_function_of_the_engine_was_looked_at(plain_engine):
    # What a new version adds shows up here, and is then allowed (sql/allowed.txt) or refused (below) on purpose.
    refused = set(NOT_FOR_QUERIES.split())
    found = {
        name.lower()
        for (name,) in plain_engine.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type IN ('scalar', 'macro', 'aggregate') AND schema_name <> 'pg_catalog'"
        ).fetchall()
        if name[0].isalpha() and not name.startswith("icu_collate_")
    }
    assert found - FUNCTIONS == refused
    assert not FUNCTIONS & refused


def test_every_view_of_the_engine_was_looked_at(plain_engine):
    found = {name for (name,) in plain_engine.execute("SELECT view_name FROM duckdb_views() WHERE internal").fetchall()}
    assert found == _ALLOWED["views of the engine"] | _ALLOWED["kept from queries"]
    assert not _ALLOWED["views of the engine"] & _ALLOWED["kept from queries"]


@pytest.mark.parametrize(
    "table",
    [
        *("pg_settings", "pg_catalog.pg_settings", "system.pg_catalog.PG_Settings", '"pg_settings"', "duckdb_logs"),
        *("duckdb_databases", "main.pragma_database_list", "pg_prepared_statements", "system.main.duckdb_logs"),
        *("__ducklake_metadata_lake.ducklake_metadata", '"__DUCKLAKE_metadata_lake".main.ducklake_data_file'),
    ],
)
def test_what_tells_of_the_engine_and_its_files_is_kept_from_queries(plain_engine, table):
    for query in (f"FROM {table}", f"SUMMARIZE {table}", f"TABLE {table}", f"SELECT (FROM {table} LIMIT 1)"):
        with pytest.raises(Refused, match="not of the store's data"):
            judge(query, tree_of(plain_engine, query))


def test_no_table_function_that_reads_files_is_allowed(plain_engine):
    reading = {
        name
        for (name,) in plain_engine.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type LIKE 'table%' AND "
            "regexp_matches(function_name, 'read|scan|glob|sniff|parquet|query|log|checkpoint|secret|execute')"
        ).fetchall()
    }
    assert len(reading) > 20
    assert not TABLE_FUNCTIONS & reading
