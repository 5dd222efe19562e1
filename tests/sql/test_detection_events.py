"""Photons of detections: which file, which region, none twice."""

from __future__ import annotations

import numpy as np
import pytest
from factories.engine import insert
from factories.sky import HEADER, SCALE, add_detection, photons
from factories.sky import add_events as add_field

from sql.objects import OBJECTS


def test_the_whole_field_is_cut_by_the_ellipse_of_the_catalog(engine, any_seed):
    generator = np.random.default_rng([3, any_seed])
    x, y = generator.uniform(3900, 4300, 20_000), generator.uniform(3900, 4300, 20_000)
    add_field(engine, x, y)
    add_detection(engine, 4150.0, 4060.0, mjr_axis_aper=60.0, mnr_axis_aper=15.0, pos_angle_aper=30.0)
    # the position angle runs from north (+y) through east (-x)
    north, east = (y - 4060.0) * SCALE, -(x - 4150.0) * SCALE
    angle = np.radians(30.0)
    along, across = north * np.cos(angle) + east * np.sin(angle), east * np.cos(angle) - north * np.sin(angle)
    level = np.hypot(along / 60.0, across / 15.0)
    found = {row for _, _, row in photons(engine)}
    assert len(found) > 100
    for i in np.flatnonzero(np.abs(level - 1) > 1e-3):
        assert (i in found) == (level[i] < 1)


def test_without_an_ellipse_the_circle_grows_off_axis(engine, any_seed):
    generator = np.random.default_rng([4, any_seed])
    x, y = generator.uniform(4000, 4200, 20_000), generator.uniform(4000, 4200, 20_000)
    add_field(engine, x, y)
    add_detection(engine, 4100.0, 4100.0, theta=8.0)
    distance = np.hypot(x - 4100.0, y - 4100.0) * SCALE
    found = {row for _, _, row in photons(engine)}
    radius = 1 + 10 * 0.8**2
    for i in np.flatnonzero(np.abs(distance - radius) > 1e-2):
        assert (i in found) == (distance[i] < radius)
    region = engine.execute("SELECT semi_major_arcsec, assumed, theta FROM product.detection_region").fetchone()
    assert region == pytest.approx((radius, True, 8.0))


def test_the_off_axis_angle_comes_from_the_pointing_where_the_catalog_has_none(engine):
    add_field(engine, [4096.5], [4096.5])
    add_detection(engine, 4096.5, 4096.5 + 300 / SCALE)
    (theta,) = engine.execute("SELECT theta FROM product.detection_region").fetchone()
    assert theta == pytest.approx(5.0, rel=1e-4)


def test_a_region_file_comes_before_the_field(engine):
    add_field(engine, [4100.0, 4100.5, 4300.0], [4100.0, 4100.5, 4300.0])
    add_detection(engine, 4100.0, 4100.0, mjr_axis_aper=5.0, mnr_axis_aper=5.0)
    region = {"region_id": 1, "detection_id": "5.0.1"}
    insert(engine, "product.header", HEADER | region | {"file_id": 2, "n_rows": 3})
    event = {"file_id": 2, "obsid": 5, "obi": 0, "energy_ev": 1000.0} | region
    insert(
        engine,
        "product.event_stored",
        *(event | {"row": i, "time_s": 1.0, "x": v, "y": v} for i, v in enumerate([4100.0, 4100.5, 4150.0])),
    )
    rows = engine.execute(
        "SELECT file_id, row, in_source_region, name FROM product.detection_event ORDER BY row"
    ).fetchall()
    name = "2CXO J053501.0-052400"
    assert rows == [(2, 0, True, name), (2, 1, True, name), (2, 2, False, name)]


@pytest.mark.parametrize(
    ("file_obi", "table_obi", "taken"),
    [(0, 0, ["5.0.1"]), (0, None, ["5.0.1"]), (None, 0, ["5.-.1"]), (1, 0, ["5.0.1", "5.1.1"])],
)
def test_the_field_gives_no_second_row_to_what_has_a_region_file(engine, file_obi, table_obi, taken):
    add_field(engine, [4100.0], [4100.0], obi=None)
    add_detection(engine, 4100.0, 4100.0, obi=table_obi)
    region = {"obi": file_obi, "region_id": 1, "detection_id": f"5.{'-' if file_obi is None else file_obi}.1"}
    insert(engine, "product.header", HEADER | region | {"file_id": 2, "n_rows": 1})
    rows = engine.execute("SELECT detection_id, taken_from FROM product.detection_region ORDER BY ALL").fetchall()
    assert [detection for detection, _ in rows] == taken
    assert (region["detection_id"], "region file") in rows


