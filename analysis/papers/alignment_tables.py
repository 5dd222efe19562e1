"""analysis.*: photons and papers in one space: retrieval, regression, neighbours."""

from __future__ import annotations

from analysis.study.run_tables import RUN_ID, interval_columns
from catalog.schema.columns import BOOL, DOUBLES, FLOAT64, INT32, TEXT, TEXTS, Column, Table

_COLUMN = Column("column_name", TEXT, "Column of csc.observation_source that is predicted", ucd="meta.id")
_UNIT = Column("unit", TEXT, "Unit of the errors; dex where the logarithm is predicted", ucd="meta.unit")
_MASKED = Column("masked", BOOL, "True where texts had no numbers, classes, or words of the quantity", ucd="meta.code")
_N_SPLITS = Column(
    "n_splits", INT32, "Splits into what is learned from, chosen by and judged on, that it is the mean of"
)
_N_TRAININGS = Column("n_trainings", INT32, "Trainings of the alignment that the splits take turns with")
_DETECTION = Column("detection_id", TEXT, "Detection", ucd="meta.id;src")
_NAME = Column("name", TEXT, "Its source, '2CXO J...'", ucd="meta.id;src")
_K = Column("k", INT32, "Neighbours of each detection, all of other sources", ucd="meta.number")

_REGRESSION = Table(
    "analysis.regression",
    "One row per column, representation and learner: how well the column is predicted for unseen sources",
    ("run_id", "column_name", "representation", "learner", "masked"),
    (
        RUN_ID,
        _COLUMN,
        Column(
            "representation",
            TEXT,
            "text, data, both, aligned/..., a space, properties (columns that do not contain the predicted one) and "
            "subsets of it, properties/kin (a ceiling, no baseline); experts: predictions of text and data, weighed; "
            "median, shuffled: controls",
        ),
        Column("learner", TEXT, "knn (k = 3), ridge or boosting"),
        _MASKED,
        *interval_columns(
            Column("mae", FLOAT64, "Mean absolute error on the test sources, each counting once", ucd="stat.error")
        ),
        Column("validation_mae", FLOAT64, "The same on the validation sources, by which is chosen", ucd="stat.error"),
        _UNIT,
        Column("selected", BOOL, "True for the learner with the lowest validation error of its representation"),
        Column("best", BOOL, "True for the lowest validation error of the column: what a mixture of experts takes"),
        Column("left_out", TEXTS, "Catalog columns that were left out because they contain the predicted one"),
        Column("dim", INT32, "Numbers per detection", ucd="meta.number"),
        Column("n_training", INT32, "Detections that were learned from", ucd="meta.number"),
        Column("n_validation", INT32, "Detections that were chosen by", ucd="meta.number"),
        Column("n_test", INT32, "Detections that were judged on", ucd="meta.number"),
        Column("n_test_sources", INT32, "Their sources", ucd="meta.number"),
        _N_SPLITS,
        _N_TRAININGS,
    ),
    writing="internal",
)
_GAIN = Table(
    "analysis.regression_gain",
    "One row per column and learner: what both modalities together gain over the better single one, on the same rows",
    ("run_id", "column_name", "learner", "masked"),
    (
        RUN_ID,
        _COLUMN,
        Column("learner", TEXT, "knn, ridge, boosting; selected: for each modality the best on validation; experts"),
        _MASKED,
        Column("mae_text", FLOAT64, "Mean absolute error from the papers alone", ucd="stat.error"),
        Column("mae_data", FLOAT64, "Mean absolute error from the photons alone", ucd="stat.error"),
        Column("mae_both", FLOAT64, "Mean absolute error from both side by side", ucd="stat.error"),
        *interval_columns(
            Column(
                "gain", FLOAT64, "Error of the better single modality less that of both", ucd="stat.error;arith.diff"
            )
        ),
        Column(
            "relative_gain",
            FLOAT64,
            "Gain as a share of the error of the better single one",
            ucd="stat.value;arith.ratio",
        ),
        _UNIT,
        _N_SPLITS,
        _N_TRAININGS,
    ),
    writing="internal",
)


