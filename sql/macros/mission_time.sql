-- Mission seconds as a date: Chandra counts seconds of terrestrial time (TT) from MJD 50814.0, 1998-01-01.
-- parameters:
--   time_s [s] {time.epoch} Mission seconds
-- returns:
--   mission_time <TIMESTAMP> {time.epoch} The moment in TT; UTC was 63.184 s behind in 1998 and is 69.184 s behind since 2017
CREATE MACRO mission_time(time_s) AS
TIMESTAMP '1998-01-01 00:00:00' + to_microseconds(round(time_s * 1e6)::BIGINT);
