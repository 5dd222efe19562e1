"""The source region of a detection: what tells it, in which order, and which event files it is laid over."""

from __future__ import annotations

import numpy as np
import pytest
from factories.engine import insert
from factories.sky import (
    HEADER,
    REGION,
    SCALE,
    WCS,
    add_detection,
    add_events,
    add_region,
    circle,
    photons,
    polygon,
    position_of,
)
from matplotlib.path import Path as Outline

FIELD = np.random.default_rng(7).uniform(4050, 4150, (2, 4000))
X, Y = FIELD
BENT = [(4080.0, 4080.0), (4130.0, 4070.0), (4140.0, 4130.0), (4095.0, 4140.0), (4110.0, 4105.0)]


def region(engine):
    columns = "region_from, band, taken_from, flag"
    return engine.execute(f"SELECT {columns} FROM product.detection_region").fetchone()


def inside(engine):
    rows = photons(engine, "in_source_region")
    assert len(rows) == len(set(rows))
    found = np.zeros(len(X), bool)
    found[[row for _, _, row in rows]] = True
    return found


def within(x, y, r):
    return np.hypot(X - x, Y - y) <= r


def test_without_a_word_of_the_region_no_photon_is_the_sources(engine):
    add_events(engine, X, Y, **REGION)
    assert region(engine) == (None, None, "region file", "no_source_region")
    assert photons(engine, "in_source_region") == []
    assert len(photons(engine)) == len(X)
    assert engine.execute("SELECT * FROM product.count_hardness").fetchall() == []


def test_what_tells_the_region_and_in_which_order(engine):
    add_events(engine, X, Y, **REGION)
    add_region(engine, circle(4100, 4100, 9.0), told_by="reg", file_id=51)
    assert region(engine)[0] == "reg"
    assert (inside(engine) == within(4100, 4100, 9)).all()
    add_detection(engine, 4100, 4100, mjr_axis_aper=8 * SCALE, mnr_axis_aper=8 * SCALE)
    assert region(engine)[0] == "catalog"
    add_region(engine, circle(4100, 4100, 7.0), told_by="spectrum", file_id=52)
    assert region(engine)[0] == "spectrum"
    assert (inside(engine) == within(4100, 4100, 7)).all()
    add_region(engine, circle(4100, 4100, 6.0), told_by="reg3", file_id=53)
    assert region(engine)[0] == "reg3"
    assert (inside(engine) == within(4100, 4100, 6)).all()
    engine.execute("DELETE FROM product.region WHERE told_by IN ('reg3', 'spectrum')")
    engine.execute("UPDATE csc.observation_source SET mjr_axis_aper = NULL")
    assert region(engine)[0] == "reg"  # a user's region comes before the circle that is only assumed
    engine.execute("DELETE FROM product.region")
    assert region(engine) == ("circle", None, "region file", "assumed_region")


def test_the_region_of_the_broad_band_is_the_source_region(engine):
    add_events(engine, X, Y, **REGION)
    for i, band in enumerate("husm"):
        add_region(engine, circle(4100, 4100, 5.0 + i), file_id=50, band=band)
    assert region(engine) == ("reg3", "m", "region file", "other_band_region")
    add_region(engine, circle(4100, 4100, 12.0), file_id=50, band="b")
    assert region(engine) == ("reg3", "b", "region file", None)
    add_region(engine, circle(4100, 4100, 3.0), file_id=54, band="b", version=30)
    assert (inside(engine) == within(4100, 4100, 3)).all()  # of two versions the higher


def test_shapes_with_holes_corners_and_alternatives(engine):
    add_events(engine, X, Y, **REGION)
    add_region(engine, circle(4100, 4100, 30.0), circle(4110, 4100, 9.0, include=False))
    assert (inside(engine) == within(4100, 4100, 30) & ~within(4110, 4100, 9)).all()
    engine.execute("DELETE FROM product.region")
    add_region(engine, circle(4060, 4060, 9.0), circle(4140, 4140, 9.0, component=2), polygon(*BENT, component=3))
    expected = Outline(BENT).contains_points(FIELD.T) | within(4060, 4060, 9) | within(4140, 4140, 9)
    assert (inside(engine) == expected).all()
    assert within(4060, 4060, 9).any()


