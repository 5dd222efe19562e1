"""The walk: whatever lies in a folder, each file once, and one line for what is no file."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from factories import archive, fits

from catalog.store import lake
from catalog.store.manifest import Source
from ingest import streams
from ingest.ledger import status, verify
from ingest.planning import FolderNotFound, find_files
from ingest.refresh import refresh

LATIN = os.fsdecode(b"caf\xe9")


def walk(root, **options):
    """Walk a folder: names of files, and what is said of the rest."""
    found = list(find_files(Path(root), **options))
    paths = [f.path for f in found]
    assert len(paths) == len(set(paths))
    files = {os.path.relpath(f.path, root) for f in found if not f.problem}
    return files, {os.path.relpath(f.path, root): f.problem for f in found if f.problem}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "data"
    (made / "obs").mkdir(parents=True)
    for name in ("a.fits", "obs/b.fits", ".hidden", "c.fits.part"):
        (made / name).write_text(name)
    return made


def test_files_are_found_and_hidden_ones_passed_over(folder):
    assert walk(folder) == ({"a.fits", "obs/b.fits"}, {})
    (only,) = find_files(folder / "a.fits")
    assert (only.path, only.bytes, only.problem) == (str(folder / "a.fits"), 6, "")


def test_names_that_are_no_text_are_spelled_and_found_again(folder):
    (folder / LATIN).mkdir()
    (folder / LATIN / LATIN).write_text("x")
    (folder / "Größe \u2212\u00a0\U0001f52d.fits").write_text("y")
    files, said = walk(folder)
    assert files == {"a.fits", "obs/b.fits", r"caf\xe9/caf\xe9", "Größe \u2212\u00a0\U0001f52d.fits"}
    assert not said
    with streams.open_content(str(folder / r"caf\xe9/caf\xe9")) as content:
        assert content.read() == b"x"
    (folder / r"b\xe9").write_text("a name with a backslash")
    with streams.open_content(str(folder / r"b\xe9")) as content:
        assert content.read() == b"a name with a backslash"
    assert walk(folder / r"caf\xe9")[0] == {r"caf\xe9"}


def test_links_to_folders_are_followed_inside_the_folder_and_said_outside_of_it(folder, tmp_path):
    outside = tmp_path / "elsewhere"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "z.fits").write_text("z")
    (folder / ".annex").mkdir()
    (folder / ".annex" / "kept.fits").write_text("k")
    (folder / "by its other name").symlink_to(folder / "obs")
    (folder / "shown").symlink_to(".annex")
    (folder / "obs" / "up").symlink_to("..")
    (folder / "obs" / "self").symlink_to(".")
    (folder / "out").symlink_to(outside)
    (folder / "file.fits").symlink_to(outside / "deep" / "z.fits")
    files, said = walk(folder)
    assert files == {"a.fits", "obs/b.fits", "shown/kept.fits", "file.fits"}
    assert set(said) == {"out"}
    assert f"python -m ingest files {outside}" in said["out"]


def test_links_that_lead_nowhere_and_what_is_no_file_are_said(folder):
    (folder / "gone.fits").symlink_to("/nowhere/evt2.fits")
    (folder / "loop").symlink_to("pool")
    (folder / "pool").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    (folder / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(folder)  # addresses of sockets are short
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
    files, said = walk(folder)
    assert files == {"a.fits", "obs/b.fits"}
    assert set(said) == {"gone.fits", "loop", "pool", "pipe", "null", "socket"}
    assert "a link to /nowhere/evt2.fits" in said["gone.fits"]
    assert "in a circle" in said["loop"]
    assert all("no file to read" in said[name] for name in ("pipe", "null", "socket"))
    assert [bool(f.problem) for f in find_files(folder / "pipe")] == [True]
    for nothing in (folder / "nothing", folder / "gone.fits"):
        with pytest.raises(FolderNotFound):
            list(find_files(nothing))


WITHOUT_PRIVILEGE = """
import sys
from pathlib import Path
from ingest.planning import find_files
print(sorted((f.path.rpartition("/")[2], bool(f.problem)) for f in find_files(Path(sys.argv[1]))))
"""


def test_a_folder_without_permission_is_said_and_the_rest_walked(folder):
    capabilities = "-dac_override,-dac_read_search"
    drop = ["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}"]
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may look into every folder, and there is no setpriv to give that up")
    (folder / "closed").mkdir(mode=0o000)
    (folder / "unlisted").mkdir()
    (folder / "unlisted" / "c.fits").write_text("c")
    (folder / "unlisted").chmod(0o400)  # its names can be read, and nothing of its files
    command = [*(drop if os.geteuid() == 0 else []), sys.executable, "-c", WITHOUT_PRIVILEGE, str(folder)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        (folder / "unlisted").chmod(0o700)
        (folder / "closed").chmod(0o700)
    assert said.stdout.strip() == "[('a.fits', False), ('b.fits', False), ('c.fits', True), ('closed', True)]", (
        said.stderr
    )


def test_the_store_is_left_out_by_whatever_link_it_is_reached(folder):
    store = folder / "s"
    (store / "lake").mkdir(parents=True)
    (store / "lake" / "x.parquet").write_text("x")
    (folder / "link").symlink_to(store)
    (folder / "link2").symlink_to(store / "lake")
    assert walk(folder, leave_out=store) == ({"a.fits", "obs/b.fits"}, {})
    assert walk(store / "lake", leave_out=store) == ({"x.parquet"}, {})


def test_what_cannot_be_read_is_said_once_and_forgotten_when_it_is_gone(store, folder):
    shutil.rmtree(folder)
    (folder / LATIN).mkdir(parents=True)
    (folder / LATIN / LATIN).write_bytes(fits.events_file(n=5, obs_id="5"))
    (folder / "gone.jsonl").symlink_to(folder / "later.jsonl")
    (folder / "out").symlink_to("/usr")
    (folder / "broken.csv").write_text("<<<<<<< HEAD\n")
    report = refresh(store, [Source("files", str(folder))], workers=1)
    assert {Path(e.path).name for e in report.problems} == {"gone.jsonl", "out", "broken.csv"}
    assert report.kinds["events"].files == 1
    again = refresh(store)
    assert (again.changed, again.unchanged, again.gone) == (False, 4, 0)
    assert len(status(store).problems) == 3
    assert verify(store) == []
    (folder / "later.jsonl").write_text(archive.paper(1))
    (folder / "out").unlink()
    (folder / "broken.csv").unlink()
    report = refresh(store)
    assert (report.kinds["papers"].files, report.gone) == (1, 0)
    assert status(store).problems == []
    with contextlib.closing(lake.connect(store)) as connection:
        assert connection.execute("SELECT count(*) FROM product.event").fetchone() == (5,)
