"""Light curves: lc3 as the catalog writes it, and what users' own lack."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from factories.fits import T0, events_file, light_curve_file, to_bytes

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from ingest.products.light_curves import read_light_curve
from ingest.readers import FileName, Flag, Rows

LC3 = "acisf10542_000N021_r0017b_lc3.fits.gz"


def read(data, name=LC3):
    """Read -> the light curve's columns, the header row, the flags."""
    items = list(read_light_curve(io.BytesIO(data), FileName.of(name, "2.0")))
    rows = {item.table: item.batch for item in items if isinstance(item, Rows)}
    for table, batch in rows.items():
        batch.validate(full=True)
        assert batch.schema == TABLES[table].schema
    curve = rows["product.light_curve"].to_pydict() if "product.light_curve" in rows else None
    return curve, rows["product.header"].to_pylist()[0], [item.text for item in items if isinstance(item, Flag)]


def test_lc3():
    curve, header, flags = read(light_curve_file(6))
    assert flags == []
    assert curve["row"] == list(range(6))
    assert curve["time_s"] == [T0 + 500.0 * i for i in range(6)]
    assert set(curve["band"]) == {"b"}
    assert set(curve["detection_id"]) == {"10542.0.17"}
    assert None not in curve["background_rate_err"]
    assert curve["background_rate"] != curve["count_rate"]
    assert (header["kind"], header["n_rows"], header["release"], header["version"]) == ("light_curve", 6, "2.0", 21)


@pytest.mark.parametrize(
    ("name", "band", "expected"),
    [
        ("acisf10542_000N021_r0017h_lc3.fits", "broad", "h"),
        ("mine.fits", "ultrasoft", "u"),
        ("mine.fits", "WIDE", "w"),
        ("mine.fits", "m", "m"),
        ("mine.fits", "0.5-7", None),
        ("mine.fits", None, None),
    ],
)
def test_band(name, band, expected):
    curve, _, flags = read(light_curve_file(2, header={"BAND": band}), name)
    assert set(curve["band"]) == {expected}
    assert flags == ([] if expected else ["no_band"])


def test_columns_are_found_whatever_their_case():
    names = ("TIME", "Rate", "ERROR", "MINUS_3SIG", "PLUS_3SIG")
    assert read(light_curve_file(4, names=names))[0] == read(light_curve_file(4))[0]


def test_a_curve_may_lack_errors_and_background():
    curve, _, flags = read(light_curve_file(4, names=("TIME", "RATE"), background=False))
    assert flags == ["no_background"]
    for name in ("count_rate_err", "minus_3sig", "plus_3sig", "background_rate", "background_rate_err"):
        assert curve[name] == [None] * 4


def test_a_background_of_other_bins_is_no_background():
    curve, _, flags = read(light_curve_file(4, shift_s=1.0))
    assert flags == ["background_bins_differ"]
    assert curve["background_rate"] == [None] * 4


def dmextract(n=3, *, columns=(), header=None):
    """A light curve as dmextract makes it: source and background in one table."""
    values = {
        "TIME": ("s", 50.0 + 100 * np.arange(n)),
        "COUNTS": ("count", np.arange(n)),
        "COUNT_RATE": ("count/s", np.arange(n) / 100),
        "COUNT_RATE_ERR": ("count/s", np.arange(n) / 1000),
        "BG_COUNTS": ("count", np.full(n, 10.0)),
        "BG_ERR": ("count", np.full(n, 4.0)),
        "BG_EXPOSURE": ("s", np.full(n, 100.0)),
        "BG_RATE": ("count/s", np.full(n, 0.1)),
        "NET_RATE": ("count/s", np.zeros(n)),
    } | dict(columns)
    made = [fits.Column(name, "1D", unit, array=array) for name, (unit, array) in values.items()]
    hdu = fits.BinTableHDU.from_columns(made, name="LIGHTCURVE")
    hdu.header.update({"TELESCOP": "CHANDRA", "OBS_ID": "4321", "HDUCLAS1": "LIGHTCURVE", "HDUCLAS2": "TOTAL"})
    hdu.header.update(header or {})
    return to_bytes([hdu])


def test_a_background_may_stand_in_the_same_table():
    curve, _, flags = read(dmextract(), "lc.fits")
    assert (curve["background_rate"], curve["background_rate_err"]) == ([0.1] * 3, [0.04] * 3)
    assert (curve["count_rate"], curve["obsid"]) == ([0.0, 0.01, 0.02], [4321] * 3)
    assert flags == ["no_band", "columns_not_kept: COUNTS, BG_COUNTS, NET_RATE"]
    missing = dmextract(columns={"BG_RATE": ("count/s", np.full(3, np.nan))})
    assert "no_background" in read(missing, "lc.fits")[2]


