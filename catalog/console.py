"""What every program does alike: its options, messages on stderr, one line for an error, exit statuses.

Results go to stdout, by `OUT`. What is said on the way (progress, who holds the lock, what was written) goes to stderr,
by `ERR`, and `--quiet` silences it; errors are said in any case, by `complain`. Text from outside (titles, paths, a
service's words) may hold what a terminal takes for commands: it is taken out here, of all that is printed.
"""

from __future__ import annotations

import codecs
import io
import logging
import os
import re
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TextIO, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup
from typer.main import get_command

from catalog.errors import PhotonlakeError, QueryError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INCOMPLETE = 75
EXIT_INTERRUPTED = 130
EXIT_STATUSES = {
    0: "Done. A file that cannot be read stops no refresh: it is named, and `ingest status` tells why.",
    EXIT_FAILED: "It could not be done, or `ingest verify` found something wrong; one line on stderr says what.",
    EXIT_USAGE: "The command line is wrong: no such command or option, or a value that it cannot have.",
    EXIT_INCOMPLETE: "`ingest`: not everything came from a service; what came is in the store. Type the same again.",
    EXIT_INTERRUPTED: "Interrupted by Ctrl-C. What was committed stays; type the same again.",
}
"""Exit status -> what it means, for every program."""

PACKAGES = ("sql", "catalog", "ingest", "embed", "analysis")
# What every usage error of typer is; typer exports no name for it.
USAGE_ERROR: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
_NO_LIMIT = 100_000
_PLAIN = bool(os.environ.get("NO_COLOR"))  # https://no-color.org: set, and not empty


_COMMANDS = re.compile(
    r"\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # titles, links and other strings
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, places
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]",  # they turn the reading direction, and hide what is said
    re.DOTALL,
)
_HALVES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    r"""Take out what a terminal takes for commands: control characters and escape sequences, but for tabs and lines.

    Examples
    --------
    >>> clean("\x1b[31mred\x1b[0m \x1b]0;title\x07and\x9b2J \x00more\ttext\n")
    'red and more\ttext\n'
    """
    return text if text.isascii() and text.isprintable() else _HALVES.sub("\ufffd", _COMMANDS.sub("", text))


class _Clean(Console):
    """A console of which every text is cleaned, and colours are our own."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - handed through as rich has them
        return super().render_str(clean(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):  # what came as rich's own text, too
            yield segment if segment.control else Segment(clean(segment.text), segment.style)


def _console(*, stderr: bool) -> Console:
    """Return a console: colours where it is a terminal and NO_COLOR is not set."""
    return _Clean(stderr=stderr, color_system=None if _PLAIN else "auto", emoji=False)


def wide(file: TextIO | None = None) -> Console:
    """Return the console for tables: as wide as the terminal, without limit where there is none, or for a file."""
    return OUT if file is None and OUT.is_terminal else _Clean(file=file, width=_NO_LIMIT, emoji=False)


def table_of(*heads: str) -> Table:
    """Return an empty table with these heads."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


class _CleanBytes(io.RawIOBase):
    """A stream of text as bytes that goes to a terminal."""

    def __init__(self, terminal: BinaryIO) -> None:
        self._terminal = terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Write what is left of the text when it is clean."""
        self._terminal.write(clean(self._decoder.decode(bytes(data))).encode())
        return len(data)


def stdout_bytes() -> BinaryIO:
    """Return standard output for bytes: as they are for a file or a program, cleaned for a terminal."""
    raw = cast(BinaryIO, sys.stdout.buffer)
    return cast(BinaryIO, _CleanBytes(raw)) if sys.stdout.isatty() else raw


OUT = _console(stderr=False)
ERR = _console(stderr=True)
_COMPLAINTS = _console(stderr=True)

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="The store's directory; else $PHOTONLAKE_STORE, else ./store.", show_default=False),
]
SnapshotOption = Annotated[
    str | None,
    typer.Option(
        "--snapshot",
        help="Ask the store as it was: a snapshot's number or name, a time (ISO 8601, UTC), or the end of a date.",
    ),
]
OnOption = Annotated[
    str,
    typer.Option(
        "--on",
        help="Where the work is done: local, dask, ray, slurm, a cluster that runs (dask:tcp://host:8786), or an "
        "executor of your own (module:function).",
    ),
]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait while another process writes, or fail at once.")
]


def _hush(context: typer.Context, asked: bool) -> None:
    ERR.quiet = asked or (context.parent is not None and ERR.quiet)


def _tell(context: typer.Context, asked: bool) -> None:
    if asked or context.parent is None:
        for package in PACKAGES:
            logging.getLogger(package).setLevel(logging.DEBUG if asked else logging.WARNING)


def _switches(
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", callback=_hush, expose_value=False, help="Only results: no progress, no hints."),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", callback=_tell, expose_value=False, help="Log what is done, on stderr."),
    ] = False,
) -> None:
    """Declare the options that every program and command has."""


def _say_version(asked: bool) -> None:
    if asked:
        OUT.print(f"photonlake {version('photonlake')}", highlight=False)
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option("--version", callback=_say_version, is_eager=True, expose_value=False, help="Show the version."),
]


def _version(number: VersionOption = False) -> None:
    """Declare the option that every program has."""


class _Program(TyperGroup):
    """A program whose commands, and itself, take --quiet and --verbose: before the command's name or behind it."""

    def __init__(self, **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]  # handed through as typer gives them
        for declare, commands in ((_version, [self]), (_switches, [self, *self.commands.values()])):
            alone = typer.Typer(add_completion=False)
            alone.command()(declare)
            for command in commands:
                command.params += get_command(alone).params


