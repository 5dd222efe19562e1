"""What a table is: a name, a key, columns, and how a refresh writes rows into it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pyarrow as pa

from catalog.schema.columns import TEXTS, Column, literal, quote

Writing = Literal["file", "merge", "content", "internal"]


_DISPUTED = Column("disputed", TEXTS, "Columns in which a file that counts more says something else", ucd="meta.note")


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    Parameters
    ----------
    full_name : str
        'schema.table'.
    description : str
        What one row is.
    key : tuple of str
        Columns whose values never repeat.
    columns : tuple of Column
        In order.
    writing : {'file', 'merge', 'content', 'internal'}
        How a refresh writes. file: rows belong to one file and go when it changes. merge: one row per key,
        whatever files it comes from. content: the key is a hash of the content, so a row is written once.
        internal: photonlake's own bookkeeping.
    order : tuple of str
        Sort order on disk, so that scans prune.
    first_rows : str
        SQL of the rows that the table begins with in a store made before there was such a table.
    merged_into : str
        Of a table of contributions, the full name of the 'merge' table that follows from it.
    """

    full_name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    writing: Writing = "file"
    order: tuple[str, ...] = ()
    first_rows: str = ""
    merged_into: str = ""

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        names = [c.name for c in self.columns]
        if len(set(names)) != len(names) or not {*self.key, *self.order} <= set(names):
            msg = f"{self.full_name}: repeated columns, or a key that is none of them"
            raise ValueError(msg)

    @property
    def schema_name(self) -> str:
        """The part before the dot."""
        return self.full_name.partition(".")[0]

    @property
    def name(self) -> str:
        """The part after the dot."""
        return self.full_name.partition(".")[2]

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema; units, UCDs and descriptions are field metadata."""
        return pa.schema([c.field for c in self.columns])

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(c.name for c in self.columns)

    @cached_property
    def said(self) -> Table:
        """The contributions to a 'merge' table: what each file says of a key that several files speak of."""
        return Table(
            f"{self.full_name}_said",
            f"One row per file, for each row of {self.full_name} that several files speak of: what each of them says",
            (*self.key, "file_ids", *(c for c in ("release", "obi", "region_id") if c in self.column_names)),
            (*self.columns, _DISPUTED),
            writing="internal",
            merged_into=self.full_name,
        )

    def column(self, name: str) -> Column:
        """Return a column by name."""
        return next(c for c in self.columns if c.name == name)

    def ddl(self) -> list[str]:
        """Return the statements that make the table and comment on it and on each column."""
        columns = ", ".join(c.ddl for c in self.columns)
        name = f"{quote(self.schema_name)}.{quote(self.name)}"
        statements = [f"CREATE TABLE {name} ({columns})", f"COMMENT ON TABLE {name} IS {literal(self.description)}"]
        # Contributions have the columns of their table: 700 comments more would only make a store slower to open.
        described = (_DISPUTED,) if self.merged_into else self.columns
        statements += [f"COMMENT ON COLUMN {name}.{quote(c.name)} IS {literal(c.comment)}" for c in described]
        if self.order:
            statements.append(f"ALTER TABLE {name} SET SORTED BY ({', '.join(quote(c) for c in self.order)})")
        return statements
