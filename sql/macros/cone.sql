-- Sources of csc.master_source within a radius of a position: all their columns and the separation. A band in
-- declination lets scans skip; the separation itself is exact across right ascension 0/360 and at the poles.
-- parameters:
--   ra [deg] {pos.eq.ra} Right ascension of the centre, ICRS
--   dec [deg] {pos.eq.dec} Declination of the centre, ICRS
--   radius_arcsec [arcsec] {phys.angSize} Radius
-- columns:
--   separation_arcsec [arcsec] {pos.angDistance} Distance from the centre; before it stand all columns of csc.master_source
CREATE MACRO cone(ra, "dec", radius_arcsec) AS TABLE
SELECT m.*, separation_arcsec(m.ra, m."dec", ra, "dec") AS separation_arcsec
FROM csc.master_source AS m
WHERE m."dec" BETWEEN "dec" - radius_arcsec / 3600.0 - 1e-9 AND "dec" + radius_arcsec / 3600.0 + 1e-9
  AND separation_arcsec(m.ra, m."dec", ra, "dec") <= radius_arcsec;
