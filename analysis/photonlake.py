"""`photonlake sql ...`: the programs under one name, which shells can complete."""

from __future__ import annotations

import difflib
import importlib

import typer
from typer.core import TyperCommand, TyperGroup

from catalog.console import USAGE_ERROR, VersionOption, run

PROGRAMS = ("ingest", "catalog", "embed", "analysis")


class _Programs(TyperGroup):
    """Loads a program when it is named: completing a word needs one of them."""

    def list_commands(self, ctx: object) -> list[str]:
        """Return the programs, in the order of their use."""
        del ctx
        return list(PROGRAMS)

    def get_command(self, ctx: object, cmd_name: str) -> TyperGroup | TyperCommand | None:
        """Return a program by its name, or a command that only one program has; a misspelt name is told as such."""
        if cmd_name in PROGRAMS:
            return _load(cmd_name)
        # catalog is asked most. A test holds that no other program has its commands, so none needs to be loaded.
        catalog = _load("catalog")
        first = ("catalog",) if catalog and cmd_name in catalog.commands else PROGRAMS
        found = {p: program.commands[cmd_name] for p in first if (program := _load(p)) and cmd_name in program.commands}
        if len(found) == 1 and isinstance(command := next(iter(found.values())), TyperCommand):
            return command
        if getattr(ctx, "resilient_parsing", False):  # a shell completes what is half typed
            return None
        meant = [f"{p} {cmd_name}" for p in found] or difflib.get_close_matches(cmd_name, PROGRAMS, 1)
        hint = f"; did you mean: photonlake {' or photonlake '.join(meant)}" if meant else ""
        raise USAGE_ERROR(f"there is no program {cmd_name!r}{hint}")


def _load(name: str) -> TyperGroup | None:
    program = typer.main.get_command(importlib.import_module(f"{name}.__main__").app)
    return program if isinstance(program, TyperGroup) else None


app = typer.Typer(
    cls=_Programs,
    help="A Chandra archive in one directory. `photonlake ingest` is `python -m ingest`, and so on. A command of "
    "one program alone needs no more than its name: `photonlake sql`.\n\n"
    "Example: photonlake info --store s",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _no_command(number: VersionOption = False) -> None:
    """Make typer build a group, though it knows no command itself."""


def main() -> None:
    """Run the program that is named."""
    run(app)


if __name__ == "__main__":
    main()
