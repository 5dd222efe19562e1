"""meta.*: what the store knows of itself."""

from __future__ import annotations

from catalog.schema.columns import BOOL, DOUBLES, FLOAT64, INT32, INT64, TEXT, TEXTS, TIME, Column, Table

META: tuple[Table, ...] = (
    Table(
        "meta.file",
        "One row per file ever met: the ledger that makes a second refresh do nothing",
        ("file_id",),
        (
            Column("file_id", INT64, "63 bits of the hash of the path", ucd="meta.id"),
            Column("path", TEXT, "Path or URL", ucd="meta.ref;meta.file"),
            Column("sha256", TEXT, "Hash of the content, decompressed; NULL where it could not be read"),
            Column("kind", TEXT, "events, spectrum, arf, rmf, light_curve, source_table, papers, corpus, other"),
            Column("bytes", INT64, "Size on disk", "byte"),
            Column("mtime_ns", INT64, "Modification time, nanoseconds since 1970", "ns"),
            Column("status", TEXT, "loaded, duplicate, skipped, failed, or stale (to be read again)"),
            Column("n_rows", INT64, "Rows read from it", ucd="meta.number"),
            Column("flags", TEXTS, "What is missing in it or was done to it: no_energy, unsorted_time, ..."),
            Column("error", TEXT, "Why it failed or was skipped, and what to do; of which file it is a duplicate"),
            Column("loaded_at", TIME, "When it was read (UTC)"),
        ),
        writing="internal",
    ),
    Table(
        "meta.state",
        "One row per thing a store remembers of itself: versions of views and macros, whether links are up to date",
        ("name",),
        (
            Column("name", TEXT, "A view or macro, '*' for all definitions together, or 'links'", ucd="meta.id"),
            Column("value", TEXT, "Fingerprint of the definition; of the links that of their rules, or 'stale'"),
        ),
        writing="internal",
    ),
    Table(
        "meta.snapshot_name",
        "One row per snapshot that has a name: it never expires, and `--snapshot NAME` asks it",
        ("name",),
        (
            Column("name", TEXT, "The name, as a paper may cite it", ucd="meta.id"),
            Column("snapshot", INT64, "The snapshot's number", ucd="meta.version"),
        ),
        writing="internal",
    ),
    Table(
        "meta.source",
        "One row per place data come from: what a bare `python -m ingest` refreshes",
        ("kind", "specification"),
        (
            Column("kind", TEXT, "files, csc or ads"),
            Column("specification", TEXT, "A path, or a query as JSON"),
            Column("release", TEXT, "CSC release the user gave for it"),
            Column("added_at", TIME, "When it was first named (UTC)"),
            Column("refreshed_at", TIME, "When it was last refreshed to the end (UTC)"),
        ),
        writing="internal",
    ),
    Table(
        "meta.encoder",
        "One row per trained encoder",
        ("encoder_id",),
        (
            Column("encoder_id", TEXT, "Space, model and hash of the weights", ucd="meta.id"),
            Column("space", TEXT, "Embedding space it writes"),
            Column("modality", TEXT, "spectrum, events, text, properties"),
            Column("version", INT32, "Counts up within a space", ucd="meta.version"),
            Column("dim", INT32, "Dimensions of its vectors"),
            Column("configuration", TEXT, "JSON"),
            Column("weights_sha256", TEXT, "Hash of the weights file in models/"),
            Column("snapshot", INT64, "Snapshot it was trained on; NULL of one that came with the program"),
            Column("seed", INT64, "Seed of the training"),
            Column("loss_curve", DOUBLES, "Validation loss per epoch"),
            Column("validation_error", FLOAT64, "Error on held-out sources"),
            Column("current", BOOL, "Whether the space's vectors are to come from this one"),
            Column("trained_at", TIME, "When training ended (UTC)"),
        ),
        writing="internal",
    ),
    Table(
        "meta.space",
        "One row per embedding space: the pin that makes two stores one truth",
        ("space",),
        (
            Column("space", TEXT, "Name of the space and of its table in vectors/"),
            Column("lance_version", INT64, "Version of the Lance table this snapshot sees"),
            Column("encoder_id", TEXT, "Current encoder"),
            Column("n_vectors", INT64, "Vectors at this version", ucd="meta.number"),
            Column("dim", INT32, "Dimensions of its vectors"),
            Column("index_kind", TEXT, "Index for searches with exact := false; NULL without one"),
            Column("index_metric", TEXT, "Metric it was built for: cosine, l2 or dot"),
            Column("index_recall", FLOAT64, "Share of the true ten nearest it found when it was built", ucd="stat.fit"),
            Column("next_version", INT64, "While another encoder takes over: version of its vectors so far"),
            Column("next_encoder_id", TEXT, "That encoder"),
            Column("next_n_vectors", INT64, "Vectors it has made so far", ucd="meta.number"),
        ),
        writing="internal",
    ),
    Table(
        "meta.embedded",
        "One row per row that an encoder has met: which input its vector was made from, or why it has none",
        ("space", "id", "encoder_id"),
        (
            Column("space", TEXT, "Embedding space"),
            Column(
                "id", TEXT, "detection_id or bibcode; spectrum_id of a spectrum that is of no detection", ucd="meta.id"
            ),
            Column("name", TEXT, "Source the detection belongs to; the bibcode of a paper", ucd="meta.id;src"),
            Column("encoder_id", TEXT, "Encoder", ucd="meta.id"),
            Column("input_sha256", TEXT, "Hash of what it read"),
            Column("skipped", TEXT, "Why there is no vector; NULL where there is one", ucd="meta.note"),
        ),
        writing="internal",
        order=("space", "id"),
    ),
)
