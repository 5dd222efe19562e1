-- Which classes the clusters of the current clustering hold, by authority, predictions and candidates left out: one
-- row per space, cluster, authority and class. A source counts once in each cluster that it has rows in.
-- columns:
--   space Embedding space
--   cluster {meta.number} Cluster; -1 for noise
--   authority {meta.curation} Who says what the sources are
--   class {src.class} The field's class: analysis.class_map
--   n_sources {meta.number} Sources of the class in the cluster
--   share_of_cluster Their share of the cluster's sources that have a class by this authority
--   share_of_class Their share of the class's sources that are in any cluster
--   enrichment Share of the cluster over the share among all clusters: 1 for a class that is as common here as elsewhere
--   run_id {meta.id} Run of the clustering: analysis.run
--   algorithm The algorithm that was chosen for the space, without labels
--   setting {meta.number} Its number of clusters; of hdbscan, the smallest number of rows in one
CREATE VIEW analysis.cluster_class_mix AS
WITH member AS (
  SELECT DISTINCT c.space, c.cluster, c.name, s.authority, s.class, c.run_id, c.algorithm, c.setting
  FROM analysis.current_cluster AS c JOIN analysis.authority_class AS s ON s.name = c.name
  WHERE s.class IS NOT NULL AND NOT s.predicted AND NOT s.candidate
),
counted AS (
  SELECT space, cluster, authority, class, run_id, algorithm, setting, count(*) AS n FROM member GROUP BY ALL
)
SELECT space, cluster, authority, class, n AS n_sources,
  n / sum(n) OVER (PARTITION BY space, authority, cluster) AS share_of_cluster,
  n / sum(n) OVER (PARTITION BY space, authority, class) AS share_of_class,
  (n / sum(n) OVER (PARTITION BY space, authority, cluster))
    / (sum(n) OVER (PARTITION BY space, authority, class) / sum(n) OVER (PARTITION BY space, authority)) AS enrichment,
  run_id, algorithm, setting
FROM counted
ORDER BY space, cluster, authority, n DESC, class;
