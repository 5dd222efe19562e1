"""light_curve() against brute force."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest
from factories.engine import insert
from factories.sky import add_region, circle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOOD = [(1000.0, 1250.0), (1300.0, 1333.3), (2000.0, 2400.0)]


def fill(engine, times, ccd=7, good=GOOD, good_ccd=7):
    insert(engine, "product.header", {"file_id": 1, "kind": "events", "obsid": 5, "obi": 0, "region_id": 3,
                                      "detection_id": "5.0.3", "n_rows": len(times)})  # fmt: skip
    add_region(engine, circle(1.0, 1.0, 5.0), region_id=3, detection_id="5.0.3")
    identity = {"file_id": 1, "obsid": 5, "obi": 0, "region_id": 3, "detection_id": "5.0.3"}
    events = [identity | {"row": i, "ccd_id": ccd, "time_s": float(t), "x": 1.0, "y": 1.0} for i, t in enumerate(times)]
    if events:
        insert(engine, "product.event_stored", *events)
    if good:
        insert(engine, "product.good_time", *(
            {"file_id": 1, "obsid": 5, "obi": 0, "ccd_id": good_ccd, "start_s": a, "stop_s": b} for a, b in good
        ))  # fmt: skip


COLUMNS = ["bin", "start_s", "stop_s", "exposure_s", "counts", "rate", "rate_lolim", "rate_hilim"]


def curve(engine, bin_s):
    rows = engine.execute(f"SELECT {', '.join(COLUMNS)} FROM light_curve('5.0.3', {bin_s!r})").fetchall()
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def curve_at_hand(engine, bin_s):
    """The same in a region that is given, as `fill` makes it: to look it up takes ten times as long."""
    region = {"file_id": 1, "obsid": 5, "taken_from": "region file", "x": 1.0, "y": 1.0, "x_step_arcsec": -0.5}
    region |= {"y_step_arcsec": 0.5, "semi_major_arcsec": 2.5, "semi_minor_arcsec": 2.5, "angle_deg": 0.0}
    region |= {"region_from": "reg3", "frame_time_s": None, "shapes": None, "flag": None}
    query = f"SELECT {', '.join(COLUMNS)} FROM region_light_curve('5.0.3', $regions, {bin_s!r})"
    rows = engine.execute(query, {"regions": [region]}).fetchall()
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 1400), min_size=1, max_size=60),
    st.sampled_from([7.3, 50.0, 100.0, 333.3, 5000.0]),
)
def test_bins_hold_what_brute_force_counts(engine, offsets, bin_s):
    for table in ("header", "event_stored", "good_time", "region"):
        engine.execute(f"DELETE FROM product.{table}")
    times = [1000.25 + o for o in offsets]
    fill(engine, times)
    found = {row["bin"]: row for row in curve_at_hand(engine, bin_s)}
    assert sum(row["counts"] for row in found.values()) == len(times)
    assert sum(row["exposure_s"] for row in found.values()) == pytest.approx(sum(b - a for a, b in GOOD))
    for k in range(math.ceil(1500 / bin_s) + 1):
        start, stop = 1000 + k * bin_s, 1000 + (k + 1) * bin_s
        exposure = sum(max(0.0, min(b, stop) - max(a, start)) for a, b in GOOD)
        counts = sum(math.floor((t - 1000) / bin_s) == k for t in times)
        if exposure < 1e-9 and not counts:
            assert k not in found or found[k]["exposure_s"] < 1e-9
            continue
        row = found[k]
        assert (row["start_s"], row["stop_s"]) == pytest.approx((start, stop))
        assert row["exposure_s"] == pytest.approx(exposure, abs=1e-6)
        assert row["counts"] == counts
        assert row["rate"] == (pytest.approx(counts / exposure) if exposure > 1e-9 else None)


def test_a_bin_of_less_than_a_frame_has_no_rate(engine):
    fill(engine, [1001.0, 1099.0], good=[(1000.0, 1100.5)])
    assert [r["rate"] for r in curve(engine, 100)] == [0.02, 0.0]
    engine.execute("UPDATE product.header SET frame_time_s = 3.2")
    rows = curve(engine, 100)
    assert [(r["exposure_s"], r["counts"], r["rate"]) for r in rows] == [(100, 2, 0.02), (0.5, 0, None)]
    assert all(r["rate"] is not None for r in curve(engine, 0.5))  # bins that are shorter than a frame by choice


def test_without_good_times_the_curve_starts_where_the_header_says_and_not_at_a_photon(engine):
    fill(engine, [1250.0, 1390.0], good=())
    assert [(r["start_s"], r["counts"]) for r in curve(engine, 100)] == [(1250.0, 1), (1350.0, 1)]
    engine.execute("UPDATE product.header SET tstart_s = 1000, tstop_s = 1400")
    assert [(r["start_s"], r["counts"]) for r in curve(engine, 100)] == [
        (1000.0, 0), (1100.0, 0), (1200.0, 1), (1300.0, 1)
    ]  # fmt: skip
    # A cut whose header still tells the times of the whole.
    insert(engine, "meta.file", {"file_id": 1, "path": "/a.fits", "flags": ["exposure_exceeds_span"]})
    assert curve(engine, 100)[0]["start_s"] == 1250.0


def test_limits_are_gehrels(engine):
    fill(engine, np.linspace(1001, 1099, 10))
    (row, *_) = curve(engine, 100)
    # Gehrels (1986), tables 1 and 2: 10 counts, one sigma: 6.891 and 14.27
    assert row["rate_lolim"] * 100 == pytest.approx(6.891, rel=5e-3)
    assert row["rate_hilim"] * 100 == pytest.approx(14.27, rel=5e-3)


def test_an_empty_bin_has_an_upper_limit(engine):
    fill(engine, [1001.0])
    row = curve(engine, 100)[1]
    assert (row["counts"], row["rate"], row["rate_lolim"]) == (0, 0.0, 0.0)
    assert row["rate_hilim"] * 100 == pytest.approx(1.841, rel=0.02)  # Gehrels (1986), table 1


def test_photons_outside_good_time_are_not_lost(engine):
    fill(engine, [1001.0, 1799.0])
    row = next(r for r in curve(engine, 100) if r["bin"] == 7)
    assert (row["counts"], row["exposure_s"], row["rate"]) == (1, 0.0, None)


def test_the_good_time_of_the_ccd_that_saw_it_counts(engine):
    fill(engine, [1001.0, 1002.0])
    insert(engine, "product.good_time", {"file_id": 1, "ccd_id": 3, "start_s": 0.0, "stop_s": 9000.0})
    insert(engine, "product.good_time", {"file_id": 1, "ccd_id": None, "start_s": 0.0, "stop_s": 9000.0})
    assert sum(r["exposure_s"] for r in curve(engine, 100)) == pytest.approx(sum(b - a for a, b in GOOD))


def test_good_times_of_the_whole_file_count_where_there_are_no_others(engine):
    fill(engine, [1001.0, 1002.0], good_ccd=None)
    assert sum(r["exposure_s"] for r in curve(engine, 100)) == pytest.approx(sum(b - a for a, b in GOOD))


def test_without_good_times_the_photons_span_counts(engine):
    fill(engine, [1000.0, 1100.0, 1450.0], good=[])
    rows = curve(engine, 100)
    assert [r["counts"] for r in rows] == [1, 1, 0, 0, 1]
    assert [r["exposure_s"] for r in rows] == [100, 100, 100, 100, 50]


def add_source(engine, files):
    """Photons about a source whose ellipse the catalog tells, in the files that there are."""
    wcs = {"x_crpix": 4096.5, "x_crval": 83.8, "x_cdelt": -0.492 / 3600}
    wcs |= {"y_crpix": 4096.5, "y_crval": -5.4, "y_cdelt": 0.492 / 3600}
    identity = {"region_id": 3, "detection_id": "5.0.3"}
    if "corpus" in files:
        insert(engine, "product.event_list", {"file_id": 4, "obsid": 5, "obi": 0} | identity)
    else:
        shape = {"mjr_axis_aper": 6.0, "mnr_axis_aper": 2.0, "pos_angle_aper": 40.0}
        place = {"name": "2CXO J0535", "ra_aper": 83.8, "dec_aper": -5.4}
        insert(engine, "csc.observation_source", {"obsid": 5, "obi": 0} | identity | place | shape)
    generator = np.random.default_rng(1)
    for file_id, kind in ((1, "region file"), (2, "whole field"), (4, "corpus")):
        if kind not in files:
            continue
        of = identity if kind != "whole field" else {}
        if kind != "corpus":
            header = {"file_id": file_id, "kind": "events", "obsid": 5, "obi": 0, "n_rows": 400} | wcs | of
            insert(engine, "product.header", header)
        at = generator.uniform(4066, 4126, (400, 2))
        event = {"file_id": file_id, "obsid": 5, "obi": 0, "ccd_id": 7} | of
        rows = ({"row": i, "time_s": 1000.0 + i, "x": float(x), "y": float(y)} for i, (x, y) in enumerate(at))
        insert(engine, "product.event_stored", *(event | row for row in rows))


@pytest.mark.parametrize(
    ("files", "taken_from"),
    [
        ({"region file"}, "region file"),
        ({"whole field"}, "whole field"),
        ({"region file", "whole field"}, "region file"),
        ({"corpus"}, "corpus"),
    ],
)
def test_its_photons_are_those_of_the_view_and_a_region_at_hand_gives_the_same(engine, files, taken_from):
    add_source(engine, files)
    ((n, n_all),) = engine.execute(
        "SELECT count(*) FILTER (in_source_region), (SELECT count(*) FROM product.event_stored) "
        "FROM product.detection_event WHERE detection_id = '5.0.3'"
    ).fetchall()
    rows = curve(engine, 50.0)
    assert sum(row["counts"] for row in rows) == n > 0
    assert (n == n_all) == (taken_from == "corpus")  # elsewhere the ellipse leaves some out
    regions = engine.execute("FROM product.detection_region").to_arrow_table().to_pylist()
    assert [region["taken_from"] for region in regions] == [taken_from]
    query = f"SELECT {', '.join(rows[0])} FROM region_light_curve('5.0.3', $regions, 50.0)"
    given = engine.execute(query, {"regions": regions}).fetchall()
    assert [tuple(row.values()) for row in rows] == given


def test_where_there_is_nothing_to_count_an_error_says_why(engine):
    with pytest.raises(duckdb.InvalidInputException, match=r"no detection 5\.0\.3"):
        curve(engine, 100)
    insert(engine, "csc.observation_source", {"detection_id": "5.0.3", "obsid": 5, "obi": 0, "region_id": 3})
    with pytest.raises(duckdb.InvalidInputException, match=r"no photons of 5\.0\.3; load its regevt3"):
        curve(engine, 100)
    insert(engine, "product.light_curve", *({"file_id": 8, "row": i, "detection_id": "5.0.3"} for i in range(3)))
    with pytest.raises(duckdb.InvalidInputException, match=r"3 bins .* FROM product\.light_curve"):
        curve(engine, 100)
    fill(engine, [1001.0, 1002.0])
    engine.execute("DELETE FROM product.region")
    with pytest.raises(duckdb.InvalidInputException, match="not known where in the event file"):
        curve(engine, 100)
    with pytest.raises(duckdb.InvalidInputException, match="not known where"):  # whatever is asked of it
        engine.execute("SELECT count(*) FROM light_curve('5.0.3', 100)")


def test_a_source_without_a_photon_has_bins_of_none(engine):
    fill(engine, [])
    rows = curve(engine, 5000)
    assert [row["counts"] for row in rows] == [0]
    assert rows[0]["exposure_s"] == pytest.approx(sum(b - a for a, b in GOOD))


def test_good_times_that_overlap_are_merged_before_they_are_added(engine):
    fill(engine, [1001.0, 1002.0], good=[(1000.0, 1250.0), (1000.0, 1100.0), (1200.0, 1300.0), (1250.0, 1310.0)])
    insert(engine, "product.good_time", {"file_id": 1, "ccd_id": 7, "start_s": 1400.0, "stop_s": 1500.0})
    assert [r["exposure_s"] for r in curve(engine, 1000)] == [410.0]


def test_interleaved_exposures_share_their_good_time(engine):
    fill(engine, [1001.0, 1002.0], good=[(1000.0, 1100.0)])
    identity = {"file_id": 2, "obsid": 5, "obi": 0, "region_id": 3, "detection_id": "5.0.3"}
    engine.execute("UPDATE product.header SET interleaved = 1")
    insert(engine, "product.header", identity | {"kind": "events", "interleaved": 2, "n_rows": 3})
    insert(engine, "product.event_stored", *(identity | {"row": i, "ccd_id": 7, "time_s": 1050.0 + i, "x": 1, "y": 1}
                                             for i in range(3)))  # fmt: skip
    insert(engine, "product.good_time", {"file_id": 2, "ccd_id": 7, "start_s": 1000.5, "stop_s": 1100.5})
    (row,) = curve(engine, 200)
    assert (row["counts"], row["exposure_s"], row["rate"]) == (5, 100.5, pytest.approx(5 / 100.5))


def test_a_list_that_was_cut_has_counts_and_no_rates(engine):
    event = {"file_id": 4, "obsid": 5, "obi": 0, "region_id": 3, "detection_id": "5.0.3"}
    insert(engine, "product.event_stored", *(event | {"row": i, "time_s": 1000.0 + i} for i in range(11)))
    insert(engine, "product.event_list", event | {"n_events": 11, "capped": False})
    query = "SELECT sum(counts), max(rate), max(rate_hilim), min(flag), max(flag) FROM light_curve('5.0.3', 5)"
    assert engine.execute(query).fetchone() == (
        11,
        pytest.approx(1.0),
        pytest.approx(1.8, abs=0.2),
        *2 * ["no_good_times"],
    )
    engine.execute("UPDATE product.event_list SET n_observed = 900, capped = true")
    assert engine.execute(query).fetchone() == (11, None, None, *2 * ["events_capped, no_good_times"])


@pytest.mark.parametrize("bin_s", [0, -5.0])
def test_a_bin_has_a_length(engine, bin_s):
    fill(engine, [1001.0])
    with pytest.raises(duckdb.InvalidInputException, match="bin_s must be above 0"):
        curve(engine, bin_s)
