"""Tables of the studies: declared in their rooms, known to every store."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib import metadata

import pytest

from analysis.study.run_tables import interval_columns
from catalog.schema import TABLES
from catalog.schema.columns import FLOAT64, Column

PUBLISHED = metadata.distribution("photonlake").entry_points.select(group="photonlake.tables")
MODULES = sorted(e.value.partition(":")[0] for e in PUBLISHED)


def test_every_table_of_analysis_is_declared_in_a_room_of_analysis():
    declared = {t.full_name for m in MODULES for t in importlib.import_module(m).TABLES}
    assert declared == {name for name in TABLES if name.startswith("analysis.")}
    assert all(m.startswith("analysis.") for m in MODULES)


@pytest.mark.parametrize("first", ["analysis.networks.network_tables", "catalog.schema"])
def test_tables_are_complete_whichever_module_is_imported_first_and_load_no_science(first):
    heavy = ("torch", "sklearn", "scipy", "matplotlib", "networkx", "lance")
    program = f"import {first}, sys; from catalog.schema import TABLES; n = len(TABLES); "
    program += f"print(n, [m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{len(TABLES)} []"


def test_the_ends_of_an_interval_stand_beside_their_value():
    error = interval_columns(Column("mae", FLOAT64, "Mean absolute error", ucd="stat.error"))
    assert [(c.name, c.ucd) for c in error] == [
        ("mae", "stat.error"),
        ("mae_low", "stat.error;stat.min"),
        ("mae_high", "stat.error;stat.max"),
    ]
    for table in (t for t in TABLES.values() if t.schema_name == "analysis"):
        low = {n.removesuffix("low") for n in table.column_names if n.endswith("_low") or n == "low"}
        assert {n for n in low if f"{n}high" not in table.column_names} == set(), table.full_name
