"""CONTRIBUTING.md names files, folders and groups that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORDS = re.findall(r"`([^`\n]+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
PATHS = sorted(
    {w for w in WORDS if re.fullmatch(r"[\w.]+/[\w./]*", w) or w.endswith((".py", ".yml", ".txt"))} - {"commands.py"}
)
GROUPS = sorted({w for w in WORDS if w.startswith("photonlake.")})


@pytest.mark.parametrize("path", [p for p in PATHS if "..." not in p and p != "__main__.py"])
def test_what_it_names_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("group", GROUPS)
def test_the_groups_of_entry_points_are_read(group):
    modules = [p for room in ("catalog", "embed") for p in (ROOT / room).rglob("*.py")]
    assert any(f'"{group}"' in p.read_text("utf-8") for p in modules)


def test_it_names_a_place_for_every_room():
    rooms = (
        "sql/views",
        "sql/macros",
        "catalog/schema",
        "catalog/formats",
        "ingest/tables",
        "ingest/products",
        "ingest/remote",
    )
    rooms += ("embed/encoders", "embed/inputs", "analysis")
    assert [r for r in rooms if not any(p.startswith(r) for p in PATHS)] == []
