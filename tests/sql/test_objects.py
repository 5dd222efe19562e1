from __future__ import annotations

import pytest

from catalog.query.names import columns_of
from catalog.schema import TABLES
from sql.objects import OBJECTS, _in_order, parse_object, shared

VIEWS = [o for o in OBJECTS if o.kind == "view"]


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.full_name)
def test_a_view_returns_the_columns_its_header_describes(engine, view):
    found = [row[0] for row in engine.execute(f"DESCRIBE {view.full_name}").fetchall()]
    assert found == [c.name for c in view.columns]
    engine.execute(f"SELECT * FROM {view.full_name}").fetchall()


def test_table_macros_return_the_columns_their_headers_describe(engine):
    region = "{file_id: 1, obsid: 1, taken_from: '', x: 0, y: 0, x_step_arcsec: 1, y_step_arcsec: 1, "
    region += "semi_major_arcsec: 1, semi_minor_arcsec: 1, angle_deg: 0, region_from: '', frame_time_s: 3.2, "
    region += "shapes: NULL, flag: NULL}"
    calls = {"cone": "cone(1, 2, 3)", "light_curve": "light_curve('1.0.1', 100)"}
    calls["region_light_curve"] = f"region_light_curve('1.0.1', [{region}], 100)"
    assert set(calls) == {o.full_name for o in OBJECTS if o.kind == "table macro"}
    for name, call in calls.items():
        found = [row[0] for row in engine.execute(f"DESCRIBE FROM {call}").fetchall()]
        assert found == [c.name for c in columns_of(name)]


VALUES = {"DOUBLE": "0.5::DOUBLE", "VARCHAR": "'1:30'", "DOUBLE[]": "[1.0::DOUBLE]"}
VALUES["STRUCT"] = f"{{{', '.join(f'{axis}_{key}: 1.0' for axis in 'xy' for key in ('crpix', 'crval', 'cdelt'))}}}"
SHAPE = "{component: 1, include: true, shape: 'circle', x: [1.0], y: [1.0], r: [1.0], rotang: 0.0, "
SHAPE += "ra: [1.0], dec: [1.0], r_arcsec: [1.0]}"
PIXELS = f"region_in_pixels([{SHAPE}], {VALUES['STRUCT']})"
REGION = "{x: 1.0, y: 1.0, x_step_arcsec: 1.0, y_step_arcsec: 1.0, semi_major_arcsec: 1.0, semi_minor_arcsec: 1.0, "
REGION += "angle_deg: 0.0, taken_from: 'corpus', region_from: 'list', shapes: " + f"{PIXELS}}}"


def test_a_macro_gives_the_type_its_header_says(engine):
    for macro in (o for o in OBJECTS if o.kind == "scalar macro"):
        shapes = f"[{SHAPE}]" if macro.full_name == "region_in_pixels" else PIXELS
        given = [REGION if p.name == "region" else VALUES.get(p.type, shapes) for p in macro.parameters]
        type_ = engine.execute(f"SELECT typeof({macro.full_name}({', '.join(given)}))").fetchone()[0]
        assert type_.partition("(")[0] + ("[]" if type_.endswith(")[]") else "") == macro.columns[0].type, (
            macro.full_name
        )


def test_every_object_says_what_it_is():
    for item in OBJECTS:
        assert len(item.purpose) > 20, item.full_name
        assert item.columns, item.full_name
        assert item.kind == "view" or item.parameters, item.full_name


def test_a_column_handed_through_keeps_unit_and_ucd():
    stored = {c.name: c for c in TABLES["product.event_stored"].columns}
    shown = {c.name: c for c in columns_of("product.event")}
    for name in stored.keys() & shown.keys():
        assert (shown[name].unit, shown[name].ucd) == (stored[name].unit, stored[name].ucd), name


def test_objects_come_after_what_they_need():
    places = {o.full_name: i for i, o in enumerate(OBJECTS)}
    assert places["product.event"] < places["product.detection_event"] < places["product.count_hardness"]
    assert places["separation_arcsec"] < places["cone"]
    assert OBJECTS[-1].full_name == "meta.object"


def test_views_that_need_each_other_are_refused():
    header = "-- A view.\n-- columns:\n--   x A number\n"
    a, b = (parse_object(f"{header}CREATE VIEW {i}.v AS SELECT x FROM {j}.v;") for i, j in ("ab", "ba"))
    with pytest.raises(ValueError, match="need each other"):
        _in_order([a, b])


@pytest.mark.parametrize(
    "text",
    ["-- Nothing follows.", "-- A view.\n-- columns:\n--   x\nCREATE VIEW a.v AS SELECT 1 AS x", "DROP VIEW a.v", ""],
)
def test_a_file_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        parse_object(text)


def test_a_text_that_goes_on_as_another_says_where():
    with pytest.raises(ValueError, match="no line '-- b goes on so'"):
        shared({"a": "SELECT 1;", "b": "SELECT 2\n-- goes on as a\n;"})
    body = next(o.body for o in OBJECTS if o.full_name == "light_curve")
    assert "goes on" not in body
    assert body.endswith("ORDER BY bin")


def test_the_fingerprint_follows_the_definition():
    text = "-- A view.\n-- columns:\n--   x A number\nCREATE VIEW a.v AS SELECT 1 AS x;"
    assert parse_object(text).fingerprint == parse_object(text).fingerprint
    assert parse_object(text).fingerprint != parse_object(text.replace("SELECT 1", "SELECT 2")).fingerprint


def test_making_the_objects_twice_is_making_them_once(engine):
    for item in OBJECTS:
        for statement in item.ddl():
            engine.execute(statement)
    listed = engine.execute("SELECT name, fingerprint FROM meta.object").fetchall()
    assert listed == [(o.full_name, o.fingerprint) for o in OBJECTS[:-1]]
