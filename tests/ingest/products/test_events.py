"""Event lists in all their quirks, and the promise that nothing is lost: the view gives the file's own PI back."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from factories.fits import T0, events_file, events_hdu, good_time_hdu, random_events, to_bytes, write_events
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from catalog.schema.flags import QUIET, word_of
from ingest.products import events as events_module
from ingest.products.events import energy_of_pi, pi_of_energy, read_events
from ingest.readers import FileName, Flag, Rows

EVENT = "product.event_stored"
VIEW = Path(events_module.__file__).parents[2] / "sql" / "views" / "product.event.sql"
REGEVT = "acisf10542_000N003_r0122_regevt3.fits.gz"


def read(data, name="acisf10542N003_evt2.fits", release=None, *, quiet=False):
    """Read -> tables by name, and the flags, if `quiet` the quiet ones too; batches are what their schema says."""
    rows, flags = {}, []
    for item in read_events(io.BytesIO(data), FileName.of(name, release)):
        if isinstance(item, Flag):
            flags.append(item.text)
            continue
        assert isinstance(item, Rows)
        item.batch.validate(full=True)
        assert item.batch.schema == TABLES[item.table].schema
        rows.setdefault(item.table, []).append(item.batch)
    assert len(flags) == len(set(flags))
    flags = [flag for flag in flags if quiet or word_of(flag) not in QUIET]
    return {table: pa.Table.from_batches(batches) for table, batches in rows.items()}, flags


def stored(data, name="acisf10542N003_evt2.fits"):
    tables, flags = read(data, name)
    return tables[EVENT].to_pydict(), flags


def pi_of_view(table):
    """PI as product.event gives it, by DuckDB and the view's own text."""
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA product")
        connection.register("photons", table)
        connection.execute("CREATE TABLE product.event_stored AS FROM photons")
        connection.execute(VIEW.read_text())
        return [pi for (pi,) in connection.execute("SELECT pi FROM product.event ORDER BY row").fetchall()]


def test_an_archive_file():
    events = random_events(60, ccds=(6, 7))
    tables, flags = read(events_file(events, ccds=(6, 7)))
    photons = tables[EVENT].to_pydict()
    assert flags == []
    assert photons["row"] == list(range(60))
    for ours, theirs in {"time_s": "time", "x": "x", "y": "y", "energy_ev": "energy", "ccd_id": "ccd_id"}.items():
        assert np.array_equal(np.array(photons[ours], events[theirs].dtype), events[theirs])
    assert set(photons["obsid"]) == {10542}
    assert photons["detection_id"] == photons["obi"] == photons["pi_stored"] == [None] * 60
    assert pi_of_view(tables[EVENT]) == events["pi"].tolist()
    assert tables["product.good_time"]["ccd_id"].to_pylist() == [6, 7]
    (header,) = tables["product.header"].to_pylist()
    assert (header["kind"], header["instrument"], header["n_rows"]) == ("events", "ACIS", 60)
    assert (header["x_crval"], header["y_crval"], header["x_crpix"]) == (148.96, 69.68, 4096.5)


def test_a_region_file_of_the_catalog():
    photons, flags = stored(events_file(n=5, content="REGEVT3", compress=False), REGEVT)
    assert flags == []
    assert set(photons["detection_id"]) == {"10542.0.122"}
    assert set(photons["region_id"]) == {122}
    assert set(photons["obi"]) == {0}


@pytest.mark.parametrize(
    "options", [{"upper": True, "status": "4B"}, {"status": ""}, {"content": "EVT3"}, {"nulls": False}]
)
def test_forms_that_say_the_same(options):
    plain, written = stored(events_file(n=40)), stored(events_file(n=40, **options))
    plain[0]["obi"] = written[0]["obi"]
    assert written == plain


