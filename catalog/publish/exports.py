"""What `photonlake export` publishes and `photonlake sql` sends or takes, and what they say of it: one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from catalog.catalog import open_
from catalog.console import hint
from catalog.query.result import Result

_SORTED_IN = "2GB"
OgipOption = Annotated[
    Path | None, typer.Option("--ogip", metavar="DIR", help="Spectra, responses and event lists for fitting programs.")
]
WhereOption = Annotated[str | None, typer.Option("--where", help="With --ogip: SQL condition on spectra.")]
GzipOption = Annotated[bool, typer.Option("--gzip", help="With --ogip: gzip each file.")]
HatsOption = Annotated[
    Path | None, typer.Option("--hats", metavar="DIR", help="A table as a HATS catalog, which LSDB opens.")
]
MocOption = Annotated[
    Path | None, typer.Option("--moc", metavar="FILE", help="Where on the sky a table has rows, as a MOC.")
]
TableOption = Annotated[str, typer.Option("--table", help="With --hats and --moc: of which table.")]
SpaceOption = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="SPACE", help="With --hats: vectors too; spectrum: spectra too; repeatable."),
]
FrozenOption = Annotated[
    Path | None, typer.Option("--frozen", metavar="DIR", help="The store's tables, read-only, for a web server.")
]
UrlOption = Annotated[str | None, typer.Option("--url", help="With --frozen: where DIR will be served.")]


def publish(
    store: Path,
    *,
    ogip: tuple[Path, str | None, bool] | None = None,
    hats: tuple[Path, str, Sequence[str]] | None = None,
    moc: tuple[Path, str] | None = None,
    frozen: tuple[Path, str | None] | None = None,
    snapshot: int | str | None = None,
) -> Iterator[str]:
    """Publish what is asked for.

    Parameters
    ----------
    store : Path
    ogip : (folder, condition, zipped), optional
        See `catalog.publish.fitting_folder`.
    hats : (folder, table, spaces), optional
        See `catalog.publish.hats_catalog`.
    moc : (file, table), optional
        See `catalog.publish.coverage`.
    frozen : (folder, url), optional
        See `catalog.publish.frozen_lake`; it is of all snapshots.
    snapshot : int or str, optional
        Of the store as it was.

    Yields
    ------
    str
        What was written.
    """
    # Each brings libraries that the others do not need.
    if frozen:
        from catalog.publish.frozen_lake import write_frozen  # noqa: PLC0415

        made = write_frozen(store, *frozen)
        yield f"{frozen[0]}: {made.n_files:,} files of Parquet, {made.n_bytes:,} bytes; {made.attach}"
    # A sort takes all the memory that it may; with this much it goes on on disk.
    with open_(store, memory=_SORTED_IN if hats else None) as cat:
        if ogip:
            from catalog.publish.fitting_folder import write_fitting_files  # noqa: PLC0415

            folder, where, zipped = ogip
            files = write_fitting_files(cat, folder, where or "true", zipped=zipped, snapshot=snapshot)
            yield f"{folder}: {files}"
        if hats:
            from catalog.publish.hats_catalog import write_hats  # noqa: PLC0415

            yield f"{hats[0]}: {write_hats(cat, *hats, snapshot=snapshot)}"
        if moc:
            from catalog.publish.coverage import write_moc  # noqa: PLC0415

            yield f"{moc[0]}: {write_moc(cat, *moc, snapshot=snapshot):.3%} of the sky"


def own_table(name: str, file: str) -> object:
    """Return a user's own table, to be registered: the path of a file; for 'samp', what another program sends."""
    if file != "samp":
        return Path(file).expanduser()
    from catalog.publish.samp_messages import receive  # noqa: PLC0415 - for this word alone

    return receive(on_wait=lambda: hint(f"waiting for {name}: in TOPCAT, send a table to photonlake"))


def sent(result: Result, program: str) -> str:
    """Send an answer to a program, or to all that take tables; say to which it went."""
    from catalog.publish.samp_messages import send  # noqa: PLC0415 - for those who send alone

    return f"sent to {', '.join(send(result.arrow(), program))}"
