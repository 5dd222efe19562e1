-- Whether a place lies inside an ellipse, or on it: both are on the plane that touches the sky at the ellipse's centre.
-- parameters:
--   east_arcsec [arcsec] {pos.angDistance} Of the place from the centre, positive to the east
--   north_arcsec [arcsec] {pos.angDistance} Likewise, positive to the north
--   semi_major_arcsec [arcsec] {phys.angSize.smajAxis} Semi-major axis
--   semi_minor_arcsec [arcsec] {phys.angSize.sminAxis} Semi-minor axis
--   angle_deg [deg] {pos.posAng} Position angle of the major axis, from north through east
-- returns:
--   inside <BOOLEAN> {meta.code} True or false; NULL where an argument is
CREATE MACRO inside_ellipse(east_arcsec, north_arcsec, semi_major_arcsec, semi_minor_arcsec, angle_deg) AS
  power((east_arcsec * sin(radians(angle_deg)) + north_arcsec * cos(radians(angle_deg))) / semi_major_arcsec, 2)
  + power((east_arcsec * cos(radians(angle_deg)) - north_arcsec * sin(radians(angle_deg))) / semi_minor_arcsec, 2) <= 1;