def test_an_events_table_is_known_by_its_class_too():
    table = events_hdu(random_events(5), header={"EXTNAME": "STDEVT", "INSTRUME": "ACIS", "OBS_ID": 7})
    tables, flags = read(to_bytes([table, good_time_hdu(name="STDGTI")]))
    assert tables[EVENT].num_rows == 5
    assert "no_good_times" not in flags


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"drop": ["time"]}, ["no_time"]),
        ({"drop": ["x"]}, ["no_sky_position", "no_sky_wcs"]),
        ({"drop": ["pi"]}, ["no_pi"]),
        ({"drop": ["energy"]}, ["energy_from_pi"]),
        ({"drop": ["energy", "pi"]}, ["no_energy", "no_pi"]),
        ({"drop": ["ccd_id"]}, []),
        ({"wcs": False}, ["no_sky_wcs"]),
        ({"good_times": []}, ["no_good_times"]),
        ({"n": 0}, ["no_events"]),
        ({"unsorted": True}, ["unsorted_time"]),
        ({"obs_id": "Merged"}, ["no_obsid"]),
        ({"header": {"EXPOSURE": 30_000.0}}, ["exposure_exceeds_span"]),
        ({"header": {"EXPOSURE": 30_000.0, "TSTOP": T0 + 50_000}}, ["exposure_exceeds_span"]),
        ({"header": {"EXPOSURE": None}}, []),
        ({"header": {"TIMEZERO": 3.0}}, ["time_shifted"]),
        ({"header": {"TELESCOP": "XMM", "MISSION": None}}, ["not_chandra"]),
        ({"instrument": "HRC"}, ["no_energy"]),
        ({"units": {"energy": "keV"}}, []),
        ({"units": {"energy": "adu"}}, ["unknown_unit: energy (adu)"]),
        ({"units": {"energy": ""}}, ["unit_assumed: energy (eV)"]),
        ({"units": {"x": "deg"}}, ["unknown_unit: x (deg)"]),
        ({"units": {"time": "furlong"}}, ["unknown_unit: time (furlong)"]),
    ],
)
def test_flags(options, expected):
    _, flags = read(events_file(**{"n": 200, **options}))
    assert flags == expected


def test_an_exposure_may_exceed_the_span_of_the_photons_only_where_they_are_few():
    late = {"header": {"TSTOP": T0 + 50_000, "EXPOSURE": 40_000.0}, "good_times": []}
    assert read(events_file(n=150, **late))[1] == ["no_good_times", "exposure_exceeds_span"]
    assert read(events_file(n=20, **late))[1] == ["no_good_times"]


def test_a_file_without_photons_has_a_header():
    tables, _ = read(events_file(n=0))
    assert EVENT not in tables
    assert tables["product.header"]["n_rows"].to_pylist() == [0]


def test_missing_columns_are_null():
    photons, _ = stored(events_file(n=4, drop=["time", "x", "y", "ccd_id"]))
    for name in ("time_s", "x", "y", "ccd_id"):
        assert photons[name] == [None] * 4


def test_nan_infinity_and_tnull_are_null():
    events = random_events(5)
    events["time"][0] = np.nan
    events["x"][1] = np.inf
    events["y"][1] = -np.inf
    events["energy"][2] = np.nan
    events["pi"][3] = 0
    tables, flags = read(events_file(events))
    photons = tables[EVENT].to_pydict()
    assert photons["time_s"][0] is photons["x"][1] is photons["y"][1] is photons["energy_ev"][2] is None
    assert flags == ["null_time"]
    assert photons["pi_stored"] == [*events["pi"][:3], 0, events["pi"][4]]
    assert pi_of_view(tables[EVENT]) == [*events["pi"][:3], None, events["pi"][4]]


def test_energy_from_pi():
    tables, flags = read(events_file(n=50, drop=["energy"]))
    pi = random_events(50)["pi"]
    assert flags == ["energy_from_pi"]
    assert np.array_equal(tables[EVENT]["energy_ev"], ((pi - 0.5) * 14.6).astype(np.float32))
    assert tables[EVENT]["pi_stored"].null_count == 50
    assert pi_of_view(tables[EVENT]) == pi.tolist()


