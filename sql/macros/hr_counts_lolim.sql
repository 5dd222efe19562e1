-- Lower end of the 68.3 % interval of hr_counts. Given soft + hard, the hard counts are binomial; this is Wilson's score
-- interval of their share (Wilson 1927, JASA 22, 209) at one sigma, mapped to the ratio. Its mean coverage is close to
-- nominal from the first count on (Brown, Cai & DasGupta 2001, Stat. Sci. 16, 101). Its ends lie within 0.08 of those
-- of the exact Bayesian interval with Jeffreys' prior (a beta distribution) at one count, and within 0.01 of them
-- from 6 counts on. Background is not taken out.
-- parameters:
--   soft [count] {phot.count} Counts in the softer band
--   hard [count] {phot.count} Counts in the harder band
-- returns:
--   hr_counts_lolim {phot.count;arith.ratio;stat.min} Between -1 and 1; NULL without counts
CREATE MACRO hr_counts_lolim(soft, hard) AS
CASE WHEN soft + hard > 0 THEN
  ((hard - soft) - 2 * sqrt(soft::DOUBLE * hard / (soft + hard) + 0.25)) / (soft + hard + 1)
END;
