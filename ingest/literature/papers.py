"""Papers as ADS gives them: API answers, JSON lines, JSON lists, BibTeX with abstracts -> lit.paper."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO
from urllib.parse import unquote

import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.identifiers import is_source_name
from catalog.tables import TABLES
from ingest.content import FileName, Flag, Rows
from ingest.json_records import Answer, Json, Record, read_json_records
from ingest.literature.bibtex import Entry, parse_bibtex, plain
from ingest.tables.tabular import HeadStream

BATCH_PAPERS = 5_000
MAX_BIBTEX_BYTES = 512 << 20
SOURCES_FIELD = "photonlake_sources"
"""Of a record that photonlake fetched: CSC sources for which ADS answered it."""

_METHOD = "ADS object query"
_BIBCODE = re.compile(r"^\d{4}\S{15}$")
_IN_URL = re.compile(r"/abs/([^/\s}]+)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BIBSTEMS = {"\\apj": "ApJ", "\\apjl": "ApJL", "\\apjs": "ApJS", "\\aj": "AJ", "\\mnras": "MNRAS", "\\aap": "A&A"}
_BIBSTEMS |= {
    "\\aaps": "A&AS",
    "\\araa": "ARA&A",
    "\\pasp": "PASP",
    "\\pasj": "PASJ",
    "\\nat": "Natur",
    "\\ssr": "SSRv",
}
_YEAR = re.compile(r"\d{4}")

Paper = dict[str, object]


def read_papers(stream: BinaryIO, file: FileName) -> Iterator[Rows | Flag]:
    r"""Read papers from what ADS answers or exports.

    Parameters
    ----------
    stream : binary file
        An ADS API answer, a JSON list or JSON lines of records, or BibTeX.
    file : FileName

    Yields
    ------
    Rows
        For lit.paper; a bibcode stands once in a batch, and in a later batch when the file repeats it. For
        lit.paper_source, where a record says for which sources ADS answered it.
    Flag
        Repeated bibcodes (the last record holds); records left out for want of a bibcode.

    Raises
    ------
    UnreadableFile
        If it is none of these, or an error of the service.

    Examples
    --------
    >>> import io
    >>> line = b'{"bibcode": "2023arXiv230500019B", "title": ["Jets"], "year": "2023"}\n'
    >>> rows = next(read_papers(io.BytesIO(line), FileName.of("a.jsonl")))
    >>> rows.batch["title"].to_pylist(), rows.batch["year"].to_pylist()
    (['Jets'], [2023])
    """
    head = HeadStream(stream)
    start = head.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise UnreadableFile("papers", "an empty file", "fetch the file again")
    if start[:1] in b"[{":
        papers = _of_json(head)
    elif re.search(rb"@\s*\w+\s*[{(]", start):
        papers = (_of_entry(e) for e in parse_bibtex(_text(head)))
    else:
        what = "an HTML page" if start[:1] == b"<" else repr(start[:30].decode("latin-1"))
        raise UnreadableFile("papers: JSON records or BibTeX", what, "export them from ADS again")
    yield from _rows(papers, file)


def _rows(papers: Iterator[Paper], file: FileName) -> Iterator[Rows | Flag]:
    block: dict[str, Paper] = {}
    seen: set[str] = set()
    n_papers = n_nameless = n_repeated = 0
    for paper in papers:
        n_papers += 1
        bibcode = paper.get("bibcode")
        if not isinstance(bibcode, str) or not bibcode:
            n_nameless += 1
            continue
        n_repeated += bibcode in seen
        seen.add(bibcode)
        block.pop(bibcode, None)
        block[bibcode] = paper | {"file_ids": [file.file_id]}
        if len(block) == BATCH_PAPERS:
            yield from _batches(block)
            block = {}
    if block:
        yield from _batches(block)
    if n_papers and n_nameless == n_papers:
        raise UnreadableFile("records with a bibcode", f"none in {n_papers:,}", "ask ADS for the field bibcode")
    if not n_papers:
        yield Flag("no papers")
    if n_repeated:
        yield Flag(f"repeated bibcodes, the last record was kept: {n_repeated:,}")
    if n_nameless:
        yield Flag(f"records left out, without a bibcode: {n_nameless:,}")


def _batches(block: Mapping[str, Paper]) -> Iterator[Rows]:
    papers = list(block.values())
    yield Rows("lit.paper", pa.RecordBatch.from_pylist(papers, TABLES["lit.paper"].schema))
    links = [
        {"bibcode": p["bibcode"], "name": name, "method": _METHOD, "confidence": None, "file_ids": p["file_ids"]}
        for p in papers
        if isinstance(names := p.get(SOURCES_FIELD), list)
        for name in dict.fromkeys(map(str, names))
        if is_source_name(name)
    ]
    if links:
        yield Rows("lit.paper_source", pa.RecordBatch.from_pylist(links, TABLES["lit.paper_source"].schema))


def _of_json(stream: HeadStream) -> Iterator[Paper]:
    for record in read_json_records(stream, ("response", "docs")):
        if isinstance(record, Answer):
            error = record.get("error")
            message = error.get("msg") if isinstance(error, dict) else error
            raise UnreadableFile(
                "papers", f"an answer without records: {str(message or record)[:200]!r}", "ask ADS again"
            )
        yield _of_record(record)


def _of_record(record: Record) -> Paper:
    """Take an ADS record: lists where ADS has lists, absent fields absent."""
    year = _words(record.get("year"))
    citations = record.get("citation_count")
    return {
        "bibcode": _one(record.get("bibcode")),
        "title": _words(record.get("title")),
        "abstract": _one(record.get("abstract")),
        "author": _many(record.get("author")),
        "year": int(year) if year and _YEAR.fullmatch(year) else None,
        "pubdate": _one(record.get("pubdate")),
        "bibstem": _one(record.get("bibstem")),
        "doctype": _one(record.get("doctype")),
        "doi": _one(record.get("doi")),
        "identifier": _many(record.get("identifier")),
        "keyword": _many(record.get("keyword")),
        SOURCES_FIELD: _many(record.get(SOURCES_FIELD)),
        "citation_count": citations if isinstance(citations, int) and 0 <= citations < 1 << 31 else None,
    }


def _many(value: Json) -> list[str] | None:
    values = value if isinstance(value, list) else [value]
    return [str(v).strip() for v in values if isinstance(v, str | int | float) and str(v).strip()] or None


def _one(value: Json) -> str | None:
    values = _many(value)
    return values[0] if values else None


def _words(value: Json) -> str | None:
    return " ".join(_many(value) or []) or None


def _text(stream: HeadStream) -> str:
    pieces, size = [], 0
    while piece := stream.read(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BIBTEX_BYTES:
            raise UnreadableFile("a BibTeX file of at most 512 MB", "a larger one", "split it, or export JSON")
    raw = b"".join(pieces)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # BibTeX is older than UTF-8


def _of_entry(entry: Entry) -> Paper:
    """Take a BibTeX entry: ADS writes the bibcode as its key, and in its address."""
    fields = entry.fields
    bibcode = entry.key if _BIBCODE.match(entry.key) else None
    if bibcode is None and (match := _IN_URL.search(fields.get("adsurl", ""))):
        address = unquote(match[1])
        bibcode = address if _BIBCODE.match(address) else None
    year = _YEAR.search(fields.get("year", ""))
    month = fields.get("month", "")[:3].lower()
    journal = fields.get("journal", "").strip()
    eprint = fields.get("eprint", "").strip()
    return {
        "bibcode": bibcode,
        "title": plain(fields.get("title", "")) or None,
        "abstract": plain(fields.get("abstract", "")) or None,
        "author": [a for name in re.split(r"\s+and\s+", fields.get("author", "")) if (a := plain(name))] or None,
        "year": int(year[0]) if year else None,
        "pubdate": f"{year[0]}-{_MONTHS.index(month) + 1 if month in _MONTHS else 0:02d}-00" if year else None,
        "bibstem": _BIBSTEMS.get(journal) or plain(journal.lstrip("\\")) or None,
        "doctype": entry.kind,
        "doi": plain(fields.get("doi", "")) or None,
        "identifier": [f"arXiv:{eprint}" if "/" not in eprint else eprint] if eprint else None,
        "keyword": [k for word in fields.get("keywords", "").split(",") if (k := plain(word))] or None,
    }
