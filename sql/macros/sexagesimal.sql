-- Number of a text in sixtieths, as positions are written: '14:03:12', '14h03m12.5s', '-00 30 00', '54d21m'.
-- parameters:
--   words <VARCHAR> Text, see typed(): two or three numbers, the last with or without decimals
-- returns:
--   sexagesimal The first number and its sixtieths, below zero where a minus stands before it; NULL for any other text
CREATE MACRO sexagesimal(words) AS
CASE WHEN regexp_full_match(words, '[+-]?\s*\d{1,3}\s*[:hd° ]\s*[0-5]?\d\s*([:m'' ]\s*[0-5]?\d)?(\.\d*)?\s*[ms''"]*')
  THEN list_sum(list_transform(regexp_extract_all(words, '\d+(?:\.\d*)?'), lambda part, i: part::DOUBLE / power(60, i - 1)))
    * CASE WHEN starts_with(words, '-') THEN -1 ELSE 1 END
END;
