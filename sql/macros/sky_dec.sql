-- Declination of a photon, from its sky pixel: the tangent plane (TAN; Calabretta & Greisen 2002, A&A 395,
-- 1077, section 5.1.3) without rotation, as Chandra's level-2 and level-3 event files have it.
-- parameters:
--   x [pixel] {pos.cartesian.x} Sky x
--   y [pixel] {pos.cartesian.y} Sky y
--   wcs <STRUCT> Row of product.header (give the table's alias), or any struct with x_crpix, x_crval, x_cdelt, y_crpix, ...
-- returns:
--   sky_dec [deg] {pos.eq.dec} Declination, ICRS
CREATE MACRO sky_dec(x, y, wcs) AS
degrees(atan2(
  sin(radians(struct_extract(wcs, 'y_crval')))
    + radians((y - struct_extract(wcs, 'y_crpix')) * struct_extract(wcs, 'y_cdelt'))
    * cos(radians(struct_extract(wcs, 'y_crval'))),
  sqrt(
    power(radians((x - struct_extract(wcs, 'x_crpix')) * struct_extract(wcs, 'x_cdelt')), 2)
    + power(
      cos(radians(struct_extract(wcs, 'y_crval')))
      - radians((y - struct_extract(wcs, 'y_crpix')) * struct_extract(wcs, 'y_cdelt'))
      * sin(radians(struct_extract(wcs, 'y_crval'))), 2))));
