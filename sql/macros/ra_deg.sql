-- Right ascension in degrees, however it is given: a number is degrees already; a text is '14:03:12' or '14h03m12s' in
-- hours, '210d48m00s' or '210.8 deg' in degrees. An error says what else was found.
-- parameters:
--   right_ascension <VARCHAR> {pos.eq.ra} Number or text
-- returns:
--   ra_deg [deg] {pos.eq.ra} Right ascension
CREATE MACRO ra_deg(right_ascension) AS
CASE WHEN isfinite(TRY_CAST(right_ascension AS DOUBLE)) THEN TRY_CAST(right_ascension AS DOUBLE)
  WHEN regexp_full_match(typed(right_ascension), '-?\d+(\.\d*)?\s*(d|degs?|degrees?|°|h|hours?|hourangle)?')
    THEN TRY_CAST(regexp_extract(typed(right_ascension), '-?\d+(?:\.\d*)?') AS DOUBLE)
      * CASE WHEN contains(typed(right_ascension), 'h') THEN 15 ELSE 1 END
  WHEN sexagesimal(typed(right_ascension)) IS NOT NULL
    THEN sexagesimal(typed(right_ascension)) * CASE WHEN regexp_matches(typed(right_ascension), 'd|°') THEN 1 ELSE 15 END
  WHEN right_ascension IS NOT NULL
    THEN error('a right ascension is degrees, as 210.8, or hours, as ''14:03:12''; found ' || right_ascension::VARCHAR)
END;
