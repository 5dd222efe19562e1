-- Whether a place lies inside a region of several shapes, or on its edge: inside any of its components, and inside a
-- component is what is inside all its shapes that include and inside none that is cut out. A polygon has edges, and
-- inside it is from where a line to one side crosses an odd number of them; a circle or ellipse has none.
-- parameters:
--   x [pixel] {pos.cartesian.x} Sky x of the place
--   y [pixel] {pos.cartesian.y} Sky y of the place
--   shapes <STRUCT[]> The region, as product.detection_region.shapes has it
-- returns:
--   inside <BOOLEAN> {meta.code} True or false
CREATE MACRO inside_region(x, y, shapes) AS
-- Some component is not among those of the shapes that the place is on the wrong side of.
NOT list_has_all(
  list_transform(list_filter(shapes, lambda shape:
    (CASE WHEN shape.edges IS NULL
       THEN inside_ellipse(x - shape.x, y - shape.y, shape.a, shape.b, 90 - shape.rotang)
       ELSE len(list_filter(shape.edges, lambda edge:
         (edge.y1 > y) <> (edge.y2 > y)
         AND x < (edge.x2 - edge.x1) * (y - edge.y1) / (edge.y2 - edge.y1) + edge.x1)) % 2 = 1
     END) IS DISTINCT FROM shape.include), lambda shape: shape.component),
  list_transform(shapes, lambda shape: shape.component));
