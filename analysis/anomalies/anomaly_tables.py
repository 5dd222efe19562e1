"""analysis.*: the most unusual detections of a space."""

from __future__ import annotations

from analysis.study.run_tables import RUN_ID, interval_columns
from catalog.schema.columns import BOOL, FLOAT64, INT32, TEXT, TEXTS, Column, Table

_DETECTION = Column("detection_id", TEXT, "Detection", ucd="meta.id;src")
_NAME = Column("name", TEXT, "Its source, '2CXO J...'", ucd="meta.id;src")
_SPACE = Column("space", TEXT, "Embedding space", ucd="meta.id")
_DETECTORS = "isolation_forest, lof (local outlier factor), knn_distance (to the 20th neighbour)"

_ANOMALY = Table(
    "analysis.anomaly",
    "One row per detection of a space: how anomalous it is among those of other sources, and what may explain it",
    ("run_id", "detection_id"),
    (
        RUN_ID,
        _SPACE,
        _DETECTION,
        _NAME,
        Column("obsid", INT32, "Observation identifier", ucd="meta.id;obs"),
        Column("rank", INT32, "1 for the most anomalous", ucd="meta.number"),
        Column("score", FLOAT64, "Mean of the three shares, 0 to 1", ucd="stat.value"),
        Column("isolation_forest", FLOAT64, "Score of the isolation forest (Liu et al. 2008)", ucd="stat.value"),
        Column("lof", FLOAT64, "Local outlier factor (Breunig et al. 2000), 1 for the usual", ucd="stat.value"),
        Column("knn_distance", FLOAT64, "Distance to the 20th neighbour in the space", ucd="stat.value"),
        Column("isolation_forest_share", FLOAT64, "Share of detections less anomalous to the forest", ucd="stat.rank"),
        Column("lof_share", FLOAT64, "Share of detections with a lower factor", ucd="stat.rank"),
        Column("knn_distance_share", FLOAT64, "Share of detections with nearer neighbours", ucd="stat.rank"),
        Column("hard_hs", FLOAT64, "Hardness ratio of hard and soft band", ucd="phot.flux;arith.ratio"),
        Column("otype", TEXT, "What the source is said to be", ucd="src.class"),
        Column("authority", TEXT, "Who says so", ucd="meta.curation"),
        Column("predicted", BOOL, "True where a model predicted it: never truth", ucd="meta.code"),
        Column("warnings", TEXTS, "Saturation, streak, edges, confusion, dither, pile-up, other columns than usual"),
        Column("extremes", TEXTS, "Physical columns in which it is extreme among the detections judged, with robust z"),
        Column("counts_per_frame", FLOAT64, "Counts per ACIS frame; above some 0.1 photons pile up on axis", "count"),
        Column("neighbours", TEXTS, "Nearest detections of other sources, nearest first"),
        Column("bibcodes", TEXTS, "Newest papers about the source", ucd="meta.bib.bibcode"),
    ),
    writing="internal",
)
_AGREEMENT = Table(
    "analysis.anomaly_agreement",
    "One row per pair of detectors: whether they rank detections alike",
    ("run_id", "detector", "other_detector"),
    (
        RUN_ID,
        _SPACE,
        Column("detector", TEXT, _DETECTORS),
        Column("other_detector", TEXT, "Another one"),
        *interval_columns(Column("spearman", FLOAT64, "Rank correlation", ucd="stat.correlation")),
        Column("kendall", FLOAT64, "Kendall's tau", ucd="stat.correlation"),
        Column("shuffled_spearman", FLOAT64, "Control: with the scores of other sources", ucd="stat.correlation"),
    ),
    writing="internal",
)
_INJECTION = Table(
    "analysis.anomaly_injection",
    "One row per hidden class, detector and space: how many of a rare class, hidden among common ones, come out on top",
    ("run_id", "space", "hidden_class", "detector"),
    (
        RUN_ID,
        _SPACE,
        Column("hidden_class", TEXT, "The rare class", ucd="src.class"),
        Column("detector", TEXT, f"{_DETECTORS}, or the mean of their shares"),
        *interval_columns(
            Column("precision", FLOAT64, "Share of the hidden ones among the k most anomalous", ucd="stat.value"),
            "95 % of the draws of sources",
        ),
        *interval_columns(
            Column(
                "difference",
                FLOAT64,
                "Precision less that of properties in the same draws",
                ucd="stat.value;arith.diff",
            ),
            "95 % of the draws",
        ),
        Column("chance", FLOAT64, "Precision of a random order", ucd="stat.value"),
        Column("k", INT32, "Hidden sources", ucd="meta.number"),
        Column("n_background", INT32, "Common sources around them", ucd="meta.number"),
        Column("n_draws", INT32, "Draws", ucd="meta.number"),
    ),
    writing="internal",
)

TABLES: tuple[Table, ...] = (_ANOMALY, _AGREEMENT, _INJECTION)
