"""The demo knows which code made its folder; what it shows is tested by running it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("demo", Path(__file__).parents[2] / "examples/demo.py")
demo = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(demo)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one file and one query, on the path under a name of its own."""
    folder = tmp_path / "demo_test_package"
    (folder / "views").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "views" / "a.sql").write_text("SELECT 1")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A folder as the demo leaves it, with a file of the user's."""
    monkeypatch.setattr(demo, "code", lambda: "1" * 16)
    folder = tmp_path / "demo"
    demo.start_over(folder)
    for name in ("survey", "store", "mine"):
        (folder / name).mkdir()
        (folder / name / "file").write_text("x")
    (folder / "report.html").write_text("x")
    with (folder / "done.txt").open("a") as notes:
        notes.write("-m ingest simulate\n")
    return folder


def names(folder):
    return {f.name for f in folder.iterdir()}


def test_its_code_is_every_file_of_the_packages(package):
    def found():
        return demo.code((package.name,))

    first = found()
    assert found() == first != demo.code(())
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_text("x")
    assert found() == first
    (package / "views" / "a.sql").write_text("SELECT 2")
    second = found()
    (package / "views" / "a.sql").rename(package / "views" / "b.sql")
    assert len({first, second, found()}) == 3
    assert package.name not in sys.modules
    assert demo.code(("sql",)) != demo.code(())


def test_the_same_code_goes_on_where_it_was(made, capsys):
    demo.start_over(made)
    assert names(made) == {"survey", "store", "mine", "report.html", "done.txt"}
    assert (made / "done.txt").read_text().splitlines()[1:] == ["-m ingest simulate"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("first_line", ["# made with code 2222222222222222\n", ""])
def test_other_code_makes_all_anew_and_touches_nothing_else(made, capsys, first_line):
    (made / "done.txt").write_text(f"{first_line}-m ingest simulate\n")
    demo.start_over(made)
    assert names(made) == {"mine", "done.txt"}
    assert (made / "mine" / "file").is_file()
    assert (made / "done.txt").read_text() == f"# made with code {'1' * 16}\n"
    assert "made anew" in capsys.readouterr().out


def test_without_a_store_nothing_is_done(made):
    (made / "store").rename(made / "elsewhere")
    demo.start_over(made)
    assert (made / "done.txt").read_text() == f"# made with code {'1' * 16}\n"
