from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from astropy.io import votable
from astropy.table import Table
from factories.store import NAMES
from typer.testing import CliRunner

from catalog.__main__ import app
from catalog.console import run
from catalog.errors import QueryError, StoreNotFound, UnknownName

QUERY = "SELECT name, ra, significance FROM csc.master_source ORDER BY name"


def call(*arguments, **options):
    result = CliRunner().invoke(app, [str(a) for a in arguments], **options)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_table_for_people(made_store):
    result = call("sql", "--store", made_store, QUERY)
    assert result.exit_code == 0
    assert NAMES[0] in result.stdout
    assert "deg" in result.stdout
    assert "12.5" in result.stdout
    assert "3 rows" in result.stderr


def test_rows_go_to_stdout_and_words_to_stderr(made_store):
    result = call("sql", "--store", made_store, QUERY, "--format", "csv")
    assert result.stdout.splitlines()[:2] == ['"name","ra","significance"', f'"{NAMES[0]}",83.75,12.5']
    assert result.stderr == ""
    rows = json.loads(call("sql", "--store", made_store, QUERY, "-f", "json").stdout)
    assert [r["name"] for r in rows] == list(NAMES)


@pytest.mark.parametrize("name", ["a.vot", "a.fits", "a.parquet", "a.csv", "a.json"])
def test_the_name_of_the_output_tells_the_format(made_store, tmp_path, name):
    output = tmp_path / name
    result = call("sql", "--store", made_store, QUERY, "--output", output)
    assert result.stdout == ""
    assert f"wrote {output}" in result.stderr
    kinds = {".csv": "ascii.csv", ".fits": "fits", ".vot": "votable"}
    if name.endswith(".json"):
        assert len(json.loads(output.read_text())) == 3
    elif name.endswith(".parquet"):
        assert pq.read_table(output)["ra"].to_pylist() == [83.75, 83.754, 148.95875]
    else:
        table = Table.read(output, format=kinds[output.suffix])
        assert list(table["ra"]) == [83.75, 83.754, 148.95875]
    if name.endswith(".vot"):
        document = votable.parse(output, verify="exception")
        assert QUERY in [i.value for i in document.resources[0].infos]


def test_parameters_and_snapshots(made_store):
    query = "SELECT count(*) AS n FROM csc.master_source WHERE ra < $limit OR name = $name"
    arguments = ["--param", "limit=83.752", "--param", f"name={NAMES[2]}", "--format", "json"]
    assert json.loads(call("sql", "--store", made_store, query, *arguments).stdout) == [{"n": 2}]
    snapshots = call("snapshots", "--store", made_store).stdout
    assert "csc" in snapshots or "insert" in snapshots
    assert json.loads(call("sql", "--store", made_store, "SELECT count(*) n FROM lit.paper", "--snapshot", "2", "-f", "json").stdout) == [{"n": 0}]  # fmt: skip  # noqa: E501
    with pytest.raises(QueryError, match="NAME=VALUE"):
        call("sql", "--store", made_store, query, "--param", "limit")


def test_a_query_from_standard_input(made_store):
    assert call("sql", "--store", made_store, "-", "-f", "csv", input="SELECT 1 AS a").stdout == '"a"\n1\n'


def test_a_plan_is_shown_as_it_is(made_store):
    shown = call("sql", "--store", made_store, "EXPLAIN SELECT ra FROM csc.master_source").stdout
    assert "┌──" in shown
    assert "explain_key" not in shown


def test_info_of_the_store(made_store):
    result = call("info", "--store", made_store)
    assert "product.event_stored" in result.stdout
    assert "One row per photon in a file" in result.stdout
    assert "snapshots" in result.stdout


def test_info_of_a_table_a_macro_and_of_nothing(made_store):
    columns = call("info", "csc.observation_source", "--store", made_store).stdout
    assert "arcmin" in columns
    assert "Off-axis angle" in columns
    assert "radius_arcsec" in call("info", "cone", "--store", made_store).stdout
    with pytest.raises(UnknownName, match=r"csc\.master_source"):
        call("info", "csc.master_sourc", "--store", made_store)


def test_info_of_one_column_and_of_columns_by_what_they_say(made_store):
    one = call("info", "csc.observation_source.hard_hs", "--store", made_store).stdout
    assert "Hardness ratio" in one
    assert "hard_hm" not in one
    found = call("info", "csc.observation_source", "--like", "HARD", "--store", made_store).stdout.splitlines()
    assert found[3].split()[0] == "hard_hm"  # names first
    assert any("hard band" in line for line in found)
    assert "theta" not in "\n".join(found)
    everywhere = call("info", "--like", "off-axis", "--store", made_store).stdout
    assert re.search(r"csc\.observation_source +theta +DOUBLE +arcmin", everywhere)
    for wrong, says in (
        (
            ("hard_hs",),
            r"hard_hs is no table but a column of csc\.master_source, .*; ask for csc\.master_source\.hard_hs",
        ),
        (("csc.observation_source.hard_hq",), "no column hard_hq in csc.observation_source; did you mean hard_h"),
        (("csc.observation_source", "--like", "qqq"), "no column of csc.observation_source has 'qqq'"),
        (("a.b.c.d",), "there is no table or view a.b.c.d"),
    ):
        with pytest.raises(UnknownName, match=says):
            call("info", *wrong, "--store", made_store)


