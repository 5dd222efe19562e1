"""What a catalog is asked about vectors: neighbours of a target, or of a file, and the vectors themselves."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from catalog.query.questions import Questions
from catalog.query.result import Result
from catalog.query.targets import vector_of_file
from catalog.schema.columns import literal


class VectorQuestions:
    """The methods of `catalog.Catalog` that are about vectors."""

    _questions: Questions

    def nearest(
        self,
        space: str,
        target: str | npt.ArrayLike | None = None,
        *,
        text: str | None = None,
        k: int = 10,
        metric: str = "cosine",
        exact: bool = True,
        filter: str | None = None,  # noqa: A002 - the same word as in SQL
        exclude_self: bool = False,
        modality: str | None = None,
        snapshot: int | str | date | None = None,
    ) -> Result:
        """Find the rows of an embedding space nearest to a target; the same as `nearest()` in SQL.

        Parameters
        ----------
        space : str
            'spectrum', 'events', 'papers', 'properties', ...
        target : str or array of float, shape (d,)
            A source's name (the nearest to any of its detections), a detection id, a bibcode, or a vector.
        text : str, optional
            Words instead of a target, in spaces that have a text side.
        k : int
            So many neighbours.
        metric : {'cosine', 'l2', 'dot'}
            See `catalog.neighbours.search.distances`.
        exact : bool
            False takes the space's index; the column `recall` then says how good it was when it was measured.
        filter : str, optional
            SQL condition that neighbours must meet, applied before the search.
        exclude_self : bool
            Leave out the target's own rows.
        modality : str, optional
            Search the rows of this one; else the usual: 'both' where an id has several.
        snapshot : int, str, date or datetime, optional
            Search the store as it was.

        Raises
        ------
        UnknownName
            If the space does not exist, or the target has no vector in it; the message says why.
        QueryError
            If an argument makes no sense.
        """
        given = {"target": target, "text": text, "filter": filter, "modality": modality}
        values: dict[str, object] = {name: value for name, value in given.items() if value is not None}
        options = "".join(f", {name} := ${name}" for name in values)
        fixed = (
            f"k := {int(k)}, metric := {literal(metric)}, exact := {bool(exact)}, exclude_self := {bool(exclude_self)}"
        )
        query = f"SELECT * FROM nearest({literal(space)}, {fixed}{options})"
        return self._questions.answer(query, values, snapshot, None)

    def nearest_to_file(
        self,
        file: str | os.PathLike[str],
        space: str = "spectrum",
        *,
        k: int = 10,
        metric: str = "cosine",
        filter: str | None = None,  # noqa: A002 - the same word as in SQL
        snapshot: int | str | date | None = None,
    ) -> Result:
        """Find the rows of a space nearest to a file of one's own, which stays where it is.

        Parameters
        ----------
        file : path-like
            A spectrum (.pi, .pha, pha3, gzipped or not). The response and background that its header names are taken
            from its folder; the result's `remarks` say which were found.
        space : str
            A space made of spectra.
        k, metric, filter, snapshot
            See `nearest`.

        Raises
        ------
        UnreadableFile
            If the file is no spectrum, or a broken one.
        UnknownName
            If there is no such space.

        Examples
        --------
        >>> cat.nearest_to_file("4736.pi", k=5).pl()  # doctest: +SKIP
        """
        with self._questions.cursor(snapshot) as cursor:
            session = self._questions.session(cursor)
            vector, remarks = vector_of_file(session, session.space(space), Path(file))
        return self.nearest(space, vector, k=k, metric=metric, filter=filter, snapshot=snapshot).noting(remarks)

    def vectors(
        self, space: str, snapshot: int | str | date | None = None, *, modality: str | None = None
    ) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float32]]:
        """Return all vectors of a space.

        Parameters
        ----------
        space : str
        snapshot : int, str, date or datetime, optional
            The store as it was.
        modality : str, optional
            Rows of this one; else the usual: 'both' where an id has several, so that no id repeats.

        Returns
        -------
        ids : ndarray of str objects, shape (n,)
            Detection ids or bibcodes.
        vectors : ndarray of float32, shape (n, d)
            Read-only: it is the memory that searches use. Copy it to change it.

        Raises
        ------
        UnknownName
            If there is no such space.
        """
        with self._questions.cursor(snapshot) as cursor:
            held = self._questions.session(cursor).space(space)
        ids, rows = held.ids.to_numpy(zero_copy_only=False), held.rows_of(modality or held.usual_modality)
        return (ids, held.block.vectors) if rows is None else (ids[rows], held.block.vectors[rows])
