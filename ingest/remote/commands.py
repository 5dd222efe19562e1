"""python -m ingest csc, ads: fetch from the services, then ingest what came by the road that all files take.

The module is light: what opens sockets is imported by the command that needs it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from catalog.console import EXIT_INCOMPLETE, StoreOption, WaitOption, hint
from catalog.errors import Terminal, command
from catalog.schema.identifiers import whole_number
from catalog.store import location

Parallel = Annotated[int, typer.Option("--parallel", min=1, max=8, help="Files fetched at once.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how much would come.")]
ShowRequests = Annotated[
    bool,
    typer.Option("--show-requests", help="Only print the requests that would be sent; nothing goes over the wire."),
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes that read; default: one per processor.")
]


def csc(  # noqa: PLR0917 - each is an option of the command, given by name
    cone: Annotated[
        str | None,
        typer.Option(help="Centre: a name ('M 82') or coordinates ('148.97 69.68', '09h55m52s +69d40m47s')."),
    ] = None,
    radius: Annotated[str, typer.Option(help="Radius of the cone: 5arcmin, 30arcsec, 0.1deg.")] = "1arcmin",
    obsid: Annotated[str | None, typer.Option(help="Observations: 10542,11092.")] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="A source, '2CXO J...'; may be given again. @FILE: one name per line.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="A condition on columns: 'var_prob_b > 0.9 and flux_significance_b > 5'.")
    ] = None,
    adql: Annotated[str | None, typer.Option(help="A whole query, in ADQL.")] = None,
    products: Annotated[
        str, typer.Option(help="Data products: regevt,reg,pha,arf,rmf,lc,evt,...; 'usual' for the first six.")
    ] = "",
    bands: Annotated[str, typer.Option(help="Energy bands of banded products: b,s,m,h,u (ACIS), w (HRC).")] = "b,w",
    release: Annotated[
        str | None, typer.Option(help="Release of the catalog: 2.1, 2.0; else the newest that the service has.")
    ] = None,
    columns: Annotated[str, typer.Option(help="Columns to bring: usual or all.")] = "usual",
    ambiguous: Annotated[
        bool, typer.Option("--ambiguous", help="Also detections that match several sources (match_type 'a').")
    ] = False,
    service: Annotated[str, typer.Option(help="Who is asked for the table: tap or csccli.")] = "tap",
    max_rows: Annotated[int, typer.Option(min=1, help="An answer of more rows is refused.")] = 1_000_000,
    parallel: Parallel = 4,
    dry_run: DryRun = False,
    show_requests: ShowRequests = False,
    store: StoreOption = None,
    workers: Workers = None,
    wait: WaitOption = True,
) -> None:
    """Fetch sources, detections and data products from the Chandra Source Catalog.

    Example: python -m ingest csc --cone "M 82" --radius 5arcmin --products regevt,pha,arf,rmf,lc --store s
    """
    from ingest.remote import jobs  # noqa: PLC0415 - a second of import that no other command needs
    from ingest.remote.cones import parse_position, parse_radius, resolve  # noqa: PLC0415
    from ingest.remote.products import USUAL  # noqa: PLC0415
    from ingest.remote.selection import MAX_ROWS, Selection  # noqa: PLC0415
    from ingest.remote.services import FLOOR  # noqa: PLC0415
    from ingest.tables.tabular import named_release  # noqa: PLC0415

    circle = None
    if cone is not None:
        arcmin = parse_radius(radius)
        # Only a name needs a network; where nothing may be sent, it stands for a place not known yet.
        circle = (*(parse_position(cone) or ((0.0, 0.0) if show_requests else resolve(cone))), arcmin)
    named = release or (named_release(adql) if adql else None)
    selection = Selection(
        cone=circle,
        object=cone if cone is not None and parse_position(cone) is None else None,
        obsids=_numbers(obsid),
        names=_names(name or []),
        where=where,
        adql=adql,
        products=USUAL if products == "usual" else _words(products),
        bands=_words(bands),
        unique=not ambiguous,
        columns=columns,
        service=service,
        max_rows=min(max_rows, 10 * MAX_ROWS),
        release=named or FLOOR,
    )
    if named is None and not show_requests:
        selection = replace(selection, release=jobs.newest_release())
    path = location.store_path(store)
    if show_requests:
        jobs.show_csc_requests(selection, newest=named is None)
    elif dry_run:
        jobs.show_csc_estimate(path, selection)
    else:
        _finish(path, jobs.run_csc(path, selection, parallel=parallel, workers=workers, wait=wait))


def ads(
    query: Annotated[
        str | None, typer.Option(help="A search in ADS's own syntax: 'bibgroup:\"Chandra\" year:2020-'.")
    ] = None,
    objects: Annotated[
        bool, typer.Option("--objects", help="The papers of every source in the store, by object query.")
    ] = False,
    older_than: Annotated[
        float, typer.Option(min=0, help="With --objects: ask again for sources asked more than so many days ago.")
    ] = 30.0,
    dry_run: DryRun = False,
    show_requests: ShowRequests = False,
    store: StoreOption = None,
    workers: Workers = None,
    wait: WaitOption = True,
) -> None:
    """Fetch papers from ADS. It takes your token from $ADS_DEV_KEY, $ADS_API_TOKEN or ~/.ads/dev_key.

    Example: python -m ingest ads --objects --store s
    """
    from ingest.remote import jobs  # noqa: PLC0415 - a second of import that no other command needs

    if bool(query) == objects:
        raise AskOne("say which papers to fetch: --objects or --query 'bibgroup:\"Chandra\"'")
    path = location.store_path(store)
    if show_requests:
        jobs.show_ads_requests(path, query)
    elif dry_run:
        jobs.show_ads_estimate(path, query)
    else:
        days = timedelta(days=older_than)
        _finish(path, jobs.run_ads(path, query, older_than=days, workers=workers, wait=wait))


class AskOne(Terminal, ValueError):
    """Neither or both of two options that exclude each other, or an option that cannot be read."""


def _finish(store: Path, complete: bool) -> None:
    if not complete:
        hint(f"Not everything came. To go on: {command('ingest', store)}")
        raise typer.Exit(EXIT_INCOMPLETE)


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(w.strip() for w in text.split(",") if w.strip()))


def _numbers(text: str | None) -> tuple[int, ...]:
    numbers: list[int] = []
    for word in _words(text or ""):
        if (number := whole_number(word)) is None:
            raise AskOne(f"--obsid takes numbers, such as 10542,11092; {word!r} is none")
        numbers.append(number)
    return tuple(numbers)


def _names(given: list[str]) -> tuple[str, ...]:
    """Read names as typed, and files of names."""
    found: list[str] = []
    for text in given:
        if text.startswith("@"):
            file = Path(text[1:]).expanduser()
            if not file.is_file():
                raise AskOne(f"--name {text}: there is no file {file}")
            lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            found += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        else:
            found += _words(text)
    return tuple(found)