def test_hrc_keeps_pi_and_has_no_energy():
    tables, _ = read(events_file(n=50, instrument="HRC"), "hrcf10542N003_evt2.fits")
    assert tables[EVENT]["energy_ev"].null_count == 50
    assert pi_of_view(tables[EVENT]) == random_events(50)["pi"].tolist()
    assert tables["product.good_time"]["ccd_id"].to_pylist() == [None]


def test_a_channel_0_of_hrc_is_said_to_be_lost():
    events = random_events(3)
    events["pi"][1] = 0
    assert stored(events_file(events, instrument="HRC"))[1] == ["no_energy", "pi_0_is_null"]


def test_without_pi_the_view_has_none():
    assert pi_of_view(read(events_file(n=3, drop=["pi"]))[0][EVENT]) == [None] * 3


@pytest.mark.parametrize(
    ("unit", "ev"),
    [
        ("eV", 1.0),
        ("keV", 1e3),
        ("KEV", 1e3),
        ("MeV", 1e6),
        ("GeV", 1e9),
        ("TeV", 1e12),
        ("erg", 1 / 1.602176634e-12),
        ("ERGS", 1 / 1.602176634e-12),
        ("J", 1 / 1.602176634e-19),
        ("10**3 eV", 1e3),
    ],
)
def test_energies_of_every_unit_become_ev(unit, ev):
    events = random_events(4)
    other = {**events, "energy": events["energy"].astype(np.float64) / ev}
    photons, flags = stored(events_file(other, units={"energy": unit}, formats={"energy": "1D"}))
    assert np.allclose(photons["energy_ev"], events["energy"], rtol=1e-6)
    assert flags == []


@pytest.mark.parametrize(
    ("column", "stored_as", "unit"),
    [("energy", "energy_ev", "chan"), ("x", "x", "arcsec"), ("time", "time_s", "pixel")],
)
def test_what_cannot_be_converted_is_null(column, stored_as, unit):
    photons, flags = stored(events_file(n=4, units={column: unit}))
    assert photons[stored_as] == [None] * 4
    assert f"unknown_unit: {column} ({unit})" in flags


def test_what_is_not_kept_is_said_once():
    left = "node_id, expno, chipx, chipy, tdetx, tdety, detx, dety, pha, pha_ro, fltgrade, grade, status"
    badpix = table("BADPIX", fits.Column("CHIPX", "I", array=[1]))
    _, flags = read(to_bytes([events_hdu(random_events(5)), badpix, badpix.copy(), good_time_hdu()]), quiet=True)
    assert flags[-2:] == [f"columns_not_kept: {left}", "tables_not_kept: BADPIX"]
    kept = {name: values for name, values in random_events(5).items() if name in {"time", "x", "y", "energy", "pi"}}
    assert not [f for f in read(events_file(kept, status=""), quiet=True)[1] if "not_kept" in f]


def test_wider_columns_are_narrowed_and_what_does_not_fit_is_flagged():
    events = random_events(4)
    events["x"] = events["x"].astype(np.float64)
    events["ccd_id"][0], events["pi"][1] = 300, 40_000
    photons, flags = stored(events_file(events, formats={"x": "1D", "energy": "1D"}))
    assert photons["x"] == events["x"].tolist()
    assert flags == ["bad_ccd_id", "bad_pi"]
    assert photons["ccd_id"][0] is None
    assert photons["pi_stored"][1] == 0
    events["x"] += 1e-9
    assert "rounded_x" in stored(events_file(events, formats={"x": "1D"}))[1]


def test_times_are_brought_to_mission_seconds():
    plain, _ = read(events_file(n=3))
    header = {"MJDREF": 50813.0, "TIMEZERO": 0.5}
    shifted, _ = read(events_file(n=3, header=header))
    for table, column in ((EVENT, "time_s"), ("product.good_time", "start_s"), ("product.header", "tstop_s")):
        difference = np.subtract(shifted[table][column], plain[table][column])
        assert difference.tolist() == [0.5 - 86_400.0] * len(difference)


