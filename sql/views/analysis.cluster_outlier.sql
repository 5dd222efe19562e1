-- What fits its cluster least, in the current clustering of each space: noise, and rows among the farthest 2 % of their
-- cluster that are also more than twice as far as usual. Farthest first.
-- columns:
--   space Embedding space
--   id {meta.id} detection_id; of sources their name
--   name {meta.id;src} Source
--   cluster {meta.number} Cluster; -1 for noise
--   distance Distance to the cluster's mean over the cluster's usual one
--   cluster_rank {meta.number} 1 for the farthest of its cluster
--   run_id {meta.id} Run it belongs to: analysis.run
CREATE VIEW analysis.cluster_outlier AS
SELECT space, id, name, cluster, distance, row_number() OVER of_cluster AS cluster_rank, run_id
FROM analysis.current_cluster
WINDOW of_cluster AS (PARTITION BY space, cluster ORDER BY distance DESC, id)
QUALIFY cluster < 0 OR (cluster_rank <= 0.02 * count(*) OVER (PARTITION BY space, cluster) AND distance > 2)
ORDER BY space, distance DESC, id;
