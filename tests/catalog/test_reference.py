"""The reference page says what the registry says."""

from __future__ import annotations

from pathlib import Path

from catalog.reference import reference
from catalog.tables import TABLES
from sql.objects import OBJECTS

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == reference(), "type: make docs"


def test_every_table_view_and_macro_has_its_section():
    page = reference()
    for name in (*TABLES, *(o.signature for o in OBJECTS)):
        assert f"\n### {name}\n" in page
