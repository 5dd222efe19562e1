"""The reference page: every table, column, view and macro, written from the registry that the store is made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from catalog.schema import SCHEMAS, TABLES
from catalog.schema.flags import FLAGS
from sql.objects import OBJECTS

_HEAD = """# Reference

Everything a query can name. This page is written from the registry by `make docs`; `python -m catalog info NAME` shows
the same for a store.
"""


def reference() -> str:
    """Return the reference page as Markdown.

    Examples
    --------
    >>> "### csc.observation_source" in reference()
    True
    """
    return "\n".join((_HEAD, *_tables(), *_objects(), *_flags()))


def _tables() -> Iterator[str]:
    for schema, meaning in SCHEMAS.items():
        yield f"## {schema}: {meaning}\n"
        for table in (t for t in TABLES.values() if t.schema_name == schema):
            yield f"### {table.full_name}\n\n{table.description}. Key: {', '.join(f'`{k}`' for k in table.key)}.\n"
            shown = table.columns
            if table.merged_into:
                yield f"The columns of {table.merged_into}, and:\n"
                known = TABLES[table.merged_into].column_names
                shown = tuple(c for c in shown if c.name not in known)
            yield grid([(c.name, c.duckdb_type, c.unit, c.ucd, c.description) for c in shown])


def _objects() -> Iterator[str]:
    for title, kinds in (("Views", {"view"}), ("Functions", {"scalar macro", "table macro"})):
        yield f"## {title}\n"
        for item in (o for o in OBJECTS if o.kind in kinds):
            yield f"### {item.signature}\n\n{item.purpose}\n"
            described = (*item.parameters, *item.columns)
            yield grid([(d.name, "", d.unit, d.ucd, d.description) for d in described])


def _flags() -> Iterator[str]:
    yield "## Flags\n"
    yield (
        "What a user should know of a file that was loaded: `meta.file.flags`, one row a flag in `meta.flagged`. "
        "Details stand behind a colon. A word that ends with `*` stands for all that begin so; flags that are "
        "sentences explain themselves.\n"
    )
    rows = "\n".join(f"| `{word}` | {text} |" for word, text in FLAGS.items())
    yield f"| flag | means |\n|---|---|\n{rows}\n"


def grid(rows: Sequence[tuple[str, str, str, str, str]]) -> str:
    """Return rows of (name, type, unit, UCD, meaning) as a Markdown table.

    Examples
    --------
    >>> grid([("theta", "DOUBLE", "arcmin", "pos.angDistance", "Off-axis angle")]).splitlines()[-1]
    '| theta | DOUBLE | arcmin | pos.angDistance | Off-axis angle |'
    """
    lines = ["| name | type | unit | UCD | meaning |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"
