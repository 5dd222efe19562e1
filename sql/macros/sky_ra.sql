-- Right ascension of a photon, from its sky pixel: the tangent plane (TAN; Calabretta & Greisen 2002, A&A 395,
-- 1077, section 5.1.3) without rotation, as Chandra's level-2 and level-3 event files have it.
-- Example: SELECT sky_ra(e.x, e.y, h) FROM product.event e JOIN product.header h USING (file_id)
-- parameters:
--   x [pixel] {pos.cartesian.x} Sky x
--   y [pixel] {pos.cartesian.y} Sky y
--   wcs <STRUCT> Row of product.header (give the table's alias), or any struct with x_crpix, x_crval, x_cdelt, y_crpix, ...
-- returns:
--   sky_ra [deg] {pos.eq.ra} Right ascension, ICRS, from 0 to 360
CREATE MACRO sky_ra(x, y, wcs) AS
fmod(720 + struct_extract(wcs, 'x_crval') + degrees(atan2(
  radians((x - struct_extract(wcs, 'x_crpix')) * struct_extract(wcs, 'x_cdelt')),
  cos(radians(struct_extract(wcs, 'y_crval')))
    - radians((y - struct_extract(wcs, 'y_crpix')) * struct_extract(wcs, 'y_cdelt'))
    * sin(radians(struct_extract(wcs, 'y_crval'))))), 360);
