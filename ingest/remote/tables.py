"""Property tables of a selection: asked for in as many queries as it takes, saved as the service answers them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ingest.remote.answers import Answer
from ingest.remote.conditions import check_query
from ingest.remote.csccli import fetch_properties, properties_request
from ingest.remote.errors import QueryRefused
from ingest.remote.http import Client
from ingest.remote.queries import (
    answered,
    column_list,
    conditions,
    detections_query,
    key_columns,
    positions_query,
)
from ingest.remote.selection import Selection
from ingest.remote.services import Request, release_named
from ingest.remote.tap import NAMES_AT_ONCE, NAMES_INLINE, UPLOAD, columns_request, fetch_columns, fetch_table_of
from ingest.remote.tap import query_request as tap_request


def fetch_tables(
    client: Client, selection: Selection, folder: Path, *, keys_only: bool = False
) -> tuple[Answer, list[Path]]:
    """Bring the tables of a selection.

    Parameters
    ----------
    client : Client
    selection : Selection
    folder : Path
        Where the tables go.
    keys_only : bool
        Only the few columns that say what there is to fetch.

    Returns
    -------
    (Answer, list of Path)
        All tables together; their files.

    Raises
    ------
    Transient or Terminal
        As `ingest.remote.services` tells them apart.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asker = _Asker(client, selection, folder, keys_only=keys_only)
    if selection.service == "csccli":
        asker.ask_csccli()
    else:
        asker.ask_tap()
    return asker.together, asker.files


class _Asker:
    """One selection being asked for."""

    def __init__(self, client: Client, selection: Selection, folder: Path, *, keys_only: bool) -> None:
        self._client, self._selection, self._folder, self._keys_only = client, selection, folder, keys_only
        self._release = release_named(selection.release)
        self.together = Answer(())
        self.files: list[Path] = []

    def ask_csccli(self) -> None:
        columns = key_columns() if self._keys_only else column_list(None, "usual")
        names = list(self._selection.names) or None
        for number, chunk in enumerate(_chunks(names, NAMES_INLINE)):
            query = detections_query(
                columns, conditions(self._selection, names=chunk, cone=True), unique=self._selection.unique
            )
            target = self._folder / f"{self._selection.stem}{_part(number)}.tsv"
            request = properties_request(query, self._release)
            limit = self._selection.max_rows
            self._take(fetch_properties(self._client, request, target, answered(columns), limit), target)

    def ask_tap(self) -> None:
        selection = self._selection
        if selection.adql:
            self._ask_adql(selection.adql)
            return
        names: list[str] | None = list(selection.names) or None
        if selection.cone:
            within = self._names_within()
            names = [n for n in within if n in set(names)] if names else within
            if not names:
                return
        self._ask_detections(selection, names, selection.stem)

    def _ask_adql(self, adql: str) -> None:
        selection = self._selection
        target = self._folder / f"{selection.stem}.vot"
        query = check_query(adql, self._release.schema)
        self._run(query, target, required=[])
        if selection.products and not self.together.detections and self.together.names:
            # The query found sources, and says nothing of their detections, which have the products.
            names = list(self.together.names)
            self._ask_detections(
                replace(selection, adql=None, names=tuple(names)), names, f"{selection.stem}-detections"
            )

    def _names_within(self) -> list[str]:
        """Ask for what lies in the cone's box, and cut the cone out of it."""
        cone = self._selection.circle
        if cone is None:
            return []
        target = self._folder / f".{self._selection.stem}.positions.vot"
        try:
            found = fetch_table_of(
                self._client,
                self._release,
                positions_query(cone, self._release.schema),
                target,
                required=["name", "ra", "dec"],
                max_rows=self._selection.max_rows,
                what="the sources around the position",
            )
        finally:
            target.unlink(missing_ok=True)
        inside = cone.holds(*found.positions().T)
        return sorted(n for n, keep in zip(found.names, inside, strict=True) if keep)

    def _ask_detections(self, selection: Selection, names: list[str] | None, stem: str) -> None:
        columns = self._columns()
        if names is not None and len(names) > NAMES_INLINE:
            try:
                self._ask_uploading(columns, selection, names, stem)
            except QueryRefused:  # not every service takes tables: spell the names out
                self._ask_inline(columns, selection, names, stem)
        else:
            self._ask_inline(columns, selection, names, stem)

    def _ask_uploading(self, columns: Sequence[str], selection: Selection, names: list[str], stem: str) -> None:
        for number, chunk in enumerate(_chunks(names, NAMES_AT_ONCE)):
            query = detections_query(
                columns,
                conditions(selection),
                unique=selection.unique,
                schema=self._release.schema,
                upload=UPLOAD,
            )
            target = self._folder / f"{stem}{_part(number)}.vot"
            self._run(query, target, required=answered(columns), names=chunk)

    def _ask_inline(self, columns: Sequence[str], selection: Selection, names: list[str] | None, stem: str) -> None:
        for number, chunk in enumerate(_chunks(names, NAMES_INLINE)):
            query = detections_query(
                columns, conditions(selection, names=chunk), unique=selection.unique, schema=self._release.schema
            )
            self._run(query, self._folder / f"{stem}{_part(number)}.vot", required=answered(columns))

    def _columns(self) -> list[str]:
        if self._keys_only:
            return key_columns()
        return column_list(fetch_columns(self._client, self._release), self._selection.columns)

    def _run(self, query: str, target: Path, *, required: Sequence[str], names: Sequence[str] | None = None) -> None:
        answer = fetch_table_of(
            self._client,
            self._release,
            query,
            target,
            required=required,
            max_rows=self._selection.max_rows,
            names=names,
            what="the table of properties",
        )
        self._take(answer, target)

    def _take(self, answer: Answer, target: Path) -> None:
        self.files.append(target)
        self.together.n_rows += answer.n_rows
        for name, position in answer.names.items():
            self.together.names.setdefault(name, position)
        have = {d[1:4] for d in self.together.detections}
        self.together.detections += [d for d in answer.detections if d[1:4] not in have]


def table_requests(selection: Selection) -> Iterator[Request]:
    """Yield the requests that bring a selection's tables, as far as they are known before the first answer."""
    release = release_named(selection.release)
    limit, names = selection.max_rows, list(selection.names) or None
    if selection.service == "csccli":
        columns = column_list(None, "usual")
        for chunk in _chunks(names, NAMES_INLINE):
            where = conditions(selection, names=chunk, cone=True)
            yield properties_request(detections_query(columns, where, unique=selection.unique), release)
        return
    if selection.adql:
        yield tap_request(check_query(selection.adql, release.schema), release, max_rows=limit)
        return
    if circle := selection.circle:
        query = positions_query(circle, release.schema)
        yield tap_request(query, release, max_rows=limit, what="the sources around the position")
        names = ["(each source within the cone)"]
    yield columns_request(release)
    columns = ["(the columns that photonlake knows, of those that the service has)"]
    uploading = names is not None and len(names) > NAMES_INLINE
    for chunk in _chunks(names, NAMES_AT_ONCE if uploading else NAMES_INLINE):
        where = conditions(selection, names=None if uploading else chunk)
        upload = UPLOAD if uploading else ""
        query = detections_query(columns, where, unique=selection.unique, schema=release.schema, upload=upload)
        yield tap_request(query, release, max_rows=limit, uploads=[UPLOAD] if uploading else ())


def _chunks(names: Sequence[str] | None, size: int) -> Iterator[Sequence[str] | None]:
    if names is None:
        yield None
        return
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _part(number: int) -> str:
    return f"-{number + 1}" if number else ""
