-- Which source a detection is of: one row per detection that a product file is of. The row of the catalog with its
-- ObsID and region number decides. Where there is none, or the header's position refutes it, the one source of the
-- catalog at that position does: product.detection_place. Everything that names the detections of products asks here.
-- columns:
--   detection_id {meta.id;src} obsid.obi.region_id, as the product files have it
--   name {meta.id;src} Source; NULL where neither number nor position tells
--   how {meta.code} catalog or position; NULL where there is no name
--   catalog_id {meta.id;src} csc.observation_source.detection_id of its row: the same, where the product tells its obi
--   separation_arcsec [arcsec] {pos.angDistance} From the header's position to the source; NULL where one is unknown
CREATE VIEW product.detection_name AS
WITH detection AS NOT MATERIALIZED (
  SELECT detection_id, obsid, obi, region_id FROM product.header WHERE detection_id IS NOT NULL GROUP BY ALL
),
-- The refresh gives a row of the catalog the interval that products tell; a product may tell none itself.
numbered AS NOT MATERIALIZED (
  SELECT d.detection_id, o.detection_id AS catalog_id, o.name
  FROM detection AS d JOIN csc.observation_source AS o ON o.obsid = d.obsid AND o.region_id = d.region_id
  WHERE o.obi = d.obi OR d.obi IS NULL
  QUALIFY row_number() OVER (PARTITION BY d.detection_id ORDER BY o.name IS NULL, o.detection_id) = 1
)
SELECT d.detection_id, CASE WHEN p.refused OR n.name IS NULL THEN p.name ELSE n.name END AS name,
  CASE WHEN n.name IS NOT NULL AND p.refused IS NOT TRUE THEN 'catalog' WHEN p.name IS NOT NULL THEN 'position' END
    AS how,
  CASE WHEN p.refused IS NOT TRUE THEN n.catalog_id END AS catalog_id,
  CASE WHEN p.name IS NOT NULL OR p.refused IS NOT TRUE THEN p.separation_arcsec END AS separation_arcsec
FROM detection AS d
LEFT JOIN numbered AS n ON n.detection_id = d.detection_id
LEFT JOIN product.detection_place AS p ON p.detection_id = d.detection_id;
