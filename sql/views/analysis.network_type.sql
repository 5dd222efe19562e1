-- The newest network run's table of types, as published ones are: how many of low and high degree, the share of high,
-- and beside it the odds with their interval, plain and with class size taken out, and the control. q is corrected for
-- the number of all odds of the run (Benjamini & Hochberg 1995): an interval without 1 may be luck, a q of .01 hardly.
-- columns:
--   threshold {stat.value;stat.min} Least similarity of an edge
--   otype {src.class} Object type; '(none)' where nothing is known
--   low {meta.number} Nodes of low degree
--   high {meta.number} Nodes of high degree
--   percent_high {stat.value} Share of high degree, in percent
--   odds_ratio Odds of high degree over those of all other nodes
--   odds_interval Its 95 % interval (Woolf 1955), each source counting once
--   odds_q {stat.probability} False discovery rate if it and all that are clearer are believed
--   balanced_odds_ratio The same with class size taken out
--   balanced_odds_interval Its interval
--   balanced_odds_q {stat.probability} Its false discovery rate
--   shuffled_odds_ratio Control: the types of other sources
CREATE VIEW analysis.network_type AS
SELECT threshold, otype, low, high, round(100 * share_high, 1) AS percent_high, odds_ratio,
  printf('[%.2f, %.2f]', odds_ratio_low, odds_ratio_high) AS odds_interval, odds_ratio_q AS odds_q,
  balanced_odds_ratio,
  printf('[%.2f, %.2f]', balanced_odds_ratio_low, balanced_odds_ratio_high) AS balanced_odds_interval,
  balanced_odds_ratio_q AS balanced_odds_q,
  shuffled_odds_ratio
FROM analysis.degree_by_type
WHERE run_id = (SELECT max(run_id) FROM analysis.graph)
ORDER BY threshold, n DESC, otype;