def test_good_times_of_merged_files_are_unique():
    tables, flags = read(
        events_file(
            n=3,
            good_times=[
                good_time_hdu([(1, 5), (10, 20)], 7),
                good_time_hdu([(10, 25), (1, 5), (30, 30)], 7, "GTI7_CPT12"),
                good_time_hdu([(2, 3)], None, "GTI3_CPT13"),
                good_time_hdu([(9, 8), (np.nan, 3), (4, np.inf), (6, 7)], None, "STDGTI"),
                good_time_hdu([(0, 1)], None, header={"HDUNAME": "GTI0"}),
            ],
        )
    )
    rows = [(r["ccd_id"], r["start_s"], r["stop_s"]) for r in tables["product.good_time"].to_pylist()]
    assert rows == [(None, 6, 7), (0, 0, 1), (3, 2, 3), (7, 1, 5), (7, 10, 25), (7, 30, 30)]
    assert flags[:2] == ["bad_good_times", "repeated_good_times"]


@pytest.mark.parametrize(
    ("header", "unit", "expected"),
    [
        ({"TIMEUNIT": "d"}, "s", 100.0),  # the column's own unit goes first
        ({"TIMEUNIT": "s"}, "d", 8_640_000.0),
        ({"TIMEUNIT": "d"}, "", 8_640_000.0),
        ({"TIMEUNIT": "d", "TIMEZERO": 1.0}, "s", 86_500.0),  # TIMEZERO is a keyword, in TIMEUNIT
        ({"TIMEZERO": None, "TIMEZERI": 3, "TIMEZERF": 0.5}, "s", 103.5),
        ({"TIMEZERO": "3.5"}, "s", 103.5),
        ({"MJDREF": None, "JDREF": 2_450_815.5}, "s", 86_500.0),
        ({"MJDREF": None, "JDREFI": 2_450_814, "JDREFF": 0.5}, "s", 100.0),
        ({"MJDREF": None, "DATEREF": "1998-01-02T00:00:00"}, "s", 86_500.0),
        ({"MJDREF": None}, "s", 100.0),
        ({"MJDREF": None, "TELESCOP": "XMM"}, "s", None),
    ],
)
def test_every_way_to_count_time(header, unit, expected):
    events = random_events(2) | {"time": np.array([100.0, 200.0])}
    interval = good_time_hdu([(100.0, 200.0)])
    interval.columns["START"].unit = interval.columns["STOP"].unit = unit or None
    data = events_file(events, units={"time": unit}, header={"EXPOSURE": None, **header}, good_times=[interval])
    tables, flags = read(data)
    assert tables[EVENT]["time_s"][0].as_py() == expected
    starts = tables["product.good_time"]["start_s"].to_pylist() if "product.good_time" in tables else [None]
    assert starts == [expected]
    assert ("no_time_reference" in flags) is (expected is None)


def test_a_table_of_notes_on_good_times_is_no_good_time():
    notes = table("GTI_NOTES", fits.Column("NOTE", "20A", array=["a"]))
    assert read(to_bytes([events_hdu(random_events(3)), notes]))[1][-1:] == ["no_good_times"]
    damaged = table("GTI", fits.Column("A", "D"))
    assert {"no_good_times", "bad_good_times"} <= set(read(to_bytes([events_hdu(random_events(3)), damaged]))[1])


@pytest.mark.parametrize("where", ["table", "primary"])
@pytest.mark.parametrize("telescope", ["XMM", "NuSTAR", "SWIFT", "NICER", "ASCA", "ROSAT", "eROSITA", "ATHENA", "HESS"])
def test_another_missions_photons_are_of_no_chandra_observation(telescope, where):
    said = {"TELESCOP": telescope, "MISSION": None, "INSTRUME": "X", "DETNAM": None, "MJDREF": 50814.0}
    data = events_file(n=3, obs_id="23037", content="REGEVT3", header=said)
    if where == "primary":
        with fits.open(io.BytesIO(data)) as hdus:
            for key in ("TELESCOP", "INSTRUME"):
                hdus[0].header[key] = hdus[1].header.pop(key)
            hdus.writeto(out := io.BytesIO())
        data = out.getvalue()
    tables, flags = read(data, REGEVT)
    (header,) = tables["product.header"].to_pylist()
    assert flags == ["not_chandra"]
    assert (header["mission"], header["obs_id"], header["obsid"]) == (telescope.upper(), "23037", None)
    for name in ("obsid", "obi", "region_id", "detection_id"):
        assert tables[EVENT][name].null_count == 3
    assert tables["product.good_time"]["obsid"].null_count == 1


