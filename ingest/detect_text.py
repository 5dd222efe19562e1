"""What a file that is no FITS file is, by its first bytes: a table of sources, papers, a corpus, or none of these."""

from __future__ import annotations

import re

from ingest.products.region_text import looks_like_regions
from ingest.readers import JOINS_AS_IT_IS
from ingest.tables.column_names import names_sources
from ingest.tables.sheets import ascii_format, wide_encoding
from ingest.tables.tabular import HEAD_BYTES

_KINDS_BY_SUFFIX = {".csv": "source_table", ".tsv": "source_table", ".vot": "source_table", ".votable": "source_table"}
_KINDS_BY_SUFFIX |= {".bib": "papers", ".bibtex": "papers"}
_BIBTEX = re.compile(
    rb"^\s*@\s*(article|inproceedings|proceedings|misc|book|inbook|incollection|phdthesis|mastersthesis|techreport"
    rb"|unpublished|eprint|dataset|software|conference)\s*[{(]\s*[^\s,{}]+\s*,",
    re.IGNORECASE | re.MULTILINE,
)
_HTML = re.compile(rb"^\s*(<!doctype html|<html|<head|<body|<\?xml[^>]*\?>\s*<(!doctype html|html))", re.IGNORECASE)
_SERVICE_ERROR = re.compile(rb"Error executing query", re.IGNORECASE)
_CONFLICT = re.compile(rb"^<{7} ", re.MULTILINE)
_PHOTONS = re.compile(rb'"(original_event_list|event_list)"\s*:')
_BIBCODE = re.compile(rb'"bibcode"\s*:')
_ADS_ENVELOPE = re.compile(rb'"(responseHeader|error|numFound)"\s*:')
_ADS_EXPORT = re.compile(rb'"export"\s*:\s*"')
_MINIMUM_COLUMNS = 2


def detect_text(head: bytes, name: str) -> str | None:
    """Tell what kind of content the first bytes of a file are.

    A file that is damaged in a way its reader names (an HTML page saved as .csv, an error message of the service,
    merge-conflict markers) counts as what it was meant to be, so that the reader says what is wrong with it.

    Parameters
    ----------
    head : bytes
        The first 64 KiB, decompressed.
    name : str
        Base name: it decides only between a damaged file of a kind and nothing.

    Returns
    -------
    str or None
        'source_table', 'papers', 'corpus', 'region', or None; `why_not` says why.

    Examples
    --------
    >>> detect_text(b"name,ra,dec,hard_hs", "a.txt"), detect_text(b'{"bibcode": "2023arXiv230500019B"}', "a")
    ('source_table', 'papers')
    >>> detect_text(b"To do: buy milk", "notes.csv") is None
    True
    """
    head = head[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf")
    if encoding := wide_encoding(head):
        head = head.decode(encoding, "replace").encode()
    if looks_like_source_table(head):
        return "source_table"
    if looks_like_corpus(head):
        return "corpus"
    if looks_like_papers(head):
        return "papers"
    if looks_like_regions(head.decode("utf-8", "replace")):
        return "region"
    return _meant_as(head, name)


def why_not(head: bytes, name: str) -> str:
    """Say in a few words what a file of no kind looks like.

    Examples
    --------
    >>> why_not(b"<!DOCTYPE html><html>", "index.html")
    'an HTML page'
    >>> why_not(b"a,b,c", "a.csv").startswith("a table without columns of the Chandra Source Catalog")
    True
    """
    for found, what in (
        (not head.strip(), "an empty file"),
        (_HTML.match(head), "an HTML page"),
        (b"\0" in head, "a binary file of no known format"),
        (head.lstrip()[:1] in {b"{", b"["}, "JSON without bibcodes and without event lists"),
        (head.lstrip()[:1] == b"<", "XML that is no VOTable"),
    ):
        if found:
            return what
    names = _header_names(head)
    if len(names) >= _MINIMUM_COLUMNS and name.lower().endswith((".csv", ".tsv", ".txt", ".dat")):
        return f"a table without columns of the Chandra Source Catalog ({JOINS_AS_IT_IS}): {', '.join(names[:6])}"
    return "text of no known format"


def looks_like_source_table(head: bytes) -> bool:
    r"""Tell a VOTable, a csccli answer, Parquet, or delimited text with columns of the catalog.

    Examples
    --------
    >>> looks_like_source_table(b"# made by hand\nobsid,region_id,theta\n943,3,0.4\n")
    True
    """
    if head.startswith(b"PAR1") or re.match(
        rb"\s*(<\?xml[^>]*\?>\s*)?(<!--.*?-->\s*)*<(\w+:)?VOTABLE", head, re.DOTALL
    ):
        return True
    if head.lstrip().startswith(b"#Column") or head.lstrip()[:2000].startswith(b"# Column\t"):
        return True
    return names_sources(_header_names(head))


def looks_like_papers(head: bytes) -> bool:
    """Tell ADS records in JSON, or BibTeX.

    Examples
    --------
    >>> looks_like_papers(b"@ARTICLE{2020A&A...633A...1X,"), looks_like_papers(b"[1, 2]")
    (True, False)
    """
    if head.lstrip()[:1] in {b"{", b"["}:
        return bool(_BIBCODE.search(head) or _ADS_ENVELOPE.search(head[:2000]) or _ADS_EXPORT.search(head[:2000]))
    return bool(_BIBTEX.search(head))


def looks_like_corpus(head: bytes) -> bool:
    """Tell JSON detections with event lists.

    Examples
    --------
    >>> looks_like_corpus(b'[{"obsid": 943, "event_list": [[0.0, 1200.0]]}]')
    True
    """
    return head.lstrip()[:1] in {b"{", b"["} and b'"obsid"' in head and bool(_PHOTONS.search(head))


def _meant_as(head: bytes, name: str) -> str | None:
    """Tell what a damaged file was meant to be, so that its reader can say what is wrong."""
    suffix = f".{name.lower().rpartition('.')[2]}"
    if _SERVICE_ERROR.search(head[:4000]):
        return "source_table"
    if _HTML.match(head) or _CONFLICT.search(head):
        return _KINDS_BY_SUFFIX.get(suffix)
    return None


def _header_names(head: bytes) -> list[str]:
    """Return the column names of a text table: of its first line that is no comment, or of its last comment."""
    if format_ := ascii_format(head):
        return [n.decode("utf-8", "replace").strip(" '\"") for n in _NAMES_IN[format_].findall(head)]
    lines = [line.strip() for line in head.decode("utf-8", "replace").splitlines()[:2000]]
    comments = [line for line in lines if line.startswith("#")]
    body = [line for line in lines if line and not line.startswith(("#", "<<<<<<<"))]
    for line in (*body[:1], *(c.lstrip("# ") for c in comments[-1:])):
        delimiter = max("\t,;|", key=line.count)
        names = [n.strip().strip('"') for n in line.split(delimiter)][:5000]
        if len(names) >= _MINIMUM_COLUMNS and names_sources(names):
            return names
    return [n.strip() for n in body[0].split(max("\t,;|", key=body[0].count))] if body else []


_NAMES_IN = {
    "ascii.ecsv": re.compile(rb"^#\s*- \{?name: ([^,}\n]+)", re.MULTILINE),
    "ascii.ipac": re.compile(rb"(?<=\|)[ \t]*([^|\s]+)[ \t]*(?=\|)"),
    "ascii.mrt": re.compile(rb"^[ \d-]*\d[ \t]+[AIFED][\d.]+[ \t]+\S+[ \t]+(\S+)", re.MULTILINE),
}
"""Where the names of columns stand in tables that say themselves what they are."""
