-- Sky y of a position in an event file: the tangent plane (TAN; Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3)
-- without rotation, as Chandra's level-2 and level-3 event files have it. NULL beyond 90 degrees of the pointing.
-- parameters:
--   ra [deg] {pos.eq.ra} Right ascension, ICRS
--   dec [deg] {pos.eq.dec} Declination, ICRS
--   wcs <STRUCT> Row of product.header (give the table's alias), or any struct with x_crpix, x_crval, x_cdelt, y_crpix, ...
-- returns:
--   sky_y [pixel] {pos.cartesian.y} Sky pixel
CREATE MACRO sky_y(ra, "dec", wcs) AS
CASE WHEN sin(radians("dec")) * sin(radians(struct_extract(wcs, 'y_crval')))
        + cos(radians("dec")) * cos(radians(struct_extract(wcs, 'y_crval')))
        * cos(radians(ra - struct_extract(wcs, 'x_crval'))) > 1e-9 THEN
  struct_extract(wcs, 'y_crpix') + degrees(
    (cos(radians(struct_extract(wcs, 'y_crval'))) * sin(radians("dec")) - sin(radians(struct_extract(wcs, 'y_crval'))) * cos(radians("dec"))
        * cos(radians(ra - struct_extract(wcs, 'x_crval'))))
    / (sin(radians("dec")) * sin(radians(struct_extract(wcs, 'y_crval')))
        + cos(radians("dec")) * cos(radians(struct_extract(wcs, 'y_crval')))
        * cos(radians(ra - struct_extract(wcs, 'x_crval')))))
    / struct_extract(wcs, 'y_cdelt')
END;
