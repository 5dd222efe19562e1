-- The current clustering of each space: members of its newest run, one row per detection (or source) and space.
-- columns:
--   space Embedding space
--   id {meta.id} detection_id; of sources their name
--   name {meta.id;src} Source
--   cluster {meta.number} Cluster; -1 for noise
--   distance Distance to the cluster's mean over the cluster's usual one: about 1
--   map_x {pos.cartesian.x} First principal component of the scaled vectors
--   map_y {pos.cartesian.y} Second one
--   run_id {meta.id} Run it belongs to: analysis.run
--   algorithm The algorithm that was chosen for the space, without labels
--   setting {meta.number} Number of clusters asked for; of hdbscan, the smallest number of rows in one
CREATE VIEW analysis.current_cluster AS
SELECT m.space, m.id, m.name, m.cluster, m.distance, m.map_x, m.map_y, m.run_id, s.algorithm, s.setting
FROM analysis.cluster_member AS m
LEFT JOIN analysis.cluster_selection AS s ON s.run_id = m.run_id AND s.features = m.space AND s.best_of_features
WHERE (m.space, m.run_id) IN (SELECT (space, max(run_id)) FROM analysis.cluster_member GROUP BY space);
