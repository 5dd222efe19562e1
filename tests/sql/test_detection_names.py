"""Which source a detection is of: by number, by position where the numbers are another release's, or not at all."""

from __future__ import annotations

import re

import numpy as np
import pytest
from factories.engine import insert


def source(engine, name, ra, dec, error=None):
    insert(engine, "csc.master_source", source_row(name, ra, dec, error))


def source_row(name, ra, dec, error=None):
    return {"name": name, "ra": ra, "dec": dec, "err_ellipse_r0": error}


def product(engine, *about, **values):
    insert(engine, "product.header", product_row(*about, **values))


def product_row(detection_id, ra=None, dec=None, *, theta=0.0, file_id=None, **values):
    """A product's header; the pointing lies theta arcmin from the detection, towards the equator."""
    obsid, obi, region_id = (int(x) for x in detection_id.split("."))
    place = {} if dec is None else {"ra_pnt": ra, "dec_pnt": dec - np.copysign(theta / 60, dec)}
    known = {"file_id": file_id or 1000 * obsid + region_id, "kind": "spectrum", "detection_id": detection_id}
    whose = {"obsid": obsid, "obi": obi, "region_id": region_id, "ra_src": ra, "dec_src": dec}
    return known | whose | place | values


def row(engine, detection_id, name, **values):
    insert(engine, "csc.observation_source", detection_row(detection_id, name, **values))


def detection_row(detection_id, name, **values):
    obsid, obi, region_id = detection_id.split(".")
    whose = {"obsid": int(obsid), "obi": None if obi == "-" else int(obi), "region_id": int(region_id)}
    return {"detection_id": detection_id, "name": name} | whose | values


def names(engine):
    query = "SELECT detection_id, name, how, catalog_id, round(separation_arcsec, 2) FROM product.detection_name"
    return {d: tuple(rest) for d, *rest in engine.execute(query).fetchall()}


def test_the_catalogs_row_decides_where_no_position_speaks_against_it(engine):
    source(engine, "A", 10.0, 20.0)
    row(engine, "1.0.4", "A")
    row(engine, "2.0.4", "A")
    row(engine, "2.1.4", "B")
    row(engine, "3.0.4", None, ra_aper=1.0)
    row(engine, "5.1.4", "B")
    for detection_id in ("1.0.4", "2.1.4", "3.0.4", "4.0.4"):
        product(engine, detection_id)
    untold = product_row("5.0.4") | {"detection_id": "5.-.4", "obi": None}  # the product does not tell its interval
    insert(engine, "product.header", untold)
    assert names(engine) == {
        "1.0.4": ("A", "catalog", "1.0.4", None),
        "2.1.4": ("B", "catalog", "2.1.4", None),  # another interval is another detection
        "3.0.4": (None, None, "3.0.4", None),
        "4.0.4": (None, None, None, None),
        "5.-.4": ("B", "catalog", "5.1.4", None),
    }


def test_a_position_names_what_no_row_does_and_refuses_the_row_of_another_release(engine):
    source(engine, "here", 211.3151912, 54.4161363)
    source(engine, "elsewhere", 211.3, 54.5)
    row(engine, "1.0.79", "here")
    row(engine, "2.0.35", "elsewhere")  # in the other release number 35 was another region
    row(engine, "4.0.1", "unplaced")
    product(engine, "1.0.79", 211.31487, 54.41611)
    product(engine, "2.0.35", 211.31443, 54.41549, theta=12.9)
    product(engine, "3.0.4", 211.31517, 54.41616)
    product(engine, "4.0.1", 211.31517, 54.41616)  # nobody knows where its row's source is: the number stands
    found = names(engine)
    assert found["1.0.79"][:3] == ("here", "catalog", "1.0.79")
    assert found["2.0.35"] == ("here", "position", None, 2.82)
    assert found["3.0.4"][:3] == ("here", "position", None)
    assert found["4.0.1"] == ("unplaced", "catalog", "4.0.1", None)


