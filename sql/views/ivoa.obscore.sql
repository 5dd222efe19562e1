-- Data products as the Virtual Observatory describes them: one row per file of photons, spectrum or light curve, with
-- the mandatory columns of ObsCore 1.1 (IVOA Recommendation 2017), and three columns that join to the other tables.
-- access_url is NULL here: `python -m catalog serve` fills it in for files that are still on disk. What is covered of
-- the sky is a circle: of a detection its source region; of a whole field some 17 arcmin across for ACIS and 30 for HRC
-- (Proposers' Observatory Guide, chapters 6 and 7), around the pointing. Wavelengths are those of the catalog's bands
-- of the instrument: 0.2 to 7 keV for ACIS, 0.1 to 10 keV for HRC. Neither is told for other missions.
-- columns:
--   dataproduct_type {meta.code.class} event, spectrum or timeseries
--   calib_level {meta.code;obs.calib} 1 instrumental, 2 calibrated, 3 product of the catalog
--   obs_collection {meta.id} Release of the catalog, as 'CSC 2.1'; the mission for other products
--   obs_id {meta.id} Observation: ObsID, or another mission's number
--   obs_publisher_did {meta.ref.ivoid} Name of the data set: made from the SHA-256 of its content
--   access_url {meta.ref.url} Address of the file; NULL where it is not served
--   access_format {meta.code.mime} Media type of the file
--   access_estsize [kbyte] {phys.size;meta.file} Size of the file
--   target_name {meta.id;src} Target as the observer named it
--   s_ra [deg] {pos.eq.ra} Right ascension of the centre, ICRS
--   s_dec [deg] {pos.eq.dec} Declination of the centre, ICRS
--   s_fov [deg] {phys.angSize;instr.fov} Diameter of the circle that holds most of it
--   s_region {pos.outline;obs.field} That circle, in STC-S
--   s_resolution [arcsec] {pos.angResolution} Width of the point-spread function on axis, for photons
--   s_xel1 {meta.number} Elements along the first axis of the sky; NULL, since nothing here is an image
--   s_xel2 {meta.number} Elements along the second axis of the sky; NULL likewise
--   t_min [d] {time.start;obs.exposure} Start, MJD (TT)
--   t_max [d] {time.end;obs.exposure} End, MJD (TT)
--   t_exptime [s] {time.duration;obs.exposure} EXPOSURE: good time less dead time
--   t_resolution [s] {time.resolution} Frame time, for photons
--   t_xel {meta.number} Elements along the axis of time; NULL for photons
--   em_min [m] {em.wl;stat.min} Shortest wavelength
--   em_max [m] {em.wl;stat.max} Longest wavelength
--   em_res_power {spect.resolution} Resolving power; NULL, since it changes along the axis
--   em_xel {meta.number} Elements along the spectral axis: channels of a spectrum; NULL for photons and gratings
--   o_ucd {meta.ucd} What was measured; NULL for photons
--   pol_states {meta.code;phys.polarization} NULL: polarization is not measured
--   pol_xel {meta.number} NULL likewise
--   facility_name {meta.id;instr.tel} Telescope
--   instrument_name {meta.id;instr} Instrument
--   file_id {meta.id} The file: meta.file
--   detection_id {meta.id;src} Detection that the product is of; NULL for whole fields
--   name {meta.id;src} Source of the detection: csc.master_source; NULL where nothing tells
CREATE VIEW ivoa.obscore AS
WITH region AS (
  SELECT detection_id, max_by({ra: ra_region, "dec": dec_region, r: r_region_arcsec}, r_region_arcsec) AS circle
  FROM product.region
  WHERE detection_id IS NOT NULL AND role IS DISTINCT FROM 'background' AND ra_region IS NOT NULL
  GROUP BY detection_id
),
place AS (
  SELECT h.*, f.sha256, f.bytes, f.path, n.name,
    h.region_id IS NULL AND h.detection_id IS NULL AS is_field,
    upper(h.mission) = 'CHANDRA' AS is_chandra,
    struct_extract(r.circle, 'r') AS r_arcsec,
    CASE WHEN h.ra_src IS NOT NULL AND h.dec_src IS NOT NULL THEN {ra: h.ra_src, "dec": h.dec_src}
      WHEN r.circle IS NOT NULL THEN {ra: struct_extract(r.circle, 'ra'), "dec": struct_extract(r.circle, 'dec')}
      WHEN is_field THEN {ra: h.ra_pnt, "dec": h.dec_pnt}
      WHEN m.ra IS NOT NULL THEN {ra: m.ra, "dec": m."dec"} END AS centre
  FROM product.header AS h
  LEFT JOIN meta.file AS f ON f.file_id = h.file_id
  LEFT JOIN region AS r ON r.detection_id = h.detection_id
  LEFT JOIN product.detection_name AS n ON n.detection_id = h.detection_id
  LEFT JOIN csc.master_source AS m ON m.name = n.name
  WHERE h.kind IN ('events', 'spectrum', 'light_curve')
),
covered AS (
  SELECT *, struct_extract(centre, 'ra') AS ra, struct_extract(centre, 'dec') AS "dec",
    CASE WHEN NOT is_field THEN r_arcsec / 1800
      WHEN is_chandra AND instrument = 'ACIS' THEN 0.28 WHEN is_chandra AND instrument = 'HRC' THEN 0.5 END AS fov,
    CASE WHEN is_chandra AND instrument = 'ACIS' THEN 0.2 WHEN is_chandra AND instrument = 'HRC' THEN 0.1 END AS kev_min,
    CASE WHEN is_chandra AND instrument = 'ACIS' THEN 7 WHEN is_chandra AND instrument = 'HRC' THEN 10 END AS kev_max
  FROM place
)
SELECT
  CASE kind WHEN 'events' THEN 'event' WHEN 'light_curve' THEN 'timeseries' ELSE 'spectrum' END AS dataproduct_type,
  -- The catalog's products have an N-version; of others only events tell their level.
  coalesce(level, CASE WHEN version IS NOT NULL OR release IS NOT NULL THEN 3 ELSE 2 END)::INTEGER AS calib_level,
  coalesce('CSC ' || release, CASE WHEN is_chandra THEN 'Chandra' END, mission, 'unknown') AS obs_collection,
  coalesce(obsid::VARCHAR, CASE WHEN lower(obs_id) != 'merged' THEN obs_id END, 'file ' || file_id) AS obs_id,
  'ivo://x-unregistered/photonlake?' || coalesce(sha256, 'file-' || file_id) AS obs_publisher_did,
  NULL::VARCHAR AS access_url,
  CASE WHEN ends_with(lower(path), '.gz') THEN 'application/gzip' ELSE 'application/fits' END AS access_format,
  ceil(bytes / 1000)::BIGINT AS access_estsize,
  object AS target_name,
  ra AS s_ra,
  "dec" AS s_dec,
  fov AS s_fov,
  'Circle ICRS ' || ra || ' ' || "dec" || ' ' || (fov / 2) AS s_region,
  CASE WHEN is_chandra AND kind = 'events' THEN 0.5 END AS s_resolution,
  NULL::BIGINT AS s_xel1,
  NULL::BIGINT AS s_xel2,
  50814 + tstart_s / 86400 AS t_min,
  50814 + tstop_s / 86400 AS t_max,
  exposure_s AS t_exptime,
  CASE WHEN kind = 'events' THEN frame_time_s END AS t_resolution,
  CASE kind WHEN 'light_curve' THEN n_rows WHEN 'spectrum' THEN 1 END AS t_xel,
  1.239841984e-9 / kev_max AS em_min,
  1.239841984e-9 / kev_min AS em_max,
  NULL::DOUBLE AS em_res_power,
  CASE WHEN kind = 'light_curve' THEN 1 WHEN kind = 'spectrum' AND coalesce(grating, 'NONE') = 'NONE' THEN n_rows END
    AS em_xel,
  CASE kind WHEN 'spectrum' THEN 'phot.count' WHEN 'light_curve' THEN 'arith.rate;phot.count' END AS o_ucd,
  NULL::VARCHAR AS pol_states,
  NULL::BIGINT AS pol_xel,
  CASE WHEN is_chandra THEN 'Chandra' ELSE mission END AS facility_name,
  instrument AS instrument_name,
  file_id,
  detection_id,
  name
FROM covered;
