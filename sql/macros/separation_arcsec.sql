-- Angle between two positions on the sky, accurate from micro-arcseconds to antipodes and at the poles: the
-- haversine formula (Sinnott 1984, Sky & Telescope 68, 158) with the sine and the cosine of the half angle
-- each as a sum of squares, so that neither end loses digits.
-- parameters:
--   ra1 [deg] {pos.eq.ra} Right ascension of the first position
--   dec1 [deg] {pos.eq.dec} Declination of the first position
--   ra2 [deg] {pos.eq.ra} Right ascension of the second position
--   dec2 [deg] {pos.eq.dec} Declination of the second position
-- returns:
--   separation_arcsec [arcsec] {pos.angDistance} Great-circle distance
CREATE MACRO separation_arcsec(ra1, dec1, ra2, dec2) AS
3600 * 2 * degrees(atan2(
  sqrt(power(cos(radians(ra2 - ra1) / 2) * sin(radians(dec2 - dec1) / 2), 2)
     + power(sin(radians(ra2 - ra1) / 2) * cos(radians(dec2 + dec1) / 2), 2)),
  sqrt(power(cos(radians(ra2 - ra1) / 2) * cos(radians(dec2 - dec1) / 2), 2)
     + power(sin(radians(ra2 - ra1) / 2) * sin(radians(dec2 + dec1) / 2), 2))
));
