"""light_curve() against brute force."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest
from factories.engine import insert
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOOD = [(1000.0, 1250.0), (1300.0, 1333.3), (2000.0, 2400.0)]


def fill(engine, times, ccd=7, good=GOOD, good_ccd=7):
    insert(engine, "product.header", {"file_id": 1, "kind": "events", "obsid": 5, "obi": 0, "region_id": 3,
                                      "detection_id": "5.0.3", "n_rows": len(times)})  # fmt: skip
    identity = {"file_id": 1, "obsid": 5, "obi": 0, "region_id": 3, "detection_id": "5.0.3"}
    events = [identity | {"row": i, "ccd_id": ccd, "time_s": float(t), "x": 1.0, "y": 1.0} for i, t in enumerate(times)]
    if events:
        insert(engine, "product.event_stored", *events)
    if good:
        insert(engine, "product.good_time", *(
            {"file_id": 1, "obsid": 5, "obi": 0, "ccd_id": good_ccd, "start_s": a, "stop_s": b} for a, b in good
        ))  # fmt: skip


def curve(engine, bin_s):
    columns = ["bin", "start_s", "stop_s", "exposure_s", "counts", "rate", "rate_lolim", "rate_hilim"]
    rows = engine.execute(f"SELECT {', '.join(columns)} FROM light_curve('5.0.3', {bin_s!r})").fetchall()
    return [dict(zip(columns, row, strict=True)) for row in rows]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 1400), min_size=1, max_size=60),
    st.sampled_from([7.3, 50.0, 100.0, 333.3, 5000.0]),
)
def test_bins_hold_what_brute_force_counts(engine, offsets, bin_s):
    for table in ("header", "event_stored", "good_time"):
        engine.execute(f"DELETE FROM product.{table}")
    times = [1000.25 + o for o in offsets]
    fill(engine, times)
    found = {row["bin"]: row for row in curve(engine, bin_s)}
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
        insert(engine, "meta.file", {"file_id": 4, "kind": "corpus", "status": "loaded"})
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
        "SELECT count(*) FILTER (in_source_region IS NOT FALSE), (SELECT count(*) FROM product.event_stored) "
        "FROM product.detection_event WHERE detection_id = '5.0.3'"
    ).fetchall()
    rows = curve(engine, 50.0)
    assert sum(row["counts"] for row in rows) == n > 0
    assert (n == n_all) == (taken_from == "corpus")  # elsewhere the ellipse leaves some out
    (region,) = engine.execute("FROM product.detection_region").to_arrow_table().to_pylist()
    assert region["taken_from"] == taken_from
    query = f"SELECT {', '.join(rows[0])} FROM region_light_curve('5.0.3', $region, 50.0)"
    given = engine.execute(query, {"region": region}).fetchall()
    assert [tuple(row.values()) for row in rows] == given


def test_an_unknown_detection_has_no_bins(engine):
    assert curve(engine, 100) == []


@pytest.mark.parametrize("bin_s", [0, -5.0])
def test_a_bin_has_a_length(engine, bin_s):
    fill(engine, [1001.0])
    with pytest.raises(duckdb.InvalidInputException, match="bin_s must be above 0"):
        curve(engine, bin_s)
