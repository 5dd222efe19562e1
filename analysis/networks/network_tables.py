"""analysis.*: variable sources as similarity graphs."""

from __future__ import annotations

from analysis.study.run_tables import RUN_ID, interval_columns
from catalog.schema.columns import BOOL, FLOAT64, INT32, INT64, TEXT, TEXTS, Column, Table

_THRESHOLD = Column("threshold", FLOAT64, "Least similarity of an edge", ucd="stat.value;stat.min")
_WOOLF = "its 95 % interval (Woolf 1955), each source counting once"
_P = "Two-sided p-value of odds of 1, by the same error"
_Q = (
    "The p-value corrected for the number of all odds ratios of the run, plain and balanced (Benjamini & Hochberg 1995)"
)
_TYPE = Column("otype", TEXT, "Object type; '(none)' where nothing is known", ucd="src.class")

TABLES: tuple[Table, ...] = (
    Table(
        "analysis.graph",
        "One row per threshold of a network run: the graph as a whole, and what chance would give",
        ("run_id", "threshold"),
        (
            RUN_ID,
            _THRESHOLD,
            Column("n_nodes", INT32, "Observations", ucd="meta.number"),
            Column("n_edges", INT64, "Pairs at least so similar", ucd="meta.number"),
            Column("density", FLOAT64, "Share of all pairs that are edges", ucd="stat.value"),
            Column("n_isolated", INT32, "Nodes without any edge", ucd="meta.number"),
            Column("n_components", INT32, "Connected components, isolated nodes among them", ucd="meta.number"),
            Column("giant_share", FLOAT64, "Share of nodes in the largest component", ucd="stat.value"),
            Column("mean_clustering", FLOAT64, "Mean local clustering coefficient (Watts & Strogatz 1998)"),
            Column("core_periphery", FLOAT64, "Correlation of edges with the best c_i c_j (Borgatti & Everett 2000)"),
            Column(
                "core_periphery_null", FLOAT64, "Its mean over graphs of the same degrees", ucd="stat.value;stat.mean"
            ),
            Column("core_periphery_null_std", FLOAT64, "Its standard deviation over them", ucd="stat.stdev"),
            Column("core_periphery_z", FLOAT64, "Standard deviations above that mean", ucd="stat.snr"),
            Column("core_periphery_p", FLOAT64, "One-sided p-value against them", ucd="stat.probability"),
            Column("weighted_core_periphery", FLOAT64, "The same of similarities; those below 0 count as 0"),
            Column(
                "weighted_core_periphery_null",
                FLOAT64,
                "Its mean over graphs of the same degrees, the same similarities at other edges",
                ucd="stat.value;stat.mean",
            ),
            Column("weighted_core_periphery_z", FLOAT64, "Standard deviations above that mean", ucd="stat.snr"),
            Column("weighted_core_periphery_p", FLOAT64, "One-sided p-value against them", ucd="stat.probability"),
            Column("assortativity", FLOAT64, "By type, among typed nodes (Newman 2003, equation 2)"),
            Column(
                "assortativity_null", FLOAT64, "Its mean over graphs of the same degrees", ucd="stat.value;stat.mean"
            ),
            Column("assortativity_z", FLOAT64, "Standard deviations above that mean", ucd="stat.snr"),
            Column("assortativity_p", FLOAT64, "One-sided p-value against them", ucd="stat.probability"),
            Column(
                "assortativity_shuffled_p",
                FLOAT64,
                "One-sided p-value against types of other sources: observations of one source have alike neighbours",
                ucd="stat.probability",
            ),
            Column("n_sharing_papers", INT64, "Edges between sources that share a paper", ucd="meta.number"),
            Column("assortativity_not_sharing", FLOAT64, "Assortativity by type without the edges that share a paper"),
            Column("n_null", INT32, "Graphs of the same degrees; 0 where the graph is too large", ucd="meta.number"),
            Column("null_swapped", FLOAT64, "Share of edges of the null graphs that are not in this one"),
            Column(
                "high_degree",
                FLOAT64,
                "From this degree on a node counts as of high degree",
                ucd="stat.value;stat.median",
            ),
        ),
        writing="internal",
    ),
    Table(
        "analysis.node",
        "One row per observation and threshold of a network run",
        ("run_id", "threshold", "id"),
        (
            RUN_ID,
            _THRESHOLD,
            Column("id", TEXT, "Detection; the source's name where rows are sources", ucd="meta.id"),
            Column("name", TEXT, "Its source, '2CXO J...'", ucd="meta.id;src"),
            _TYPE,
            Column("degree", INT32, "Edges", ucd="meta.number"),
            Column("strength", FLOAT64, "Sum of their similarities"),
            Column("balanced_degree", FLOAT64, "Degree if all types were equally common"),
            Column("component", INT32, "Connected component, 1 for the largest", ucd="meta.id"),
            Column("core_number", INT32, "Largest k of a k-core that it is in (Seidman 1983)"),
            Column(
                "clustering", FLOAT64, "Share of its neighbours' pairs that are edges; of sampled pairs in large graphs"
            ),
            Column("betweenness", FLOAT64, "Share of shortest paths through it; from sampled starts in large graphs"),
            Column("coreness", FLOAT64, "c_i of the core-periphery score, 1 for the most central"),
            Column("weighted_coreness", FLOAT64, "c_i of the weighted core-periphery score, 1 for the most central"),
            Column("isolated", BOOL, "Without any edge", ucd="meta.code"),
        ),
        writing="internal",
        order=("run_id", "threshold"),
    ),
    Table(
        "analysis.edge",
        "One row per edge of a network run: all pairs above its lowest threshold",
        ("run_id", "id_1", "id_2"),
        (
            RUN_ID,
            Column("id_1", TEXT, "One node; before the other in the alphabet", ucd="meta.id"),
            Column("id_2", TEXT, "The other", ucd="meta.id"),
            Column("similarity", FLOAT64, "Cosine, or the combination of several spaces' cosines"),
        ),
        writing="internal",
        order=("run_id",),
    ),
    Table(
        "analysis.degree_by_type",
        "One row per object type and threshold of a network run: low and high degree, and the odds of it",
        ("run_id", "threshold", "otype"),
        (
            RUN_ID,
            _THRESHOLD,
            _TYPE,
            Column("n", INT32, "Nodes of the type", ucd="meta.number"),
            Column("n_sources", INT32, "Their sources", ucd="meta.number"),
            Column("low", INT32, "Of low degree: below analysis.graph.high_degree", ucd="meta.number"),
            Column("high", INT32, "Of high degree", ucd="meta.number"),
            Column("share_high", FLOAT64, "High over all", ucd="stat.value"),
            Column("mean_degree", FLOAT64, "Mean degree of the type", ucd="stat.value;stat.mean"),
            *interval_columns(
                Column(
                    "odds_ratio",
                    FLOAT64,
                    "Odds of high degree over those of all other nodes, half a node added to each",
                ),
                _WOOLF,
            ),
            Column("odds_ratio_p", FLOAT64, _P, ucd="stat.probability"),
            Column("odds_ratio_q", FLOAT64, _Q, ucd="stat.probability"),
            Column(
                "expected_degree", FLOAT64, "Control: mean degree if types differed in nothing but how common they are"
            ),
            *interval_columns(
                Column("balanced_odds_ratio", FLOAT64, "The same odds by balanced degree: class size taken out"), _WOOLF
            ),
            Column("balanced_odds_ratio_p", FLOAT64, _P, ucd="stat.probability"),
            Column("balanced_odds_ratio_q", FLOAT64, _Q, ucd="stat.probability"),
            Column(
                "shuffled_odds_ratio",
                FLOAT64,
                "Control: with the types of other sources; far from 1 where cells are so small that the half rules",
                ucd="stat.value;stat.mean",
            ),
            Column("published_low", INT32, "Nodes of low degree in the published table", ucd="meta.number"),
            Column("published_high", INT32, "Nodes of high degree in it", ucd="meta.number"),
            *interval_columns(
                Column("published_odds_ratio", FLOAT64, "Its odds of high degree over those of its other types"),
                "its 95 % interval (Woolf 1955), each observation counting once",
            ),
        ),
        writing="internal",
    ),
    Table(
        "analysis.threshold_sweep",
        "One row per threshold of a network run's sweep: how the graph, and the ranking of its nodes, changes with it",
        ("run_id", "threshold"),
        (
            RUN_ID,
            _THRESHOLD,
            Column("n_edges", INT64, "Edges", ucd="meta.number"),
            Column("density", FLOAT64, "Share of all pairs that are edges"),
            Column("n_isolated", INT32, "Nodes without any edge", ucd="meta.number"),
            Column("giant_share", FLOAT64, "Share of nodes in the largest component"),
            *interval_columns(
                Column(
                    "spearman",
                    FLOAT64,
                    "Rank correlation of degrees with the reference threshold",
                    ucd="stat.correlation",
                )
            ),
            Column("reference", FLOAT64, "The reference: the middle one of the run's thresholds"),
        ),
        writing="internal",
    ),
    Table(
        "analysis.rare_precision",
        "One row per rare type, way of looking for it and number looked at: do loners hold more of it than chance?",
        ("run_id", "threshold", "otype", "method", "k"),
        (
            RUN_ID,
            _THRESHOLD,
            _TYPE,
            Column("method", TEXT, "low degree, low coreness, both, or anomaly"),
            Column(
                "k", INT32, "Typed nodes looked at: as many as there are of the type, 10, 25, 100", ucd="meta.number"
            ),
            Column("n", INT32, "Nodes of the type", ucd="meta.number"),
            *interval_columns(Column("precision", FLOAT64, "Share of the type among them", ucd="stat.value")),
            *interval_columns(
                Column("chance", FLOAT64, "Control: share of the type among typed nodes", ucd="stat.value"),
                "95 % of random choices of k nodes",
            ),
        ),
        writing="internal",
    ),
    Table(
        "analysis.loner",
        "One row per node of lowest degree of a network run: what is nearest to it, and what is known of it",
        ("run_id", "id"),
        (
            RUN_ID,
            Column("rank", INT32, "1 for the loneliest", ucd="meta.number"),
            Column("id", TEXT, "Detection, or source", ucd="meta.id"),
            Column("name", TEXT, "Its source", ucd="meta.id;src"),
            _TYPE,
            Column("degree", INT32, "Edges at the lowest threshold", ucd="meta.number"),
            Column("greatest_similarity", FLOAT64, "To the most similar node of another source, edge or not"),
            Column("neighbours", TEXTS, "Most similar nodes of other sources, edges or not, most similar first"),
            Column("neighbour_types", TEXTS, "Their object types", ucd="src.class"),
            Column("flags", TEXTS, "Catalog flags that may explain it"),
            Column("bibcodes", TEXTS, "Papers about the source", ucd="meta.bib.bibcode"),
        ),
        writing="internal",
    ),
)
