"""analysis.run and analysis.model: what every study leaves; and the columns that tables of studies have in common.

Each room declares the tables of its study beside it. Entry points of the group `photonlake.tables` name these modules,
and `catalog.schema` reads them: it knows no science.
"""

from __future__ import annotations

from catalog.schema.columns import FLOAT64, INT32, INT64, TEXT, TEXTS, TIME, Column, Table

RUN_ID = Column("run_id", INT64, "Run it belongs to: analysis.run", ucd="meta.id")


def interval_columns(value: Column, of: str = "its 95 % interval over sources") -> tuple[Column, Column, Column]:
    """Return a column and the two ends of its interval.

    Parameters
    ----------
    value : Column
    of : str
        What the ends are of.

    Examples
    --------
    >>> [c.name for c in interval_columns(Column("gain", FLOAT64, "What is gained"))]
    ['gain', 'gain_low', 'gain_high']
    >>> [c.name for c in interval_columns(Column("value", FLOAT64, "The metric"))]
    ['value', 'low', 'high']
    """
    stem = "" if value.name == "value" else f"{value.name}_"
    ucd = value.ucd if value.ucd == "stat.error" else "stat.value"
    return (
        value,
        Column(f"{stem}low", value.type, f"Lower end of {of}", ucd=f"{ucd};stat.min"),
        Column(f"{stem}high", value.type, f"Upper end of {of}", ucd=f"{ucd};stat.max"),
    )


TABLES: tuple[Table, ...] = (
    Table(
        "analysis.run",
        "One row per run of an analysis: what was asked, of which snapshot, and with which seed",
        ("run_id",),
        (
            Column("run_id", INT64, "Counts up with every run", ucd="meta.id"),
            Column("kind", TEXT, "Which analysis: cluster, symbolic, retrieve, regress, anomalies, network, ..."),
            Column("parameters", TEXT, "What was asked, JSON"),
            Column("seed", INT64, "Seed of all that is drawn"),
            Column("snapshot", INT64, "Snapshot that was read"),
            Column("input_sha256", TEXT, "Hash of what was read: the same question of the same data is one run"),
            Column("n_rows", INT64, "Rows that were read", ucd="meta.number"),
            Column("n_sources", INT64, "Sources they belong to", ucd="meta.number"),
            Column("n_simulated", INT64, "Those of them that are simulated", ucd="meta.number"),
            Column("seconds", FLOAT64, "How long it took", "s", "time.duration"),
            Column("figures", TEXTS, "Figures, as paths within the store"),
            Column("version", TEXT, "Version of photonlake"),
            Column("finished_at", TIME, "When it ended (UTC)"),
        ),
        writing="internal",
    ),
    Table(
        "analysis.model",
        "One row per model that a run left for SQL: what cluster_of(), predict_...() and anomaly_score() answer with",
        ("run_id", "function", "space"),
        (
            RUN_ID,
            Column("function", TEXT, "SQL function it serves: cluster_of, predict_hard_hs, anomaly_score"),
            Column("space", TEXT, "Embedding space whose vectors it takes"),
            Column("dim", INT32, "Dimensions of those vectors"),
            Column("encoder_id", TEXT, "Encoder that made the vectors it learned from", ucd="meta.id"),
            Column("configuration", TEXT, "JSON"),
            Column("weights_sha256", TEXT, "Hash of the weights file in models/"),
        ),
        writing="internal",
    ),
)
