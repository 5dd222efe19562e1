-- Sources and what the store holds of them, one row per source of csc.master_source or csc.observation_source.
-- columns:
--   name {meta.id;src} Source, '2CXO J...'
--   ra [deg] {pos.eq.ra;meta.main} Right ascension, ICRS; NULL where only detections are known
--   dec [deg] {pos.eq.dec;meta.main} Declination, ICRS; NULL where only detections are known
--   significance {stat.snr} Highest flux significance of all stacks and bands
--   n_detections {meta.number} Rows of csc.observation_source
--   n_observations {meta.number} Different ObsIDs of these
--   n_events {meta.number} Photons that the store has in its source regions: product.detection_event
--   n_spectra {meta.number} Source spectra of its detections
--   n_light_curves {meta.number} Light curve files of its detections
--   n_papers {meta.number} Papers about it: lit.confident_link
CREATE VIEW csc.source_summary AS
WITH source AS (
  -- Groupings, no joins: a condition on the name reaches both tables.
  SELECT name, any_value(ra) AS ra, any_value("dec") AS "dec", any_value(significance) AS significance,
    sum(n)::BIGINT AS n_detections, count(obsid) AS n_observations
  FROM (
    SELECT name, NULL AS ra, NULL AS "dec", NULL AS significance, obsid, count(*) AS n
    FROM csc.observation_source WHERE name IS NOT NULL GROUP BY name, obsid
    UNION ALL BY NAME
    SELECT name, ra, "dec", significance, 0 AS n FROM csc.master_source
  )
  GROUP BY name
),
photons AS (
  SELECT e.name, count(*) AS n_events
  FROM product.detection_event AS e WHERE e.in_source_region GROUP BY e.name
),
products AS (
  SELECT n.name, count(*) FILTER (p.kind = 'spectrum') AS n_spectra, count(*) FILTER (p.kind = 'curve') AS n_light_curves
  FROM (
    SELECT detection_id, 'spectrum' AS kind FROM product.spectrum WHERE role IS DISTINCT FROM 'background'
    UNION ALL
    SELECT detection_id, 'curve' FROM product.header WHERE kind = 'light_curve'
  ) AS p
  JOIN product.detection_name AS n ON n.detection_id = p.detection_id
  GROUP BY n.name
),
papers AS (
  SELECT p.name, count(*) AS n_papers FROM lit.confident_link AS p GROUP BY p.name
)
SELECT s.name, s.ra, s."dec", s.significance, s.n_detections, s.n_observations,
  coalesce(e.n_events, 0) AS n_events, coalesce(p.n_spectra, 0) AS n_spectra,
  coalesce(p.n_light_curves, 0) AS n_light_curves, coalesce(l.n_papers, 0) AS n_papers
FROM source AS s
LEFT JOIN photons AS e ON e.name = s.name
LEFT JOIN products AS p ON p.name = s.name
LEFT JOIN papers AS l ON l.name = s.name;