@pytest.mark.parametrize(
    ("column", "unit", "expected"),
    [
        ("COUNT_RATE", "counts/ks", 1e-3),
        ("COUNT_RATE", "ct/s", 1.0),
        ("COUNT_RATE", "photon/min", 1 / 60),
        ("COUNT_RATE", "erg/s", None),
        ("BG_RATE", "count/ks", 1e-3),
    ],
)
def test_rates_of_every_unit_become_counts_a_second(column, unit, expected):
    curve, _, flags = read(dmextract(columns={column: (unit, np.ones(3))}), "lc.fits")
    stored = {"COUNT_RATE": "count_rate", "BG_RATE": "background_rate"}[column]
    assert curve[stored] == ([None] * 3 if expected is None else [pytest.approx(expected)] * 3)
    assert (f"unknown_unit: {column} ({unit})" in flags) is (expected is None)


@pytest.mark.parametrize(
    ("unit", "timeunit", "expected"),
    [("s", "d", [50.0, 150.0]), ("d", "s", [4_320_000.0, 12_960_000.0]), ("", "d", [4_320_000.0, 12_960_000.0])],
)
def test_a_columns_own_unit_goes_before_timeunit(unit, timeunit, expected):
    data = dmextract(2, columns={"TIME": (unit or None, np.array([50.0, 150.0]))}, header={"TIMEUNIT": timeunit})
    assert read(data, "lc.fits")[0]["time_s"] == expected


def test_another_missions_light_curve_is_of_no_chandra_observation():
    curve, header, flags = read(dmextract(header={"TELESCOP": "NICER", "MJDREF": 56658.0}), LC3)
    assert "not_chandra" in flags
    assert (header["mission"], header["obs_id"], header["obsid"]) == ("NICER", "4321", None)
    assert curve["obsid"] == curve["detection_id"] == [None] * 3
    assert curve["time_s"][0] == 50.0 + (56658 - 50814) * 86_400


def test_nan_is_null_and_time_is_shifted():
    data = light_curve_file(3, header={"TIMEZERO": 10.0})
    rate = read(data)[0]["count_rate"][1]
    curve, _, flags = read(data.replace(np.array(rate, ">f8").tobytes(), np.array(np.nan, ">f8").tobytes()))
    assert curve["count_rate"][1] is None
    assert curve["count_rate"][0] > 0
    assert curve["time_s"][0] == T0 + 10.0
    assert flags == ["time_shifted"]


def test_no_bins():
    curve, header, flags = read(light_curve_file(0))
    assert curve is None
    assert header["n_rows"] == 0
    assert flags == ["no_bins"]


def test_what_is_no_light_curve_is_refused():
    with pytest.raises(UnreadableFile, match=r"LIGHTCURVE.*EVENTS, GTI"):
        read(events_file(n=3))
    with pytest.raises(UnreadableFile, match="TIME and COUNT_RATE"):
        read(light_curve_file(3, names=("Time",)))


@pytest.mark.real
def test_every_real_lc3_equals_astropy(real):
    paths = sorted((real / "light_curves").glob("*_lc3.fits.gz"))
    assert len(paths) == 24
    for path in paths:
        data = gzip.decompress(path.read_bytes())
        curve, header, flags = read(data, path.name)
        assert flags == []
        assert set(curve["band"]) == {"b"}
        with fits.open(io.BytesIO(data)) as hdus:
            source, background = hdus["LIGHTCURVE"], hdus["BKGLIGHTCURVE"]
            columns = {"time_s": "Time", "count_rate": "COUNT_RATE", "count_rate_err": "COUNT_RATE_ERR"}
            for ours, theirs in (columns | {"minus_3sig": "Minus_3Sig", "plus_3sig": "Plus_3Sig"}).items():
                assert curve[ours] == source.data[theirs].tolist()
            assert curve["background_rate"] == background.data["COUNT_RATE"].tolist()
            assert set(curve["obsid"]) == {int(source.header["OBS_ID"])} == {header["obsid"]}
            assert set(curve["region_id"]) == {int(source.header["REGIONID"])}
            assert f"_r{header['region_id']:04d}b_" in path.name
