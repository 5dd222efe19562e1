"""What authorities say and the field's classes: the tables under classes/, and the view that is written from them.

`python -m sql.class_map` writes views/analysis.class_map.sql. Text in, text out: no database.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

VIEW = Path(__file__).parent / "views" / "analysis.class_map.sql"

_HEAD = """\
-- Which of the field's classes a term stands for: one row per vocabulary and term. Written by `python -m sql.class_map`
-- from sql/classes, where a page says how it was decided.
-- columns:
--   vocabulary muwclass (the literature table's classes) or simbad (object types, in three spellings)
--   term {src.class} As the vocabulary spells it; case does not matter
--   class {src.class} The field's class: AGN, YSO, LM-STAR, HM-STAR, CV, HMXB, LMXB, NS, ULX, ...
--   coarser {src.class} The class that it is a kind of: who says so says less, and nothing else
--   meaning {meta.note} What the class is
CREATE VIEW analysis.class_map AS
SELECT vocabulary, term, class, nullif(coarser, '') AS coarser, meaning FROM (VALUES
"""


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("sql").joinpath("classes", f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def classes() -> dict[str, str]:
    """Return the field's classes and what they are.

    Examples
    --------
    >>> classes()["HMXB"]
    'High-mass X-ray binary'
    """
    return {row["class"]: row["meaning"] for row in _rows("class")}


def terms() -> list[tuple[str, str, str]]:
    """Return (vocabulary, term, class) of every term.

    Examples
    --------
    >>> ("simbad", "Orion_V*", "YSO") in terms()
    True
    """
    return [(row["vocabulary"], row["term"], row["class"]) for row in _rows("term")]


def tasks() -> Mapping[str, Mapping[str, str]]:
    """Return what each task tells apart: task -> class -> label; a class that is not there is left out.

    Examples
    --------
    >>> sorted(set(tasks()["agn"].values())), len(tasks()["eight"])
    (['AGN', 'compact'], 8)
    """
    found: dict[str, dict[str, str]] = {}
    for row in _rows("task"):
        found.setdefault(row["task"], {})[row["class"]] = row["label"]
    return found


def view() -> str:
    """Return the text of the view's file."""
    known = {row["class"]: (row["coarser"], row["meaning"]) for row in _rows("class")}
    values = ",\n".join(
        f"  ({', '.join(_literal(v) for v in (vocabulary, term, class_, *known[class_]))})"
        for vocabulary, term, class_ in terms()
    )
    return f"{_HEAD}{values}\n) AS t(vocabulary, term, class, coarser, meaning);\n"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    VIEW.write_text(view(), encoding="utf-8")
