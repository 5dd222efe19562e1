"""Rows made ready for an encoder, and what an encoder reads: the words that all inputs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Arrays = Mapping[str, npt.NDArray[np.generic]]
"""Arrays of one modality by name; the first axis of each has the same length n."""


@dataclass(frozen=True)
class Prepared:
    """Rows made ready for an encoder.

    Attributes
    ----------
    ids : list of str, length n
        detection_id or bibcode.
    names : list of (str or None), length n
        The source each belongs to: rows of one name never stand on both sides of a split. The bibcode for papers.
    arrays : mapping of str to ndarray
        First axis n; which arrays there are is the modality's business (see its module).
    skipped : dict of str to str
        Rows without an input: id -> reason, for the user to read.
    """

    ids: list[str]
    names: list[str | None]
    arrays: Arrays
    skipped: dict[str, str]


@dataclass(frozen=True)
class Input:
    """What an encoder of a modality reads.

    Attributes
    ----------
    modality : str
        Its name.
    id_column : str
        What `id` is called in the catalog: 'detection_id' or 'bibcode'.
    rows_sql, fingerprints_sql : str
        With the place-holder {selected}.
    prepare : callable
        Rows of the query -> `Prepared`. Pure.
    batch_rows : int
        How many rows a reader should hold at once: wide rows, few of them.
    spaces : tuple of str
        Spaces whose vectors the query reads, under `embed.inputs.pairs.relation(space)`; whoever runs it registers
        them.
    version : int
        Counts up when the same rows are prepared otherwise. Part of every fingerprint, and kept with each encoder: one
        that learned from another version cannot read this one.
    """

    modality: str
    id_column: str
    rows_sql: str
    fingerprints_sql: str
    prepare: Callable[[pa.Table], Prepared]
    batch_rows: int
    spaces: tuple[str, ...] = ()
    version: int = 1

    def query(self, selected: str) -> str:
        """Return the SQL of the rows of the selected ids: columns id, name, and what `prepare` needs.

        Parameters
        ----------
        selected : str
            SQL of a relation with a column `id`: a name, or a query in brackets.

        Examples
        --------
        >>> from embed.inputs.modalities import INPUTS
        >>> "lit.paper" in INPUTS["papers"].query("(SELECT bibcode AS id FROM lit.paper)")
        True
        """
        return self.rows_sql.replace("{selected}", selected)

    def fingerprints(self, selected: str) -> str:
        """Return the SQL of (id, name, input_sha256): the hash changes when, and only when, the input does."""
        return self.fingerprints_sql.replace("{selected}", selected)


def ids_and_names(rows: pa.Table, kept: npt.NDArray[np.bool_]) -> tuple[list[str], list[str | None]]:
    """Return ids and source names of the rows that are kept; shape of kept (n,)."""
    chosen = rows.select(["id", "name"]).filter(pa.array(kept))
    return chosen["id"].to_pylist(), chosen["name"].to_pylist()
