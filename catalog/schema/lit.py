"""lit.*: papers, and which sources they are about."""

from __future__ import annotations

from catalog.schema.columns import FLOAT64, INT32, LONGS, TEXT, TEXTS, Column, Table

_BIBCODE = Column("bibcode", TEXT, "ADS bibliographic code", ucd="meta.bib.bibcode")
_NAME = Column("name", TEXT, "CSC source name, '2CXO J...'", ucd="meta.id;src")

LIT: tuple[Table, ...] = (
    Table(
        "lit.paper",
        "One row per paper",
        ("bibcode",),
        (
            _BIBCODE,
            Column("title", TEXT, "Title", ucd="meta.title"),
            Column("abstract", TEXT, "Abstract", ucd="meta.abstract"),
            Column("author", TEXTS, "Authors, 'Family, Given'", ucd="meta.bib.author"),
            Column("year", INT32, "Year of publication", "yr", "time.publiYear"),
            Column("pubdate", TEXT, "Date of publication as ADS has it, '2023-05-00'"),
            Column("bibstem", TEXT, "Journal: ApJ, MNRAS, arXiv, ...", ucd="meta.bib.journal"),
            Column("doctype", TEXT, "article, eprint, proposal, ..."),
            Column("doi", TEXT, "Digital object identifier", ucd="meta.ref.doi"),
            Column("identifier", TEXTS, "Other identifiers: arXiv, alternate bibcodes"),
            Column("keyword", TEXTS, "Keywords", ucd="meta.curation"),
            Column("citation_count", INT32, "Citations when the record was fetched", ucd="meta.number"),
            Column("file_ids", LONGS, "Files that gave the row: meta.file"),
        ),
        writing="merge",
    ),
    Table(
        "lit.paper_source",
        "One row per link between a paper and a source, with how it was made",
        ("bibcode", "name", "method"),
        (
            _BIBCODE,
            _NAME,
            Column("method", TEXT, "How the link was made: class reference, ADS object query, name in abstract, ..."),
            Column("confidence", FLOAT64, "Between 0 and 1; used from 0.5 on, and where NULL", ucd="stat.probability"),
            Column("evidence", TEXT, "What the text says: the name, position or observation that was found in it"),
            Column("file_ids", LONGS, "Files the link came from: meta.file"),
        ),
        writing="merge",
    ),
)
