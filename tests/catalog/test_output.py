"""Where a user's output goes, who may read a store, and what is fetched to show the first rows."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from typer.testing import CliRunner

from catalog.__main__ import app
from catalog.catalog import Catalog
from catalog.errors import OutOfSpace, PhotonlakeError, QueryError
from catalog.formats.export import FORMATS
from catalog.formats.whole_files import check_output, whole, write_whole
from catalog.store import lake

QUERY = "SELECT 1 AS a"
SETPRIV = shutil.which("setpriv")


def asked(*arguments):
    """Run a command; return its status and all it said."""
    ran = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(ran.exception, PhotonlakeError):
        return 1, str(ran.exception)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.exit_code, ran.output


def everything_in(folder):
    """File -> when it was changed; without those by which SQLite's readers and writers meet."""
    files = (p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    return {p: p.lstat().st_mtime_ns for p in files if not p.name.startswith("catalog.sqlite-")}


@pytest.fixture(scope="module")
def place(made_store, tmp_path_factory):
    """A folder with a store, and links that lead into it."""
    place = tmp_path_factory.mktemp("output")
    store = place / "s"
    shutil.copytree(made_store, store)
    (place / "to_catalog.csv").symlink_to(store / "catalog.sqlite")
    (place / "to_new.csv").symlink_to(store / "new.csv")
    (place / "to_link.csv").symlink_to("to_catalog.csv")
    (place / "to_store").symlink_to(store)
    (place / "one.csv").symlink_to("two.csv")
    (place / "two.csv").symlink_to("one.csv")
    return place


@pytest.mark.parametrize(
    "output",
    [
        "s/catalog.sqlite",
        "s/catalog.sqlite-wal",
        "s/writer.lock",
        "s/new.csv",
        "s/lake/meta/state/new.parquet",
        "s/../s/new.csv",
        "to_catalog.csv",
        "to_link.csv",
        "to_new.csv",
        "to_store/new.csv",
        "to_store/lake/new.csv",
        "s",
        "to_store",
        "one.csv",
        "nowhere/new.csv",
    ],
)
def test_a_stores_files_are_never_replaced(place, output):
    before = everything_in(place)
    status, said = asked("sql", QUERY, "--store", place / "s", "--format", "csv", "--output", place / output)
    assert status != 0
    assert output.rpartition("/")[2] in said
    with pytest.raises(QueryError) as caught:
        check_output(place / output)
    assert len(str(caught.value).splitlines()) == 1
    assert everything_in(place) == before


def test_another_stores_files_are_not_replaced_either(place, made_store):
    before = everything_in(place / "s")
    status, said = asked("sql", QUERY, "--store", made_store, "--output", place / "s" / "x.csv")
    assert status != 0
    assert "lies in the store" in said
    status, _ = asked("export", "csc.master_source", place / "s" / "x.vot", "--store", made_store)
    assert status != 0
    assert everything_in(place / "s") == before


@pytest.mark.parametrize("name", FORMATS)
def test_a_link_is_followed_and_a_mode_is_kept(made_store, tmp_path, name):
    target, link = tmp_path / "deep" / "target", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)
    status, said = asked("sql", QUERY, "--store", made_store, "--format", name, "--output", link)
    assert status == 0, said
    assert link.is_symlink()
    assert target.read_bytes() not in {b"", b"before"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert not [p for p in tmp_path.rglob("*") if p.name.endswith(".part")]


def test_a_link_to_a_file_that_is_not_there_yet_makes_it(tmp_path):
    (tmp_path / "link").symlink_to("new")
    with whole(tmp_path / "link") as stream:
        stream.write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "new").read_bytes() == b"x"


def test_a_new_file_has_the_mode_that_the_user_usually_gives(tmp_path):
    before = os.umask(0o027)
    try:
        with whole(tmp_path / "new") as stream:
            stream.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(28, "no space"), OutOfSpace])
