"""What every program does alike: quiet and verbose, colours, exit statuses, completion."""

from __future__ import annotations

import importlib
import io
import logging
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from factories import archive
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.main import get_command
from typer.testing import CliRunner

from analysis import photonlake
from catalog.console import (
    _COMPLAINTS,
    ERR,
    EXIT_STATUSES,
    EXIT_USAGE,
    OUT,
    PACKAGES,
    _CleanBytes,
    _Stderr,
    clean,
    complain,
    shows_bars,
    wide,
)
from catalog.errors import UnreadableFile

PROGRAMS = ("catalog", "ingest", "embed", "analysis")
ESCAPE = "\x1b["
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"}}


def start(*arguments, **options):
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, text=True, check=False, timeout=120, **options)


def piped(*arguments, **variables):
    return start(*arguments, env=ENVIRONMENT | variables, capture_output=True)


def on_terminal(*arguments, **variables):
    """Return what a program writes to a terminal, stdout and stderr together."""
    terminal, other = pty.openpty()
    written = []

    def read():
        try:
            while block := os.read(terminal, 1 << 16):
                written.append(block)
        except OSError:  # the other end is closed: all has been read
            pass

    reader = threading.Thread(target=read)
    reader.start()
    start(*arguments, env=ENVIRONMENT | {"TERM": "xterm-256color"} | variables, stdout=other, stderr=other)
    os.close(other)
    reader.join()
    os.close(terminal)
    return b"".join(written).decode()


@pytest.fixture
def folder(tmp_path):
    return archive.write_archive(tmp_path / "archive", 4)


@pytest.fixture
def s(empty_store):
    return str(empty_store)


@pytest.mark.parametrize("program", PROGRAMS)
def test_quiet_and_verbose_go_with_every_command_before_or_behind_its_name(program):
    group = get_command(importlib.import_module(f"{program}.__main__").app)
    for command in (group, *group.commands.values()):
        spelled = {name for parameter in command.params for name in getattr(parameter, "opts", ())}
        assert {"-q", "--quiet", "-v", "--verbose"} <= spelled, command.name
        taken = [name for parameter in command.params for name in getattr(parameter, "opts", ())]
        assert len(taken) == len(set(taken)), command.name
        assert "Example: python -m " in command.help
        assert "completion" not in " ".join(spelled)


def test_quiet_leaves_results_and_takes_the_rest(s):
    said = piped("catalog", "sql", "SELECT 1 AS one", "--store", s)
    quiet = piped("catalog", "sql", "SELECT 1 AS one", "--store", s, "--quiet")
    assert (said.stderr, quiet.stderr) == ("1 row\n", "")
    assert said.stdout == quiet.stdout
    assert "one" in said.stdout
    assert "Next: python -m ingest" in piped("catalog", "init", "--store", s).stdout
    assert "Next:" not in piped("catalog", "-q", "init", "--store", s).stdout


def test_a_bare_ingest_where_there_is_no_store_shows_help(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHOTONLAKE_STORE", raising=False)
    shown = CliRunner().invoke(importlib.import_module("ingest.__main__").app, []).stdout
    assert shown.startswith(f"There is no store at {tmp_path / 'store'} yet.")
    assert "Usage:" in shown
    assert "files" in shown
    assert list(tmp_path.iterdir()) == []


def test_an_error_is_said_however_quiet(s):
    done = piped("catalog", "-q", "sql", "SELECT * FROM lit.papr", "--store", s)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: there is no table or view lit.papr; did you mean lit.paper?")


def test_a_folder_that_is_not_there_is_told_before_the_query_runs(s, tmp_path):
    output = tmp_path / "none" / "a.csv"
    done = piped("catalog", "sql", "SELECT 1", "--store", s, "--output", output)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"error: {output}: expected a folder to write to, found no {output.parent}; type: mkdir -p {output.parent}\n"
    )


def test_what_the_system_refuses_is_one_line(tmp_path):
    file = tmp_path / "file"
    file.touch()
    done = piped("ingest", "simulate", "--output", file, "--sources", 1, "--workers", 1)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_verbose_logs_what_is_done_and_nothing_of_other_packages(folder, s, tmp_path):
    done = piped("ingest", "files", folder, "--store", shutil.copytree(s, tmp_path / "s"), "-v")
    logged = [line.split()[2:] for line in done.stderr.splitlines() if re.match(r"\d{4}-\d\d-\d\d ", line)]
    assert {words[0].partition(".")[0] for words in logged} <= set(PACKAGES)
    assert any(words[1] == "committed:" for words in logged)
    for file in folder.rglob("*.*"):
        assert any(str(file) in words[1] for words in logged), file
    assert piped("ingest", "--store", tmp_path / "s").stderr == ""


def test_one_quiet_call_does_not_silence_the_next():
    app = importlib.import_module("catalog.__main__").app
    for arguments, quiet in ((["-q", "info", "--help"], True), (["info", "--help"], False)):
        CliRunner().invoke(app, arguments)
        assert ERR.quiet is quiet


