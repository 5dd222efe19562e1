-- Where the photons of a detection are, and which of them are its source's: one row per detection and event file that
-- they are taken from; nearly always one file, two where the exposures were interleaved (both are of the detection).
-- They are taken from its region event file where there is one, else from the event file of the whole field, else from
-- a corpus of event lists; of several such files from the better one (product.event_file). A detection without any
-- photons has no row. The source region is what the first of these tells: the catalog's region file (reg3), the one of
-- the broad band; the region that its spectrum was taken from; the catalog's ellipse (mjr_axis_aper, mnr_axis_aper,
-- pos_angle_aper); a region file of the user; where its position is all that is known, a circle of
-- 1 + 10 (theta / 10 arcmin)^2 arcsec, which holds some 90 % of a point source's counts at 1.5 keV (Hickox &
-- Markevitch 2006, ApJ 645, 95). A region file that does not hold the position, or is of another release than the
-- events, is another detection's; a position more than a degree off axis is outside of every field. Where nothing tells
-- the region, it is NULL: no photon is known to be the source's.
-- columns:
--   detection_id {meta.id;src} obsid.obi.region_id, as the event file says, else as the catalog does
--   obsid {meta.id;obs} Observation identifier
--   obi {meta.id;obs} Observation interval number
--   region_id {meta.id;src} Detection region identifier
--   name {meta.id;src} Source the detection belongs to: product.detection_name; NULL where nothing tells
--   file_id {meta.id} File its photons are taken from: meta.file
--   taken_from {meta.code} region file, whole field, or corpus
--   ra [deg] {pos.eq.ra} Right ascension of the source region's centre, ICRS, or NULL
--   dec [deg] {pos.eq.dec} Declination of the source region's centre, ICRS, or NULL
--   x [pixel] {pos.cartesian.x} Sky x of the centre in that file
--   y [pixel] {pos.cartesian.y} Sky y of the centre in that file
--   x_step_arcsec [arcsec/pixel] {instr.scale} Width of a sky pixel, negative as right ascension grows to the left
--   y_step_arcsec [arcsec/pixel] {instr.scale} Height of a sky pixel
--   theta [arcmin] {pos.angDistance} Off-axis angle, from the pointing where the catalog does not tell
--   semi_major_arcsec [arcsec] {phys.angSize.smajAxis} Semi-major axis of the source region, or of what it lies in
--   semi_minor_arcsec [arcsec] {phys.angSize.sminAxis} Semi-minor axis, likewise
--   angle_deg [deg] {pos.posAng} Position angle of the major axis, from north through east
--   assumed {meta.code} True where the region is the circle of the formula: nothing but a position tells it
--   frame_time_s [s] {time.resolution} CCD frame time of the file
--   region_from {meta.code} reg3, spectrum, catalog, reg (a user's file) or circle; list in a corpus; NULL: not known
--   band {em.bin} CSC band that the region is for; NULL where it is for no single one
--   shapes Shapes of a region that is no plain ellipse, in sky pixels (inside_region); it lies in the ellipse
--   flag {meta.note} What to know: no_source_region, assumed_region, other_band_region, events_capped; or NULL
CREATE VIEW product.detection_region AS
WITH file AS MATERIALIZED (FROM product.event_file WHERE obsid IS NOT NULL),
-- Where there is none, these joins keep the engine from reading the catalog's tables.
any_file AS MATERIALIZED (SELECT DISTINCT true AS yes FROM file),
region_file AS (FROM file WHERE detection_id IS NOT NULL),
field_file AS (
  SELECT file_id, obsid, obi, interleaved, rank, frame_time_s, ascdsver, ra_pnt, dec_pnt, wcs
  FROM file
  WHERE region_id IS NULL AND detection_id IS NULL AND wcs.x_cdelt IS NOT NULL
),
detection AS NOT MATERIALIZED (
  SELECT o.detection_id, o.obsid, o.obi, o.region_id, o.name, o.theta,
    CASE WHEN o.ra_aper IS NOT NULL AND o.dec_aper IS NOT NULL THEN o.ra_aper ELSE m.ra END AS ra,
    CASE WHEN o.ra_aper IS NOT NULL AND o.dec_aper IS NOT NULL THEN o.dec_aper ELSE m."dec" END AS "dec",
    o.mjr_axis_aper, o.mnr_axis_aper, o.pos_angle_aper
  FROM (FROM csc.observation_source AS o SEMI JOIN file AS f ON f.obsid = o.obsid) AS o
  LEFT JOIN (
    SELECT m.name, m.ra, m."dec" FROM csc.master_source AS m SEMI JOIN any_file AS a ON a.yes = (m.name IS NOT NULL)
  ) AS m ON m.name = o.name
),
place AS MATERIALIZED (SELECT detection_id, name, refused FROM product.detection_place),
-- The source regions that files of the detection tell, the best first; shapes only where it is no plain ellipse.
told AS NOT MATERIALIZED (
  SELECT detection_id, obsid, obi, region_id,
    list({told_by: told_by, band: band, pipeline: pipeline, x: x_region, y: y_region, r: r_region, ra: ra_region,
          "dec": dec_region, r_arcsec: r_region_arcsec, flattening: flattening, rotang: rotang, shapes: shapes}
      ORDER BY list_position(['reg3', 'spectrum', 'reg'], told_by),
        list_position(['b', 'w', 'm', 's', 'h', 'u'], coalesce(band, 'b')), version DESC NULLS LAST, file_id) AS regions
  FROM (
    SELECT * EXCLUDE (n, any_shape, axes, listed),
      CASE WHEN n = 1 AND any_shape <> 'polygon' THEN least(axes[1], axes[-1]) / greatest(axes[1], axes[-1]) ELSE 1 END
        AS flattening,
      CASE WHEN axes[-1] > axes[1] THEN angle + 90 ELSE angle END AS rotang,
      CASE WHEN n > 1 OR any_shape = 'polygon' THEN listed END AS shapes
    FROM (
      SELECT detection_id, obsid, obi, region_id, file_id, version, told_by, band, x_region, y_region, r_region,
        ra_region, dec_region, r_region_arcsec, any_value(CASE WHEN starts_with(ascdsver, 'CAT') THEN left(ascdsver, 4) END)
          AS pipeline, count(*) AS n, any_value(shape) AS any_shape, any_value(coalesce(r, r_arcsec)) AS axes,
        coalesce(any_value(rotang), 0) AS angle,
        list({component: component, include: include, shape: shape, x: x, y: y, r: r, ra: ra, "dec": "dec",
              r_arcsec: r_arcsec, rotang: rotang} ORDER BY row) AS listed
      FROM product.region
      WHERE detection_id IS NOT NULL AND role = 'source'
      GROUP BY detection_id, obsid, obi, region_id, file_id, version, told_by, band, x_region, y_region, r_region,
        ra_region, dec_region, r_region_arcsec
    )
  )
  GROUP BY detection_id, obsid, obi, region_id
),
-- Joins on equal columns only, obi apart: an OR in an outer join would compare every row with every other.
matched AS NOT MATERIALIZED (
  SELECT r.file_id, d.detection_id AS catalog_id, d.obi, d.name, d.theta, d.ra, d."dec",
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
  FROM region_file AS h
  SEMI JOIN field_file AS f ON f.obsid = h.obsid
  ANTI JOIN (SELECT detection_id FROM place WHERE refused) AS p ON p.detection_id = h.detection_id
  GROUP BY h.obsid, h.region_id
),
of_region AS (
  SELECT r.detection_id, r.obsid, r.obi, r.region_id, coalesce(d.name, p.name) AS name, 0 AS choice,
    CASE WHEN d.ra IS NOT NULL AND d."dec" IS NOT NULL THEN d.ra ELSE r.ra_src END AS ra,
    CASE WHEN d.ra IS NOT NULL AND d."dec" IS NOT NULL THEN d."dec" ELSE r.dec_src END AS "dec",
    d.theta, d.mjr_axis_aper, d.mnr_axis_aper, d.pos_angle_aper,
    r.file_id, r.interleaved, r.rank, r.frame_time_s, r.ascdsver, r.ra_pnt, r.dec_pnt, r.wcs
  FROM region_file AS r
  LEFT JOIN matched AS d ON d.file_id = r.file_id
  LEFT JOIN place AS p ON p.detection_id = r.detection_id
  -- The same row as product.detection_name takes, and so the same name.
  QUALIFY row_number() OVER (PARTITION BY r.detection_id, r.file_id
    ORDER BY d.name IS NULL, d.catalog_id <> r.detection_id, d.obi IS NULL, d.catalog_id) = 1
),
of_field AS (
  SELECT d.detection_id, d.obsid, d.obi, d.region_id, d.name, 1 AS choice, d.ra, d."dec",
    d.theta, d.mjr_axis_aper, d.mnr_axis_aper, d.pos_angle_aper, f.* EXCLUDE (obsid, obi)
  FROM detection AS d
  JOIN field_file AS f ON f.obsid = d.obsid
  LEFT JOIN taken AS t ON t.obsid = d.obsid AND t.region_id = d.region_id
  -- A table without region_id gives a detection a second row beside the one that names its region.
  ANTI JOIN (SELECT o.obsid, o.name FROM csc.observation_source AS o SEMI JOIN field_file AS f ON f.obsid = o.obsid
             WHERE o.region_id IS NOT NULL) AS named
    ON named.obsid = d.obsid AND named.name = CASE WHEN d.region_id IS NULL THEN d.name END
  WHERE (f.obi = d.obi OR f.obi IS NULL OR d.obi IS NULL) AND d.ra IS NOT NULL
    AND (t.obis IS NULL OR (d.obi IS NOT NULL AND NOT list_has_any(t.obis, [d.obi, -1])))
),
-- What a region file alone tells of.
of_told AS (
  SELECT t.detection_id, t.obsid, t.obi, t.region_id, p.name, 2 AS choice, f.* EXCLUDE (obsid, obi)
  FROM told AS t
  JOIN field_file AS f ON f.obsid = t.obsid
  LEFT JOIN place AS p ON p.detection_id = t.detection_id
  WHERE f.obi = t.obi OR f.obi IS NULL OR t.obi IS NULL
),
of_list AS (
  SELECT l.detection_id, l.obsid, l.obi, l.region_id, o.name, l.file_id, l.capped, 3 AS choice
  FROM product.event_list AS l
  LEFT JOIN (
    SELECT o.detection_id, o.name FROM csc.observation_source AS o SEMI JOIN product.event_list USING (detection_id)
  ) AS o ON o.detection_id = l.detection_id
),
-- Of each exposure the better file; of interleaved ones both, unless the best file of all is of none.
ranked AS (
  FROM (SELECT * FROM of_region UNION ALL BY NAME SELECT * FROM of_field UNION ALL BY NAME SELECT * FROM of_told
        UNION ALL BY NAME SELECT * FROM of_list)
  QUALIFY row_number() OVER (PARTITION BY detection_id, choice, interleaved ORDER BY rank, file_id) = 1
),
chosen AS (
  SELECT *, coalesce(theta, separation_arcsec(ra, "dec", ra_pnt, dec_pnt) / 60) AS off_axis,
    CASE WHEN starts_with(ascdsver, 'CAT') THEN left(ascdsver, 4) END AS pipeline
  FROM ranked
  QUALIFY (choice, interleaved IS NULL)
    = first_value((choice, interleaved IS NULL)) OVER (PARTITION BY detection_id ORDER BY choice, rank, file_id)
),
fitting AS (
  SELECT c.*, list_filter(t.regions, lambda region: coalesce(region.pipeline = c.pipeline, true))[1] AS told
  FROM chosen AS c
  LEFT JOIN told AS t ON t.detection_id = c.detection_id
),
scaled AS (
  -- Of an event file that does not tell how large its pixels are, the region's file may.
  SELECT *, coalesce(3600 * wcs.x_cdelt, -told.r_arcsec / told.r) AS x_step_arcsec,
    coalesce(3600 * wcs.y_cdelt, told.r_arcsec / told.r) AS y_step_arcsec,
    coalesce(told.r_arcsec, told.r * 3600 * wcs.y_cdelt) AS reach_arcsec
  FROM fitting
),
decided AS (
  SELECT *,
    CASE WHEN choice = 3 THEN 'list'
      WHEN reach_arcsec IS NOT NULL AND y_step_arcsec IS NOT NULL AND (told.told_by <> 'reg' OR mjr_axis_aper IS NULL)
        AND coalesce(power((fmod(abs(told.ra - ra) + 180, 360) - 180) * cos(radians("dec")), 2)
          + power(told."dec" - "dec", 2) <= power(reach_arcsec / 3600, 2), true) THEN told.told_by
      WHEN ra IS NULL OR "dec" IS NULL OR wcs.x_cdelt IS NULL OR off_axis > 60 THEN NULL
      WHEN mjr_axis_aper IS NOT NULL THEN 'catalog'
      ELSE 'circle' END AS region_from
  FROM scaled
),
centred AS (
  SELECT * EXCLUDE (ra, "dec", told), region_from IN ('reg3', 'spectrum', 'reg') AS is_told,
    CASE WHEN is_told THEN told END AS region,
    CASE WHEN is_told AND told.ra IS NOT NULL THEN told.ra ELSE ra END AS ra,
    CASE WHEN is_told AND told.ra IS NOT NULL THEN told."dec" ELSE "dec" END AS "dec",
    1 + 10 * power(coalesce(off_axis, 0) / 10, 2) AS radius_arcsec
  FROM decided
)
SELECT detection_id, obsid, obi, region_id, name, file_id,
  ['region file', 'whole field', 'whole field', 'corpus'][choice + 1] AS taken_from, ra, "dec",
  coalesce(CASE WHEN region.ra IS NULL THEN region.x END, sky_x(ra, "dec", wcs), region.x) AS x,
  coalesce(CASE WHEN region.ra IS NULL THEN region.y END, sky_y(ra, "dec", wcs), region.y) AS y,
  x_step_arcsec, y_step_arcsec, off_axis AS theta,
  CASE region_from WHEN 'catalog' THEN mjr_axis_aper WHEN 'circle' THEN radius_arcsec ELSE reach_arcsec END
    AS semi_major_arcsec,
  CASE region_from WHEN 'catalog' THEN coalesce(mnr_axis_aper, mjr_axis_aper) WHEN 'circle' THEN radius_arcsec
    ELSE reach_arcsec * region.flattening END AS semi_minor_arcsec,
  CASE region_from WHEN 'catalog' THEN coalesce(pos_angle_aper, 0) WHEN 'circle' THEN 0
    ELSE fmod(fmod(region.rotang + 90, 180) + 180, 180) END AS angle_deg,
  region_from = 'circle' AS assumed, frame_time_s, region_from, region.band AS band,
  region_in_pixels(region.shapes, wcs) AS shapes,
  nullif(concat_ws(', ',
    CASE WHEN region_from IS NULL THEN 'no_source_region' WHEN region_from = 'circle' THEN 'assumed_region'
      WHEN region.band NOT IN ('b', 'w') THEN 'other_band_region' END,
    CASE WHEN capped THEN 'events_capped' END), '') AS flag
FROM centred;