def test_of_two_versions_of_a_region_file_the_newer_counts(engine):
    for file_id, version in ((1, 1), (2, 21)):
        region = {"region_id": 1, "detection_id": "5.0.1"}
        insert(engine, "product.header", HEADER | region | {"file_id": file_id, "version": version, "n_rows": 1})
        insert(engine, "product.event_stored", {"file_id": file_id, "row": 0, "obsid": 5, "obi": 0} | region)
    assert photons(engine) == [("5.0.1", 2, 0)]


def test_of_two_files_of_a_field_one_counts(engine):
    add_field(engine, [4100.0], [4100.0], file_id=1)
    add_field(engine, [4100.0, 4100.1], [4100.0, 4100.1], file_id=2)
    add_detection(engine, 4100.0, 4100.0)
    assert photons(engine) == [("5.0.1", 2, 0), ("5.0.1", 2, 1)]


@pytest.mark.parametrize(("file_obi", "table_obi"), [(None, 0), (0, None), (None, None), (0, 0)])
def test_an_obi_that_is_not_told_fits_any(engine, file_obi, table_obi):
    add_field(engine, [4100.0], [4100.0], obi=file_obi)
    add_detection(engine, 4100.0, 4100.0, obi=table_obi)
    assert len(photons(engine)) == 1


def test_another_obi_does_not_fit(engine):
    add_field(engine, [4100.0], [4100.0], obi=1)
    add_detection(engine, 4100.0, 4100.0, obi=0)
    assert photons(engine) == []


def test_a_region_file_without_catalog_keeps_its_photons(engine):
    region = {"region_id": 1, "detection_id": "5.0.1"}
    insert(engine, "product.header", HEADER | region | {"file_id": 1, "n_rows": 1})
    insert(engine, "product.event_stored", {"file_id": 1, "row": 0, "obsid": 5, "obi": 0, "x": 1.0, "y": 1.0} | region)
    assert engine.execute("SELECT in_source_region, name FROM product.detection_event").fetchall() == [(None, None)]
    assert engine.execute("SELECT assumed, semi_major_arcsec FROM product.detection_region").fetchone() == (None, None)


def test_a_corpus_gives_photons_where_nothing_else_does(engine):
    listed = {"file_id": 9, "obsid": 6, "obi": 0, "region_id": 4, "detection_id": "6.0.4"}
    insert(engine, "product.event_list", listed)
    event = listed | {"time_s": 1.0}
    insert(engine, "product.event_stored", event | {"row": 0}, event | {"row": 1})
    taken = engine.execute("SELECT detection_id, taken_from FROM product.detection_region").fetchall()
    assert taken == [("6.0.4", "corpus")]
    assert photons(engine) == [("6.0.4", 9, 0), ("6.0.4", 9, 1)]


def test_a_detection_that_a_table_without_regions_repeats_is_there_once(engine):
    add_field(engine, [4100.0], [4100.0])
    add_detection(engine, 4100.0, 4100.0)
    name = "2CXO J053501.0-052400"
    insert(engine, "csc.observation_source", {"detection_id": f"5.-.{name}", "obsid": 5, "name": name})
    assert photons(engine) == [("5.0.1", 1, 0)]


def test_no_photon_is_twice_in_one_detection_however_large_the_region(engine, any_seed):
    generator = np.random.default_rng([5, any_seed])
    x, y = generator.uniform(3000, 5000, 5_000), generator.uniform(3000, 5000, 5_000)
    add_field(engine, x, y)
    for region_id in (1, 2, 3):
        add_detection(engine, 4000.0 + 60 * region_id, 4000.0, region_id, mjr_axis_aper=300.0, mnr_axis_aper=250.0)
    rows = photons(engine)
    assert len(rows) == len(set(rows)) > 1000


@pytest.mark.parametrize("view", [o.full_name for o in OBJECTS if o.kind == "view" and o.full_name != "meta.object"])
def test_no_view_compares_every_row_with_every_other(engine, view):
    plan = engine.execute(f"EXPLAIN SELECT * FROM {view}").fetchone()[1]
    for join in ("BLOCKWISE_NL_JOIN", "NESTED_LOOP_JOIN", "CROSS_PRODUCT"):
        assert join not in plan


def test_one_detection_is_looked_up_without_reading_the_others(engine):
    add_field(engine, [4096.0], [4096.0])  # without rows there is no plan to look at
    add_detection(engine, 4096.0, 4096.0)
    query = "EXPLAIN (FORMAT json) FROM product.detection_event WHERE detection_id = '5.0.1'"
    plan = engine.execute(query).fetchone()[1]
    scans = [part for part in plan.split('"name"') if "event_stored" in part]
    assert sum("detection_id='5.0.1'" in scan for scan in scans) == 1  # of region files and lists; one is of the field
    assert len(scans) == 2
