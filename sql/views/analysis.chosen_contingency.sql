-- Classes against clusters of the chosen clustering (analysis.chosen_clustering), one row per features, task, mapping,
-- class and cluster: counts of the scored half. Nothing is mixed: of each features it is one run, algorithm and setting.
-- As a matrix: SELECT * FROM contingency('spectrum').
-- columns:
--   features What the rows are described by: an embedding space, or a baseline
--   rows_are {meta.code} detections or sources
--   task What is told apart: eight, nine, agn (analysis.class_map), or a grouping as it was given
--   mapping {meta.code} one-to-one or many-to-one: how clusters stand for classes
--   class {src.class} Class
--   cluster {meta.number} Cluster; -1 for noise
--   n_rows {meta.number} Rows of the class in the cluster
--   share Share of the class's rows
--   stands_for {src.class} Class the cluster stands for; NULL for none
--   algorithm kmeans, gmm, agglomerative, hdbscan
--   setting {meta.number} Number of clusters; of hdbscan, the smallest number of rows in one
--   run_id {meta.id} Run it belongs to: analysis.run
CREATE VIEW analysis.chosen_contingency AS
SELECT c.features, c.rows_are, c.task, c.mapping, c.class, c.cluster, c.n_rows, c.share, c.stands_for, c.algorithm,
  c.setting, c.run_id
FROM analysis.contingency AS c
SEMI JOIN analysis.chosen_clustering AS s ON s.run_id = c.run_id AND s.rows_are = c.rows_are AND s.features = c.features
  AND s.algorithm = c.algorithm AND s.setting = c.setting;
