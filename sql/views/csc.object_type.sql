-- What an authority says a source is, one row per source and authority: what most of its statements say (of equally
-- many the first in the alphabet), and whether others contradict. Where every statement on the source has a class, they
-- are counted by class; else by the type as the authority spells it.
-- columns:
--   name {meta.id;src} Source, '2CXO J...'
--   authority {meta.curation} Who says so: simbad, literature, umlcaxs, ...
--   otype {src.class} The type most of the agreeing statements give
--   class {src.class} The authority's coarser class
--   n_statements {meta.number} Statements of this authority on this source
--   n_agreeing {meta.number} Those that agree with this class or type
--   conflicting {meta.code} True where others say something else
--   predicted {meta.code} True where a model predicted it: never truth
--   probability {stat.probability} Highest probability the model gives it
--   reference {meta.bib} Papers that say so, separated by semicolons
CREATE VIEW csc.object_type AS
WITH said AS (
  SELECT name, authority, coalesce(otype, class) AS otype, class, predicted, probability, reference,
    CASE WHEN count(class) OVER same = count(*) OVER same THEN class ELSE coalesce(otype, class) END AS label
  FROM csc.classification
  WHERE name IS NOT NULL AND coalesce(otype, class) IS NOT NULL
  WINDOW same AS (PARTITION BY name, authority)
),
counted AS (
  SELECT name, authority, label, mode(otype ORDER BY otype) AS otype, mode(class ORDER BY class) AS class,
    count(*) AS n, bool_or(coalesce(predicted, false)) AS predicted, max(probability) AS probability,
    string_agg(DISTINCT reference, '; ' ORDER BY reference) AS reference
  FROM said
  GROUP BY name, authority, label
)
SELECT name, authority, otype, class,
  (sum(n) OVER same)::BIGINT AS n_statements, n AS n_agreeing, (count(*) OVER same) > 1 AS conflicting,
  predicted, probability, reference
FROM counted
WINDOW same AS (PARTITION BY name, authority)
QUALIFY row_number() OVER (PARTITION BY name, authority ORDER BY n DESC, label) = 1;
