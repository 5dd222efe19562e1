"""Responses: every layout of one matrix is the same matrix."""

from __future__ import annotations

import contextlib
import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from factories import ogip
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UnreadableFile
from catalog.folding import Redistribution
from catalog.schema import TABLES
from ingest.products.responses import read_response
from ingest.readers import FileName, Flag


def read(content, name="/d/x.rmf"):
    """Return batches by table, and the flags."""
    batches, flags = {}, []
    for item in read_response(io.BytesIO(content), FileName.of(name)):
        if isinstance(item, Flag):
            flags.append(item.text)
        else:
            assert item.batch.schema.equals(TABLES[item.table].schema)
            batches.setdefault(item.table, []).append(item.batch)
    return batches, flags


def one(content, table, name="/d/x.rmf"):
    batches, flags = read(content, name)
    (batch,) = batches[table]
    return batch.to_pylist()[0], flags


def to_dense(batch):
    rmf = Redistribution.from_arrow(batch)
    out = np.zeros((len(rmf.n_grp), len(rmf.e_min)))
    channel, energy_bin = rmf.coordinates
    np.add.at(out, (energy_bin, channel), rmf.matrix)
    return out


def single_groups():
    return [row[:1] or [(0, np.array([0.5]))] for row in ogip.groups()]


@pytest.mark.parametrize("ebounds", ["before", "after"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("layout", ["variable", "fixed"])
def test_every_layout_is_the_same_matrix(layout, first, ebounds):
    batches, flags = read(ogip.rmf(layout=layout, first=first, ebounds=ebounds))
    (batch,) = batches["product.rmf"]
    row = batch.to_pylist()[0]
    assert flags == []
    assert np.array_equal(to_dense(batch), ogip.dense(ogip.groups()))
    assert (row["first_channel"], row["n_channels"], row["lo_thres"]) == (first, ogip.N_CHANNELS, 1e-6)
    assert row["n_grp"][1] == 0
    assert (row["valid"], row["includes_area"]) == (True, False)
    plain = ogip.rmf(first=first)
    assert row["rmf_id"] == one(plain, "product.rmf")[0]["rmf_id"]


@pytest.mark.parametrize("name", ["MATRIX", "RSP_MATRIX", "SPECRESP MATRIX"])
def test_every_name_of_the_extension_is_known(name):
    batches, _ = read(ogip.rmf(single_groups(), layout="scalar", name=name))
    assert np.array_equal(to_dense(batches["product.rmf"][0]), ogip.dense(single_groups()))


def test_a_matrix_that_includes_the_area_says_so():
    row, flags = one(ogip.rmf(name="SPECRESP MATRIX", HDUCLAS3=None), "product.rmf")
    assert row["includes_area"] is True
    assert flags == ["rmf_includes_area"]
    assert one(ogip.rmf(name="SPECRESP MATRIX", HDUCLAS3="REDIST"), "product.rmf")[0]["includes_area"] is False
    scaled = [[(first, 100 * elements) for first, elements in row] for row in ogip.groups()]
    assert one(ogip.rmf(scaled), "product.rmf")[1] == ["rmf_row_sum_above_one"]


def test_ids_follow_content_not_form():
    single, double = ogip.rmf(layout="fixed"), ogip.rmf(layout="fixed", form="D")
    rounded = [[(f, e.astype(np.float32).astype(float)) for f, e in row] for row in ogip.groups()]
    ids = {one(c, "product.rmf")[0]["rmf_id"] for c in (single, ogip.rmf(rounded, layout="fixed", form="D"))}
    assert len(ids) == 1
    assert one(double, "product.rmf")[0]["rmf_id"] in ids
    assert one(ogip.rmf(ogip.groups(seed=1)), "product.rmf")[0]["rmf_id"] not in ids
    assert one(ogip.arf(), "product.arf")[0]["arf_id"] != one(ogip.arf(np.ones(8)), "product.arf")[0]["arf_id"]


def test_the_first_channel_is_tlmins_then_ebounds():
    batches, flags = read(ogip.rmf(first=0, tlmin=False))
    assert flags == ["first_channel_assumed"]
    assert np.array_equal(to_dense(batches["product.rmf"][0]), ogip.dense(ogip.groups()))
    batches, flags = read(ogip.rmf(first=1, tlmin=False, ebounds="none"))
    assert flags == ["first_channel_assumed", "no_ebounds"]
    assert np.array_equal(to_dense(batches["product.rmf"][0]), ogip.dense(ogip.groups()))
    _, flags = read(ogip.rmf(first=0, ebounds_first=1))
    assert flags == ["first_channel_differs"]
    with pytest.raises(UnreadableFile, match="channel groups within 1"):
        read(ogip.rmf([[(-1, np.ones(2) / 2)]] * 8))


def test_ebounds_rows_may_come_in_any_order():
    bounds = ogip.ebounds_hdu(channel=np.arange(ogip.N_CHANNELS, 0, -1))
    shuffled = one(ogip.to_bytes(ogip.matrix_hdu(), bounds), "product.rmf")[0]
    plain = one(ogip.rmf(), "product.rmf")[0]
    assert shuffled["e_min"] == plain["e_min"]
    assert shuffled["rmf_id"] == plain["rmf_id"]


def test_channel_numbers_of_ebounds_that_repeat_are_passed_over():
    bounds = ogip.ebounds_hdu(channel=np.zeros(ogip.N_CHANNELS), form="I", TLMIN1=1)
    row, flags = one(ogip.to_bytes(ogip.matrix_hdu(), bounds), "product.rmf")
    assert flags == ["ebounds_channel_ignored"]
    assert (row["first_channel"], row["valid"], len(row["e_min"])) == (1, True, ogip.N_CHANNELS)


def test_an_area_is_read_as_it_stands():
    row, flags = one(ogip.arf(fraction=True), "product.arf", "/d/ACISf1_arf3.fits.gz")
    assert flags == []
    assert row["energ_lo"] == ogip.EDGES[:-1].tolist()
    assert row["specresp"] == [100.0 + i for i in range(8)]
    assert row["fracexpo"] == pytest.approx([0.9] * 8)
    assert row["valid"] is True


def test_a_response_file_says_where_it_is_and_what_it_holds():
    name = "/d/acisf01575_001N001_r0085_ARF3.fits.gz"
    batches, _ = read(ogip.arf(OBS_ID="1575"), name)
    (file,) = batches["product.response_file"][0].to_pylist()
    assert (file["kind"], file["file_name"], file["folder"]) == ("arf", "acisf01575_001n001_r0085_arf3.fits", "/d")
    assert (file["detection_id"], file["response_num"]) == ("1575.1.85", 1)
    assert file["response_id"] == batches["product.arf"][0].to_pylist()[0]["arf_id"]


def test_one_file_may_hold_both_and_several():
    both = ogip.to_bytes(ogip.arf_hdu(), ogip.matrix_hdu(), ogip.ebounds_hdu(), ogip.arf_hdu(np.ones(8), TG_M=-1))
    batches, flags = read(both)
    files = [b.to_pylist()[0] for b in batches["product.response_file"]]
    assert [(f["kind"], f["response_num"], f["grating_order"]) for f in files] == [
        ("arf", 1, None),
        ("arf", 2, -1),
        ("rmf", 1, None),
    ]
    assert len(batches["product.arf"]) == 2
    assert flags == []
    twice = read(ogip.to_bytes(ogip.arf_hdu(), ogip.arf_hdu()))[0]
    assert (len(twice["product.arf"]), len(twice["product.response_file"])) == (1, 2)


def coarse(rows, every=2):
    """A matrix on a grid of `every` bins in one: the first of each few rows."""
    return ogip.matrix_hdu(rows[::every], edges=ogip.EDGES[::every], EXTVER=2)


def parts(content):
    """Return the rows of product.response_file, the batches of product.rmf by id, and the flags."""
    batches, flags = read(content)
    rmfs = {b.column("rmf_id")[0].as_py(): b for b in batches.get("product.rmf", [])}
    return [b.to_pylist()[0] for b in batches["product.response_file"]], rmfs, flags


def test_matrices_of_one_spectrum_are_added():
    fine, tail = ogip.groups(), ogip.groups(seed=5)
    files, rmfs, flags = parts(ogip.to_bytes(ogip.matrix_hdu(fine), ogip.matrix_hdu(tail), ogip.ebounds_hdu()))
    assert flags == ["matrices_added"]
    assert [(f["response_num"], f["hdu"]) for f in files] == [(0, None), (1, 1), (2, 2)]
    total = rmfs[files[0]["response_id"]]
    assert np.allclose(to_dense(total), ogip.dense(fine) + ogip.dense(tail), rtol=1e-6)
    assert total.to_pylist()[0]["valid"] is True
    for f, rows in zip(files[1:], (fine, tail), strict=True):
        assert np.array_equal(to_dense(rmfs[f["response_id"]]), ogip.dense(rows))


@pytest.mark.parametrize("first", ["fine", "coarse"])
def test_matrices_on_different_grids_are_added_on_the_finer(first):
    fine, tail = ogip.groups(), ogip.groups(seed=5)
    hdus = [ogip.matrix_hdu(fine), coarse(tail)]
    files, rmfs, flags = parts(ogip.to_bytes(*(hdus if first == "fine" else hdus[::-1]), ogip.ebounds_hdu()))
    total = rmfs[files[0]["response_id"]]
    assert flags == ["matrices_added"]
    assert total.to_pylist()[0]["energ_lo"] == ogip.EDGES[:-1].tolist()
    assert np.allclose(to_dense(total), ogip.dense(fine) + np.repeat(ogip.dense(tail[::2]), 2, axis=0), rtol=1e-6)


def test_a_matrix_of_part_of_the_energies_is_added_where_it_is():
    short = ogip.matrix_hdu(ogip.groups(3, seed=5), edges=ogip.EDGES[2:6])
    files, rmfs, _ = parts(ogip.to_bytes(ogip.matrix_hdu(), short, ogip.ebounds_hdu()))
    added = to_dense(rmfs[files[0]["response_id"]]) - ogip.dense(ogip.groups())
    assert np.allclose(added[2:5], ogip.dense(ogip.groups(3, seed=5)), atol=1e-6)
    assert np.allclose(added[[0, 1, 5, 6, 7]], 0, atol=1e-6)


@pytest.mark.parametrize(
    "differ", [{"TG_M": (-1, 1)}, {"TG_PART": (1, 2)}, {"TSTART": (0.0, 5.0)}, {"HDUCLAS3": ("REDIST", "FULL")}]
)
def test_matrices_of_different_spectra_are_not_added(differ):
    ((key, values),) = differ.items()
    hdus = [ogip.matrix_hdu(ogip.groups(seed=i), **{key: value}) for i, value in enumerate(values)]
    files, _, flags = parts(ogip.to_bytes(*hdus, ogip.ebounds_hdu()))
    assert [f["response_num"] for f in files] == [1, 2]
    assert "several_matrices" in flags


def test_responses_are_numbered_as_their_extver_says():
    hdus = [ogip.arf_hdu(np.full(8, float(v)), EXTVER=v) for v in (2, 1, 7)]
    assert [(f["response_num"], f["hdu"]) for f in parts(ogip.to_bytes(*hdus))[0]] == [(2, 1), (1, 2), (7, 3)]
    hdus = [ogip.arf_hdu(np.full(8, float(v)), EXTVER=1) for v in (2, 1, 7)]
    assert [f["response_num"] for f in parts(ogip.to_bytes(*hdus))[0]] == [1, 2, 3]


@pytest.mark.parametrize("value", ["0", " 0", 0])
def test_the_least_channel_may_be_written_as_a_text(value):
    row, flags = one(ogip.rmf(first=0, TLMIN4=value), "product.rmf")
    assert (row["rmf_id"], flags) == (one(ogip.rmf(first=0), "product.rmf")[0]["rmf_id"], [])


def test_a_least_channel_that_cannot_be_gives_way_to_ebounds():
    last = [[(ogip.N_CHANNELS - 2, np.ones(2) / 2)]] * 8
    row, flags = one(ogip.rmf(last, TLMIN4=0), "product.rmf")
    assert (row["f_chan"], flags) == ([ogip.N_CHANNELS - 2] * 8, ["first_channel_differs"])


@pytest.mark.parametrize("content", [ogip.arf(TELESCOP="XMM", OBS_ID="0123700101"), ogip.rmf(TELESCOP="XMM")])
def test_another_missions_response_is_of_no_chandra_observation(content):
    batches, flags = read(content, "/d/acisf01575_001N001_r0085_arf3.fits")
    (file,) = batches["product.response_file"][0].to_pylist()
    assert (file["mission"], file["obsid"], file["detection_id"], flags) == ("XMM", None, None, ["not_chandra"])


def test_areas_of_gratings_may_stand_in_arrays():
    lo, hi = (np.tile(e, (2, 1)) for e in (ogip.EDGES[:-1], ogip.EDGES[1:]))
    areas = np.arange(16.0).reshape(2, 8)
    columns = [fits.Column(n, "8E", array=a) for n, a in (("ENERG_LO", lo), ("ENERG_HI", hi), ("SPECRESP", areas))]
    batches, _ = read(ogip.to_bytes(ogip.table(columns, "SPECRESP")))
    assert [b.to_pylist()[0]["specresp"] for b in batches["product.arf"]] == areas.tolist()


@pytest.mark.parametrize(
    ("areas", "flag"),
    [([1, np.nan] * 4, "null_areas"), ([1, -1] * 4, "negative_areas"), ([1, np.inf] * 4, "null_areas")],
)
def test_areas_with_holes_are_kept_as_not_valid(areas, flag):
    row, flags = one(ogip.arf(areas), "product.arf")
    assert (row["valid"], flags) == (False, [flag])
    if flag == "null_areas":
        assert row["specresp"] == [1, None] * 4


def test_units_are_brought_to_the_stores():
    for unit, square_cm in (("m**2", 1e4), ("m^2", 1e4), ("MM2", 1e-2), ("cm^{2}", 1.0), ("cm2", 1.0)):
        row, flags = one(ogip.arf(unit=unit), "product.arf")
        assert (row["specresp"][0], flags) == (pytest.approx(100 * square_cm), [])
    row, flags = one(ogip.arf(unit="furlong"), "product.arf")
    assert (row["specresp"], row["valid"]) == ([None] * 8, False)
    assert flags == ["unknown_unit: SPECRESP (furlong)", "null_areas"]
    assert one(ogip.arf(unit=""), "product.arf")[1] == ["unit_assumed: SPECRESP (cm**2)"]


def test_gaps_are_found_upwards_and_downwards():
    edges = ogip.EDGES
    for lo, hi, valid in (
        (edges[:-1][::-1], edges[1:][::-1], True),
        (edges[:-1], np.r_[edges[1:-1], edges[-1] + 1], True),
        (np.r_[edges[:4], edges[4:-1] + 0.1], edges[1:], False),
        (edges[1:], edges[:-1], False),
    ):
        columns = [
            fits.Column(n, "E", array=a) for n, a in (("ENERG_LO", lo), ("ENERG_HI", hi), ("SPECRESP", np.ones(8)))
        ]
        assert one(ogip.to_bytes(ogip.table(columns, "SPECRESP")), "product.arf")[0]["valid"] is valid


@pytest.mark.parametrize(
    "content",
    [
        ogip.arf(edges=np.array([1.0])),
        ogip.arf(np.full(8, np.nan)),
        ogip.pha(),
        ogip.to_bytes(ogip.ebounds_hdu()),
        ogip.rmf([[(ogip.N_CHANNELS - 1, np.ones(2) / 2)]] * 8),
    ],
)
def test_what_nothing_can_be_folded_with_is_refused(content):
    with pytest.raises(UnreadableFile):
        read(content)


def test_groups_that_promise_more_than_the_matrix_holds_are_refused():
    hdu = ogip.matrix_hdu(layout="fixed")
    hdu.data["N_CHAN"][0, 0] = 200
    with pytest.raises(UnreadableFile, match="elements in row 0"):
        read(ogip.to_bytes(hdu, ogip.ebounds_hdu()))


MUTATED = [ogip.rmf(), ogip.rmf(layout="fixed", ebounds="before"), ogip.arf(), ogip.rmf(ebounds="none")]


@settings(max_examples=200, deadline=None)
@given(
    which=st.integers(0, len(MUTATED) - 1),
    places=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.none() | st.integers(0, 1 << 14),
)
def test_a_mutated_file_is_refused_or_read(which, places, cut):
    content = bytearray(MUTATED[which][:cut])
    for place, value in places:
        if content:
            content[place % len(content)] = value
    with contextlib.suppress(UnreadableFile):
        read(bytes(content))


@pytest.mark.parametrize("keyword", ["NAXIS1", "NAXIS2", "PCOUNT", "TFORM4", "TFORM6", "DETCHANS", "TLMIN4", "TFIELDS"])
@pytest.mark.parametrize("value", ["0", "-1", "1", "2147483648", "99999999999999999", "1E999", "'1QJ(9)'", "'77D'"])
def test_a_damaged_keyword_is_refused_or_read(keyword, value):
    content = ogip.rmf()
    start = content.index(keyword.ljust(8).encode() + b"=", 2880)
    content = content[: start + 10] + value.rjust(20).encode() + content[start + 30 :]
    with contextlib.suppress(UnreadableFile):
        read(content)


# --- real files -------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("rmf_no_ebounds.rmf", ["unit_assumed: ENERG_LO (keV)", "first_channel_assumed", "no_ebounds"]),
        ("rmf_discontinuous.rmf", ["unit_assumed: ENERG_LO (keV)", "first_channel_assumed", "energy_gaps"]),
    ],
)
def test_real_broken_matrices_are_loaded_as_not_valid(real, name, flags):
    row, found = one((real / "broken" / name).read_bytes(), "product.rmf", name)
    assert (row["valid"], found) == (False, flags)
    assert len(row["energ_lo"]) == 100


