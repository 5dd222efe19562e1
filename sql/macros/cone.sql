-- Sources of csc.master_source within a radius of a position, nearest first: all their columns and the separation. A
-- band in declination lets scans skip; the separation itself is exact across right ascension 0/360 and at the poles.
-- A position and a radius may be texts: cone('14:03:12', '+54:21:00', '2 arcmin'); see ra_deg, dec_deg, angle_arcsec.
-- parameters:
--   ra [deg] {pos.eq.ra} Right ascension of the centre, ICRS
--   dec [deg] {pos.eq.dec} Declination of the centre, ICRS
--   radius_arcsec [arcsec] {phys.angSize} Radius
-- columns:
--   separation_arcsec [arcsec] {pos.angDistance} Distance from the centre; before it stand all columns of csc.master_source
CREATE MACRO cone(ra, "dec", radius_arcsec) AS TABLE
SELECT m.*, separation_arcsec(m.ra, m."dec", ra_deg(ra), dec_deg("dec")) AS separation_arcsec
-- A row of its own, so that what is no position is told even where no source is near.
FROM csc.master_source AS m, (SELECT ra_deg(ra) + dec_deg("dec") + angle_arcsec(radius_arcsec) AS told) AS centre
WHERE centre.told IS NOT NULL
  AND m."dec" BETWEEN dec_deg("dec") - angle_arcsec(radius_arcsec) / 3600.0 - 1e-9
                  AND dec_deg("dec") + angle_arcsec(radius_arcsec) / 3600.0 + 1e-9
  AND separation_arcsec(m.ra, m."dec", ra_deg(ra), dec_deg("dec")) <= angle_arcsec(radius_arcsec)
ORDER BY separation_arcsec, m.name;
