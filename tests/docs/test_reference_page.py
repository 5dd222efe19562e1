"""The reference page says what the code does, and leaves nothing out."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import pytest
import typer.main

from catalog.schema import TABLES
from catalog.schema.flags import FLAGS
from sql.objects import OBJECTS

DOCS = Path(__file__).parents[2] / "docs"
_spec = importlib.util.spec_from_file_location("write_reference", DOCS / "write_reference.py")
write_reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(write_reference)


@pytest.fixture(scope="module")
def page():
    return (DOCS / "reference.md").read_text("utf-8")


def commands():
    for program in write_reference.PROGRAMS:
        waiting = [(program, typer.main.get_command(importlib.import_module(f"{program}.__main__").app))]
        while waiting:
            path, command = waiting.pop()
            yield path, command
            waiting += [(f"{path} {name}", one) for name, one in getattr(command, "commands", {}).items()]


def test_the_page_is_up_to_date(page):
    assert page == write_reference.text(), "type: make docs"


def test_every_table_column_view_and_macro_is_there(page):
    for name in (*TABLES, *(o.signature for o in OBJECTS)):
        assert f"\n### {name}\n" in page
    for table in TABLES.values():
        assert all(c.description for c in table.columns), table.full_name


def test_every_flag_is_there(page):
    for word, text in FLAGS.items():
        assert f"| `{word}` | {text} |" in page


def test_every_command_and_option_says_what_it_does():
    for path, command in commands():
        assert command.help, path
        if not getattr(command, "commands", {}) and " " in path:
            assert "Example: " in command.help, f"python -m {path}: an example is missing"
        for parameter in command.params:
            assert parameter.name == "help" or getattr(parameter, "help", ""), f"{path}: {parameter.name}"


def test_every_error_says_what_it_means(page):
    for error in write_reference.errors():
        assert inspect.cleandoc(error.__doc__ or ""), error
        assert f"`{error.__module__}.{error.__name__}`" in page
