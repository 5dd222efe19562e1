-- Declination in degrees, however it is given: a number is degrees already; a text is '+54:21:00', '54d21m00s' or
-- '54.35 deg'. An error says what else was found.
-- parameters:
--   declination <VARCHAR> {pos.eq.dec} Number or text
-- returns:
--   dec_deg [deg] {pos.eq.dec} Declination, from -90 to 90
CREATE MACRO dec_deg(declination) AS
CASE WHEN abs(TRY_CAST(declination AS DOUBLE)) <= 90 THEN TRY_CAST(declination AS DOUBLE)
  WHEN regexp_full_match(typed(declination), '[+-]?\d+(\.\d*)?\s*(d|degs?|degrees?|°)?')
    AND abs(TRY_CAST(regexp_extract(typed(declination), '-?\d+(?:\.\d*)?') AS DOUBLE)) <= 90
    THEN TRY_CAST(regexp_extract(typed(declination), '-?\d+(?:\.\d*)?') AS DOUBLE)
  WHEN abs(sexagesimal(typed(declination))) <= 90 AND NOT contains(typed(declination), 'h')
    THEN sexagesimal(typed(declination))
  WHEN declination IS NOT NULL
    THEN error('a declination is degrees from -90 to 90, as 54.35 or ''+54:21:00''; found ' || declination::VARCHAR)
END;
