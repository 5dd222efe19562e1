"""Regions: every way to write one down gives the same rows, and what cannot be read is not guessed."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from factories.engine import make_engine, rows_of
from factories.ogip import pha
from factories.regions import region_file
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from ingest.products.headers import SkyWCS
from ingest.products.region_text import looks_like_regions, read_expression, read_regions
from ingest.products.regions import read_region
from ingest.products.shapes import sky_to_radec
from ingest.products.spectra import read_spectra
from ingest.readers import FileName, Flag, Rows

WCS = SkyWCS(4096.5, 148.9, -0.492 / 3600, 4096.5, 69.7, 0.492 / 3600)
NAME = "acisf10542_000N021_r0122_reg3.fits"


def read(data, name=NAME, reader=read_region):
    """Rows of product.region as dictionaries, and the flags."""
    rows, flags = [], []
    for item in reader(io.BytesIO(data), FileName.of(name)):
        if isinstance(item, Flag):
            flags.append(item.text)
        elif item.table == "product.region":
            assert item.batch.schema == TABLES["product.region"].schema
            rows += item.batch.to_pylist()
    return rows, flags


@pytest.fixture(scope="module")
def engine():
    connection = make_engine()
    yield connection
    connection.close()


def inside(engine, rows, x, y, wcs=WCS):
    """Which places the macros find inside the region of these rows, in the pixels of `wcs`."""
    made = rows_of("product.region", [r for r in rows if r["role"] == "source"])
    places = {"x": np.asarray(x, float), "y": np.asarray(y, float)}
    engine.register("shape_rows", made)
    engine.register("places", pa.table(places))
    fields = "component, include, shape, x, y, r, ra, dec, r_arcsec, rotang"
    packed = ", ".join(f'"{f}": "{f}"' for f in fields.split(", "))
    query = (
        f"WITH region AS (SELECT region_in_pixels(list({{{packed}}} ORDER BY row), $wcs) AS shapes FROM shape_rows) "
        "SELECT inside_region(p.x, p.y, r.shapes) FROM places AS p, region AS r"
    )
    return np.array([v for (v,) in engine.execute(query, {"wcs": wcs._asdict()}).fetchall()])


def near(n=4000, seed=1, middle=(4100.0, 4200.0), width=60.0):
    generator = np.random.default_rng(seed)
    return (generator.uniform(m - width, m + width, n) for m in middle)


def ellipse(x, y, at, axes, angle):
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    dx, dy = x - at[0], y - at[1]
    return np.hypot((dx * cos + dy * sin) / axes[0], (dy * cos - dx * sin) / axes[1])


# --- tables -------------------------------------------------------------------------------------------------------


def test_a_region_file_has_a_row_per_shape_and_a_header():
    bands = {
        f"ECF90REG{b}": [("Ellipse", [4100.0], [4200.0], [40.0 + i, 20.0], 30.0, 1)] for i, b in enumerate("BUSMH")
    }
    rows, flags = read(region_file(bands))
    assert flags == []
    assert [r["band"] for r in rows] == list("busmh")
    assert {(r["detection_id"], r["told_by"], r["role"], r["version"]) for r in rows} == {
        ("10542.0.122", "reg3", "source", 21)
    }
    assert rows[0]["r_arcsec"] == pytest.approx([40 * 0.492, 20 * 0.492])
    assert rows[0]["r_region"] == 40
    ra, dec = sky_to_radec([4100.0], [4200.0], WCS)
    assert (rows[0]["ra"], rows[0]["dec"]) == (pytest.approx(ra), pytest.approx(dec))
    items = [i for i in read_region(io.BytesIO(region_file(bands)), FileName.of(NAME)) if isinstance(i, Rows)]
    (header,) = next(i for i in items if i.table == "product.header").batch.to_pylist()
    assert (header["kind"], header["obsid"], header["region_id"], header["n_rows"]) == ("region", 10542, 122, 1)


@pytest.mark.parametrize("name", ["acisf07999_000N001_r0035_reg3.fits", "user.fits"])
def test_background_and_neighbours_that_are_cut_out_of_it(engine, name):
    background = [
        ("Ellipse", [4100.0], [4200.0], [50.0, 40.0], 92.0, 1),
        ("!Ellipse", [4100.0], [4200.0], [10.0, 5.0], 92.0, 1),
        ("!Ellipse", [4120.0], [4210.0], [8.0, 6.0], 10.0, 1),
    ]
    data = region_file({"SRCREG": [("Ellipse", [4100.0], [4200.0], [10.0, 5.0], 92.0, 1)], "BKGREG": background})
    rows, _ = read(data, name)
    assert [r["role"] for r in rows] == ["source", *3 * ["background"]]
    assert [r["include"] for r in rows] == [True, True, False, False]
    x, y = near()
    found = inside(engine, [r | {"role": "source"} for r in rows[1:]], x, y)
    own, other = ellipse(x, y, (4100, 4200), (10, 5), 92), ellipse(x, y, (4120, 4210), (8, 6), 10)
    assert (found == ((ellipse(x, y, (4100, 4200), (50, 40), 92) <= 1) & (own > 1) & (other > 1))).all()


SQUARE = ([4080, 4120, 4120, 4080], [4190, 4190, 4230, 4230])
CORNERS = ([4080.0, 4130.0, 4140.0, 4095.0, 4110.0], [4180.0, 4170.0, 4230.0, 4240.0, 4205.0])  # bent inwards


@pytest.mark.parametrize(
    ("row", "outline"),
    [
        (("Polygon", *CORNERS, [], 0.0, 1), CORNERS),
        (("Rectangle", [4080.0, 4120.0], [4190.0, 4230.0], [], 0.0, 1), SQUARE),
        (("Box", [4100.0], [4200.0], [40.0, 10.0], 0.0, 1), ([4080, 4120, 4120, 4080], [4195, 4195, 4205, 4205])),
        (("RotBox", [4100.0], [4200.0], [40.0, 10.0], 90.0, 1), ([4095, 4105, 4105, 4095], [4180, 4180, 4220, 4220])),
    ],
    ids=["polygon", "rectangle", "box", "rotbox"],
)  # fmt: skip
def test_corners(engine, row, outline):
    # a second, longer shape makes the table fill up the others
    far = ("Polygon", [1.0, 2.0, 2.0, 1.5, 1.2, 1.1], [1.0, 1.0, 2.0, 2.5, 2.2, 2.1], [], 0.0, 2)
    rows, _ = read(region_file({"ECF90REGB": [row, far]}))
    x, y = near()
    expected = Outline(np.column_stack(outline)).contains_points(np.column_stack([x, y]))
    assert (inside(engine, rows, x, y) == expected).all()
    assert 50 < expected.sum() < 3900


def test_a_ring_is_a_circle_with_a_hole_and_a_radius_of_nan_a_circle(engine):
    rows, _ = read(region_file({"SRCREG": [("Annulus", [4100.0], [4200.0], [10.0, 30.0], 0.0, 1)]}))
    x, y = near()
    radius = np.hypot(x - 4100, y - 4200)
    assert (inside(engine, rows, x, y) == ((radius > 10) & (radius <= 30))).all()
    rows, _ = read(region_file({"SRCREG": [("Circle", [4100.0], [4200.0], [7.0, np.nan], 0.0, 1)]}))
    assert (rows[0]["shape"], rows[0]["r"]) == ("circle", [7.0])


def test_components_are_alternatives_and_without_them_each_shape_is_one(engine):
    shapes = [("Circle", [4090.0], [4200.0], [15.0], 0.0, n) for n in (1, 2)]
    shapes[1] = ("Circle", [4110.0], [4200.0], [15.0], 0.0, 2)
    x, y = near()
    left, right = (np.hypot(x - c, y - 4200) <= 15 for c in (4090, 4110))
    for drop in ([], ["COMPONENT"]):
        rows, _ = read(region_file({"SRCREG": shapes}, drop=drop))
        assert (inside(engine, rows, x, y) == (left | right)).all()
    rows, _ = read(region_file({"SRCREG": [(*s[:5], 1) for s in shapes]}))
    assert (inside(engine, rows, x, y) == (left & right)).all()


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([("Pie", [4100.0], [4200.0], [1.0, 2.0], 0.0, 1), ("Circle", [4100.0], [4200.0], [5.0], 0.0, 2)], 1),
        ([("Circle", [4100.0], [4200.0], [5.0], 0.0, 1), ("!Pie", [4100.0], [4200.0], [1.0, 2.0], 0.0, 1)], 0),
        ([("Circle", [4100.0], [4200.0], [5.0], 0.0, 1), ("!Pie", [4100.0], [4200.0], [1.0, 2.0], 0.0, 2)], 0),
        ([("Circle", [4100.0], [4200.0], [-5.0], 0.0, 1)], 0),
        ([("Circle", [np.nan], [4200.0], [5.0], 0.0, 1)], 0),
    ],
)
def test_nothing_is_guessed_of_a_component_with_a_shape_that_is_not_known(rows, kept):
    data = region_file({"SRCREG": rows})
    if not kept:
        with pytest.raises(UnreadableFile, match="circles, ellipses"):
            read(data)
        return
    found, flags = read(data)
    assert (len(found), flags) == (kept, ["region_not_read: pie"])


# --- text ---------------------------------------------------------------------------------------------------------

TEXTS = [
    "# Region file format: DS9 version 4.1\nglobal color=green dashlist=8 3\nphysical\n{shapes}\n",
    "# Region file format: CIAO version 1.0\n{shapes}\n",
    "physical;{shapes}",
]
SKY_TEXTS = ["fk5\n{shapes}\n", "icrs;{shapes}", "# Region file format: DS9\nJ2000\n{shapes} # color=red text={{a}}\n"]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(TEXTS),
    st.tuples(st.floats(4050, 4150), st.floats(4150, 4250), st.floats(1, 40), st.floats(1, 40), st.floats(-180, 180)),
)
def test_text_and_table_say_the_same(text, numbers):
    x, y, a, b, angle = (round(v, 4) for v in numbers)
    rows, _ = read(text.format(shapes=f"ellipse({x},{y},{a},{b},{angle})").encode(), "src.reg")
    expected, _ = read(region_file({"SRCREG": [("Ellipse", [x], [y], [a, b], angle, 1)]}))
    same = ("shape", "x", "y", "r", "rotang", "include", "role", "r_region")
    assert [{k: r[k] for k in same} for r in rows] == [{k: r[k] for k in same} for r in expected]


def sexagesimal(value, per_circle):
    value /= per_circle
    sign, value = ("-" if value < 0 else "+"), abs(value)
    whole, minutes = int(value), value * 60 % 60
    return f"{sign}{whole:02d}:{int(minutes):02d}:{minutes * 60 % 60:.7f}"


@pytest.mark.parametrize("text", SKY_TEXTS)
@pytest.mark.parametrize("form", ["degrees", "sexagesimal", "arcsec"])
def test_positions_on_the_sky_mean_the_same_place(engine, text, form):
    (ra,), (dec,) = sky_to_radec([4100.0], [4200.0], WCS)
    place = f"{ra:.9f},{dec:.9f}"
    if form == "sexagesimal":
        place = f"{sexagesimal(ra, 15).lstrip('+')},{sexagesimal(dec, 1)}"
    sizes = '9.84",4.92"' if form == "arcsec" else f"{9.84 / 3600:.9f},{4.92 / 3600:.9f}"
    rows, flags = read(text.format(shapes=f"ellipse({place},{sizes},30)").encode(), "src.reg")
    assert (len(rows), flags, rows[0]["x"]) == (1, [], None)
    x, y = near()
    level = ellipse(x, y, (4100, 4200), (20, 10), 30)
    sure = np.abs(level - 1) > 1e-4
    assert (inside(engine, rows, x, y)[sure] == (level <= 1)[sure]).all()


def test_a_box_on_the_sky(engine):
    (ra,), (dec,) = sky_to_radec([4100.0], [4200.0], WCS)
    rows, _ = read(f'fk5\nbox({ra:.9f},{dec:.9f},{40 * 0.492}",{10 * 0.492}",0)'.encode(), "src.reg")
    x, y = near()
    # the axes of the sky are turned a little against the pixels' so far from the centre: 0.01 degrees here
    sure = (np.abs(np.abs(x - 4100) - 20) > 0.05) & (np.abs(np.abs(y - 4200) - 5) > 0.05)
    expected = (np.abs(x - 4100) < 20) & (np.abs(y - 4200) < 5)
    assert (inside(engine, rows, x, y)[sure] == expected[sure]).all()


def test_other_frames_are_turned_into_icrs():
    ((row,), _) = read(b'galactic\nellipse(120.5,22.5,60",30",0)', "src.reg")
    centre = SkyCoord(l=120.5, b=22.5, unit="deg", frame="galactic")
    assert (row["ra"][0], row["dec"][0]) == pytest.approx((centre.icrs.ra.deg, centre.icrs.dec.deg))
    assert row["r_arcsec"] == [60, 30]
    # along +x the longitude falls: the end of the first axis, in both frames
    tip = SkyCoord(l=120.5 - 1e-3 / np.cos(np.radians(22.5)), b=22.5, unit="deg", frame="galactic").icrs
    assert row["rotang"] - 90 == pytest.approx(centre.icrs.position_angle(tip).deg, abs=0.01)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("circle(1,2,9)-circle(1,2,3)", [[True, False]]),
        ("circle(1,2,9)&!circle(1,2,3)", [[True, False]]),
        ("circle(1,2,9)*box(1,2,3,4)", [[True, True]]),
        ("circle(1,2,9)+circle(5,2,3)", [[True], [True]]),
        ("circle(1,2,9)|circle(5,2,3)&!circle(5,2,1)", [[True], [True, False]]),
        ("MASK&Circle(1,2,9)&!Circle(1,2,3)", [[True, False]]),
        ("MASK", []),
        ("4137.59:4158.65", []),
        ("Field()", []),
        ("region(src.reg)", []),
        ("circle(1,2,9)-pie(1,2,3,4,5,6)", []),
    ],
)
def test_the_logic_of_ciao(text, shapes):
    assert [[s.include for s in c.shapes] for c in read_expression(text).components] == shapes


def test_a_line_that_cuts_out_cuts_out_of_all():
    found = read_regions("physical\ncircle(1,2,9)\ncircle(20,2,9)\n-circle(1,2,3)\n")
    assert [[s.include for s in c.shapes] for c in found.components] == [[True, False], [True, False]]
    assert read_regions("physical\ncircle(1,2,9)\n-pie(1,2,3,4,5,6)\n").components == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("image\ncircle(100,100,5)", "image"),
        ("physical\npoint(1,2)", "point"),
        ("circle(12:00:00,+5:00:00,20)", "circle"),  # 20 of what?
        ('circle(4096,4096,5")', "circle"),
        ("physical\ncircle(1,2,abc)", "circle"),
        ("fk5", "none"),
    ],
)
def test_what_cannot_be_placed_is_refused_with_a_reason(text, why):
    with pytest.raises(UnreadableFile, match=f"{why}.*physical or fk5"):
        read(text.encode(), "src.reg")


@pytest.mark.parametrize(
    ("name", "detection", "role", "band"),
    [
        ("acisf10542_000N021_r0122_src.reg", "10542.0.122", "source", None),
        ("acisf10542_000N021_r0122h.reg", "10542.0.122", "source", "h"),
        ("hrcf10542_001_r0007.reg", "10542.1.7", "source", None),
        ("10542.0.122.reg", "10542.0.122", "source", None),
        ("src.reg", None, "source", None),
        ("bkg.reg", None, "background", None),
        ("10542_bkg_2.reg", None, "background", None),
    ],
)
def test_the_name_of_a_text_file_may_tell_the_detection(name, detection, role, band):
    ((row,), _) = read(b"physical\ncircle(1,2,3)", name)
    assert (row["detection_id"], row["role"], row["band"], row["told_by"]) == (detection, role, band, "reg")


def test_ds9_marks_a_background_region():
    rows, _ = read(b"physical\ncircle(1,2,3)\ncircle(9,2,3) # background\n", "a.reg")
    assert [r["role"] for r in rows] == ["source", "background"]


@given(st.text(alphabet="circle()elipsbox,0123456789.:\"'+-!&|*# \nfk5;physical", max_size=80))
def test_any_text_is_read_or_refused(text):
    looks_like_regions(text)
    with contextlib.suppress(UnreadableFile):
        rows, _ = read(text.encode(), "a.reg")
        assert rows


# --- headers of spectra -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("MASK&Ellipse(2858.55,4712.93,46.0172,35.4784,72.4402)&!Ellipse(2920.35,4692.3,34.9682,30.7158,91.0253)", 2),
        ("Circle(4119,4014.75,10)|Circle(4077,4025.75,10)", 2),
        ("RotBox(4097.62,4086.87,3.13415,3.49839,253)", 1),
        ("TABLE", 0),
    ],
)
def test_a_spectrum_tells_the_region_its_photons_were_taken_from(text, n):
    subspace = {"DSTYP1": "time", "DSVAL1": "TABLE", "DSTYP2": "sky(x,y)", "DSVAL2": text}
    where = {"OBI_NUM": 0, "REGIONID": "0085", "RA_NOM": 10.6, "DEC_NOM": 41.2}
    rows, _ = read(pha(**subspace, **where), "acisf01575_000N027_r0085_pha3.fits", read_spectra)
    assert len(rows) == n
    assert {(r["told_by"], r["detection_id"], r["version"]) for r in rows} <= {("spectrum", "1575.0.85", 27)}
    assert all(r["ra"] for r in rows)


@pytest.mark.real
def test_real_region_files(real):
    rows, flags = read((real / "events" / "acisf07999_000N001_r0035_reg3.fits").read_bytes())
    assert flags == []
    assert [(r["role"], r["include"]) for r in rows] == [
        ("source", True), ("background", True), ("background", False), ("background", False)
    ]  # fmt: skip
    # the header tells the source's position
    assert (rows[0]["ra"][0], rows[0]["dec"][0]) == pytest.approx((150.01540385707, 2.6659298404018), abs=1e-9)
