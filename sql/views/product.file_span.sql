-- From when to when each file of photons was taken, as its header says: what is good where a file has no good times.
-- A cut whose header still tells the times of the whole (flag exposure_exceeds_span) has no row.
-- columns:
--   file_id {meta.id} meta.file
--   start_s [s] {time.start;obs} TSTART, mission seconds (TT since MJD 50814.0)
--   stop_s [s] {time.end;obs} TSTOP, mission seconds (TT since MJD 50814.0)
CREATE VIEW product.file_span AS
SELECT h.file_id, h.tstart_s AS start_s, h.tstop_s AS stop_s
FROM product.header AS h
ANTI JOIN (SELECT file_id FROM meta.file WHERE list_contains(flags, 'exposure_exceeds_span')) AS f ON f.file_id = h.file_id
WHERE h.kind = 'events' AND h.tstop_s > h.tstart_s;
