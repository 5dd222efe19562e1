-- Small angle in arcseconds, however it is given: a number is arcseconds already; a text says its unit: '2 arcmin',
-- '120"', '0.5 deg', '500 mas'. An error says what else was found.
-- parameters:
--   angle <VARCHAR> {phys.angSize} Number or text
-- returns:
--   angle_arcsec [arcsec] {phys.angSize} The angle
CREATE MACRO angle_arcsec(angle) AS
CASE WHEN TRY_CAST(angle AS DOUBLE) >= 0 AND isfinite(TRY_CAST(angle AS DOUBLE)) THEN TRY_CAST(angle AS DOUBLE)
  WHEN regexp_full_match(typed(angle), '\+?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*'
    || '(mas|as|asec|arcsecs?|arcseconds?|"|''''|am|amin|arcmins?|arcminutes?|''|d|degs?|degrees?|°|rad|radians?)')
    THEN TRY_CAST(regexp_extract(typed(angle), '(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?') AS DOUBLE)
      * CASE WHEN ends_with(typed(angle), 'mas') THEN 0.001
          WHEN regexp_matches(typed(angle), '"|''''|as|sec') THEN 1
          WHEN regexp_matches(typed(angle), '''|am|arcmin') THEN 60
          WHEN contains(typed(angle), 'rad') THEN degrees(1) * 3600
          ELSE 3600 END
  WHEN angle IS NOT NULL
    THEN error('a radius is arcseconds, as 60, or a text with its unit, as ''2 arcmin''; found ' || angle::VARCHAR)
END;
