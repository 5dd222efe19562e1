"""csc.*: the Chandra Source Catalog, CSC's own names and columns to the letter.

How the merged tables are written: a row that a reader yields for csc.master_source or csc.observation_source
is a *partial* row. Its key says whom it is about; NULL says nothing (it never erases); `extra` adds its
entries to those of other files; `standing` says how much its file counts; `file_ids` names the file. So a table of
positions, one of hardness ratios and one of SIMBAD types become one row per source, in whatever order they arrive.
Where two files both have a value, the one of the higher standing holds. Releases are never mixed in a row:
`catalog.store.merging` says how.
"""

from __future__ import annotations

from catalog.schema.columns import BOOL, EXTRA, FLOAT64, INT16, INT32, INT64, LONGS, TEXT, Column
from catalog.schema.csc_columns import MASTER_SOURCE, POSITION
from catalog.schema.csc_detections import OBSERVATION_SOURCE
from catalog.schema.table import Table

OWN_FILE, LIST = 1000, 8
"""Standings: what a file of the catalog's own service has more than others; below how many a table is only a list."""

_ORIGIN = (
    Column(
        "standing",
        INT16,
        f"How much the best file that gave the row counts: how many of the catalog's columns it has, and {OWN_FILE:,} "
        "more for a file of the catalog's own service; NULL for rows of an older store",
        ucd="meta.code.qual",
    ),
    Column("release", TEXT, "CSC release: 2.0 or 2.1; NULL where neither file nor user says", ucd="meta.version"),
    Column("extra", EXTRA, "What the table says in columns that are not CSC's, as text"),
    Column("file_ids", LONGS, "Files that gave the row: meta.file", ucd="meta.id"),
)
_NAME = Column("name", TEXT, "CSC source name, '2CXO J...'; a trailing X marks an extended source", ucd="meta.id;src")

CSC: tuple[Table, ...] = (
    Table(
        "csc.master_source",
        "One row per source: the catalog's best estimate from all observations",
        ("name",),
        (_NAME, *MASTER_SOURCE, *_ORIGIN),
        writing="merge",
    ),
    Table(
        "csc.observation_source",
        "One row per detection of a source in one observation",
        ("detection_id",),
        (
            Column(
                "detection_id", TEXT, "obsid.obi.region_id; '-' and the source's name where unknown", ucd="meta.id;src"
            ),
            *OBSERVATION_SOURCE,
            *_ORIGIN,
        ),
        writing="merge",
    ),
    Table(
        "csc.classification",
        "One row per statement of a type: who says what of which source or detection",
        ("file_id", "row"),
        (
            Column("file_id", INT64, "File the row came from: meta.file", ucd="meta.id"),
            Column("row", INT64, "Statement's number in the file, from 0", ucd="meta.number"),
            Column("name", TEXT, "Source the statement is about, '2CXO J...'", ucd="meta.id;src"),
            Column("obsid", INT32, "Observation, where the statement is about a detection", ucd="meta.id;obs"),
            Column("obi", INT16, "Observation interval number", ucd="meta.id;obs"),
            Column("region_id", INT32, "Detection region identifier", ucd="meta.id;src"),
            Column(
                "authority",
                TEXT,
                "Who says so: simbad, literature, umlcaxs, axia and others; file where it is not told",
            ),
            Column("otype", TEXT, "The type as the authority spells it", ucd="src.class"),
            Column("class", TEXT, "The authority's coarser class, where it has one", ucd="src.class"),
            Column("main_id", TEXT, "The object's name with that authority", ucd="meta.id;src"),
            Column("separation_arcsec", FLOAT64, "Distance to that object", "arcsec", "pos.angDistance"),
            Column("reference", TEXT, "Bibcode of the paper that says so, or how the table cites it", ucd="meta.bib"),
            Column("predicted", BOOL, "True where a model predicted the type: never truth", ucd="meta.code"),
            Column("probability", FLOAT64, "Probability the model gives it", ucd="stat.probability"),
            *POSITION,
            Column("extra", EXTRA, "What else the authority says of the object, as text"),
        ),
    ),
)
