-- Event files, one row each, and which of several with the same photons is the better one: the one home of that rule.
-- Of those of a detection, or of a whole field, the one of the smallest rank counts; of interleaved exposures the best
-- of each. Level 2 and 3 come before level 1, which holds bad events too; a whole file before one that was cut to less
-- than 98 % of its time; a user's reprocessing before the archive's file; level 3 before 2; a higher N-version before
-- a lower; more photons before fewer. Where nothing tells the level, the file counts as level 2.
-- columns:
--   file_id {meta.id} The file: meta.file
--   obsid {meta.id;obs} Observation identifier; NULL in merged files
--   obi {meta.id;obs} Observation interval number
--   region_id {meta.id;src} Detection region identifier; NULL for whole-field files
--   detection_id {meta.id;src} obsid.obi.region_id; NULL for whole-field files
--   level {meta.code} Level of processing, 1 to 3; NULL where nothing tells
--   reprocessed {meta.code} Whether a user made it anew with chandra_repro
--   interleaved {meta.code} Exposures of an interleaved observation: 1 primary, 2 secondary; else NULL
--   version {meta.version} N-version of the product, from its name
--   n_rows {meta.number} Photons
--   is_whole {meta.code} False where another file of these photons spans more time
--   frame_time_s [s] {time.resolution} CCD frame time
--   ascdsver {meta.version;meta.software} Processing software
--   ra_pnt [deg] {pos.eq.ra;instr} Pointing, ICRS right ascension
--   dec_pnt [deg] {pos.eq.dec;instr} Pointing, ICRS declination
--   ra_src [deg] {pos.eq.ra} Position of the detection, ICRS right ascension
--   dec_src [deg] {pos.eq.dec} Position of the detection, ICRS declination
--   wcs The sky WCS of its pixels: a STRUCT as sky_x and sky_ra take it
--   rank {meta.code} To sort by: the better file first
CREATE VIEW product.event_file AS
SELECT file_id, obsid, obi, region_id, detection_id, level, reprocessed, interleaved, version, n_rows, is_whole,
  frame_time_s, ascdsver, ra_pnt, dec_pnt, ra_src, dec_src,
  {x_crpix: x_crpix, x_crval: x_crval, x_cdelt: x_cdelt, y_crpix: y_crpix, y_crval: y_crval, y_cdelt: y_cdelt} AS wcs,
  row(is_level_1, NOT is_whole, NOT coalesce(reprocessed, false), -coalesce(level, 2), -coalesce(version, -1),
      -coalesce(n_rows, 0), file_id) AS rank
FROM (
  SELECT *, coalesce(level = 1, false) AS is_level_1,
    -- first_value, since for max() the engine would read the table once more
    coalesce(tstop_s - tstart_s >= 0.98 * first_value(tstop_s - tstart_s) OVER (
      PARTITION BY detection_id, obsid, obi, region_id, interleaved, coalesce(level = 1, false)
      ORDER BY tstop_s - tstart_s DESC NULLS LAST), true) AS is_whole
  FROM product.header
  WHERE kind = 'events'
);
