-- Photons, one row per photon in a file. What follows from other columns is not stored but filled in here:
-- pi from energy_ev at 14.6 eV a channel, from 1 to 1024. A photon of a whole-field file can stand in a
-- region file too: filter on region_id or file_id before you count, or use product.detection_event.
-- columns:
--   file_id {meta.id} File the row came from: meta.file
--   row {meta.number} Row in the file's table, from 0, in file order
--   obsid {meta.id;obs} Observation identifier; NULL in merged files
--   obi {meta.id;obs} Observation interval number
--   region_id {meta.id;src} Detection region identifier; NULL for whole-field files
--   detection_id {meta.id;src} obsid.obi.region_id; NULL where the file is of no catalog detection
--   ccd_id {meta.id;instr.det} CCD the photon fell on
--   time_s [s] {time.epoch} Arrival, mission seconds (TT since MJD 50814.0)
--   x [pixel] {pos.cartesian.x} Sky x, 0.492 arcsec pixels in ACIS
--   y [pixel] {pos.cartesian.y} Sky y, 0.492 arcsec pixels in ACIS
--   energy_ev [eV] {em.energy} Energy; from PI where the file has none; NULL for HRC
--   pi {spect.binSize;em.energy} Pulse-invariant channel, 14.6 eV wide, from 1; NULL where the file's is
CREATE VIEW product.event AS
SELECT
  file_id, row, obsid, obi, region_id, detection_id, ccd_id, time_s, x, y, energy_ev,
  -- least() and greatest() pass over NULL: without energy there must be no pi
  nullif(coalesce(pi_stored, CASE WHEN energy_ev IS NOT NULL THEN
    least(greatest(floor(energy_ev::DOUBLE / 14.6) + 1, 1), 1024) END), 0)::SMALLINT AS pi
FROM product.event_stored;
