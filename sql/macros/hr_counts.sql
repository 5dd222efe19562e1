-- Hardness ratio of two counts, (hard - soft) / (hard + soft). Not the catalog's: that one is a ratio of photon
-- fluxes, with background and effective area taken out.
-- parameters:
--   soft [count] {phot.count} Counts in the softer band
--   hard [count] {phot.count} Counts in the harder band
-- returns:
--   hr_counts {phot.count;arith.ratio} Between -1 and 1; NULL without counts
CREATE MACRO hr_counts(soft, hard) AS
(hard - soft) / nullif(hard + soft, 0)::DOUBLE;