_RETRIEVAL = Table(
    "analysis.retrieval",
    "One row per direction and metric: whether vectors of unseen sources find the papers about them, and back",
    ("run_id", "direction", "answer", "metric"),
    (
        RUN_ID,
        Column("direction", TEXT, "data to text, or text to data"),
        Column("answer", TEXT, "own: the source itself; shared paper: any source that shares a paper, the best"),
        Column(
            "metric",
            TEXT,
            "recall_1, recall_5: among the first 1 and 5 per cent; median_rank; relative_median_rank: as a share of "
            "all; mrr: mean reciprocal rank",
        ),
        *interval_columns(Column("value", FLOAT64, "The metric; equals share their ranks", ucd="stat.value")),
        *interval_columns(
            Column(
                "shuffled", FLOAT64, "Control: with data and texts of different sources, mean of 20", ucd="stat.value"
            ),
            "95 % of the shuffles",
        ),
        *interval_columns(
            Column(
                "lookup",
                FLOAT64,
                "Baseline without learning: exposures that papers state, looked up among livetimes; NULL where none "
                "states one",
                ucd="stat.value",
            )
        ),
        Column("chance", FLOAT64, "What a random order gives; NULL where answers are several", ucd="stat.value"),
        Column("n_queries", INT32, "Sources that were asked with; of the space's own alignment", ucd="meta.number"),
        Column("n_candidates", INT32, "Sources that were ranked", ucd="meta.number"),
        Column(
            "n_trainings",
            INT32,
            "Trainings of the alignment, each asked of the sources that it held out; 1 where the store has no other",
            ucd="meta.number",
        ),
    ),
    writing="internal",
)
_NEIGHBOUR = Table(
    "analysis.neighbour",
    "One row per detection and space: its neighbours, and whether they stay when its photons are drawn anew",
    ("run_id", "space", "detection_id"),
    (
        RUN_ID,
        Column(
            "space", TEXT, "Embedding space; of the aligned one the side: aligned/data, /text, /both", ucd="meta.id"
        ),
        _DETECTION,
        _NAME,
        _K,
        Column("neighbours", TEXTS, "Detections of other sources, nearest first", ucd="meta.id"),
        Column("distances", DOUBLES, "Their cosine distances"),
        Column(
            "stability",
            FLOAT64,
            "Mean share of the neighbours that stay when the photons are drawn from themselves with replacement and "
            "encoded again; NULL in spaces that are not made of photons",
            ucd="stat.value",
        ),
        Column("n_resamples", INT32, "How often they were drawn", ucd="meta.number"),
    ),
    writing="internal",
)
_SPREAD = Table(
    "analysis.neighbour_spread",
    "One row per space and quantity: how alike neighbours are in it, beside random sets and before the alignment",
    ("run_id", "space", "quantity"),
    (
        RUN_ID,
        Column("space", TEXT, "Embedding space; of the aligned one the side", ucd="meta.id"),
        Column(
            "quantity",
            TEXT,
            "Column of csc.observation_source (standard deviation; of the logarithm where it spans decades), papers "
            "(mean cosine distance between the sources' texts), topics (clusters of papers that occur)",
        ),
        Column("spread", FLOAT64, "Mean over the detections of the spread among their neighbours", ucd="stat.stdev"),
        Column("random_spread", FLOAT64, "Control: the same among as many detections drawn at random"),
        *interval_columns(
            Column(
                "ratio",
                FLOAT64,
                "Spread over that of random sets; below 1 neighbours are alike",
                ucd="stat.value;arith.ratio",
            )
        ),
        *interval_columns(
            Column("difference", FLOAT64, "Ratio less that of the data space before the alignment; below 0 is tighter")
        ),
        _K,
        Column("n_detections", INT32, "Detections, of sources that the alignment has not seen", ucd="meta.number"),
    ),
    writing="internal",
)

TABLES: tuple[Table, ...] = (_RETRIEVAL, _NEIGHBOUR, _SPREAD, _REGRESSION, _GAIN)
