-- Papers and the sources they are taken to be about: the links of lit.paper_source that are sure enough to be used, one
-- row per paper and source. This is the one place where it is decided which links count: a confidence of 0.5 and above,
-- or none, which is how catalogs and ADS state a link. Queries use this view; lit.paper_source has the others too.
-- columns:
--   name {meta.id;src} Source, '2CXO J...'
--   bibcode {meta.bib.bibcode} Paper: lit.paper
--   methods {meta.code} How the link was made: class reference, ADS object query, name in text, ...
--   confidence {stat.probability} Highest confidence of these; NULL where none is told
CREATE VIEW lit.confident_link AS
SELECT name, bibcode, list(DISTINCT method ORDER BY method) AS methods, max(confidence) AS confidence
FROM lit.paper_source
WHERE coalesce(confidence, 1) >= 0.5
GROUP BY name, bibcode;
