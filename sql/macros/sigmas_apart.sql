-- How far two vectors are apart, in standard deviations: the root mean square over their numbers. About 1 for two
-- spectra of one source; small too where one of them says little. NULL where an encoder tells no deviations.
-- parameters:
--   v <DOUBLE[]> vector of one row
--   s <DOUBLE[]> Its vector_sigma
--   w <DOUBLE[]> vector of the other row
--   t <DOUBLE[]> Its vector_sigma
-- returns:
--   sigmas_apart {stat.value} 0 for the same vector
CREATE MACRO sigmas_apart(v, s, w, t) AS
  sqrt(list_avg(list_transform(range(1, len(v) + 1), lambda i: (v[i] - w[i])^2 / (s[i]^2 + t[i]^2))));
