-- Whether a photon fell into a source region: into its ellipse, and where the region is no plain ellipse into its
-- shapes. All photons of a source's own list (a corpus) are the source's.
-- parameters:
--   x [pixel] {pos.cartesian.x} Sky x of the photon
--   y [pixel] {pos.cartesian.y} Sky y of the photon
--   region <STRUCT> Row of product.detection_region (give the table's alias), or the same as a STRUCT
-- returns:
--   in_source_region <BOOLEAN> {meta.code} True or false; NULL where the place of the photon or the region is not known
CREATE MACRO in_source_region(x, y, region) AS
CASE WHEN struct_extract(region, 'taken_from') = 'corpus' THEN true
  WHEN struct_extract(region, 'shapes') IS NULL THEN
    inside_ellipse((x - struct_extract(region, 'x')) * struct_extract(region, 'x_step_arcsec'),
      (y - struct_extract(region, 'y')) * struct_extract(region, 'y_step_arcsec'),
      struct_extract(region, 'semi_major_arcsec'), struct_extract(region, 'semi_minor_arcsec'),
      struct_extract(region, 'angle_deg'))
  WHEN power((x - struct_extract(region, 'x')) * struct_extract(region, 'x_step_arcsec'), 2)
    + power((y - struct_extract(region, 'y')) * struct_extract(region, 'y_step_arcsec'), 2)
    <= power(struct_extract(region, 'semi_major_arcsec'), 2) THEN inside_region(x, y, struct_extract(region, 'shapes'))
  WHEN x IS NOT NULL AND y IS NOT NULL THEN false
END;
