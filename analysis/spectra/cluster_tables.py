"""analysis.*: clusters, classes and formulas of the latent spaces."""

from __future__ import annotations

from analysis.study.run_tables import RUN_ID, interval_columns
from catalog.schema.columns import BOOL, FLOAT64, INT32, INT64, TEXT, Column, Table

_TASK = Column("task", TEXT, "What is told apart: eight, nine, agn (analysis.class_map), or a grouping as it was given")
_FEATURES = Column("features", TEXT, "What the rows are described by: an embedding space, or a baseline")
_BASELINE = Column(
    "is_baseline", BOOL, "True where nobody asked for it: it is there to be compared with", ucd="meta.code"
)
_ALGORITHM = Column("algorithm", TEXT, "kmeans, gmm, agglomerative, hdbscan")
_SETTING = Column(
    "setting", INT32, "Number of clusters; of hdbscan, the smallest number of rows in one", ucd="meta.number"
)
_MAPPING = Column("mapping", TEXT, "one-to-one or many-to-one: how clusters stand for classes", ucd="meta.code")
_ROWS = Column("rows_are", TEXT, "detections or sources", ucd="meta.code")
_CHOSEN = Column(
    "chosen",
    TEXT,
    "'without labels' (least BIC, greatest silhouette, greatest stability), 'with labels' (best within the fitting "
    "half), 'both'; NULL for the others. What is best within the fitting half is chosen anew in each split: the row "
    "named here is that of the first split, and its scores are those of the choices",
    ucd="meta.code",
)
_N_SPLITS = Column("n_splits", INT32, "Splits of the sources that the score is the mean of", ucd="meta.number")
_N_TRAININGS = Column(
    "n_trainings",
    INT32,
    "Trainings of the encoder, with other seeds, that the splits take turns with; 1 where the store has no other",
    ucd="meta.number",
)


_ACCURACY = (
    *interval_columns(
        Column("balanced_accuracy", FLOAT64, "Mean of the classes' recalls, on sources that nothing was fitted to")
    ),
    Column(
        "control_mean",
        FLOAT64,
        "The same with labels of other sources, mean of the shuffles",
        ucd="stat.value;stat.mean",
    ),
    Column("control_high", FLOAT64, "97.5 % quantile of the shuffles", ucd="stat.value;stat.max"),
)
_GAIN = interval_columns(
    Column(
        "gain",
        FLOAT64,
        "Balanced accuracy minus that of the hardness ratios on the same rows, paired: of their clustering that is "
        "chosen in the same way, with or without labels, among the same algorithms; of a probe, of the same probe",
    )
)
_SAMPLE = (
    Column("n_classes", INT32, "Classes told apart", ucd="meta.number"),
    Column("n_rows", INT64, "Rows with a class", ucd="meta.number"),
    Column("n_sources", INT64, "Their sources", ucd="meta.number"),
)