def test_a_terminal_has_styles_and_a_pipe_has_none(s):
    command = ("catalog", "info", "lit.paper", "--store", s)
    assert ESCAPE in on_terminal(*command)
    assert ESCAPE not in piped(*command).stdout
    plain = on_terminal(*command, NO_COLOR="1")
    assert "bibcode" in plain
    assert ESCAPE not in plain


def test_bars_need_a_terminal_that_may_be_coloured(folder, s, tmp_path, monkeypatch):
    terminal = Console(file=io.StringIO(), force_terminal=True)
    assert (shows_bars(terminal), shows_bars(Console(file=io.StringIO()))) == (True, False)
    monkeypatch.setattr(terminal, "quiet", True)
    assert not shows_bars(terminal)
    plain = on_terminal("ingest", "files", folder, "--store", shutil.copytree(s, tmp_path / "s"), NO_COLOR="1")
    assert "not loaded" in plain
    assert ESCAPE not in plain


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_an_error_on_a_terminal_is_red_unless_told_otherwise(s, variables):
    said = on_terminal("catalog", "sql", "SELECT * FROM lit.papr", "--store", s, **variables)
    assert ("error:" in said, ESCAPE in said) == (True, not variables)


def test_wrong_usage_has_its_own_status_in_every_program():
    for program in PROGRAMS:
        done = piped(program, "nonsense")
        assert done.returncode == EXIT_USAGE, program
        assert "nonsense" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_reference_tells_every_exit_status():
    page = (Path(__file__).parents[2] / "docs" / "reference.md").read_text("utf-8")
    for status, meaning in EXIT_STATUSES.items():
        assert f"| {status} | {meaning} |" in page


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("photonlake cata", "catalog"),
        ("photonlake embed tr", "train"),
        ("photonlake catalog sql --sn", "--snapshot"),
        ("photonlake sql --sn", "--snapshot"),
    ],
)
def test_a_shell_completes_the_one_program_for_all(words, offered):
    program = Path(sys.executable).with_name("photonlake")
    asked = {"_PHOTONLAKE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run([program], env=ENVIRONMENT | asked, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == [offered]


def test_the_one_program_is_the_four(s):
    program = Path(sys.executable).with_name("photonlake")
    command = [program, "catalog", "sql", "SELECT 1 AS one", "--store", s, "-q", "-f", "csv"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, '"one"\n1\n', "")
    for name in PROGRAMS:
        assert name in subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout


HARM = (
    "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x9b2J\x1bP1$r\x1b\\\x00\x07\x08\x7f\x84\u202etxt\x1b"
)


def test_what_a_terminal_takes_for_commands_is_taken_out_of_all_that_is_printed(monkeypatch):
    assert clean(HARM) == "red linktxt"
    assert clean("a\tb\nc \u2028é\U0001f52d \ud800") == "a\tb\nc \u2028é\U0001f52d \ufffd"
    shown = io.StringIO()
    table = Table(HARM, title=HARM)
    table.add_row(escape(HARM))
    wide(shown).print(table, HARM)
    monkeypatch.setattr(OUT, "_file", shown)
    monkeypatch.setattr(_COMPLAINTS, "_file", shown)
    OUT.print(HARM, markup=False)
    OUT.out(HARM)
    complain(UnreadableFile("papers", HARM, name=f"{HARM}\r\x85.json"))
    record = logging.makeLogRecord({"msg": HARM})
    shown.write(_Stderr().format(record))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown.getvalue())
    assert shown.getvalue().count("red linktxt") == 9


def test_our_own_colours_stay():
    shown = io.StringIO()
    console = type(OUT)(file=shown, force_terminal=True, color_system="standard")
    console.print("[red]bad")
    assert shown.getvalue() == "\x1b[31mbad\x1b[0m\n"


def test_bytes_for_a_terminal_are_cleaned_and_for_a_program_they_are_not():
    written = io.BytesIO()
    stream = _CleanBytes(written)
    for byte in "é\x1b[31m☃\n".encode():
        stream.write(bytes([byte]))
    assert written.getvalue().decode() == "é[31m☃\n"


def test_a_data_format_is_cleaned_on_a_terminal_and_exact_in_a_pipe(s):
    command = ("catalog", "sql", "SELECT chr(27) || '[31mred' AS x", "-f", "csv", "--store", s)
    assert piped(*command).stdout == '"x"\n"\x1b[31mred"\n'
    assert "\x1b[31m" not in on_terminal(*command)


def test_what_catalog_can_do_is_called_so_by_no_other_program():
    commands = {p: set(photonlake._load(p).commands) for p in photonlake.PROGRAMS}
    others = set.union(*(c for p, c in commands.items() if p != "catalog"))
    assert not commands["catalog"] & others
    assert {"sql", "info", "browse"} <= commands["catalog"]
