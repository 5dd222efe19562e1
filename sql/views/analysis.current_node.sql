-- The nodes of the newest network run with what the catalog measured of them: one row per observation and threshold.
-- columns:
--   run_id {meta.id} Run: analysis.run
--   threshold {stat.value;stat.min} Least similarity of an edge
--   id {meta.id} Detection; the source's name where rows are sources
--   name {meta.id;src} Its source
--   otype {src.class} Object type; '(none)' where nothing is known
--   degree {meta.number} Edges
--   balanced_degree Degree if all types were equally common
--   core_number Largest k of a k-core that it is in
--   coreness 1 for the most central
--   isolated {meta.code} Without any edge
--   hard_hs {phot.color} Hardness ratio of hard and soft band; NULL where rows are sources
--   var_prob_b {stat.probability} Probability that it varies; NULL where rows are sources
--   n_papers {meta.number} Papers about the source: lit.confident_link
CREATE VIEW analysis.current_node AS
WITH paper AS (SELECT name, count(*) AS n_papers FROM lit.confident_link GROUP BY name)
SELECT n.run_id, n.threshold, n.id, n.name, n.otype, n.degree, n.balanced_degree, n.core_number, n.coreness, n.isolated,
  o.hard_hs, o.var_prob_b, coalesce(p.n_papers, 0) AS n_papers
FROM analysis.node AS n
LEFT JOIN csc.observation_source AS o ON o.detection_id = n.id
LEFT JOIN paper AS p ON p.name = n.name
WHERE n.run_id = (SELECT max(run_id) FROM analysis.graph);
