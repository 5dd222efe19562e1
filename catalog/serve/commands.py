"""The commands that open a store's door: `python -m catalog serve`, `python -m catalog browse`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from catalog.console import OUT, SnapshotOption, StoreOption, hint
from catalog.store import location

HostOption = Annotated[
    str, typer.Option("--host", help="What to bind to; 127.0.0.1 is reached from this machine alone.")
]
PrefixOption = Annotated[str, typer.Option("--prefix", help="First part of every path, as /chandra.")]
UrlOption = Annotated[
    str, typer.Option("--url", help="Behind a proxy: the address that others type, as https://data.example.org/chandra")
]


def serve(
    store: StoreOption = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8642,
    host: HostOption = "127.0.0.1",
    prefix: PrefixOption = "",
    url: UrlOption = "",
    snapshot: SnapshotOption = None,
    jobs: Annotated[
        Path | None, typer.Option("--jobs", help="Where jobs of TAP are kept; else ~/.local/state/photonlake.")
    ] = None,
) -> None:
    """Serve the store: its page, and TAP for TOPCAT and pyvo. It only reads; each query runs in a process with limits.

    Example: python -m catalog serve --store s
    """
    _serve(location.store_path(store), port, host=host, prefix=prefix, public=url, snapshot=snapshot, jobs=jobs)


def browse(
    store: StoreOption = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Show the page in a browser.")] = True,
) -> None:
    """Show the store as a page in the browser: maps of the spaces, spectra, light curves, neighbours, papers, SQL.

    Only this machine can reach it, and it only reads; a query may run 10 s and give 1,000 rows.

    Example: python -m catalog browse --store s
    """
    _serve(location.store_path(store), port, open_browser=open_browser)


def _serve(store: Path, port: int, *, open_browser: bool = False, **options: Any) -> None:  # noqa: ANN401 - the server's
    import webbrowser  # noqa: PLC0415 - for these commands alone

    from catalog.serve.server import BrowseServer  # noqa: PLC0415 - as above

    with BrowseServer(store, port, **options) as server:
        OUT.print(f"{store} is at {server.url} (Ctrl-C ends it)", highlight=False, soft_wrap=True)
        hint(f"TAP, for TOPCAT and pyvo: {server.url}tap")
        if open_browser:
            webbrowser.open(server.url)
        server.serve_forever()