@pytest.mark.real
@pytest.mark.parametrize(("name", "found"), [("arf_empty.arf", "0 rows"), ("arf_nan.arf", "NaN in all 100 rows")])
def test_real_areas_without_any_area_are_refused(real, name, found):
    with pytest.raises(UnreadableFile, match=found):
        read((real / "broken" / name).read_bytes(), name)


@pytest.mark.real
def test_every_real_matrix_is_astropys_element_by_element(real):
    paths = [*real.glob("spectra/*.rmf"), *real.glob("spectra/*rmf3.fits*"), *real.glob("events/*rmf3.fits*")]
    assert len(paths) >= 11
    ids = {}
    for path in paths:
        content = path.read_bytes()
        batches, _ = read(gzip.decompress(content) if path.suffix == ".gz" else content, str(path))
        (batch,) = batches["product.rmf"]
        ids[path.name] = batch.column("rmf_id")[0].as_py()
        with fits.open(path) as hdus:
            data = next(h for h in hdus[1:] if "MATRIX" in h.name).data
            elements = np.concatenate([np.atleast_1d(m) for m in data["MATRIX"]])
            assert np.array_equal(batch.column("matrix")[0].values.to_numpy(), elements)
            assert np.array_equal(batch.column("e_min")[0].values.to_numpy(), hdus["EBOUNDS"].data["E_MIN"])
        assert batch.column("valid")[0].as_py()
    assert ids["obs1.rmf"] == ids["obs2.rmf"]
    assert len(set(ids.values())) == len(ids) - 1
