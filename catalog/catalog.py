"""Catalog: what users hold in their hands. Open a store, ask SQL, look around."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from catalog.objects.source import Detection, Source, detection, source
from catalog.objects.space_map import SpaceMap, space_map
from catalog.query import functions
from catalog.query.inventory import ColumnInfo, Info, Inventory, Relation, like
from catalog.query.questions import Questions
from catalog.query.result import Result
from catalog.query.snapshot_names import parse_snapshot
from catalog.query.vector_questions import VectorQuestions
from catalog.store import expiry, lake, location
from catalog.store.confinement import EngineLimits

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Catalog", "ColumnInfo", "Info", "Relation", "like", "open_", "parse_snapshot"]


class Catalog(VectorQuestions):
    """A store, open for reading.

    Every query sees one snapshot whole: the newest when it begins, or the one it asks for. Nothing a query says can
    change the store or reach a file outside it.

    Parameters
    ----------
    path : path-like, optional
        The store's directory; else $PHOTONLAKE_STORE, else ./store.
    threads : int, optional
        Threads of the engine, at most; else one per processor. One is quickest for many small questions at a time.
    memory, spill : int or str, optional
        What a query may use, in bytes or as '8GB': of memory, else four fifths of the machine's; and of the disk for
        what does not fit there, else nine tenths of what is free. A query that needs more fails.
    copy : Path, optional
        A copy of the store's catalog, for a process that must not open that itself: see `catalog.store.frozen`.

    Raises
    ------
    StoreNotFound
        If there is no store there.
    UntrustedStore
        If its catalog names files outside it.

    Examples
    --------
    >>> cat = Catalog("demo")  # doctest: +SKIP
    >>> cat.sql("SELECT count(*) FROM cone(148.96, 69.68, $radius)", radius=60).fetchall()  # doctest: +SKIP
    [(3,)]
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        threads: int | None = None,
        memory: int | str | None = None,
        spill: int | str | None = None,
        copy: Path | None = None,
    ) -> None:
        self.path = location.store_path(path)
        self._questions = Questions(self.path, EngineLimits(threads, memory, spill), copy)

    def sql(
        self,
        query: str,
        /,
        snapshot: int | str | date | None = None,
        timeout_s: float | None = None,
        parameters: Mapping[str, object] | None = None,
        **params: object,
    ) -> Result:
        """Ask one read-only query.

        Parameters
        ----------
        query : str
            SQL in DuckDB's dialect; `$name` stands for a parameter.
        snapshot : int, str, date or datetime, optional
            Ask the store as it was: a snapshot's number, or a time (ISO 8601, UTC if it does not say); a date means the
            end of that day.
        timeout_s : float, optional
            Stop the query, with a `QueryError`, when it has run so long, its rows read or not. It then runs in a
            process of its own, which is ended: so there is nothing that goes on.
        parameters : mapping, optional
            Values of the query's parameters, whatever their names.
        **params : object
            The same, one by one: numbers, texts, times, lists, arrays; also astropy's quantities, which take the unit
            of what they are compared with, and a SkyCoord, which stands for its ra and dec.

        Returns
        -------
        Result
            `.arrow()`, `.pl()`, `.df()`, `.table()`, `.fetchall()`, or iterate over rows.

        Raises
        ------
        ForbiddenStatement
            If it is not a single read-only query.
        UnknownName
            If it names a table, column, function or snapshot that does not exist.
        QueryError
            If the engine cannot make sense of it, or a parameter is missing.
        """
        return self._questions.answer(query, {**(parameters or {}), **params}, snapshot, timeout_s)

    def register(self, name: str, table: object) -> None:
        """Let queries of this catalog read a table of your own, under a name.

        It is held in memory, for as long as the catalog is open; the store does not change.

        Parameters
        ----------
        name : str
            What it is called in SQL: letters, digits, underscores. A table registered before under it is replaced.
        table : object
            An Arrow table, a polars or pandas data frame, an astropy Table, a dict of columns; or the path of a file:
            CSV, TSV, Parquet, Arrow, FITS, VOTable, ECSV.

        Raises
        ------
        QueryError
            If the name is taken or no plain one, or the object is no table.
        UnreadableFile
            If the file is no table, or a broken one.

        Examples
        --------
        >>> cat.register("mine", {"ra": [148.97], "dec": [69.68]})  # doctest: +SKIP
        >>> cat.sql("SELECT c.name FROM mine, cone(mine.ra, mine.dec, 2) AS c").fetchall()  # doctest: +SKIP
        [('2CXO J095552.8+694048',)]
        """
        self._questions.register(name, table)

    def unregister(self, name: str) -> None:
        """Let go of a table of your own; see `register`.

        Raises
        ------
        UnknownName
            If none is registered under the name.
        """
        self._questions.unregister(name)

    def source(self, name: str) -> Source:
        """Return a source: an object that gives its spectrum, light curve, photons, image, papers and neighbours.

        Parameters
        ----------
        name : str
            '2CXO J010337.5-720133'

        Raises
        ------
        UnknownName
            If the store has no such source, with names that are near.

        Examples
        --------
        >>> cat.source("2CXO J010337.5-720133").light_curve(500).plot()  # doctest: +SKIP
        """
        return source(self, name)

    def detection(self, detection_id: str) -> Detection:
        """Return a detection, which gives the same as a source, of one observation.

        Parameters
        ----------
        detection_id : str
            obsid.obi.region_id

        Raises
        ------
        UnknownName
            If the store has no such detection, with those of the same observation.

        Examples
        --------
        >>> spectrum = cat.detection("1575.0.85").spectrum()  # doctest: +SKIP
        >>> spectrum.fold(lambda energy_kev: 1e-4 * energy_kev**-1.7).plot(ax=spectrum.plot())  # doctest: +SKIP
        """
        return detection(self, detection_id)

    def map(self, space: str, colour: str = "", method: str = "") -> SpaceMap:
        """Return the map of a space, which a notebook shows, and in which one can lasso.

        Parameters
        ----------
        space : str
        colour : str
            What colours it: a column of csc.observation_source, or otype (of SIMBAD), ra, dec.
        method : {'', 'pca', 'tsne', 'umap'}
            The map that `python -m embed map` made so; without, the first two principal components as they are now.

        Raises
        ------
        UnknownName
            If there is no such space or column, or no map was made by this method.

        Examples
        --------
        >>> found = cat.map("spectrum", colour="hard_hs")  # doctest: +SKIP
        >>> found.selection()  # after a lasso: a polars frame  # doctest: +SKIP
        """
        return space_map(self, space, colour, method)

    def graph(
        self, run: int | None = None, threshold: float | None = None, *, snapshot: int | str | date | None = None
    ) -> nx.Graph:
        """Return the graph of a network run as a networkx.Graph, nodes and edges with their attributes.

        Parameters
        ----------
        run : int, optional
            A network run: analysis.run. Else the newest.
        threshold : float, optional
            One of the run's thresholds; else the lowest.
        snapshot : int, str, date or datetime, optional
            The store as it was.

        Returns
        -------
        networkx.Graph
            Nodes are ids, with name, otype and the other columns of analysis.node. Edges have similarity, and the same
            as weight.

        Raises
        ------
        UnknownName
            If there is no such run, or it has no such threshold.

        Examples
        --------
        >>> cat.graph(3).nodes["4736.0.12"]["otype"]  # doctest: +SKIP
        'HMXB'
        """
        made: nx.Graph = functions.method("graph")(self, run, threshold, snapshot)
        return made

    def snapshots(self) -> list[lake.Snapshot]:
        """List the store's snapshots, oldest first."""
        with self._questions.cursor() as cursor:
            return lake.snapshots(cursor)

    def snapshot_names(self) -> dict[str, int]:
        """Return the snapshots that have a name, and their numbers: these never expire."""
        return self._questions.snapshot_names()

    def held_by_old_snapshots(self) -> int:
        """Return the bytes on disk that only older snapshots need: what `python -m catalog expire` can give back."""
        with self._questions.cursor() as cursor:
            return expiry.held_by_old(cursor, self.path)

    @property
    def snapshot(self) -> int:
        """The number of the newest snapshot: it changes with every commit."""
        return self._questions.newest

    @property
    def store_id(self) -> str:
        """The store's UUID, made with it; a copy of the store has the same."""
        return self._questions.store_id

    def tables(self) -> list[Relation]:
        """List tables with their rows and bytes on disk, then views, macros and table functions."""
        return Inventory(self._questions).tables()

    def info(self, name: str) -> Info:
        """Tell what a table, view, macro or function is: its columns with type, unit, UCD and meaning.

        Parameters
        ----------
        name : str
            'schema.table', 'schema.table.column', 'embedding.space', or the name of a macro or a function.

        Raises
        ------
        UnknownName
            If there is none of that name, with the nearest that there is.
        """
        return Inventory(self._questions).info(name)

    def columns_like(self, text: str) -> list[tuple[str, ColumnInfo]]:
        """Find columns of all tables and views by a part of their name, unit, UCD or meaning.

        Parameters
        ----------
        text : str
            Small or capital letters.

        Returns
        -------
        list of (str, ColumnInfo)
            Table or view, and its column.
        """
        return Inventory(self._questions).columns_like(text)

    def close(self) -> None:
        """Close the store; results not yet fetched are lost."""
        self._questions.close()

    def __enter__(self) -> Self:
        """Return the catalog itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def __repr__(self) -> str:
        """Say which store this is."""
        return f"Catalog({str(self.path)!r})"


def open_(
    path: str | os.PathLike[str] | None = None, *, memory: int | str | None = None, spill: int | str | None = None
) -> Catalog:
    """Open a store for reading; also `catalog.open`.

    Parameters
    ----------
    path : path-like, optional
        The store's directory; else $PHOTONLAKE_STORE, else ./store.
    memory, spill : int or str, optional
        See `Catalog`.

    Raises
    ------
    StoreNotFound
        If there is no store there; the message says what to type.
    """
    return Catalog(path, memory=memory, spill=spill)
