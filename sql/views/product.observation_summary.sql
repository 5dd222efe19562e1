-- Observations and what the store holds of them, one row per obsid and obi.
-- columns:
--   obsid {meta.id;obs} Observation identifier
--   obi {meta.id;obs} Observation interval number; NULL where no file tells
--   instrument {meta.id;instr} ACIS or HRC
--   grating {meta.id;instr} NONE, HETG or LETG
--   object {meta.id;src} Target as the observer named it
--   date_obs {time.start;obs} Start of the observation (TT)
--   exposure_s [s] {time.duration;obs.exposure} EXPOSURE: good time less dead time
--   n_files {meta.number} Product files in the store
--   n_field_events {meta.number} Photons of the whole field: of the better event file, both of interleaved ones
--   n_region_files {meta.number} Detections with a region event file
--   n_spectra {meta.number} Source spectra
--   n_light_curves {meta.number} Light curve files
--   n_detections {meta.number} Detections in csc.observation_source
CREATE VIEW product.observation_summary AS
WITH held AS (
  SELECT obsid,
    CASE WHEN min(obi) OVER same = max(obi) OVER same THEN min(obi) OVER same ELSE obi END AS obi,
    kind, region_id, detection_id, file_id
  FROM product.header
  WHERE obsid IS NOT NULL
  WINDOW same AS (PARTITION BY obsid)
),
-- As product.detection_region chooses the files of a detection.
better AS (
  SELECT obsid, obi, sum(n_rows)::BIGINT AS n_rows
  FROM (
    SELECT h.obsid, h.obi, e.n_rows,
      row_number() OVER (PARTITION BY h.obsid, h.obi, e.interleaved ORDER BY e.rank) = 1 AND (e.interleaved IS NULL)
        = first_value(e.interleaved IS NULL) OVER (PARTITION BY h.obsid, h.obi ORDER BY e.rank) AS is_better
    FROM held AS h JOIN product.event_file AS e ON e.file_id = h.file_id
    WHERE h.region_id IS NULL
  )
  WHERE is_better
  GROUP BY obsid, obi
),
counted AS (
  SELECT h.obsid, h.obi,
    count(DISTINCT coalesce(h.detection_id, h.file_id::VARCHAR))
      FILTER (h.kind = 'events' AND h.region_id IS NOT NULL) AS n_region_files,
    coalesce(sum(s.n), 0)::BIGINT AS n_spectra,
    count(*) FILTER (h.kind = 'light_curve') AS n_light_curves
  FROM held AS h
  LEFT JOIN (
    SELECT file_id, count(*) AS n FROM product.spectrum WHERE role IS DISTINCT FROM 'background' GROUP BY file_id
  ) AS s ON s.file_id = h.file_id
  GROUP BY h.obsid, h.obi
),
detected AS (
  SELECT o.obsid, o.obi, count(*) AS n_detections
  FROM product.observation AS o
  JOIN csc.observation_source AS d ON d.obsid = o.obsid
  WHERE d.obi = o.obi OR d.obi IS NULL OR o.obi IS NULL
  GROUP BY o.obsid, o.obi
)
SELECT o.obsid, o.obi, o.instrument, o.grating, o.object, o.date_obs, o.exposure_s, o.n_files,
  coalesce(b.n_rows, 0) AS n_field_events, c.n_region_files, c.n_spectra, c.n_light_curves, coalesce(d.n_detections, 0) AS n_detections
FROM product.observation AS o
JOIN counted AS c ON c.obsid = o.obsid AND c.obi IS NOT DISTINCT FROM o.obi
LEFT JOIN better AS b ON b.obsid = o.obsid AND b.obi IS NOT DISTINCT FROM o.obi
LEFT JOIN detected AS d ON d.obsid = o.obsid AND d.obi IS NOT DISTINCT FROM o.obi;
