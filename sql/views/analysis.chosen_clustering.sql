-- The clustering that is chosen without labels, one row per embedding space or baseline: that of the newest run which
-- chose one. analysis.current_cluster has its members, analysis.chosen_contingency what its clusters know of classes.
-- columns:
--   features What the rows are described by: an embedding space, or a baseline
--   rows_are {meta.code} detections or sources
--   run_id {meta.id} Run it belongs to: analysis.run
--   algorithm kmeans, gmm, agglomerative, hdbscan
--   setting {meta.number} Number of clusters; of hdbscan, the smallest number of rows in one
--   n_clusters {meta.number} Clusters found, noise not counted
--   noise_share Share of the rows that are in no cluster
--   bic Bayesian information criterion of a mixture, lower is better
--   silhouette Mean silhouette, between -1 and 1
--   stability Adjusted Rand index of two clusterings fitted to halves of the sources
CREATE VIEW analysis.chosen_clustering AS
SELECT features, rows_are, run_id, algorithm, setting, n_clusters, noise_share, bic, silhouette, stability
FROM analysis.cluster_selection
WHERE best_of_features
QUALIFY run_id = max(run_id) OVER (PARTITION BY rows_are, features);
