-- Sources and the papers that are taken to be about them, one row per source: links that are sure enough to be used
-- (confidence 0.5 and above, or not told).
-- columns:
--   name {meta.id;src} Source, '2CXO J...'
--   n_papers {meta.number} Papers
--   bibcodes {meta.bib.bibcode} Their bibcodes, newest first
--   methods {meta.code} How they were linked
--   n_unsure {meta.number} Further papers whose link is not sure enough
CREATE VIEW lit.source_paper AS
WITH linked AS (
  SELECT name, bibcode, bool_or(coalesce(confidence, 1) >= 0.5) AS sure,
    list(DISTINCT method ORDER BY method) AS methods
  FROM lit.paper_source
  GROUP BY name, bibcode
)
SELECT name, count(*) FILTER (sure) AS n_papers,
  coalesce(list(bibcode ORDER BY bibcode DESC) FILTER (sure), []) AS bibcodes,
  coalesce(list_sort(list_distinct(flatten(list(methods) FILTER (sure)))), []) AS methods,
  count(*) FILTER (NOT sure) AS n_unsure
FROM linked
GROUP BY name;