def test_info_of_a_function_tells_its_arguments(made_store):
    shown = call("info", "nearest", "--store", made_store).stdout
    assert "So many neighbours" in shown
    assert "Distance to the target" in shown
    assert "FLOAT[]" in call("info", "cluster_of", "--store", made_store).stdout
    assert "nearest(...)" in call("info", "--store", made_store).stdout


def test_info_fits_a_pipe(made_store):
    for arguments in ((), ("csc.observation_source",), ("cone",)):
        lines = call("info", *arguments, "--store", made_store).stdout.splitlines()
        assert all(line == line.rstrip() != "" for line in lines)
        assert all(len(line) <= 120 for line in lines if "─" in line)
    ((row,),) = [[line for line in lines if line.startswith(" radius_arcsec")]]
    assert row.split()[:4] == ["radius_arcsec", "DOUBLE", "arcsec", "phys.angSize"]


def test_columns_of_a_star_that_are_empty_in_the_answer_are_left_out_on_screen(made_store):
    query = "SELECT * FROM csc.master_source ORDER BY name"
    result = call("sql", "--store", made_store, query)
    head = result.stdout.splitlines()[1].split()
    assert head == ["name", "ra", "dec", "significance", "conf_flag", "extra", "file_ids"]
    assert re.search(r"3 rows, \d+ empty columns left out \(--all shows them\); --format csv gives all", result.stderr)
    whole = call("sql", "--store", made_store, query, "--all")
    assert "hard_hs" in whole.stdout
    assert whole.stderr == "3 rows\n"
    named = call("sql", "--store", made_store, "SELECT name, hard_hs FROM csc.master_source")
    assert "hard_hs" in named.stdout
    assert "hard_hs" in call("sql", "--store", made_store, query, "-f", "csv").stdout
    assert "hard_hs" in call("sql", "--store", made_store, f"{query} LIMIT 0").stdout


def test_an_answer_without_rows_is_told_why(made_store):
    result = call("sql", "--store", made_store, f"SELECT ra FROM csc.master_source WHERE name = '{NAMES[0][:-1]}9'")
    assert f"has no name '{NAMES[0][:-1]}9'; nearest: '{NAMES[0]}'" in result.stderr


def test_a_whole_table_is_exported(made_store, tmp_path):
    call("export", "csc.master_source", tmp_path / "a.parquet", "--store", made_store)
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 3
    with pytest.raises(UnknownName):
        call("export", "csc.nothing", tmp_path / "b.parquet", "--store", made_store)


def test_a_store_is_made_once(tmp_path):
    assert "ready" in call("init", "--store", tmp_path / "s").stdout
    assert "up to date" in call("init", "--store", tmp_path / "s").stdout
    assert call("repair", "--store", tmp_path / "s").exit_code == 0


def test_an_unknown_format_is_said(made_store):
    with pytest.raises(UnknownName, match="votable"):
        call("sql", "--store", made_store, QUERY, "--format", "votabel")


def test_an_error_is_one_line_on_stderr(made_store, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["catalog", "sql", "--store", str(made_store), "SELECT * FROM product.evnt"])
    with pytest.raises(SystemExit) as caught:
        run(app)
    assert caught.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("error: there is no table or view product.evnt; did you mean product.event?")


def test_a_store_that_is_not_there_says_what_to_type(tmp_path):
    with pytest.raises(StoreNotFound, match="python -m"):
        call("sql", "SELECT 1", env={"PHOTONLAKE_STORE": str(tmp_path / "none")})


def test_wrong_usage_has_a_status_of_its_own(made_store):
    assert call("sql", "--store", made_store, "SELECT 1", "--nonsense").exit_code == 2


@pytest.mark.slow
def test_it_runs_as_a_module(made_store):
    arguments = [sys.executable, "-W", "error", "-m", "catalog", "sql", "--store", str(made_store), "SELECT 1 AS a"]
    done = subprocess.run([*arguments, "-f", "csv"], capture_output=True, text=True, check=True, timeout=120)
    assert (done.stdout, done.stderr) == ('"a"\n1\n', "")


@pytest.mark.slow
def test_binary_formats_do_not_go_to_a_terminal(made_store):
    pty = pytest.importorskip("pty")
    terminal, other = pty.openpty()
    arguments = [sys.executable, "-m", "catalog", "sql", "--store", str(made_store), "SELECT 1", "--format", "fits"]
    done = subprocess.run(arguments, stdout=other, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    os.close(other)
    os.close(terminal)
    assert done.returncode == 1
    assert "--output" in done.stderr


def test_every_command_shows_an_example():
    for command in app.registered_commands:
        assert "Example: python -m catalog" in (command.callback.__doc__ or ""), command.callback


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "csc.master_source", "rows.csv", "--where", "ra > 1"],
        ["export", "csc.master_source", "rows.csv", "--moc", "m.fits"],
        ["export", "--graph", "1", "--hats", "h"],
        ["export", "csc.master_source", "rows.csv", "--gzip"],
        ["export", "--moc", "m.fits", "--url", "https://example.org/"],
        ["sql", QUERY, "--samp", "topcat", "--output", "rows.vot"],
    ],
)
def test_options_that_do_not_go_together_are_refused_and_nothing_is_written(
    made_store, tmp_path, monkeypatch, arguments
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError, match=r"leave out|goe?s? with"):
        call(*arguments, "--store", made_store)
    assert list(tmp_path.iterdir()) == []
