-- Neighbours of detections as the newest run has them, and whether they stay when photons are drawn anew: one row per
-- detection and space. Join it on detection_id, and keep what is stable.
-- columns:
--   detection_id {meta.id;src} Detection
--   space {meta.id} Embedding space; of the aligned one the side: aligned/data, aligned/both
--   stability {stat.value} Mean share of its neighbours that stay
--   k {meta.number} Neighbours
--   n_resamples {meta.number} How often its photons were drawn
--   neighbours {meta.id} Detections of other sources, nearest first
--   run_id {meta.id} Run: analysis.run
CREATE VIEW analysis.neighbour_stability AS
SELECT detection_id, space, stability, k, n_resamples, neighbours, run_id
FROM analysis.neighbour
WHERE stability IS NOT NULL
QUALIFY run_id = max(run_id) OVER (PARTITION BY space);
