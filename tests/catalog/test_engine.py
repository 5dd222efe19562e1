"""DuckDB and its extensions: of one version, or one plain error; nothing is ever fetched."""

from __future__ import annotations

import sys

import duckdb
import pytest

import catalog
from catalog.errors import EngineMismatch, PhotonlakeError
from catalog.store import engine, lake

MODULES = ("duckdb_extension_sqlite_scanner", "duckdb_extension_ducklake")


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Put other wheels in place of the installed ones: {module: version}."""

    def put(made_for):
        site = tmp_path / "site"
        for module, version in made_for.items():
            folder = site / module / "extensions" / f"v{version}"
            folder.mkdir(parents=True)
            (site / module / "__init__.py").touch()
            (folder / f"{module.removeprefix('duckdb_extension_')}.duckdb_extension").write_bytes(b"not one")
        monkeypatch.setattr(sys, "path", [str(site)])
        for module in MODULES:
            monkeypatch.delitem(sys.modules, module, raising=False)
        forget()

    yield put
    monkeypatch.undo()
    forget()


def forget():
    engine._files.cache_clear()
    engine.check.cache_clear()


@pytest.mark.parametrize(
    ("made_for", "found", "command"),
    [
        (dict.fromkeys(MODULES, "1.4.9"), r"sqlite_scanner and ducklake are for 1\.4\.9", r"==1\.4\.9$"),
        (dict.fromkeys(MODULES, "1.10.2"), r"for 1\.10\.2", r"duckdb-extension-ducklake==1\.10\.2$"),
        (
            {MODULES[0]: "1.4.9", MODULES[1]: "1.4.10"},
            r"scanner is for 1\.4\.9, its extension ducklake is f",
            r"=1\.4\.10$",
        ),
        ({MODULES[0]: "1.4.9"}, r"is for 1\.4\.9, its extension ducklake is missing", r"-ducklake==1\.4\.9$"),
        ({}, "sqlite_scanner and ducklake are missing", "duckdb-extension-sqlite-scanner duckdb-extension-ducklake$"),
    ],
)
def test_another_version_of_duckdb_is_one_error_with_versions_and_command(wheels, made_for, found, command, store):
    wheels(made_for)
    expected = (
        rf"DuckDB {duckdb.__version__} is installed, but its ext.*{found}.*; type: python -m pip install duckdb.*"
    )
    with pytest.raises(EngineMismatch, match=expected + command) as caught:
        catalog.open(store)
    assert isinstance(caught.value, PhotonlakeError)


def test_a_store_that_cannot_be_made_leaves_no_folder(wheels, tmp_path):
    wheels({})
    with pytest.raises(EngineMismatch):
        lake.create(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_extension_that_is_not_the_signed_one_is_refused(wheels):
    wheels(dict.fromkeys(MODULES, duckdb.__version__))
    with pytest.raises(EngineMismatch, match=r"cannot load it: .*pip install --force-reinstall --no-deps duckdb-ext"):
        engine.start()
