"""Write docs/reference.md: tables and views from the registry, functions, commands and errors from the code itself.

`make docs` runs it; with --check, as in `make docs-check`, it only fails where the page is not what the code says.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer.main

from catalog.console import EXIT_STATUSES
from catalog.errors import PhotonlakeError
from catalog.query.functions import scalar_function, scalar_function_names, table_function, table_function_names
from catalog.schema import SCHEMAS, TABLES
from catalog.schema.flags import FLAGS
from sql.objects import OBJECTS

_HEAD = """# Reference

Everything a query can name. This page is written from the registry by `make docs`; `python -m catalog info NAME` shows
the same for a store.
"""

PAGE = Path(__file__).with_name("reference.md")
PACKAGES = ("sql", "catalog", "ingest", "embed", "analysis")
PROGRAMS = ("ingest", "catalog", "embed", "analysis")


def text() -> str:
    """Return the whole page as Markdown."""
    return "\n".join((_HEAD, *_tables(), *_objects(), *_flags(), *_functions(), *_commands(), *_statuses(), *_errors()))


def _tables() -> Iterator[str]:
    for schema, meaning in SCHEMAS.items():
        yield f"## {schema}: {meaning}\n"
        for table in (t for t in TABLES.values() if t.schema_name == schema):
            yield f"### {table.full_name}\n\n{table.description}. Key: {', '.join(f'`{k}`' for k in table.key)}.\n"
            shown = table.columns
            if table.merged_into:
                yield f"The columns of {table.merged_into}, and:\n"
                known = TABLES[table.merged_into].column_names
                shown = tuple(c for c in shown if c.name not in known)
            yield grid([(c.name, c.duckdb_type, c.unit, c.ucd, c.description) for c in shown])


def _objects() -> Iterator[str]:
    for title, kinds in (("Views", {"view"}), ("Functions", {"scalar macro", "table macro"})):
        yield f"## {title}\n"
        for item in (o for o in OBJECTS if o.kind in kinds):
            yield f"### {item.signature}\n\n{item.purpose}\n"
            described = (*item.parameters, *item.columns)
            yield grid([(d.name, "", d.unit, d.ucd, d.description) for d in described])


def _flags() -> Iterator[str]:
    yield "## Flags\n"
    yield (
        "What a user should know of a file that was loaded: `meta.file.flags`, one row a flag in `meta.flagged`. "
        "Details stand behind a colon. A word that ends with `*` stands for all that begin so; flags that are "
        "sentences explain themselves.\n"
    )
    rows = "\n".join(f"| `{word}` | {text} |" for word, text in FLAGS.items())
    yield f"| flag | means |\n|---|---|\n{rows}\n"


def grid(rows: Sequence[tuple[str, str, str, str, str]]) -> str:
    """Return rows of (name, type, unit, UCD, meaning) as a Markdown table."""
    lines = ["| name | type | unit | UCD | meaning |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _functions() -> Iterator[str]:
    yield "## Functions that are answered by photonlake\n"
    for name in table_function_names():
        function = table_function(name)
        signature = function.signature
        yield f"### {signature.text}\n\n{function.purpose}\n"
        described = [(a.name, a.kind, "", "", a.description) for a in signature.arguments]
        yield grid([*described, *((c.name, "", c.unit, c.ucd, c.description) for c in function.columns)])
    for name in scalar_function_names():
        if name.endswith("_"):  # a family: one for each name that begins so
            family = f"{name}hard_hs"
            function = scalar_function(family)
            shown = f"{name}<column>({', '.join(function.parameters)})"
        else:
            function = scalar_function(name)
            shown = f"{name}({', '.join(function.parameters)})"
        yield f"### {shown}\n\n{function.purpose}\n"
        yield grid([(c.name, function.returns, c.unit, c.ucd, c.description) for c in function.columns])


def _commands() -> Iterator[str]:
    yield (
        "## Commands\n\nEvery program and command also takes `--quiet` (`-q`: only results, no progress, no hints) and "
        "`--verbose` (`-v`: log what is done, on stderr). Colours and bars are shown on terminals alone, and not where "
        "NO_COLOR is set. `photonlake catalog ...` is `python -m catalog ...`, and so for all four: with it, "
        "`photonlake --install-completion` teaches your shell to complete commands and options.\n"
    )
    for program in PROGRAMS:
        root = typer.main.get_command(importlib.import_module(f"{program}.__main__").app)
        yield f"### python -m {program}\n\n{_plain(root.help)}\n"
        yield from _of(f"python -m {program}", root, level=4)


def _statuses() -> Iterator[str]:
    yield "## Exit statuses\n\nOf every program; an error is one line on stderr.\n"
    rows = "\n".join(f"| {status} | {meaning} |" for status, meaning in EXIT_STATUSES.items())
    yield f"| status | means |\n|---|---|\n{rows}\n"


def _of(path: str, command: object, level: int) -> Iterator[str]:
    for name, one in getattr(command, "commands", {}).items():
        yield f"{'#' * level} {path} {name}\n\n{_plain(one.help)}\n"
        rows = [_option(p) for p in one.params if p.name not in {"help", "quiet", "verbose"}]
        if rows:
            lines = ["| option | default | meaning |", "|---|---|---|"]
            lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
            yield "\n".join(lines) + "\n"
        yield from _of(f"{path} {name}", one, level + 1)


def _option(parameter: object) -> tuple[str, str, str]:
    names = [*getattr(parameter, "opts", ()), *getattr(parameter, "secondary_opts", ())]
    is_option = any(n.startswith("-") for n in names)
    shown = ", ".join(f"`{n}`" for n in names) if is_option else f"`{str(getattr(parameter, 'name', '')).upper()}`"
    default = getattr(parameter, "default", None)
    spelled = "" if default in (None, "", (), []) or callable(default) else str(default)
    return shown, spelled, " ".join(str(getattr(parameter, "help", "") or "").split())


def _plain(text_: str | None) -> str:
    """Return a help text as paragraphs; its examples as code."""
    lines = inspect.cleandoc(text_ or "").splitlines()
    out: list[str] = []
    for line in lines:
        found = re.match(r"^Example: (.*)$", line.strip())
        out.append(f"Example: `{found[1]}`\n" if found else line)
    return "\n".join(out)


def _errors() -> Iterator[str]:
    yield "## Errors\n\nAll are `catalog.errors.PhotonlakeError`; each is also the built-in that stands beside it.\n"
    yield (
        "| error | also | means |\n|---|---|---|\n"
        + "\n".join(
            f"| `{e.__module__}.{e.__name__}` | {_built_in(e)} | {inspect.cleandoc(e.__doc__ or '').splitlines()[0]} |"
            for e in sorted(errors(), key=lambda e: (e.__module__, e.__name__))
        )
        + "\n"
    )


def errors() -> set[type[PhotonlakeError]]:
    """Return every error that a user can meet: those that begin with an underscore never leave their module."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    known: set[type[PhotonlakeError]] = set()
    waiting = [PhotonlakeError]
    while waiting:
        waiting += (new := waiting.pop().__subclasses__())
        known |= set(new)
    return {e for e in known if e.__module__.partition(".")[0] in PACKAGES and not e.__name__.startswith("_")}


def _built_in(error: type[PhotonlakeError]) -> str:
    return ", ".join(f"`{b.__name__}`" for b in error.__mro__ if b.__module__ == "builtins" and b is not object)[:60]


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PAGE.write_text(text(), encoding="utf-8")
    elif PAGE.read_text("utf-8") != text():
        sys.exit(f"{PAGE} is not what the code says; type: make docs")
