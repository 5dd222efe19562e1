-- What a source is: one row per source of which anything is said, so that a join with it repeats no row. Believed is
-- what is said for certain, before a candidate, before a model's prediction; of these the literature's word, then
-- SIMBAD's, then that of other authorities in the order of the alphabet. What the others say is listed beside it; all
-- of it, by authority, is analysis.authority_class.
-- columns:
--   name {meta.id;src} Source, '2CXO J...'
--   class {src.class} The field's class: analysis.class_map; NULL where nothing that is said is a kind of source
--   otype {src.class} The type as the believed authority spells it
--   authority {meta.curation} The authority that is believed: literature, simbad, umlcaxs, ...
--   candidate {meta.code} True where even that one says candidate
--   predicted {meta.code} True where a model predicted it: never truth
--   conflicting {meta.code} True where analysis.class_conflict has the source
--   n_authorities {meta.number} Authorities that say anything of it
--   others {meta.note} What the other authorities say, as 'simbad: AGN (QSO)', in the order of belief
CREATE VIEW analysis.source_class AS
WITH ordered AS (
  SELECT a.name, a.class, a.otype, a.authority, a.candidate, a.predicted,
    row_number() OVER (PARTITION BY a.name ORDER BY a.class IS NULL, a.predicted, a.candidate,
      CASE a.authority WHEN 'literature' THEN 0 WHEN 'simbad' THEN 1 ELSE 2 END, a.authority) AS place,
    a.authority || ': ' || coalesce(a.class || CASE WHEN a.otype <> a.class THEN ' (' || a.otype || ')' ELSE '' END, a.otype)
      || CASE WHEN a.predicted THEN ', predicted' ELSE '' END AS told
  FROM analysis.authority_class AS a
),
listed AS (
  SELECT name, count(*) AS n_authorities, coalesce(list(told ORDER BY place) FILTER (place > 1), []) AS others
  FROM ordered GROUP BY name
)
SELECT o.name, o.class, o.otype, o.authority, o.candidate, o.predicted, c.name IS NOT NULL AS conflicting,
  l.n_authorities, l.others
FROM ordered AS o
JOIN listed AS l ON l.name = o.name
LEFT JOIN analysis.class_conflict AS c ON c.name = o.name
WHERE o.place = 1;
