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
CREATE VIEW analysis.current_cluster AS
SELECT space, id, name, cluster, distance, map_x, map_y, run_id
FROM analysis.cluster_member
WHERE (space, run_id) IN (SELECT (space, max(run_id)) FROM analysis.cluster_member GROUP BY space);