def test_a_draft_is_never_left(tmp_path, error):
    output = tmp_path / "x"
    output.write_bytes(b"before")

    def fail():
        with whole(output) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(BaseException):  # noqa: B017, PT011 - whichever it is
        fail()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"x": b"before"}
    write_whole(output, b"after")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"x": b"after"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_through(made_store, tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    status, said = asked("sql", QUERY, "--store", made_store, "--format", "csv", "--output", pipe)
    reader.join(60)
    assert status == 0, said
    assert read == [b'"a"\n1\n']
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="this system has no /dev/null")
def test_a_device_stays_a_device(made_store, tmp_path):
    (tmp_path / "link").symlink_to("/dev/null")
    for output in ("/dev/null", tmp_path / "link"):
        status, said = asked("sql", QUERY, "--store", made_store, "--format", "csv", "--output", output)
        assert status == 0, said
    assert Path("/dev/null").is_char_device()
    assert not Path("/dev/null-metadata.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["link"]


def test_memory_and_spill_of_the_command_are_limited(made_store):
    large = "SELECT length(list(repeat('x', 1000000) || range)::VARCHAR) AS n FROM range(900)"
    status, said = asked("sql", large, "--store", made_store, "--memory", "100MB", "--spill", "1MB")
    assert status != 0
    assert "memory" in said
    for option in ("--memory", "--spill"):
        status, said = asked("sql", QUERY, "--store", made_store, option, "much")
        assert status != 0
        assert "amount like 8GB" in said
    status, _ = asked("sql", QUERY, "--store", made_store, "--memory", "1GB", "--spill", "1 GiB")
    assert status == 0


def test_the_first_rows_of_many_are_shown_without_the_others(opened):
    tracemalloc.start()
    try:
        result = opened.sql("SELECT range AS i FROM range(1000000000)")
        head = result.head(5)
        assert head.rows["i"].to_pylist() == [0, 1, 2, 3, 4]
        assert not head.all_counted
        assert head.n_counted >= 100_000
        assert "the first 20 of more than" in repr(result)
        assert "the first 20 of more than" in result._repr_html_()
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_rows_that_were_shown_can_still_be_read(opened):
    result = opened.sql("SELECT range AS i FROM range(300000)")
    assert "more than" in repr(result)
    assert result.head(1).rows.num_rows == 1
    assert sum(batch.num_rows for batch in result.reader()) == 300_000
    with pytest.raises(QueryError, match="streamed already"):
        result.arrow()
    again = opened.sql("SELECT range AS i FROM range(300000)")
    assert repr(again)
    assert again.arrow()["i"].to_pylist() == list(range(300_000))
    assert again.head(2).all_counted


def test_an_error_after_the_first_rows_is_ours(opened):
    result = opened.sql("SELECT CASE WHEN range = 250000 THEN error('late') ELSE range END AS i FROM range(300000)")
    with pytest.raises(QueryError, match="late"):
        result.arrow()


READS = """
import sys
from pathlib import Path
from catalog.store import lake
from catalog.catalog import Catalog
store = Path(sys.argv[1])
with Catalog(store) as cat:
    print(cat.sql("SELECT count(*) AS n FROM product.event").fetchall(), len(cat.snapshots()))
print(lake.connect(store).execute("SELECT count(*) FROM lake.csc.master_source").fetchall())
try:
    with lake.lock(store, "test"):
        print("locked")
except Exception as error:
    print(type(error).__name__)
"""


@pytest.fixture
def sealed(made_store, tmp_path):
    """A store that nobody may write to."""
    store = Path(shutil.copytree(made_store, tmp_path / "s"))
    with lake.lock(store, "test"):  # all that was written stands in the catalog itself
        lake.connect(store, read_only=False).close()
    for name in ("catalog.sqlite-wal", "catalog.sqlite-shm"):
        (store / name).unlink(missing_ok=True)
    everything = [store, *store.rglob("*")]
    for path in everything:
        path.chmod(path.stat().st_mode & ~0o222)
    yield store
    for path in everything:
        path.chmod(path.stat().st_mode | 0o200)


def test_a_store_without_write_permission_can_be_read(sealed):
    without = []
    if os.access(sealed, os.W_OK):  # root may write anywhere, unless it gives that up
        if SETPRIV is None:
            pytest.skip("as root, without setpriv")
        rights = "-dac_override,-dac_read_search"
        without = [SETPRIV, f"--bounding-set={rights}", f"--inh-caps={rights}"]
    before = everything_in(sealed)
    ran = subprocess.run([*without, sys.executable, "-c", READS, sealed], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    first, second, third = ran.stdout.splitlines()
    assert first.startswith("[(10,)]")
    assert second == "[(3,)]"
    assert third != "locked"
    assert everything_in(sealed) == before


def test_limits_of_a_catalog_are_the_engines(made_store):
    with Catalog(made_store, threads=1, memory="200MB", spill=1 << 20) as cat:
        settings = [f"current_setting('{name}')" for name in ("threads", "memory_limit", "max_temp_directory_size")]
        found = cat._questions.cursor().execute(f"SELECT {', '.join(settings)}").fetchall()
        assert found == [(1, "190.7 MiB", "1.0 MiB")]
        with pytest.raises(QueryError, match="memory"):
            cat.sql("SELECT length(list(repeat('x', 1000000) || range)::VARCHAR) FROM range(900)").fetchall()
        assert cat.sql(QUERY).fetchall() == [(1,)]