def test_good_times_may_come_first():
    table = events_hdu(random_events(3), header={"OBS_ID": 755, "TIMEZERO": 1.0})
    (row,) = read(to_bytes([good_time_hdu([(1, 5)]), table]))[0]["product.good_time"].to_pylist()
    assert (row["obsid"], row["start_s"], row["stop_s"]) == (755, 2.0, 6.0)


def test_further_events_tables_are_counted_on():
    first = events_hdu(random_events(3), header={"OBS_ID": 755})
    second = events_hdu(random_events(4), header={"OBS_ID": 756})
    tables, flags = read(to_bytes([first, second]))
    assert tables[EVENT]["row"].to_pylist() == list(range(7))
    assert tables[EVENT]["obsid"].to_pylist() == [755] * 3 + [756] * 4
    assert tables["product.header"].to_pylist()[0]["n_rows"] == 7
    assert "several_event_tables" in flags


def table(name, *columns):
    return fits.BinTableHDU.from_columns(list(columns), name=name)


@pytest.mark.parametrize(
    ("hdus", "expected"),
    [
        ([good_time_hdu()], r"a table of events \(EVENTS\), found HDUs unnamed, GTI"),
        (
            [table("EVENTS", fits.Column("time", "8A", array=["x"]))],
            r"one number per row in column time, found TFORM 8A",
        ),
        ([table("EVENTS", fits.Column("time", "2D", array=[[1, 2]]))], r"one number per row"),
        ([table("EVENTS", fits.Column("ccd_id", "I", array=[1]))], r"at least one of time, x, y, energy, pi"),
    ],
)
def test_what_cannot_be_events_is_refused(hdus, expected):
    with pytest.raises(UnreadableFile, match=expected):
        read(to_bytes(hdus))


def test_chunks_join_to_the_same_rows(monkeypatch):
    data = events_file(n=100, unsorted=True, drop=["energy"])
    whole, flags = read(data)
    monkeypatch.setattr(events_module, "CHUNK_ROWS", 7)
    pieces = [i for i in read_events(io.BytesIO(data), FileName.of("acisf10542N003_evt2.fits")) if isinstance(i, Rows)]
    assert [p.batch.num_rows for p in pieces if p.table == EVENT] == [7] * 14 + [2]
    assert read(data) == (whole, flags)


def test_times_out_of_order_only_between_chunks_are_noticed(monkeypatch):
    events = random_events(8)
    events["time"] = T0 + np.array([4.0, 5, 6, 7, 0, 1, 2, 3])
    monkeypatch.setattr(events_module, "CHUNK_ROWS", 4)
    assert read(events_file(events))[1] == ["unsorted_time"]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(-1000, 2.0**127, width=32) | st.just(float("nan")), st.integers(-(2**15), 2**15 - 1)),
        min_size=1,
    ),
    st.booleans(),
)
def test_pi_comes_back_as_the_file_has_it(photons, follows):
    energy, pi = (np.array(column) for column in zip(*photons, strict=True))
    events = random_events(len(photons))
    events["energy"] = energy.astype(np.float32)
    known = np.nan_to_num(events["energy"])
    events["pi"] = (pi_of_energy(known) if follows else pi).astype(np.int32)
    tables, _ = read(events_file(events))
    assert pi_of_view(tables[EVENT]) == [p or None for p in events["pi"].tolist()]
    ours = tables[EVENT]["energy_ev"].to_numpy()
    assert np.array_equal(ours, events["energy"], equal_nan=True)
    if follows and not np.isnan(energy).any():
        assert tables[EVENT]["pi_stored"].null_count == len(photons)


def test_every_channel_leads_to_an_energy_and_back():
    channels = np.arange(1, 1025)
    assert np.array_equal(pi_of_energy(energy_of_pi(channels)), channels)


