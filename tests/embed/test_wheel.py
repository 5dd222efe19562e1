"""What is installed from a wheel has all that a clone has: SQL, weights, and a store that is encoded by them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--wheel-dir", str(folder)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    if "No matching distribution found for hatchling" in done.stderr:
        pytest.skip("what builds a wheel, hatchling, can be had from a package index only")
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("photonlake-*.whl")
    return file


@pytest.mark.slow
def test_a_wheel_installed_elsewhere_encodes_a_fresh_store_by_the_weights_that_lie_in_it(wheel, tmp_path):
    inside = set(zipfile.ZipFile(wheel).namelist())
    for part in ("sql", "embed/weights"):
        files = {str(f.relative_to(ROOT)) for f in (ROOT / part).rglob("*") if f.suffix in {".sql", ".safetensors"}}
        assert files
        assert files <= inside
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([python, *install], check=True)
    # The libraries are those of this environment. Its .pth files, the one that leads to the clone too, are not read.
    environment = os.environ | {"PYTHONPATH": sysconfig.get_path("purelib"), "PYTHONSAFEPATH": "1"}

    def run(*arguments):
        return subprocess.run(
            [python, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert run("-c", "import embed; print(embed.__file__)").startswith(str(tmp_path))
    run("-m", "ingest", "simulate", "--sources", "6", "--seed", "2", "--output", "survey", "--workers", "1")
    run("-m", "ingest", "files", "survey", "--store", "s", "--workers", "1")
    run("-m", "embed", "run", "spectrum", "events", "properties", "--store", "s")
    for space in ("spectrum", "events", "properties"):
        printed = run(
            "-m", "catalog", "sql", f"SELECT count(*) AS n FROM embedding.{space}", "-f", "csv", "--store", "s"
        )
        assert int(printed.split()[-1]) > 0