@pytest.mark.parametrize("on_sky", [False, True])
def test_a_region_cuts_the_whole_field_too(engine, on_sky):
    add_events(engine, X, Y)
    add_region(engine, polygon(*BENT), circle(4100, 4100, 8.0, include=False), on_sky=on_sky)
    assert region(engine) == ("reg3", None, "whole field", None)
    expected = Outline(BENT).contains_points(FIELD.T) & ~within(4100, 4100, 8)
    edge = Outline(BENT).contains_points(FIELD.T, radius=1e-2) ^ Outline(BENT).contains_points(FIELD.T, radius=-1e-2)
    sure = ~edge & (np.abs(np.hypot(X - 4100, Y - 4100) - 8) > 1e-2)
    assert (inside(engine) == expected)[sure].all()
    assert engine.execute("SELECT detection_id FROM product.detection_region").fetchall() == [("5.0.1",)]


def test_a_region_holds_in_a_file_with_another_reference_pixel(engine):
    x, y = np.arange(4000, 4200, 1.0), np.full(200, 4100.0)
    add_events(engine, x + 3.0, y, x_crpix=4099.5)  # the same sky, three pixels on
    add_region(engine, circle(4100, 4100, 20.5))
    ra, dec = position_of(4100, 4100)
    engine.execute(
        "UPDATE product.region SET ra = [$ra], dec = [$dec], ra_region = $ra, dec_region = $dec", {"ra": ra, "dec": dec}
    )
    assert [row for _, _, row in photons(engine)] == list(range(80, 121))


def test_pixels_of_hrc_are_smaller(engine):
    scale = 0.13175
    wcs = WCS | {"x_cdelt": -scale / 3600, "y_cdelt": scale / 3600, "x_crpix": 16384.5, "y_crpix": 16384.5}
    x = np.arange(16300.0, 16470.0)
    add_events(engine, x, np.full(len(x), 16384.5), **wcs)
    add_detection(engine, 4096.5, 4096.5, theta=0.0)  # at the reference pixel of both
    assert len(photons(engine)) == len(x[np.abs(x - 16384.5) <= 1 / scale]) == 16
    add_region(engine, circle(16384.5, 16384.5, 30.0, r_arcsec=[30 * scale]), band="w")
    engine.execute("UPDATE product.region SET r_region_arcsec = 30 * ?, r_arcsec = [30 * ?]", [scale, scale])
    assert region(engine)[:2] == ("reg3", "w")
    assert len(photons(engine)) == 60


def test_a_region_that_does_not_hold_the_place_is_another_detections(engine):
    add_events(engine, X, Y, **REGION)
    add_region(engine, circle(4140, 4140, 9.0), on_sky=True)
    add_detection(engine, 4100, 4100, mjr_axis_aper=8 * SCALE, mnr_axis_aper=8 * SCALE)
    assert region(engine)[0] == "catalog"
    assert (inside(engine) == within(4100, 4100, 8)).all()


def test_a_region_of_another_release_is_another_detections(engine):
    add_events(engine, X, Y, **REGION, ascdsver="CAT3.0.2")
    add_region(engine, circle(4100, 4100, 9.0), ascdsver="CAT5.4", version=20)
    assert region(engine)[0] is None
    add_region(engine, circle(4100, 4100, 5.0), file_id=60, ascdsver="CAT3.0.6", version=2)
    assert (inside(engine) == within(4100, 4100, 5)).all()


def test_an_event_file_that_does_not_tell_its_pixels_takes_them_from_the_regions_file(engine):
    add_events(engine, X, Y, **REGION, **dict.fromkeys(WCS))
    add_region(engine, circle(4100, 4100, 9.0))
    assert (inside(engine) == within(4100, 4100, 9)).all()


def test_a_photon_without_a_place_is_no_sources(engine):
    add_events(engine, [4100.0, 4100.0], [4100.0, 4100.0], **REGION)
    engine.execute("UPDATE product.event_stored SET x = NULL WHERE row = 1")
    for shapes in ([circle(4100, 4100, 9.0)], [circle(4100, 4100, 9.0), circle(1, 1, 1.0, include=False)]):
        engine.execute("DELETE FROM product.region")
        add_region(engine, *shapes)
        rows = engine.execute("SELECT row, in_source_region FROM product.detection_event ORDER BY row").fetchall()
        assert rows == [(0, True), (1, None)]


# --- which file ---------------------------------------------------------------------------------------------------

