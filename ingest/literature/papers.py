"""Papers as ADS gives them: API answers, JSON lines, JSON lists, BibTeX with abstracts -> lit.paper."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO
from urllib.parse import unquote

import pyarrow as pa

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from catalog.schema.identifiers import is_source_name
from ingest.json_records import Answer, Json, LeftOut, Record, read_json_records
from ingest.literature import markup
from ingest.literature.bibtex import Broken, Entry, parse_bibtex, plain
from ingest.readers import FileName, Flag, Rows
from ingest.tables.tabular import HeadStream

BATCH_PAPERS = 5_000
MAX_BIBTEX_BYTES = 64 << 20
SOURCES_FIELD = "photonlake_sources"
"""Of a record that photonlake fetched: CSC sources for which ADS answered it."""

_METHOD = "ADS object query"
_BIBCODE = re.compile(r"^\d{4}\S{15}$")
_IN_URL = re.compile(r"(?:abs/|bibcode=)(\d{4}[^/?#\s{}]{15})(?![^/?#&\s{}])")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile("|".join(_MONTHS), re.IGNORECASE)
_MONTH_NUMBER = re.compile(r"(?<!\d)(0?[1-9]|1[0-2])(?!\d)")
_NO_ABSTRACT = re.compile(
    r"[(\[]?\s*((the )?abstract (is )?)?not available\.?\s*[)\]]?|no abstract( is)?( available)?\.?|n\s?/\s?a|none",
    re.IGNORECASE,
)
_ENVELOPES = (("response", "docs"), ("docs",))
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
        papers = _of_bibtex(_text(head))
    else:
        what = "an HTML page" if start[:1] == b"<" else repr(start[:30].decode("latin-1"))
        raise UnreadableFile("papers: JSON records or BibTeX", what, "export them from ADS again")
    yield from _rows(papers, file)


def _rows(papers: Iterator[Paper | LeftOut], file: FileName) -> Iterator[Rows | Flag]:
    block: dict[str, Paper] = {}
    seen: set[str] = set()
    unread: list[LeftOut] = []
    n_papers = n_nameless = n_repeated = 0
    for paper in papers:
        if isinstance(paper, LeftOut):
            unread.append(paper)
            continue
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
    yield from _said(n_papers, n_nameless, n_repeated, unread)


def _said(n_papers: int, n_nameless: int, n_repeated: int, unread: Sequence[LeftOut]) -> Iterator[Flag]:
    """Say what is missing; refuse a file of which nothing could be taken."""
    if unread and not n_papers:
        raise UnreadableFile("records that can be read", unread[0].why, "look at that place, or fetch the file again")
    if n_papers and n_nameless == n_papers:
        raise UnreadableFile("records with a bibcode", f"none in {n_papers:,}", "ask ADS for the field bibcode")
    if not n_papers:
        yield Flag("no papers")
    if n_repeated:
        yield Flag(f"repeated bibcodes, the last record was kept: {n_repeated:,}")
    if n_nameless:
        yield Flag(f"records left out, without a bibcode: {n_nameless:,}")
    if unread:
        yield Flag(f"records left out, unreadable: {len(unread):,}, the first with {unread[0].why}")


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


def _of_json(stream: HeadStream) -> Iterator[Paper | LeftOut]:
    for record in read_json_records(stream, _ENVELOPES):
        if isinstance(record, LeftOut):
            yield record
        elif isinstance(record, Answer):
            yield from _of_answer(record)
        else:
            yield _of_record(record)


def _of_answer(answer: Answer) -> Iterator[Paper | LeftOut]:
    """Take what ADS answers in place of records: an export, which should be BibTeX, or an error."""
    exported = answer.get("export")
    if isinstance(exported, str) and (not exported.strip() or "@" in exported):
        yield from _of_bibtex(exported)
        return
    if exported is not None:
        raise UnreadableFile("an export in BibTeX", repr(str(exported)[:60]), "ask the export service for bibtexabs")
    error = answer.get("error")
    message = error.get("msg") if isinstance(error, dict) else error
    raise UnreadableFile("papers", f"an answer without records: {str(message or answer)[:200]!r}", "ask ADS again")


def _of_bibtex(text: str) -> Iterator[Paper | LeftOut]:
    for entry in parse_bibtex(text):
        if isinstance(entry, Broken):
            yield LeftOut(f"a BibTeX entry in line {entry.line} that does not end, or lacks a comma")
        else:
            yield _of_entry(entry)


def _of_record(record: Record) -> Paper:
    """Take an ADS record: lists where ADS has lists, absent fields absent."""
    year = _words(record.get("year"))
    citations = record.get("citation_count")
    return {
        "bibcode": _one(record.get("bibcode")),
        "title": _words(record.get("title")),
        "abstract": _abstract(_words(record.get("abstract"))),
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
    return [text for v in values if isinstance(v, str | int | float) and (text := markup.plain(str(v)))] or None


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
    year = _YEAR.search(fields.get("year", ""))
    journal = fields.get("journal", "").strip()
    eprint = fields.get("eprint", "").strip()
    return {
        "bibcode": _bibcode(entry),
        "title": _letters(fields.get("title", "")),
        "abstract": _abstract(_letters(fields.get("abstract", ""))),
        "author": [a for name in re.split(r"\s+and\s+", fields.get("author", "")) if (a := _letters(name))] or None,
        "year": int(year[0]) if year else None,
        "pubdate": f"{year[0]}-{_month(fields.get('month', '')):02d}-00" if year else None,
        "bibstem": _BIBSTEMS.get(journal) or _letters(journal.lstrip("\\")),
        "doctype": entry.kind,
        "doi": _letters(fields.get("doi", "")),
        "identifier": [f"arXiv:{eprint}" if "/" not in eprint else eprint] if eprint else None,
        "keyword": [k for word in fields.get("keywords", "").split(",") if (k := _letters(word))] or None,
    }


def _bibcode(entry: Entry) -> str | None:
    """Find the bibcode of an entry: its key, a field of its own, or an address of ADS."""
    said = (entry.key, entry.fields.get("bibcode", ""))
    addresses = (_addressed(entry.fields.get(name, "")) for name in ("adsurl", "url"))
    return next(filter(None, (*filter(_BIBCODE.match, said), *addresses)), None)


def _addressed(url: str) -> str | None:
    """Find the bibcode in an address of ADS, of today (/abs/...) or before (/#abs/..., ?bibcode=...), escaped too."""
    match = _IN_URL.search(unquote(url.replace("\\", "")))
    return match[1] if match else None


def _month(text: str) -> int:
    """Return the month that a name or a number says; 0 where none is said, as ADS has it."""
    if name := _MONTH.search(text):
        return _MONTHS.index(name[0].lower()) + 1
    number = _MONTH_NUMBER.search(text)
    return int(number[0]) if number else 0


def _letters(text: str) -> str | None:
    return markup.plain(plain(text)) or None


def _abstract(text: str | None) -> str | None:
    """Return an abstract; None for the words that ADS has in place of one."""
    return None if text is None or _NO_ABSTRACT.fullmatch(text) else text
