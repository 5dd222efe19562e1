"""What is typed into the page's search: a name or part of one, a detection, a position, or words."""

from __future__ import annotations

import re

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName

_MOST = 30
_RADIUS_ARCSEC = 60.0
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_SIXTIETHS = r"[+-]?\d{1,3}[:hd ]\s*\d{1,2}[:m' ]\s*\d{1,2}(?:\.\d+)?[s\"]?"
_POSITION = re.compile(rf"\s*(?P<ra>{_SIXTIETHS}|{_NUMBER})[,\s]\s*(?P<dec>{_SIXTIETHS}|{_NUMBER})\s*")
_PART_OF_NAME = re.compile(r"(?:2CXO\s*)?J?\d[\d.]*(?:[+-][\d.]*)?", re.IGNORECASE)

Found = dict[str, object]


def position(text: str) -> tuple[str, str] | None:
    """Return right ascension and declination as a text has them, None where it is no position.

    Examples
    --------
    >>> position("295.86528 -10.5"), position("19:43:27.7 -10:30:00")
    (('295.86528', '-10.5'), ('19:43:27.7', '-10:30:00'))
    >>> position("J2324") is None
    True
    """
    found = _POSITION.fullmatch(text)
    return (found["ra"].strip(), found["dec"].strip()) if found else None


def search(cat: Catalog, space: str, text: str) -> tuple[str, list[Found]]:
    """Find what a text means.

    Returns
    -------
    said : str
        What was looked for.
    rows : list of dict
        id, name, and distance where there is one, the best first; at most 30.

    Raises
    ------
    UnknownName
        If there is nothing of the kind.
    """
    text = text.strip()
    if at := position(text):
        return f"within {_RADIUS_ARCSEC:.0f} arcsec of {text}", _near(cat, *at)
    if rows := _named(cat, text):
        return f"named like {text}", rows
    if re.match(r"\d+\.", text) or text.upper().startswith("2CXO") or re.fullmatch(r"\d{4}\D.{12,}", text):
        return f"nearest to {text}", cat.nearest(space, text, k=_MOST).arrow().to_pylist()
    if _PART_OF_NAME.fullmatch(text):
        raise UnknownName(f"the store has no source or detection that is named like {text!r}")
    return f"nearest to “{text}”", cat.nearest(space, text=text, k=_MOST).arrow().to_pylist()


def _near(cat: Catalog, ra: str, dec: str) -> list[Found]:
    def given(text: str) -> str | float:
        return float(text) if re.fullmatch(_NUMBER, text) else text

    rows = cat.sql(
        "SELECT o.detection_id AS id, s.name, s.separation_arcsec AS distance FROM cone($ra, $dec, $radius) AS s "
        f"JOIN csc.observation_source AS o USING (name) ORDER BY distance, id LIMIT {_MOST}",
        ra=given(ra), dec=given(dec), radius=_RADIUS_ARCSEC,
    ).arrow().to_pylist()  # fmt: skip
    if not rows:
        raise UnknownName(f"the store has no detection within {_RADIUS_ARCSEC:.0f} arcsec of {ra} {dec}")
    return list(rows)


def _named(cat: Catalog, text: str) -> list[Found]:
    """Return detections whose id is, or whose source's name has, the text; the shortest way to it first."""
    part = text.upper().removeprefix("2CXO").strip() if _PART_OF_NAME.fullmatch(text) else text
    if len(part) < 3 or not any(c.isdigit() for c in part):  # noqa: PLR2004 - else all are alike
        return []
    if len(part) > 64:  # noqa: PLR2004 - no name is so long
        raise QueryError("expected a name, a position or a few words")
    rows = cat.sql(
        "SELECT detection_id AS id, name FROM csc.observation_source WHERE detection_id = $text OR "
        f"contains(upper(name), $part) ORDER BY detection_id <> $text, name, detection_id LIMIT {_MOST}",
        text=text,
        part=part.upper(),
    )
    return list(rows.arrow().to_pylist())
