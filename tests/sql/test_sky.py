"""Positions: separations, cones and sky pixels, held against astropy and against brute force."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord, angular_separation
from astropy.wcs import WCS
from factories.engine import insert
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

RA = st.floats(0, 360)
DEC = st.floats(-90, 90)
SAME_ENGINE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def separation(engine, *position):
    return engine.execute("SELECT separation_arcsec($1, $2, $3, $4)", [float(p) for p in position]).fetchone()[0]


@SAME_ENGINE
@example(0.0, 90.0, 180.0, 89.999)
@example(359.9999, 10.0, 0.0001, 10.0)
@example(10.0, -90.0, 200.0, 90.0)
@example(10.0, 20.0, 10.0, 20.0)
@example(123.0, 45.0, 123.0 + 1e-9, 45.0 - 1e-9)
@given(RA, DEC, RA, DEC)
def test_separation_is_astropys(engine, ra1, dec1, ra2, dec2):
    expected = angular_separation(*(np.radians(v) for v in (ra1, dec1, ra2, dec2)))
    assert separation(engine, ra1, dec1, ra2, dec2) == pytest.approx(np.degrees(expected) * 3600, rel=1e-9, abs=1e-8)


def test_separation_is_exact_at_both_ends(engine):
    # a thousandth of an arcsecond, and the same short of the antipode: a plain haversine loses the latter
    small = 0.001 / 3600
    assert separation(engine, 50, 30, 50, 30 + small) == pytest.approx(0.001, abs=1e-9)
    assert 180 * 3600 - separation(engine, 0, 0, 180, small) == pytest.approx(0.001, abs=1e-9)
    assert separation(engine, 0, 90, 180, -90) == 180 * 3600


def test_separation_of_nothing_is_null(engine):
    assert engine.execute("SELECT separation_arcsec(NULL, 0, 0, 0)").fetchone() == (None,)


@pytest.fixture
def crowded(engine, any_seed):
    """Sources everywhere, and crowds at the poles and where right ascension turns over."""
    generator = np.random.default_rng([7, any_seed])
    ra = np.concatenate(
        [generator.uniform(0, 360, 3000), generator.normal(0, 0.3, 500) % 360, generator.uniform(0, 360, 500)]
    )
    dec = np.concatenate(
        [
            np.degrees(np.arcsin(generator.uniform(-1, 1, 3000))),
            generator.normal(5, 0.3, 500),
            np.where(np.arange(500) % 2 == 0, 1, -1) * (90 - np.abs(generator.normal(0, 0.5, 500))),
        ]
    )
    ra, dec = np.append(ra, [0, 360, 10, 10, np.nan]), np.append(dec, [5, 5, 90, -90, np.nan])
    names = [f"source {i}" for i in range(len(ra))]
    batch = pa.table({"name": names, "ra": pa.array(ra, from_pandas=True), "dec": pa.array(dec, from_pandas=True)})
    engine.register("batch", batch)
    engine.execute('INSERT INTO csc.master_source (name, ra, "dec") SELECT * FROM batch')
    engine.unregister("batch")
    return engine, ra[:-1], dec[:-1]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(0.0, 5.0, 3000.0)
@example(359.99, 5.0, 3000.0)
@example(77.0, 90.0, 5000.0)
@example(77.0, -90.0, 5000.0)
@example(200.0, 89.5, 4000.0)
@example(0.0, 0.0, 648000.0)
@given(RA, DEC, st.floats(0, 100_000))
def test_a_cone_holds_what_brute_force_finds(crowded, ra, dec, radius_arcsec):
    engine, all_ra, all_dec = crowded
    distance = np.degrees(angular_separation(*(np.radians(v) for v in (ra, dec, all_ra, all_dec)))) * 3600
    found = dict(
        engine.execute("SELECT name, separation_arcsec FROM cone($1, $2, $3)", [ra, dec, radius_arcsec]).fetchall()
    )
    near_edge = np.abs(distance - radius_arcsec) < 1e-6
    for i in np.flatnonzero(~near_edge):
        assert (f"source {i}" in found) == (distance[i] < radius_arcsec)
    for name, value in found.items():
        assert value == pytest.approx(distance[int(name.split()[1])], abs=1e-6)


def test_a_cone_scans_a_band_of_declination(engine):
    plan = engine.execute("EXPLAIN SELECT name FROM cone(10, 20, 3600)").fetchone()[1]
    assert "dec>=18.99" in plan.replace(" ", "")


def test_a_cone_keeps_all_columns_of_the_source(engine):
    insert(engine, "csc.master_source", {"name": "2CXO J000000.0+000000", "ra": 0.0, "dec": 0.0, "significance": 9.0})
    assert engine.execute("SELECT significance, separation_arcsec FROM cone(0.0, 0.001, 5)").fetchone() == (
        9.0,
        pytest.approx(3.6),
    )


WCS_HEADERS = st.tuples(RA, st.floats(-89, 89))


@SAME_ENGINE
@example((0.001, 89.0), 3000.0, 5000.0)
@example((359.999, -89.0), 5000.0, 3000.0)
@given(WCS_HEADERS, st.floats(0, 8192), st.floats(0, 8192))
def test_sky_pixels_are_astropys(engine, pointing, x, y):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix = [4096.5, 4096.5]
    wcs.wcs.cdelt = [-0.492 / 3600, 0.492 / 3600]
    wcs.wcs.crval = pointing
    ra, dec = (float(v) for v in wcs.all_pix2world(x, y, 1))
    row = {"x_crpix": 4096.5, "x_crval": pointing[0], "x_cdelt": wcs.wcs.cdelt[0]}
    row |= {"y_crpix": 4096.5, "y_crval": pointing[1], "y_cdelt": wcs.wcs.cdelt[1]}
    got = engine.execute("SELECT sky_ra($x, $y, $w), sky_dec($x, $y, $w)", {"x": x, "y": y, "w": row}).fetchone()
    assert separation(engine, *got, ra, dec) < 1e-6
    assert 0 <= got[0] <= 360
    back = engine.execute("SELECT sky_x($r, $d, $w), sky_y($r, $d, $w)", {"r": ra, "d": dec, "w": row}).fetchone()
    assert back == pytest.approx((x, y), abs=1e-5)


def test_behind_the_tangent_plane_there_is_no_pixel(engine):
    row = {"x_crpix": 1.0, "x_crval": 0.0, "x_cdelt": -1e-4, "y_crpix": 1.0, "y_crval": 0.0, "y_cdelt": 1e-4}
    assert engine.execute("SELECT sky_x(180.0, 0.0, $w), sky_y(91.0, 0.0, $w)", {"w": row}).fetchone() == (None, None)


def test_sky_positions_take_a_row_of_the_header(engine):
    header = {"file_id": 1, "kind": "events", "x_crpix": 4096.5, "x_crval": 83.8, "x_cdelt": -0.492 / 3600}
    header |= {"y_crpix": 4096.5, "y_crval": -5.4, "y_cdelt": 0.492 / 3600}
    insert(engine, "product.header", header)
    insert(engine, "product.event_stored", {"file_id": 1, "row": 0, "x": 4096.5, "y": 4096.5})
    query = (
        "SELECT sky_ra(e.x, e.y, h), sky_dec(e.x, e.y, h) FROM product.event e JOIN product.header h USING (file_id)"
    )
    assert engine.execute(query).fetchone() == pytest.approx((83.8, -5.4))


def test_mission_time_is_terrestrial_time(engine):
    from astropy.time import Time, TimeDelta  # noqa: PLC0415 - used here alone

    seconds = 705930405.827461
    found = engine.execute("SELECT mission_time($1)", [seconds]).fetchone()[0]
    expected = Time(50814.0, format="mjd", scale="tt") + TimeDelta(seconds * u.s)
    assert found.isoformat(timespec="microseconds") == expected.to_value("isot", subfmt="date_hms")[:19] + ".827461"


def value(engine, macro, given):
    return engine.execute(f"SELECT {macro}($1)", [given]).fetchone()[0]


@SAME_ENGINE
@given(RA, DEC)
def test_positions_as_astropy_writes_them_are_read(engine, ra, dec):
    place = SkyCoord(ra % 360, dec, unit="deg")
    for sep in (":", "hms", " "):
        text = place.ra.to_string(unit=u.hour, sep=sep, precision=7, pad=True)
        assert value(engine, "ra_deg", text) == pytest.approx(place.ra.deg, abs=1e-9)
    for sep in (":", "dms", " "):
        text = place.dec.to_string(unit=u.deg, sep=sep, precision=7, alwayssign=True)
        assert value(engine, "dec_deg", text) == pytest.approx(dec, abs=1e-9)
        assert value(engine, "dec_deg", text.replace("-", "−")) == pytest.approx(dec, abs=1e-9)  # noqa: RUF001
    assert value(engine, "ra_deg", ra) == ra
    assert value(engine, "dec_deg", dec) == dec


@pytest.mark.parametrize(
    ("macro", "given", "degrees"),
    [
        ("ra_deg", "14:03", 15 * 14.05),
        ("ra_deg", " 14h 03m 12.0s ", 210.8),
        ("ra_deg", "210d48m00s", 210.8),
        ("ra_deg", "210.8 deg", 210.8),
        ("ra_deg", "14.05h", 15 * 14.05),
        ("ra_deg", "210.8", 210.8),
        ("ra_deg", "−10\xa0", -10),  # noqa: RUF001
        ("dec_deg", "-00:30:00", -0.5),
        ("dec_deg", "-0 30", -0.5),
        ("dec_deg", "+54°21′00.0″", 54.35),  # noqa: RUF001
        ("dec_deg", "54°21'00\"", 54.35),
        ("dec_deg", "54.35d", 54.35),
        ("angle_arcsec", 60, 60 / 3600),
        ("angle_arcsec", "60", 60 / 3600),
        ("angle_arcsec", "2 arcmin", 2 / 60),
        ("angle_arcsec", "2'", 2 / 60),
        ("angle_arcsec", "2′", 2 / 60),  # noqa: RUF001
        ("angle_arcsec", "2 Arcminutes", 2 / 60),
        ("angle_arcsec", '1.5"', 1.5 / 3600),
        ("angle_arcsec", "1.5''", 1.5 / 3600),
        ("angle_arcsec", "1.5arcsec", 1.5 / 3600),
        ("angle_arcsec", "500 mas", 0.5 / 3600),
        ("angle_arcsec", "0.5deg", 0.5),
        ("angle_arcsec", "1e-3 rad", float(Angle(1e-3, "rad").deg)),
    ],
)
def test_a_position_or_an_angle_may_be_a_text(engine, macro, given, degrees):
    scale = 3600 if macro == "angle_arcsec" else 1
    assert value(engine, macro, given) == pytest.approx(degrees * scale, rel=1e-12)


@pytest.mark.parametrize(
    ("macro", "given"),
    [
        ("ra_deg", "M 82"),
        ("ra_deg", "14:63:12"),
        ("ra_deg", "14:03:12:01"),
        ("ra_deg", float("nan")),
        ("dec_deg", "91"),
        ("dec_deg", -90.1),
        ("dec_deg", "14h03m12s"),
        ("angle_arcsec", "2 parsec"),
        ("angle_arcsec", -1),
        ("angle_arcsec", "2 kiloarcsec"),
    ],
)
def test_what_is_none_is_an_error_that_names_it(engine, macro, given):
    with pytest.raises(duckdb.InvalidInputException, match=f"found {given}"):
        value(engine, macro, given)
    assert value(engine, macro, None) is None


def test_a_cone_takes_texts_and_is_sorted(engine):
    engine.execute(
        "INSERT INTO csc.master_source (name, ra, dec) VALUES ('far', 210.81, 54.35), ('near', 210.8, 54.35)"
    )
    query = "SELECT name, separation_arcsec FROM cone({}, {}, {}) WHERE name IN ('near', 'far')"
    found = engine.execute(query.format("'14:03:12'", "'+54:21:00'", "'2 arcmin'")).fetchall()
    assert [name for name, _ in found] == ["near", "far"]
    assert found == [
        (n, pytest.approx(s, abs=1e-6)) for n, s in engine.execute(query.format(210.8, 54.35, 120)).fetchall()
    ]
    for wrong in ("'x', 1, 1", "1, 'x', 1", "1, 1, 'x'", "54.35, 210.8, 60"):
        with pytest.raises(duckdb.InvalidInputException, match="found"):
            engine.execute(f"SELECT count(*) FROM cone({wrong})").fetchall()


def test_a_cone_with_texts_skips_as_one_with_numbers(engine):
    ((_, plan),) = engine.execute("EXPLAIN SELECT name FROM cone('14:03:12', '+54:21:00', '2 arcmin')").fetchall()
    assert "54.31" in plan
