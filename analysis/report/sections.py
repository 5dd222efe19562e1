"""Which studies the report shows, in order, and by which tables."""

from __future__ import annotations

from analysis.report.studies import Asked, Study

STUDIES: tuple[Study, ...] = (
    Study(
        "regress",
        "What photons and papers tell of a source",
        "Mean absolute errors on unseen sources, predicting a column of the catalog from the papers about a source, "
        "from its photons, or from both. Gain: error of the better single one less that of both; an interval that "
        "holds zero says that both are no better than one.",
        "python -m analysis regress",
        (
            Asked(
                "Text, data, both: the learner is the best on validation sources",
                "SELECT column_name AS variable, unit, masked AS masked_texts, mae_text AS text, mae_data AS data, "
                "mae_both AS both, gain, gain_low, gain_high, round(100 * relative_gain, 1) AS percent "
                "FROM analysis.regression_gain WHERE run_id = $run AND learner = 'selected' ORDER BY masked, variable",
            ),
            Asked(
                "Every representation, beside the controls",
                "SELECT column_name AS variable, representation, learner, mae, mae_low, mae_high, dim, n_test "
                "FROM analysis.regression WHERE run_id = $run AND selected AND NOT masked ORDER BY variable, mae",
                60,
            ),
        ),
    ),
)
