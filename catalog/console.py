"""What every command does alike: options, messages on stderr, one red line for an error, exit codes."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from catalog.errors import PhotonlakeError

OUT = Console()
ERR = Console(stderr=True)

EXIT_FAILED = 1
# What every usage error of typer is; typer exports no name for it.
_USAGE_ERROR: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
EXIT_INTERRUPTED = 130

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="The store's directory; else $PHOTONLAKE_STORE, else ./store.", show_default=False),
]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait while another process writes, or fail at once.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")]


def run(app: typer.Typer) -> None:
    """Run a typer app; a `PhotonlakeError` becomes one line on stderr and exit status 1, an interrupt 130."""
    try:
        status = app(standalone_mode=False)
    except _USAGE_ERROR as error:
        error.show()
        sys.exit(error.exit_code)
    except PhotonlakeError as error:
        ERR.print(f"[red]error:[/red] {escape(_one_line(error))}", soft_wrap=True, highlight=False)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing to complain about.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
    except (KeyboardInterrupt, typer.Abort, RuntimeError) as error:
        if not _is_interrupt(error):
            raise
        status = EXIT_INTERRUPTED
    if status == EXIT_INTERRUPTED:  # also typer's own answer to Ctrl-C, which says nothing
        ERR.print("interrupted; what was committed stays, run the same again to go on")
    sys.exit(status)


def _is_interrupt(error: BaseException | None) -> bool:
    """Tell whether an error is Ctrl-C, or comes from it: DuckDB turns one in mid-query into a RuntimeError."""
    if error is None:
        return False
    return isinstance(error, KeyboardInterrupt | typer.Abort) or _is_interrupt(error.__cause__ or error.__context__)


def log(*, verbose: bool) -> None:
    """Log to stderr, warnings only unless asked for more."""
    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)


def _one_line(error: PhotonlakeError) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())