def program(about: str, *, example: str, without_command: bool = False) -> typer.Typer:
    """Return one of photonlake's programs, without commands yet.

    Parameters
    ----------
    about, example : str
        Its help.
    without_command : bool
        It does something when no command is named, instead of showing its help.
    """
    return typer.Typer(
        cls=_Program,
        help=f"{about}\n\nExample: {example}",
        no_args_is_help=not without_command,
        add_completion=False,  # shells complete the name of a program: that is `photonlake`
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def run(app: typer.Typer) -> None:
    """Run a program; a `PhotonlakeError` becomes one line on stderr and exit status 1, an interrupt 130."""
    _log()
    try:
        status = app(standalone_mode=False)
    except USAGE_ERROR as error:
        error.show()
        sys.exit(error.exit_code)
    except PhotonlakeError as error:
        complain(error)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing to complain about.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
    except OSError as error:
        # What the system refuses (no such folder, no permission, a port in use) is no fault of the program.
        logging.getLogger(__name__).debug("raised by", exc_info=True)
        complain(error)
        sys.exit(EXIT_FAILED)
    except (KeyboardInterrupt, typer.Abort, RuntimeError) as error:
        if not _is_interrupt(error):
            raise
        status = EXIT_INTERRUPTED
    if status == EXIT_INTERRUPTED:  # also typer's own answer to Ctrl-C, which says nothing
        _COMPLAINTS.print("interrupted; what was committed stays, run the same again to go on")
    sys.exit(status)


def pairs(option: str, given: Iterable[str] | None, example: str) -> list[tuple[str, str]]:
    """Parse what a repeatable option NAME=VALUE was given.

    Raises
    ------
    QueryError
        If something is no such pair.
    """
    found = []
    for item in given or ():
        name, equals, value = item.partition("=")
        if not equals or not name.isidentifier():
            raise QueryError(f"{option} {item}: expected NAME=VALUE, as in {option} {example}")
        found.append((name, value))
    return found


def number(text: str) -> int | float | str:
    """Return a whole number or a decimal as such; other text stays text.

    Examples
    --------
    >>> number("5"), number("0.5"), number("five")
    (5, 0.5, 'five')
    """
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def complain(error: PhotonlakeError | OSError) -> None:
    """Print an error on one line of stderr, however quiet the program is."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, OSError) and error.filename and not isinstance(error, PhotonlakeError):
        text = f"{error.filename}: {text}"
    _COMPLAINTS.print(f"[red]error:[/red] {escape(' '.join(text.split()))}", soft_wrap=True, highlight=False)


def hint(text: str) -> None:
    """Print what to type next, beside the results; not in a quiet program."""
    if not ERR.quiet:
        OUT.print(text, soft_wrap=True, highlight=False, markup=False)


def shows_bars(console: Console = ERR) -> bool:
    """Tell whether progress can be drawn: on a terminal that may be coloured, unless quiet."""
    return console.is_terminal and not _PLAIN and not console.quiet


def _is_interrupt(error: BaseException | None) -> bool:
    """Tell whether an error is Ctrl-C, or comes from it: DuckDB turns one in mid-query into a RuntimeError."""
    if error is None:
        return False
    return isinstance(error, KeyboardInterrupt | typer.Abort) or _is_interrupt(error.__cause__ or error.__context__)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes clean lines to what is stderr at the time, not at the import."""

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _log() -> None:
    """Log warnings to stderr; --verbose asks our own packages for more."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s", handlers=[_Stderr()])