EVT1 = {"level": 1, "version": 9}
EVT2 = {"level": 2, "version": 3}
REPRO = {"level": 2, "reprocessed": True, "version": None}
SPAN = {"tstart_s": 0.0, "tstop_s": 1000.0}


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (EVT1, EVT2),
        (EVT1 | {"reprocessed": True}, EVT2),
        (EVT2, REPRO),
        (EVT2 | {"version": 4}, REPRO),
        (EVT2, EVT2 | {"version": 4}),
        (EVT2 | {"version": None}, EVT2),
        (EVT2, {"level": 3, "version": 1}),
        ({"level": 3, "version": 21}, REPRO),
        (EVT1, {"level": None}),
        (REPRO | {"tstop_s": 900.0}, EVT2),  # cut
        (EVT2, REPRO | {"tstop_s": 995.0}),  # whole, but for a moment
        ({"level": None}, {"level": None, "n_rows": 99}),
    ],
)
def test_the_better_of_two_files(engine, worse, better):
    for of in ({}, REGION):
        for files in ((worse, better), (better, worse)):
            engine.execute("DELETE FROM product.header")
            for file_id, header in enumerate(files, 1):
                insert(engine, "product.header", HEADER | SPAN | {"file_id": file_id, "n_rows": 1} | of | header)
            ((first,), _) = engine.execute("SELECT file_id FROM product.event_file ORDER BY rank").fetchall()
            assert files[first - 1] is better


@pytest.mark.parametrize("of", [{}, REGION])
def test_the_better_file_counts(engine, of):
    add_detection(engine, 4100, 4100)
    for file_id, header in enumerate((EVT1, EVT2, REPRO, EVT2 | {"version": 7}), 1):
        add_events(engine, [4100.0] * file_id, [4100.0] * file_id, file_id=file_id, **of, **header)
    assert photons(engine) == [("5.0.1", 3, i) for i in range(3)]
    if not of:
        assert engine.execute("SELECT n_field_events FROM product.observation_summary").fetchone() == (3,)


@pytest.mark.parametrize("of", [{}, REGION])
def test_interleaved_exposures_both_count_each_from_its_better_file(engine, of):
    add_detection(engine, 4100, 4100)
    add_events(engine, [4100.0], [4100.0], file_id=1, interleaved=1, version=21, **of)
    assert photons(engine) == [("5.0.1", 1, 0)]
    add_events(engine, [4100.0] * 3, [4100.0] * 3, file_id=2, interleaved=2, version=20, **of)
    add_events(engine, [4100.0] * 9, [4100.0] * 9, file_id=3, interleaved=2, version=1, **of)
    assert photons(engine) == [("5.0.1", 1, 0), *(("5.0.1", 2, i) for i in range(3))]
    add_events(engine, [4100.0] * 5, [4100.0] * 5, file_id=4, reprocessed=True, **of)  # of all exposures, and better
    assert photons(engine) == [("5.0.1", 4, i) for i in range(5)]


def test_an_old_region_file_comes_before_a_new_field(engine):
    add_detection(engine, 4100, 4100)
    add_events(engine, [4100.0], [4100.0], file_id=1, version=30, level=3)
    add_events(engine, [4100.0], [4100.0], file_id=2, version=1, level=3, **REGION)
    assert photons(engine) == [("5.0.1", 2, 0)]


def test_a_merged_file_is_of_no_detection(engine):
    add_detection(engine, 4100, 4100)
    add_events(engine, [4100.0], [4100.0], file_id=1)
    insert(engine, "product.header", HEADER | {"file_id": 2, "obsid": None, "n_rows": 9, "level": 2, "version": 99})
    assert photons(engine) == [("5.0.1", 1, 0)]


def test_the_flag_of_a_detection_is_in_the_rows_made_of_it(engine):
    add_events(engine, [4100.0], [4100.0], **REGION)
    add_detection(engine, 4100, 4100)
    queries = ("product.count_hardness", "light_curve('5.0.1', 1)")
    engine.execute("UPDATE product.event_stored SET time_s = 5.0")
    insert(engine, "product.good_time", {"file_id": 1, "ccd_id": 7, "start_s": 0.0, "stop_s": 9.0})
    for query in queries:
        assert engine.execute(f"SELECT DISTINCT flag FROM {query}").fetchall() == [("assumed_region",)]
