-- Where the photons of a detection are: one row per detection of the catalog, of a region event file or of a corpus.
-- They are taken from the region event file where there is one (of several the highest version), else from the
-- event file of the whole field, else from a corpus of event lists. The source region is the catalog's ellipse
-- (mjr_axis_aper, mnr_axis_aper, pos_angle_aper); where that is not known, a circle of 1 + 10 (theta / 10 arcmin)^2
-- arcsec, which holds some 90 % of a point source's counts at 1.5 keV (Hickox & Markevitch 2006, ApJ 645, 95).
-- A detection without any photons has no row.
-- columns:
--   detection_id {meta.id;src} obsid.obi.region_id, as the event file says, else as the catalog does
--   obsid {meta.id;obs} Observation identifier
--   obi {meta.id;obs} Observation interval number
--   region_id {meta.id;src} Detection region identifier
--   name {meta.id;src} Source the detection belongs to: product.detection_name; NULL where nothing tells
--   file_id {meta.id} File its photons are taken from: meta.file
--   taken_from {meta.code} region file, whole field, or corpus
--   ra [deg] {pos.eq.ra} Right ascension of the source region's centre, ICRS, from catalog or header, or NULL
--   dec [deg] {pos.eq.dec} Declination of the source region's centre, ICRS, from catalog or header, or NULL
--   x [pixel] {pos.cartesian.x} Sky x of the centre in that file
--   y [pixel] {pos.cartesian.y} Sky y of the centre in that file
--   x_step_arcsec [arcsec/pixel] {instr.scale} Width of a sky pixel, negative as right ascension grows to the left
--   y_step_arcsec [arcsec/pixel] {instr.scale} Height of a sky pixel
--   theta [arcmin] {pos.angDistance} Off-axis angle, from the pointing where the catalog does not tell
--   semi_major_arcsec [arcsec] {phys.angSize.smajAxis} Semi-major axis of the source region
--   semi_minor_arcsec [arcsec] {phys.angSize.sminAxis} Semi-minor axis of the source region
--   angle_deg [deg] {pos.posAng} Position angle of the major axis, from north through east
--   assumed {meta.code} True where the region is the circle of the formula, not the catalog's ellipse
CREATE VIEW product.detection_region AS
WITH region_file AS NOT MATERIALIZED (
  SELECT * FROM product.header
  WHERE kind = 'events' AND detection_id IS NOT NULL
  QUALIFY row_number() OVER (PARTITION BY detection_id ORDER BY version DESC NULLS LAST, n_rows DESC, file_id) = 1
),
field_file AS MATERIALIZED (
  SELECT file_id, obsid, obi, version, n_rows, ra_pnt, dec_pnt,
    {x_crpix: x_crpix, x_crval: x_crval, x_cdelt: x_cdelt, y_crpix: y_crpix, y_crval: y_crval, y_cdelt: y_cdelt} AS wcs
  FROM product.header
  WHERE kind = 'events' AND region_id IS NULL AND detection_id IS NULL AND obsid IS NOT NULL AND x_cdelt IS NOT NULL
),
event_list AS (
  SELECT DISTINCT e.detection_id, e.obsid, e.obi, e.region_id, e.file_id
  FROM product.event_stored AS e
  SEMI JOIN (SELECT file_id FROM meta.file WHERE kind = 'corpus') AS f ON f.file_id = e.file_id
  WHERE e.detection_id IS NOT NULL
),
detection AS NOT MATERIALIZED (
  SELECT o.detection_id, o.obsid, o.obi, o.region_id, o.name, o.theta,
    CASE WHEN o.ra_aper IS NOT NULL AND o.dec_aper IS NOT NULL THEN o.ra_aper ELSE m.ra END AS ra,
    CASE WHEN o.ra_aper IS NOT NULL AND o.dec_aper IS NOT NULL THEN o.dec_aper ELSE m."dec" END AS "dec",
    o.mjr_axis_aper, o.mnr_axis_aper, o.pos_angle_aper
  FROM csc.observation_source AS o
  LEFT JOIN csc.master_source AS m ON m.name = o.name
),
place AS MATERIALIZED (SELECT detection_id, name, refused FROM product.detection_place),
-- Joins on equal columns only, obi apart: an OR in an outer join would compare every row with every other.
matched AS NOT MATERIALIZED (
  SELECT r.detection_id, d.detection_id AS catalog_id, d.obi, d.name, d.theta, d.ra, d."dec",
    d.mjr_axis_aper, d.mnr_axis_aper, d.pos_angle_aper
  FROM region_file AS r
  JOIN detection AS d ON d.obsid = r.obsid AND d.region_id = r.region_id
  -- The number may be another detection's: releases number their regions anew.
  ANTI JOIN (SELECT detection_id FROM place WHERE refused) AS p ON p.detection_id = r.detection_id
  WHERE d.obi = r.obi OR d.obi IS NULL OR r.obi IS NULL
),
-- What has a region file, among the observations that have a file of the whole field: the intervals of each region.
taken AS (
  SELECT h.obsid, h.region_id, list(coalesce(h.obi, -1)) AS obis
  FROM product.header AS h
  SEMI JOIN field_file AS f ON f.obsid = h.obsid
  ANTI JOIN (SELECT detection_id FROM place WHERE refused) AS p ON p.detection_id = h.detection_id
  WHERE h.kind = 'events' AND h.detection_id IS NOT NULL
  GROUP BY h.obsid, h.region_id
),
of_region AS (
  SELECT r.detection_id, r.obsid, r.obi, r.region_id, coalesce(d.name, p.name) AS name, r.file_id, 'region file' AS taken_from,
    CASE WHEN d.ra IS NOT NULL AND d."dec" IS NOT NULL THEN d.ra ELSE r.ra_src END AS ra,
    CASE WHEN d.ra IS NOT NULL AND d."dec" IS NOT NULL THEN d."dec" ELSE r.dec_src END AS "dec",
    d.theta, d.mjr_axis_aper, d.mnr_axis_aper, d.pos_angle_aper, r.ra_pnt, r.dec_pnt,
    {x_crpix: r.x_crpix, x_crval: r.x_crval, x_cdelt: r.x_cdelt,
     y_crpix: r.y_crpix, y_crval: r.y_crval, y_cdelt: r.y_cdelt} AS wcs
  FROM region_file AS r
  LEFT JOIN matched AS d ON d.detection_id = r.detection_id
  LEFT JOIN place AS p ON p.detection_id = r.detection_id
  -- The same row as product.detection_name takes, and so the same name.
  QUALIFY row_number() OVER (PARTITION BY r.detection_id
    ORDER BY d.name IS NULL, d.catalog_id <> r.detection_id, d.obi IS NULL, d.catalog_id) = 1
),
of_field AS (
  SELECT d.detection_id, d.obsid, d.obi, d.region_id, d.name, f.file_id, 'whole field' AS taken_from, d.ra, d."dec",
    d.theta, d.mjr_axis_aper, d.mnr_axis_aper, d.pos_angle_aper, f.ra_pnt, f.dec_pnt, f.wcs
  FROM detection AS d
  JOIN field_file AS f ON f.obsid = d.obsid
  LEFT JOIN taken AS t ON t.obsid = d.obsid AND t.region_id = d.region_id
  -- A table without region_id gives a detection a second row beside the one that names its region.
  ANTI JOIN (SELECT o.obsid, o.name FROM csc.observation_source AS o SEMI JOIN field_file AS f ON f.obsid = o.obsid
             WHERE o.region_id IS NOT NULL) AS named
    ON named.obsid = d.obsid AND named.name = CASE WHEN d.region_id IS NULL THEN d.name END
  WHERE (f.obi = d.obi OR f.obi IS NULL OR d.obi IS NULL) AND d.ra IS NOT NULL
    AND (t.obis IS NULL OR (d.obi IS NOT NULL AND NOT list_has_any(t.obis, [d.obi, -1])))
  QUALIFY row_number() OVER (
    PARTITION BY d.detection_id ORDER BY f.version DESC NULLS LAST, f.n_rows DESC, f.file_id) = 1
),
of_list AS (
  SELECT l.detection_id, l.obsid, l.obi, l.region_id, o.name, l.file_id, 'corpus' AS taken_from
  FROM event_list AS l
  LEFT JOIN csc.observation_source AS o ON o.detection_id = l.detection_id
),
placed AS (
  SELECT *, coalesce(theta, separation_arcsec(ra, "dec", ra_pnt, dec_pnt) / 60) AS off_axis
  FROM (SELECT * FROM of_region UNION ALL BY NAME SELECT * FROM of_field UNION ALL BY NAME SELECT * FROM of_list)
  QUALIFY row_number() OVER (
    PARTITION BY detection_id
    ORDER BY CASE taken_from WHEN 'region file' THEN 0 WHEN 'whole field' THEN 1 ELSE 2 END, file_id) = 1
),
rounded AS (
  SELECT *, CASE WHEN ra IS NOT NULL THEN 1 + 10 * power(coalesce(off_axis, 0) / 10, 2) END AS radius_arcsec
  FROM placed
)
SELECT detection_id, obsid, obi, region_id, name, file_id, taken_from, ra, "dec",
  sky_x(ra, "dec", wcs) AS x,
  sky_y(ra, "dec", wcs) AS y,
  3600 * struct_extract(wcs, 'x_cdelt') AS x_step_arcsec,
  3600 * struct_extract(wcs, 'y_cdelt') AS y_step_arcsec,
  off_axis AS theta,
  coalesce(mjr_axis_aper, radius_arcsec) AS semi_major_arcsec,
  coalesce(mnr_axis_aper, mjr_axis_aper, radius_arcsec) AS semi_minor_arcsec,
  CASE WHEN ra IS NOT NULL THEN coalesce(pos_angle_aper, 0) END AS angle_deg,
  CASE WHEN ra IS NOT NULL THEN mjr_axis_aper IS NULL END AS assumed
FROM rounded;
