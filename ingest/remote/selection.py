"""What a user asks of the catalog, as data: a store remembers it as JSON, and every bare refresh asks it again."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from catalog.errors import Terminal, UnknownName, suggestion
from catalog.schema.identifiers import source_name
from catalog.store import lake, location, manifest
from catalog.store.manifest import Source
from ingest.remote.ads import KIND as ADS_KIND
from ingest.remote.ads_objects import Target
from ingest.remote.conditions import check_query, parse_condition
from ingest.remote.cones import Cone
from ingest.remote.products import BANDS, PRODUCTS
from ingest.remote.services import FLOOR, release_named

KIND = "csc"
MAX_ROWS = 1_000_000
BOTH_WIDE = ("b", "w")
"""The broad band of ACIS and the wide band of HRC."""


class NothingAsked(Terminal, ValueError):
    """A selection that selects nothing, or two things that do not go together."""


@dataclass(frozen=True)
class Selection:
    """One query of the catalog with the products wanted of what it finds.

    Parameters
    ----------
    cone : (float, float, float), optional
        Right ascension and declination in degrees (ICRS), radius in arcmin.
    object : str, optional
        The name that the cone's centre was resolved from.
    obsids : tuple of int
        Observations.
    names : tuple of str
        Sources, '2CXO J...'.
    where : str, optional
        A condition on columns, as typed.
    adql : str, optional
        A whole query, as typed; goes alone.
    products : tuple of str
        'regevt', 'pha', 'arf', 'rmf', 'lc', ...
    bands : tuple of str
        Energy bands of banded products; a detection has those of its instrument.
    unique : bool
        Only detections that match one source alone (match_type 'u').
    columns : {'usual', 'all'}
        How many columns to bring.
    service : {'tap', 'csccli'}
        Who is asked for the table.
    max_rows : int
        An answer that would have more is refused, not cut.
    release : str
        '2.1', '2.0', ...
    """

    cone: tuple[float, float, float] | None = None
    object: str | None = None
    obsids: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    where: str | None = None
    adql: str | None = None
    products: tuple[str, ...] = ()
    bands: tuple[str, ...] = BOTH_WIDE
    unique: bool = True
    columns: str = "usual"
    service: str = "tap"
    max_rows: int = MAX_ROWS
    release: str = FLOOR

    def __post_init__(self) -> None:
        """Refuse what cannot be asked, before anything goes over the wire.

        Raises
        ------
        NothingAsked, UnknownName, QueryRefused, InvalidName
            With what to type instead.
        """
        parts = [self.cone, self.obsids, self.names, self.where]
        if not any(parts) and not self.adql:
            raise NothingAsked("say what to fetch: --cone, --obsid, --name, --where or --adql")
        if self.adql and any(parts):
            raise NothingAsked("--adql is a whole query: leave out --cone, --obsid, --name and --where")
        if self.adql and self.service != "tap":
            raise NothingAsked("--adql is asked of the TAP service: leave out --service")
        _among(self.products, PRODUCTS, "--products")
        _among(self.bands, BANDS, "--bands")
        _among((self.columns,), ("usual", "all"), "--columns")
        _among((self.service,), ("tap", "csccli"), "--service")
        release = release_named(self.release)
        object.__setattr__(self, "names", tuple(dict.fromkeys(source_name(n) for n in self.names)))
        if self.where:
            parse_condition(self.where)
        if self.adql:
            check_query(self.adql, release.schema)

    @property
    def circle(self) -> Cone | None:
        """The cone."""
        return Cone(*self.cone) if self.cone else None

    @property
    def stem(self) -> str:
        """Name of the table's file, the same for the same question; which products are wanted is no part of it.

        Examples
        --------
        >>> Selection(obsids=(10542,)).stem == Selection(obsids=(10542,), products=("pha",)).stem
        True
        """
        parts = ("cone", "names", "obsids", "where", "adql")
        said = json.loads(replace(self, products=(), bands=BOTH_WIDE, max_rows=MAX_ROWS).to_source().specification)
        said.pop("object", None)
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:10]
        return f"{'-'.join(p for p in parts if p in said)}-{digest}"

    def to_source(self) -> Source:
        """Return the row of meta.source that remembers it.

        Examples
        --------
        >>> Selection(obsids=(10542,), products=("pha",)).to_source()
        Source(kind='csc', specification='{"obsids": [10542], "products": ["pha"]}', release='2.1')
        """
        usual = {f.name: f.default for f in fields(self)}
        said = {k: v for k, v in asdict(self).items() if v != usual[k] and k != "release"}
        return Source(KIND, json.dumps(said, sort_keys=True), self.release)

    @classmethod
    def from_source(cls, source: Source) -> Selection:
        """Read a row of meta.source.

        Examples
        --------
        >>> again = Selection(cone=(1.0, 2.0, 3.0), unique=False)
        >>> Selection.from_source(again.to_source()) == again
        True
        """
        said: dict[str, Any] = json.loads(source.specification)
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
        return cls(**{**given, "release": source.release or FLOOR})


def _among(given: Iterable[str], known: Iterable[str], option: str) -> None:
    names = list(known)
    for word in given:
        if word not in names:
            hint = suggestion(word, names) or f"; there are {', '.join(names)}"
            raise UnknownName(f"{option}: there is no {word!r}{hint}")


REMOTE_KINDS = frozenset({KIND, ADS_KIND})

_TARGETS = """
SELECT m.name, coalesce(list(DISTINCT c.main_id ORDER BY c.main_id) FILTER (c.main_id IS NOT NULL), [])
FROM lake.csc.master_source m
LEFT JOIN lake.csc.classification c ON c.name = m.name AND c.authority = 'simbad'
GROUP BY m.name ORDER BY m.name
"""


def remember(store: Path, query: Source, folder: Path, *, wait: bool = True) -> None:
    """Add a query to the store's sources, and the folder its answers go to; makes the store if there is none.

    Both at once: after a crash, a bare refresh fetches the rest and ingests all of it.

    Raises
    ------
    StoreLocked
        If another process writes and `wait` is false.
    """
    sources = [query, files_source(store, folder)]
    if location.exists(store):
        with contextlib.closing(lake.connect(store)) as connection:
            known = manifest.read_sources(connection)
        sources = [s for s in sources if s not in known]
    else:
        lake.create(store)
    if not sources:
        return
    message = f"source: {query.kind} {query.specification}"
    with lake.writer(store, "remember a query", commit=message, wait=wait) as connection:
        for source in sources:
            manifest.remember_source(connection, source)


def mark_refreshed(store: Path, sources: Sequence[Source], *, wait: bool = True) -> None:
    """Note that queries were asked to the end, and brought something new."""
    with lake.writer(store, "note a refresh", commit="refreshed", wait=wait) as connection:
        manifest.mark_refreshed(connection, sources)


def remembered(store: Path) -> list[Source]:
    """Return the queries that a store knows, oldest first; none if there is no store."""
    if not location.exists(store):
        return []
    with contextlib.closing(lake.connect(store)) as connection:
        return [s for s in manifest.read_sources(connection) if s.kind in REMOTE_KINDS]


def query_source(query: str) -> Source:
    """Return the row of meta.source for a search of papers.

    Examples
    --------
    >>> query_source("bibgroup:Chandra").specification
    '{"query": "bibgroup:Chandra"}'
    """
    return Source(ADS_KIND, json.dumps({"query": query}))


OBJECTS = Source(ADS_KIND, json.dumps({"objects": True}))
"""The row of meta.source for the papers of every source in the store."""


def files_source(store: Path, folder: Path) -> Source:
    """Return the row of meta.source for a folder of fetched files: they go in as local files do."""
    release = FLOOR if folder == store / "files" else folder.name.rpartition("-")[2]
    return Source("files", str(folder), release)


def targets(store: Path) -> list[Target]:
    """Return every source in the store with the names it has: its CSC name, SIMBAD's main identifier."""
    if not location.exists(store):
        return []
    with contextlib.closing(lake.connect(store)) as connection:
        return [Target(name, tuple(others)) for name, others in connection.execute(_TARGETS).fetchall()]
