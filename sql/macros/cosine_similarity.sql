-- Cosine of the angle between two vectors, in double precision; NULL where one of them is NULL or has no direction
-- (all zeros).
-- parameters:
--   a <DOUBLE[]> A vector
--   b <DOUBLE[]> Another, as long
-- returns:
--   cosine_similarity {stat.correlation} From -1 (opposite) to 1 (the same direction)
CREATE MACRO cosine_similarity(a, b) AS
  CASE WHEN list_dot_product(a::DOUBLE[], a::DOUBLE[]) > 0 AND list_dot_product(b::DOUBLE[], b::DOUBLE[]) > 0
  THEN greatest(-1.0::DOUBLE, least(1.0::DOUBLE, list_dot_product(a::DOUBLE[], b::DOUBLE[])
    / sqrt(list_dot_product(a::DOUBLE[], a::DOUBLE[]) * list_dot_product(b::DOUBLE[], b::DOUBLE[])))) END;
