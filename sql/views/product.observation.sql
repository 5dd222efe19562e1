-- Observations, one row per obsid and obi: what the headers of its files say. Each value is taken from the best file
-- that has it: event files of the whole field, then of regions, then spectra, then others; of these the better one
-- (product.event_file) A file that does not tell its obi counts to the only one its obsid has.
-- columns:
--   obsid {meta.id;obs} Observation identifier
--   obi {meta.id;obs} Observation interval number; NULL where no file tells
--   instrument {meta.id;instr} ACIS or HRC
--   detector {meta.id;instr.det} Detector, as DETNAM or DETECTOR says
--   grating {meta.id;instr} NONE, HETG or LETG
--   object {meta.id;src} Target as the observer named it
--   ra_pnt [deg] {pos.eq.ra;instr} Pointing, ICRS right ascension
--   dec_pnt [deg] {pos.eq.dec;instr} Pointing, ICRS declination
--   roll_pnt [deg] {pos.posAng;instr} Roll angle
--   date_obs {time.start;obs} Start of the observation (TT)
--   tstart_s [s] {time.start;obs} Start, mission seconds (TT since MJD 50814.0)
--   tstop_s [s] {time.end;obs} End, mission seconds (TT since MJD 50814.0)
--   exposure_s [s] {time.duration;obs.exposure} EXPOSURE: good time less dead time
--   n_files {meta.number} Product files of the observation in the store
CREATE VIEW product.observation AS
WITH known AS (
  SELECT h.*, e.rank AS event_rank, min(h.obi) OVER same AS first_obi, max(h.obi) OVER same AS last_obi
  FROM product.header AS h LEFT JOIN product.event_file AS e ON e.file_id = h.file_id
  WHERE h.obsid IS NOT NULL
  WINDOW same AS (PARTITION BY h.obsid)
),
ranked AS (
  SELECT * EXCLUDE (obi),
    CASE WHEN first_obi = last_obi THEN first_obi ELSE obi END AS obi,
    -- smaller is better
    (CASE kind WHEN 'events' THEN CASE WHEN region_id IS NULL THEN 0 ELSE 1 END WHEN 'spectrum' THEN 2 ELSE 3 END,
     event_rank, -coalesce(version, 0), file_id) AS rank
  FROM known
)
SELECT obsid, obi,
  arg_min(instrument, rank) AS instrument,
  arg_min(detector, rank) AS detector,
  arg_min(grating, rank) AS grating,
  arg_min(object, rank) AS object,
  arg_min(ra_pnt, rank) AS ra_pnt,
  arg_min(dec_pnt, rank) AS dec_pnt,
  arg_min(roll_pnt, rank) AS roll_pnt,
  arg_min(date_obs, rank) AS date_obs,
  arg_min(tstart_s, rank) AS tstart_s,
  arg_min(tstop_s, rank) AS tstop_s,
  arg_min(exposure_s, rank) AS exposure_s,
  count(*) AS n_files
FROM ranked
GROUP BY obsid, obi;
