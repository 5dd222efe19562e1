-- Sources of which different things are said: one row per source whose statements, those of models left out, stand for
-- more than one of the field's classes, a class and the coarser one that it is a kind of counted as one.
-- columns:
--   name {meta.id;src} Source, '2CXO J...'
--   classes {src.class} The classes, in the order of the alphabet
--   statements {meta.note} Who says what, as 'simbad: HMXB', in the order of the alphabet
--   within_one {meta.code} True where one authority contradicts itself
CREATE VIEW analysis.class_conflict AS
WITH truth AS (
  SELECT name, authority, class FROM analysis.class_statement WHERE class IS NOT NULL AND NOT predicted
)
SELECT name, list(DISTINCT class ORDER BY class) AS classes,
  list(authority || ': ' || class ORDER BY authority, class) AS statements,
  count(*) > count(DISTINCT authority) AS within_one
FROM truth AS t
WHERE NOT EXISTS (
  SELECT 1 FROM truth AS f JOIN analysis.class_map AS m ON m.class = f.class
  WHERE f.name = t.name AND m.coarser = t.class
)
GROUP BY name
HAVING count(DISTINCT class) > 1;
