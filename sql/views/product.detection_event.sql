-- Photons of detections, no photon twice in one detection: all of the region event file where there is one, else
-- those of the whole field inside the source region, else of a corpus (product.detection_region says which and where).
-- A region file reaches far into the background: keep in_source_region for the source alone. Source regions of
-- neighbours can overlap, so that one photon may belong to two detections.
-- columns:
--   detection_id {meta.id;src} obsid.obi.region_id
--   name {meta.id;src} Source the detection belongs to; NULL where the catalog does not have the detection
--   obsid {meta.id;obs} Observation identifier
--   obi {meta.id;obs} Observation interval number
--   region_id {meta.id;src} Detection region identifier
--   file_id {meta.id} File the photon came from: meta.file
--   row {meta.number} Row in that file, from 0
--   ccd_id {meta.id;instr.det} CCD the photon fell on
--   time_s [s] {time.epoch} Arrival, mission seconds (TT since MJD 50814.0)
--   x [pixel] {pos.cartesian.x} Sky x, 0.492 arcsec pixels in ACIS
--   y [pixel] {pos.cartesian.y} Sky y, 0.492 arcsec pixels in ACIS
--   energy_ev [eV] {em.energy} Energy; NULL for HRC
--   pi {spect.binSize;em.energy} Pulse-invariant channel, 14.6 eV wide, from 1
--   in_source_region {meta.code} Inside the source region, or in a source's list; NULL where the region is not known
--   flag {meta.note} What to know of the detection's photons: product.detection_region.flag; NULL for nothing
CREATE VIEW product.detection_event AS
WITH cell AS (
  -- The sky in squares of 64 pixels: photons and regions meet on equal squares, not every one with every other.
  SELECT *, unnest(range(floor((y - semi_major_arcsec / abs(y_step_arcsec)) / 64)::BIGINT,
                         floor((y + semi_major_arcsec / abs(y_step_arcsec)) / 64)::BIGINT + 1)) AS cell_y
  FROM (
    SELECT *, unnest(range(floor((x - semi_major_arcsec / abs(x_step_arcsec)) / 64)::BIGINT,
                           floor((x + semi_major_arcsec / abs(x_step_arcsec)) / 64)::BIGINT + 1)) AS cell_x
    FROM product.detection_region
    WHERE taken_from = 'whole field'
  )
)
SELECT d.detection_id, d.name, d.obsid, d.obi, d.region_id, e.file_id, e.row, e.ccd_id, e.time_s, e.x, e.y,
  e.energy_ev, e.pi, in_source_region(e.x, e.y, d) AS in_source_region, d.flag
FROM product.event AS e
JOIN product.detection_region AS d ON d.file_id = e.file_id AND d.detection_id = e.detection_id
WHERE d.taken_from <> 'whole field'
UNION ALL
SELECT c.detection_id, c.name, c.obsid, c.obi, c.region_id, e.file_id, e.row, e.ccd_id, e.time_s, e.x, e.y,
  e.energy_ev, e.pi, true AS in_source_region, c.flag
FROM product.event AS e
JOIN cell AS c ON c.file_id = e.file_id AND c.obsid = e.obsid
  AND c.cell_x = floor(e.x / 64)::BIGINT AND c.cell_y = floor(e.y / 64)::BIGINT
WHERE in_source_region(e.x, e.y, c);