TABLES: tuple[Table, ...] = (
    Table(
        "analysis.cluster_score",
        "One row per task, features, clustering and mapping: what clusters know of classes, with control and gain",
        ("run_id", "rows_are", "task", "features", "algorithm", "setting", "mapping"),
        (
            RUN_ID,
            _ROWS,
            _TASK,
            _FEATURES,
            _BASELINE,
            _ALGORITHM,
            _SETTING,
            _MAPPING,
            *_ACCURACY,
            *_GAIN,
            _CHOSEN,
            Column(
                "n_chosen", INT32, "In how many of the splits it is best within the fitting half", ucd="meta.number"
            ),
            _N_SPLITS,
            Column("n_seeds", INT32, "Fits with other seeds that the splits take turns with", ucd="meta.number"),
            _N_TRAININGS,
            Column("selection", FLOAT64, "Balanced accuracy within the fitting half: what 'with labels' chooses by"),
            *interval_columns(Column("ari", FLOAT64, "Adjusted Rand index")),
            *interval_columns(Column("v_measure", FLOAT64, "V-measure")),
            Column("ami", FLOAT64, "Adjusted mutual information"),
            Column("n_clusters", INT32, "Clusters found, noise not counted", ucd="meta.number"),
            *_SAMPLE,
            Column("n_scored", INT64, "Rows of the scored half", ucd="meta.number"),
            Column("left_out", TEXT, "Classes of too few sources, with their number"),
        ),
        writing="internal",
    ),
    Table(
        "analysis.cluster_selection",
        "One row per features and clustering: what can be told of it without any label",
        ("run_id", "rows_are", "features", "algorithm", "setting"),
        (
            RUN_ID,
            _ROWS,
            _FEATURES,
            _ALGORITHM,
            _SETTING,
            Column("n_clusters", INT32, "Clusters found, noise not counted", ucd="meta.number"),
            Column("noise_share", FLOAT64, "Share of the rows that are in no cluster"),
            Column("bic", FLOAT64, "Bayesian information criterion of a mixture, lower is better"),
            Column("silhouette", FLOAT64, "Mean silhouette of at most 1,500 rows, between -1 and 1"),
            Column("stability", FLOAT64, "Adjusted Rand index of two clusterings fitted to halves of the sources"),
            Column("best_of_algorithm", BOOL, "Chosen among its algorithm's, without labels", ucd="meta.code"),
            Column("best_of_features", BOOL, "Chosen among all of the features, without labels", ucd="meta.code"),
        ),
        writing="internal",
    ),
    Table(
        "analysis.contingency",
        "One row per class and cluster of every chosen clustering of every run: counts of the scored half. Of one "
        "clustering: analysis.chosen_contingency; as a matrix: contingency()",
        ("run_id", "rows_are", "task", "features", "algorithm", "setting", "mapping", "class", "cluster"),
        (
            RUN_ID,
            _ROWS,
            _TASK,
            _FEATURES,
            _ALGORITHM,
            _SETTING,
            _MAPPING,
            Column("class", TEXT, "Class", ucd="src.class"),
            Column("cluster", INT32, "Cluster; -1 for noise", ucd="meta.number"),
            Column("n_rows", INT64, "Rows of the class in the cluster", ucd="meta.number"),
            Column("share", FLOAT64, "Share of the class's rows"),
            Column("stands_for", TEXT, "Class the cluster stands for; NULL for none", ucd="src.class"),
            _CHOSEN,
        ),
        writing="internal",
    ),
    Table(
        "analysis.class_recall",
        "One row per class of the chosen clusterings and of every probe: how much of the class is found",
        ("run_id", "rows_are", "task", "features", "method", "mapping", "class"),
        (
            RUN_ID,
            _ROWS,
            _TASK,
            _FEATURES,
            Column("method", TEXT, "Algorithm and setting, or the probe"),
            _MAPPING,
            Column("class", TEXT, "Class", ucd="src.class"),
            *interval_columns(Column("recall", FLOAT64, "Share of the class's rows that are told right")),
            Column("control_mean", FLOAT64, "The same with labels of other sources", ucd="stat.value;stat.mean"),
            Column("n_rows", INT64, "Rows of the class that are scored", ucd="meta.number"),
        ),
        writing="internal",
    ),
    Table(
        "analysis.probe_score",
        "One row per task, features and classifier trained on labels: what the features allow, in cross-validation "
        "in which no source is on both sides",
        ("run_id", "rows_are", "task", "features", "probe"),
        (
            RUN_ID,
            _ROWS,
            _TASK,
            _FEATURES,
            _BASELINE,
            Column("probe", TEXT, "logistic (multinomial) or forest"),
            *_ACCURACY,
            *_GAIN,
            *_SAMPLE,
            Column("n_folds", INT32, "Folds of a cross-validation; n_splits of these are made", ucd="meta.number"),
            _N_SPLITS,
            _N_TRAININGS,
        ),
        writing="internal",
    ),
    Table(
        "analysis.baseline_gain",
        "One row per task, features, method and baseline: balanced accuracy minus the baseline's, on the same rows",
        ("run_id", "rows_are", "task", "features", "method", "mapping", "baseline"),
        (
            RUN_ID,
            _ROWS,
            _TASK,
            _FEATURES,
            Column("method", TEXT, "'clusters, with labels', 'clusters, without labels', or the probe"),
            _MAPPING,
            Column(
                "baseline",
                TEXT,
                "hardness ratios; the same with log counts; five colours, of fluxes that the response is taken out of; "
                "the same with log counts; PCA-8 of spectra; a space that is there and was not asked for",
            ),
            *interval_columns(
                Column(
                    "gain",
                    FLOAT64,
                    "Balanced accuracy minus that of the baseline, whose clustering is chosen the same way",
                )
            ),
        ),
        writing="internal",
    ),
    Table(
        "analysis.cluster_member",
        "One row per row of the store and space: its cluster in the clustering chosen without labels",
        ("run_id", "space", "id"),
        (
            RUN_ID,
            Column("space", TEXT, "Embedding space"),
            Column("id", TEXT, "detection_id; of sources their name", ucd="meta.id"),
            Column("name", TEXT, "Source", ucd="meta.id;src"),
            Column("cluster", INT32, "Cluster; -1 for noise", ucd="meta.number"),
            Column("distance", FLOAT64, "Distance to the cluster's mean over the cluster's usual one: about 1"),
            Column("map_x", FLOAT64, "First principal component of the scaled vectors", ucd="pos.cartesian.x"),
            Column("map_y", FLOAT64, "Second one", ucd="pos.cartesian.y"),
        ),
        writing="internal",
    ),
    Table(
        "analysis.formula",
        "One row per target and formula of its Pareto front: how well it does on sources it was not fitted to",
        ("run_id", "direction", "target", "complexity"),
        (
            RUN_ID,
            Column("space", TEXT, "Embedding space"),
            Column("direction", TEXT, "'latent from columns' or 'column from latents'", ucd="meta.code"),
            Column("target", TEXT, "What the formula gives: z0, z1, ... or a column"),
            Column("complexity", INT32, "Nodes of the formula", ucd="meta.number"),
            Column("formula", TEXT, "Simplified, with the units of what goes in", ucd="meta.note;meta.modelled"),
            Column("units", TEXT, "Unit of each input, 'name [unit]'", ucd="meta.unit"),
            Column("r2_fitted", FLOAT64, "R2 on the half it was fitted to"),
            *interval_columns(Column("r2", FLOAT64, "R2 on the other half")),
            *interval_columns(Column("linear_r2", FLOAT64, "R2 of a linear model of all inputs, on the other half")),
            *interval_columns(Column("gain", FLOAT64, "R2 minus that of the linear model, paired")),
            Column(
                "control_mean", FLOAT64, "R2 of formulas fitted to shuffled targets, mean", ucd="stat.value;stat.mean"
            ),
            Column("control_high", FLOAT64, "97.5 % quantile, or the greatest of few", ucd="stat.value;stat.max"),
            Column(
                "chosen",
                BOOL,
                "The one for the target: the simplest that cannot be told from the best, or is within .01 of it",
            ),
            Column("found", BOOL, "R2's interval lies above the shuffled targets' and above 0", ucd="meta.code"),
            Column("n_rows", INT64, "Rows", ucd="meta.number"),
            Column("n_sources", INT64, "Their sources", ucd="meta.number"),
        ),
        writing="internal",
    ),
    Table(
        "analysis.association",
        "One row per latent dimension and column: how they go together, with p-values corrected for their number",
        ("run_id", "space", "dimension", "column_name"),
        (
            RUN_ID,
            Column("space", TEXT, "Embedding space"),
            Column("dimension", INT32, "Dimension of the vector, from 0", ucd="meta.number"),
            Column("column_name", TEXT, "Column of csc.observation_source"),
            *interval_columns(Column("spearman", FLOAT64, "Rank correlation")),
            Column("spearman_p", FLOAT64, "p-value from permuted sources", ucd="stat.probability"),
            Column("spearman_q", FLOAT64, "The same corrected for all pairs (Benjamini & Hochberg)"),
            Column(
                "mutual_information",
                FLOAT64,
                "Mutual information of ranks in 8 bins in nats, bias of permutations removed",
            ),
            Column("mutual_information_p", FLOAT64, "p-value from permuted sources", ucd="stat.probability"),
            Column("mutual_information_q", FLOAT64, "The same corrected for all pairs (Benjamini & Hochberg)"),
            Column("n_rows", INT64, "Rows where the column is not NULL", ucd="meta.number"),
        ),
        writing="internal",
    ),
)
