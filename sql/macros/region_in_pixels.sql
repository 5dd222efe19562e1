-- A region's shapes in the sky pixels of an event file: from their positions on the sky where both are known, so that
-- a region holds in every file of the observation, else from the pixels that the region's file tells.
-- parameters:
--   shapes <STRUCT[]> Rows of product.region as STRUCTs, in a list
--   wcs <STRUCT> Row of product.header, or any struct with x_crpix, x_crval, x_cdelt, y_crpix, ...
-- returns:
--   shapes <STRUCT[]> As product.detection_region.shapes has them
CREATE MACRO region_in_pixels(shapes, wcs) AS
list_transform(
  list_transform(shapes, lambda shape: struct_pack(
    shape := shape,
    corner := list_transform(range(1, len(coalesce(shape.x, shape.ra)) + 1), lambda i: struct_pack(
      x := coalesce(sky_x(shape.ra[i], shape.dec[i], wcs), shape.x[i]),
      y := coalesce(sky_y(shape.ra[i], shape.dec[i], wcs), shape.y[i]))))),
  lambda made: struct_pack(
    component := made.shape.component,
    include := made.shape.include,
    x := made.corner[1].x,
    y := made.corner[1].y,
    a := coalesce(made.shape.r_arcsec[1] / (3600 * abs(struct_extract(wcs, 'y_cdelt'))), made.shape.r[1]),
    b := coalesce(made.shape.r_arcsec[-1] / (3600 * abs(struct_extract(wcs, 'y_cdelt'))), made.shape.r[-1]),
    rotang := coalesce(made.shape.rotang, 0),
    edges := CASE WHEN made.shape.shape = 'polygon' THEN
      list_transform(range(1, len(made.corner) + 1), lambda i: struct_pack(
        x1 := made.corner[i].x, y1 := made.corner[i].y,
        x2 := made.corner[i % len(made.corner) + 1].x, y2 := made.corner[i % len(made.corner) + 1].y)) END));