@pytest.mark.parametrize(
    ("theta", "error", "apart", "named"),
    [(0, None, 1.9, True), (0, None, 2.1, False), (10, None, 3.9, True), (10, None, 4.1, False), (0, 6.0, 5.9, True),
     (0, 6.0, 6.1, False), (60, None, 14.9, True), (60, None, 15.1, False), (0, 99.0, 15.1, False)],
)  # fmt: skip
def test_the_reach_grows_off_axis_and_with_the_sources_own_error_but_has_an_end(engine, theta, error, apart, named):
    source(engine, "A", 100.0, 30.0, error)
    product(engine, "1.0.1", 100.0, 30.0 + apart / 3600, theta=theta)
    assert names(engine)["1.0.1"][0] == ("A" if named else None)


def test_two_sources_within_reach_give_no_name(engine):
    source(engine, "A", 100.0, 30.0)
    source(engine, "B", 100.0, 30.0 + 3 / 3600)
    product(engine, "1.0.1", 100.0, 30.0 + 1.4 / 3600)
    product(engine, "2.0.1", 100.0, 30.0 - 1.4 / 3600)  # B is too far
    assert names(engine) == {"1.0.1": (None, None, None, None), "2.0.1": ("A", "position", None, 1.4)}


def test_of_two_detections_of_an_observation_the_nearer_has_the_name(engine):
    source(engine, "A", 100.0, 30.0)
    product(engine, "1.0.1", 100.0, 30.0 + 1.5 / 3600)
    product(engine, "1.0.2", 100.0, 30.0 - 0.5 / 3600)
    product(engine, "2.0.2", 100.0, 30.0 + 1.5 / 3600)
    assert {k: v[0] for k, v in names(engine).items()} == {"1.0.1": None, "1.0.2": "A", "2.0.2": "A"}


def test_an_extended_source_may_be_centred_elsewhere_in_its_row_but_not_by_position(engine):
    source(engine, "2CXO J064000.0+300000X", 100.0, 30.0)
    row(engine, "1.0.1", "2CXO J064000.0+300000X")
    product(engine, "1.0.1", 100.0, 30.0 + 20 / 3600)
    product(engine, "2.0.1", 100.0, 30.0 + 20 / 3600)
    assert {k: v[1] for k, v in names(engine).items()} == {"1.0.1": "catalog", "2.0.1": None}


def test_a_source_that_only_detections_know_is_found_too(engine):
    row(engine, "1.0.1", "A", ra_aper=100.0, dec_aper=30.0)
    product(engine, "2.0.9", 100.0, 30.0)
    assert names(engine)["2.0.9"][:2] == ("A", "position")


def test_several_files_of_a_detection_are_one_and_the_newest_tells_where_it_is(engine):
    source(engine, "A", 100.0, 30.0)
    product(engine, "1.0.1", 50.0, -30.0, file_id=1, version=1)
    product(engine, "1.0.1", 100.0, 30.0, file_id=2, version=2)
    product(engine, "1.0.1", file_id=3, kind="light_curve", version=3)
    assert names(engine) == {"1.0.1": ("A", "position", None, 0.0)}


def test_positions_meet_everywhere_on_the_sphere(engine, any_seed):
    """At RA 0, at the poles, and across the borders of the search's cubes: as with every pair compared."""
    rng = np.random.default_rng([3, any_seed])
    ra = np.concatenate([[0.0, 359.9999, 0.0001, 17.0, 200.0, 90.0, 180.0], rng.uniform(0, 360, 400)])
    dec = np.concatenate([[0.0, 10.0, -10.0, 90.0, -90.0, 0.0, 0.0], np.degrees(np.arcsin(rng.uniform(-1, 1, 400)))])
    places = zip(ra.tolist(), dec.tolist(), strict=True)
    insert(engine, "csc.master_source", *(source_row(f"S{i}", a, d) for i, (a, d) in enumerate(places)))
    products, expected = [], {}
    for n, i in enumerate(np.repeat(np.arange(len(ra)), 3).tolist(), start=1):
        apart, angle = rng.uniform(0, 4) / 3600, rng.uniform(0, 2 * np.pi)
        there = offset(ra[i], dec[i], apart, angle)
        products.append(product_row(f"{n}.0.1", *there))
        expected[f"{n}.0.1"] = f"S{i}" if apart * 3600 < 2 else None
    insert(engine, "product.header", *products)
    assert {d: v[0] for d, v in names(engine).items()} == expected


