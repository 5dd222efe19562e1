-- Sources and the papers that are taken to be about them, one row per source: lit.confident_link, gathered.
-- columns:
--   name {meta.id;src} Source, '2CXO J...'
--   n_papers {meta.number} Papers
--   bibcodes {meta.bib.bibcode} Their bibcodes, newest first
--   methods {meta.code} How they were linked
--   n_unsure {meta.number} Further papers whose link is not sure enough
CREATE VIEW lit.source_paper AS
WITH sure AS (
  SELECT name, count(*) AS n_papers, list(bibcode ORDER BY bibcode DESC) AS bibcodes,
    list_sort(list_distinct(flatten(list(methods)))) AS methods
  FROM lit.confident_link
  GROUP BY name
),
linked AS (
  SELECT name, count(DISTINCT bibcode) AS n_papers FROM lit.paper_source GROUP BY name
)
SELECT l.name, coalesce(s.n_papers, 0) AS n_papers, coalesce(s.bibcodes, []) AS bibcodes,
  coalesce(s.methods, []) AS methods, l.n_papers - coalesce(s.n_papers, 0) AS n_unsure
FROM linked AS l
LEFT JOIN sure AS s ON s.name = l.name;
