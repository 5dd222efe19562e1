-- What authorities say a source is, in the field's classes: one row per source, authority and class that any of its
-- statements stands for, by analysis.class_map. Conflicts stand side by side.
-- columns:
--   name {meta.id;src} Source, '2CXO J...'
--   authority {meta.curation} Who says so: simbad, literature, umlcaxs, ...
--   class {src.class} The field's class; NULL where what is said is no kind of source
--   otype {src.class} The type that most of these statements give, as the authority spells it
--   n_statements {meta.number} Statements that stand for this class
--   candidate {meta.code} True where every one of them says candidate
--   predicted {meta.code} True where a model predicted it: never truth
CREATE VIEW analysis.class_statement AS
WITH said AS (
  SELECT name, authority, otype, class AS said_class, coalesce(predicted, false) AS predicted,
    regexp_matches(coalesce(otype, class), '^Candidate_|_Candidate$|\?$') AS candidate,
    lower(regexp_replace(coalesce(otype, class), '^Candidate_|\??_Candidate$|\?$', '')) AS term
  FROM csc.classification
  WHERE name IS NOT NULL AND coalesce(otype, class) IS NOT NULL
),
mapped AS (
  SELECT s.name, s.authority, coalesce(s.otype, s.said_class) AS otype, s.predicted, coalesce(c.class, t.class) AS class,
    s.candidate AND c.class IS NULL AS candidate
  FROM said AS s
  LEFT JOIN analysis.class_map AS c ON c.vocabulary = 'muwclass' AND lower(c.term) = lower(s.said_class)
  LEFT JOIN analysis.class_map AS t ON t.vocabulary = 'simbad' AND lower(t.term) = s.term
)
SELECT name, authority, class, mode(otype ORDER BY otype) AS otype, count(*) AS n_statements,
  bool_and(candidate) AS candidate, bool_or(predicted) AS predicted
FROM mapped
GROUP BY name, authority, class;