def offset(ra, dec, apart, angle):
    """The position so many degrees away in a direction."""
    a, d = np.radians([ra, dec])
    here = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    east = np.array([-np.sin(a), np.cos(a), 0.0])
    north = np.cross(here, east)
    there = np.cos(np.radians(apart)) * here + np.sin(np.radians(apart)) * (
        np.cos(angle) * north + np.sin(angle) * east
    )
    return float(np.degrees(np.arctan2(there[1], there[0])) % 360), float(np.degrees(np.arcsin(there[2])))


def test_photons_and_summary_go_by_the_same_name(engine):
    source(engine, "A", 100.0, 30.0)
    source(engine, "B", 101.0, 30.0)
    row(engine, "1.0.1", "B", ra_aper=101.0, dec_aper=30.0, mjr_axis_aper=9.0)
    sky = {"x_crpix": 4096.5, "x_crval": 100.0, "x_cdelt": -0.492 / 3600}
    sky |= {"y_crpix": 4096.5, "y_crval": 30.0, "y_cdelt": 0.492 / 3600}
    product(engine, "1.0.1", 100.0, 30.0, kind="events", n_rows=1, **sky)
    query = "SELECT name, ra, x, semi_major_arcsec, assumed FROM product.detection_region WHERE detection_id = '1.0.1'"
    # Not B's ellipse: the row with its number is another detection's.
    assert engine.execute(query).fetchall() == [("A", 100.0, 4096.5, 1.0, True)]
    insert(engine, "product.spectrum", {"spectrum_id": "s", "detection_id": "1.0.1", "role": "source"})
    query = "SELECT name, n_spectra FROM csc.source_summary ORDER BY name"
    assert engine.execute(query).fetchall() == [("A", 1), ("B", 0)]


def test_photons_and_names_never_disagree(engine, any_seed):
    """Whatever rows and positions there are, both views choose alike."""
    rng = np.random.default_rng([8, any_seed])
    for i in range(6):
        source(engine, f"S{i}", 100.0, 30.0 + 10 * i / 3600)
    products, rows = [], []
    for n in range(1, 150):
        place = (100.0, 30.0 + rng.uniform(0, 60) / 3600) if rng.random() < 0.5 else (None, None)
        products.append(product_row(f"{n}.{rng.integers(2)}.1", *place, kind="events", n_rows=1))
        for obi in rng.permutation(["0", "1"])[: rng.integers(0, 3)]:
            name = f"S{rng.integers(6)}" if rng.random() < 0.8 else None
            rows.append(detection_row(f"{n}.{obi}.1", name, ra_aper=100.0, dec_aper=30.0))
    insert(engine, "product.header", *products)
    insert(engine, "csc.observation_source", *rows)
    query = (
        "SELECT count(*), count(r.name), count(*) FILTER (r.name IS DISTINCT FROM n.name) "
        "FROM product.detection_region r JOIN product.detection_name n USING (detection_id)"
    )
    total, named, different = engine.execute(query).fetchone()
    assert (total, different) == (149, 0)
    assert 40 < named < 149


@pytest.mark.slow
def test_a_large_catalog_of_positions_takes_few_rows_per_position(engine):
    n = 100_000
    engine.execute(
        "INSERT INTO csc.master_source (name, ra, dec) SELECT 'S' || i, (i * 7.77) % 360, "
        f"degrees(asin(((i * 0.618034) % 2) - 1)) FROM range({4 * n}) t(i)"
    )
    engine.execute(
        "INSERT INTO product.header (file_id, kind, obsid, obi, region_id, detection_id, ra_src, dec_src) "
        f"SELECT i, 'spectrum', i, 0, 1, i || '.0.1', ra, dec FROM range({n}) t(i) "
        "JOIN csc.master_source m ON m.name = 'S' || i"
    )
    query = (
        "SELECT count(*), count(*) FILTER (name = 'S' || split_part(detection_id, '.', 1)) FROM product.detection_name"
    )
    total, right = engine.execute(query).fetchone()
    plan = engine.execute(f"EXPLAIN (ANALYZE, FORMAT json) {query}").fetchone()[1]
    rows = sum(map(int, re.findall(r'"operator_cardinality": *([0-9]+)', plan)))
    assert 5 * n < rows < 100 * n  # what it costs, on any machine: no step has a row for every pair
    assert total == n
    assert right > 0.99 * n
