-- The field's class of a source by each authority, one row per source and authority that says anything: the class most
-- of its statements stand for (of equally many the first in the alphabet), by analysis.class_map. Conflicts are kept
-- and marked. Truth is what is neither predicted nor a candidate, and has a class. One class per source:
-- analysis.source_class.
-- columns:
--   name {meta.id;src} Source, '2CXO J...'
--   authority {meta.curation} Who says so: simbad, literature, umlcaxs, ...
--   class {src.class} The field's class; NULL where what is said is no kind of source
--   otype {src.class} The type that most of the agreeing statements give, as the authority spells it
--   n_statements {meta.number} Statements of this authority on this source
--   n_agreeing {meta.number} Those that stand for this class
--   conflicting {meta.code} True where other statements of this authority stand for another class
--   candidate {meta.code} True where every agreeing statement says candidate
--   predicted {meta.code} True where a model predicted it: never truth
CREATE VIEW analysis.authority_class AS
SELECT name, authority, class, otype, (sum(n_statements) OVER same)::BIGINT AS n_statements,
  n_statements AS n_agreeing, count(class) OVER same > 1 AS conflicting, candidate, predicted
FROM analysis.class_statement
WINDOW same AS (PARTITION BY name, authority)
QUALIFY row_number() OVER (PARTITION BY name, authority ORDER BY class IS NULL, n_statements DESC, class) = 1;
