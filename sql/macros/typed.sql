-- A value as a text in plain characters: small letters, and signs, quotes and blanks as a keyboard has them.
-- parameters:
--   given <VARCHAR> Number or text
-- returns:
--   typed <VARCHAR> The text: '−00°30′ ' is '-00°30'''
CREATE MACRO typed(given) AS
translate(lower(trim(given::VARCHAR, chr(160) || ' ')), '−–′’″”' || chr(160), '--''''"" ');
