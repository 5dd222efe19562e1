"""What a script holds of a source: each number is what SQL says, and each can be drawn."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pytest
from astropy import units as u

from catalog.catalog import Catalog
from catalog.errors import QueryError, UnknownName
from catalog.folding import powerlaw
from catalog.objects.source import Detection
from catalog.objects.space_map import classes
from catalog.objects.spectrum import _energies, integrated

mpl.use("Agg")


@pytest.fixture(scope="module")
def cat(small_survey):
    with Catalog(small_survey / "s") as made:
        yield made


@pytest.fixture(scope="module")
def detection(cat):
    """The detection with most photons in its source region, of those that have a spectrum."""
    ((id_,),) = cat.sql(
        "SELECT detection_id FROM csc.observation_source WHERE detection_id IN (SELECT detection_id "
        "FROM product.spectrum WHERE rmf_id IS NOT NULL) ORDER BY src_cnts_aper_b DESC NULLS LAST, detection_id LIMIT 1"
    ).fetchall()
    return cat.detection(id_)


def drawn(product, ax=None):
    """Draw into memory and return what the axes say."""
    axes = product.plot(ax)
    axes.figure.canvas.draw()
    if ax is None:
        mpl.pyplot.close(axes.figure)
    return axes.get_xlabel(), axes.get_ylabel()


def test_a_spectrum_has_the_counts_of_its_row_and_a_model_folds_over_it(cat, detection):
    spectrum = detection.spectrum()
    query = "SELECT counts, exposure_s FROM product.spectrum WHERE spectrum_id = $id"
    ((counts, exposure),) = cat.sql(query, id=spectrum.spectrum_id).fetchall()
    assert spectrum["counts"].tolist() == counts
    assert spectrum.exposure_s == exposure
    assert spectrum.unit("e_min") == "keV"
    assert spectrum.table()["counts"].unit == u.ct
    net = spectrum.rebinned([0.5, 8.0])
    inside = (spectrum["e_min"] + spectrum["e_max"]) / 2
    inside = (inside >= 0.5) & (inside <= 8.0)
    expected = (
        spectrum["counts"][inside].sum() - spectrum.background_scale * spectrum["background_counts"][inside].sum()
    )
    assert net.rate[0] * 7.5 * exposure == pytest.approx(expected)
    flat = spectrum.fold(lambda energy_kev: 1e-4)  # noqa: ARG005 - a constant is a model too
    line = spectrum.fold(lambda energy_kev: u.Quantity(1e-4 * energy_kev**0, "photon / (cm2 s keV)"))
    assert np.allclose(flat["model_counts"], line["model_counts"])
    assert flat["model_counts"].sum() > 0
    axes = spectrum.plot()
    assert drawn(flat, axes) == ("energy [keV]", "count/s/keV")
    mpl.pyplot.close(axes.figure)


def test_channels_without_a_response_have_nominal_energies_and_those_of_hrc_none():
    unknown = {"e_min": None, "e_max": None, "instrument": "ACIS"}
    e_min, e_max, told_by = _energies(unknown, 1024)
    assert (told_by, e_min[0], e_max[-1]) == ("nominal", 0, pytest.approx(14.9504))
    for row, n in ((unknown, 512), (unknown | {"instrument": "HRC"}, 1024)):
        assert np.isnan(_energies(row, n)[0]).all()


def test_a_model_is_integrated_over_each_bin():
    edges = np.geomspace(0.3, 10, 200)
    found = integrated(lambda e: 3 * e**-1.7, edges[:-1], edges[1:])
    assert np.allclose(found, powerlaw(edges[:-1], edges[1:], 1.7, 3.0), rtol=1e-6)
    quantity = integrated(lambda e: u.Quantity(3e3 * e**-1.7, "photon / (cm2 s MeV)"), edges[:-1], edges[1:])
    assert np.allclose(found, quantity)
    with pytest.raises(QueryError, match="a number for each of"):
        integrated(lambda e: e[:3], edges[:-1], edges[1:])
    with pytest.raises(QueryError, match="finite"):
        integrated(lambda e: np.full(e.shape, np.nan), edges[:-1], edges[1:])
    with pytest.raises(QueryError, match="photon"):
        integrated(lambda e: u.Quantity(e, "keV"), edges[:-1], edges[1:])


def test_a_light_curve_is_that_of_sql(cat, detection):
    curve = detection.light_curve(500)
    rows = cat.sql("SELECT start_s, counts, rate FROM light_curve($id, 500) ORDER BY bin", id=detection.detection_id)
    assert list(zip(*(curve[n].tolist() for n in ("start_s", "counts", "rate")), strict=True)) == rows.fetchall()
    assert curve.unit("rate") == "count/s"
    good = curve.good_times
    assert good[0, 0] == curve["start_s"][0]
    assert good[-1, 1] == curve["stop_s"][-1]
    assert (good[1:, 0] > good[:-1, 1]).all()
    assert "500 s" in drawn(curve)[0]
    assert 10 < len(detection.light_curve()) < 90
    with pytest.raises(QueryError, match="more than 0"):
        detection.light_curve(0)


def test_photons_and_image_hold_the_same_photons(cat, detection):
    events = detection.events()
    ((n,),) = cat.sql(
        "SELECT count(*) FROM product.detection_event WHERE detection_id = $id AND in_source_region",
        id=detection.detection_id,
    ).fetchall()
    assert len(events) == n > 0
    assert (np.diff(events["time_s"]) >= 0).all()
    image = detection.image()
    region = image.region
    x, y = np.meshgrid(*((e[:-1] + e[1:]) / 2 for e in (image.x_edges, image.y_edges)))
    near = np.hypot(x - region.x, y - region.y) < region.semi_major + 1
    assert image.counts[near].sum() >= n
    assert image.counts.sum() == image["counts"].sum()
    coarse = detection.image(4)
    assert coarse.counts.size < image.counts.size / 10
    assert drawn(events)[1] == "energy [keV]"
    assert drawn(image) == ("to the west [arcsec]", "to the north [arcsec]")


def test_a_source_gives_what_its_detections_have(cat, detection):
    source = cat.source(detection.name)
    assert detection.detection_id in [d.detection_id for d in source.detections]
    assert source.spectrum().about in [d.detection_id for d in source.detections]
    ((n,),) = cat.sql("SELECT count(*) FROM lit.confident_link WHERE name = $name", name=source.name).fetchall()
    assert len(source.papers()) == n
    near = detection.neighbours("spectrum", k=5)
    assert near["distance"].tolist() == sorted(near["distance"])
    assert detection.detection_id not in near["id"]
    assert "spectrum" in drawn(near)[0]
    drawn(source.papers())


def test_a_map_is_drawn_and_lassoed(cat):
    ids, _ = cat.vectors("spectrum")
    found = cat.map("spectrum", colour="hard_hs")
    assert found["id"].tolist() == ids.tolist()
    assert drawn(found) == ("component 1", "component 2")
    hard = dict(cat.sql("SELECT detection_id, hard_hs FROM csc.observation_source").fetchall())
    assert found.rows["hard_hs"].to_pylist() == [hard.get(i) for i in ids]
    drawn(cat.map("spectrum", colour="otype"))
    with pytest.raises(UnknownName, match="or hard_hs"):
        cat.map("spectrum", colour="hard_sh")


def test_a_selection_in_a_notebook_comes_back_as_a_frame(cat):
    pytest.importorskip("jscatter")
    for colour in ("otype", "hard_hs", ""):
        found = cat.map("spectrum", colour)
        assert len(found.selection()) == 0
        found.select([2, 5])
        assert found.selection()["id"].to_list() == found["id"][[2, 5]].tolist()


def test_classes_are_the_commonest_and_the_rest():
    names, place = classes(pa.array([*"aabbc", None, *"bd"]), most=2)
    assert (names, place.tolist()) == (["b", "a", "others"], [1, 1, 0, 0, 2, -1, 0, 2])


def test_a_product_shows_itself(detection):
    curve = detection.light_curve(500)
    assert "rate [count/s]" in repr(curve)
    assert "<table" in curve._repr_html_()
    assert curve.pl().height == len(curve)
    with pytest.raises(UnknownName, match="did you mean rate"):
        curve["rte"]


def test_what_is_not_there_is_told_with_what_is(cat, detection):
    with pytest.raises(UnknownName, match="did you mean 2CXO J"):
        cat.source(detection.name[:-1])
    with pytest.raises(UnknownName, match=detection.name.replace("+", r"\+")):
        cat.source(detection.name.removeprefix("2CXO ")[:8])
    obsid = detection.detection_id.split(".")[0]
    with pytest.raises(UnknownName, match=f"of ObsID {obsid} it has"):
        cat.detection(f"{obsid}.0.99999")
    with pytest.raises(UnknownName, match=r"obsid\.obi\.region_id"):
        cat.detection("nothing")


def test_a_detection_without_products_says_what_to_load(cat):
    bare = Detection("9.0.9", None, cat)
    for ask in (bare.spectrum, bare.light_curve, bare.events, bare.image):
        with pytest.raises(UnknownName, match="load its"):
            ask()
    assert len(bare.papers()) == 0