def test_the_edges_of_channels_agree_with_duckdb():
    edges = (np.arange(1, 1025) * 14.6).astype(np.float32)
    edges = np.concatenate([edges, np.nextafter(edges, np.float32(0)), np.nextafter(edges, np.float32(1e9))])
    events = random_events(len(edges))
    events["energy"], events["pi"] = edges, pi_of_energy(edges).astype(np.int32)
    table = read(events_file(events))[0][EVENT]
    assert table["pi_stored"].null_count == len(edges)
    assert pi_of_view(table) == events["pi"].tolist()


def test_a_file_written_as_a_stream_is_read_alike():
    stream = io.BytesIO()
    write_events(stream, 1000, rows=300)
    tables, flags = read(stream.getvalue())
    assert flags == []
    assert tables[EVENT].num_rows == 1000
    assert np.array_equal(tables[EVENT]["energy_ev"][:300], random_events(300)["energy"])
    assert np.all(np.diff(tables[EVENT]["time_s"]) >= 0)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for n in (4_000_000, 12_000_000):
        with (tmp_path / "events.fits").open("wb") as stream:
            write_events(stream, n)
        script = (
            "import sys; from ingest.readers import FileName, Rows; from ingest.products.events import read_events;"
            "s = open(sys.argv[1], 'rb');"
            "n = sum(i.batch.num_rows for i in read_events(s, FileName.of('a.fits')) if isinstance(i, Rows));"
            "print(n, [l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')][0])"
        )
        output = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "events.fits")], capture_output=True, check=True, text=True
        ).stdout
        rows, peak = output.split()
        assert int(rows) == n + 2
        peaks.append(int(peak))
    assert peaks[1] < 1.15 * peaks[0]
    assert peaks[1] < 400_000  # kB, libraries included


NO_UNIT = "unit_assumed: energy (eV)"
REAL = {
    "events/acisf23022_000N027_r0122_regevt3.fits.gz": (5813, []),
    "events/755_7_evt2_05_8keV.fits": (20_176, []),
    "events/chandra_test_10027.fits": (4612, ["exposure_exceeds_span"]),
    "events/chandra_noener_test_10027.fits": (4612, ["energy_from_pi", "exposure_exceeds_span"]),
    "broken/333_4_evt2_05_8keV.fits": (
        48_771,
        [NO_UNIT, "no_time", "no_pi", "no_sky_wcs", "no_good_times"],
    ),
    "broken/CDFS_merged_evt2.fits": (208, ["no_obsid", "unsorted_time"]),
    "broken/structure_only_evt_732.fits": (
        0,
        ["unit_assumed: energy (eV)", "no_sky_wcs", "no_events", "no_good_times"],
    ),
}


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_photons_equal_astropys_bit_for_bit(real, name):
    path = real / name
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    tables, flags = read(data, path.name)
    n, expected = REAL[name]
    assert flags == expected
    assert tables["product.header"]["n_rows"].to_pylist() == [n]
    if not n:
        return
    photons = tables[EVENT]
    assert photons.num_rows == n
    with fits.open(io.BytesIO(data)) as hdus:
        theirs = hdus["EVENTS"].data
        known = {column.lower() for column in theirs.names}
        for ours, column in {"time_s": "time", "x": "x", "y": "y", "energy_ev": "energy", "ccd_id": "ccd_id"}.items():
            if column in known:
                values = photons[ours].to_numpy()
                assert values.tobytes() == theirs[column].astype(values.dtype).tobytes()
            elif column != "energy":
                assert photons[ours].null_count == n
        if "pi" in known:
            assert pi_of_view(photons) == theirs["pi"].tolist()
            assert photons["pi_stored"].null_count == n


@pytest.mark.real
def test_real_merged_good_times(real):
    tables, _ = read((real / "broken/CDFS_merged_evt2.fits").read_bytes())
    rows = tables["product.good_time"].to_pylist()
    assert len(rows) == len({(r["ccd_id"], r["start_s"]) for r in rows}) == 369
    assert {r["ccd_id"] for r in rows} == {0, 1, 2, 3}
