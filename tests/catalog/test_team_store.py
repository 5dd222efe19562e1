"""A store whose catalog is in PostgreSQL: the same rows and answers, one writer at a time, and what may break."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest
from factories import postgres
from factories.simulated import ROOT, SMALL

from catalog.catalog import Catalog
from catalog.errors import PhotonlakeError, StoreLocked, StoreUnreachable
from catalog.schema import TABLES
from catalog.schema.columns import quote
from catalog.store import backup, checksums, copying, expiry, lake, team_store, unreferenced, verification
from catalog.store.manifest import Source
from catalog.store.place import FILE, PlaceWrong, place_of
from embed.registry import Settings
from embed.store.encoding_job import Job, run
from embed.store.training_job import Training, train
from ingest.refresh import refresh

pytestmark = [
    pytest.mark.team,
    pytest.mark.slow,
    pytest.mark.skipif(bool(postgres.missing()), reason=f"not installed: {postgres.missing()}"),
]
_WHEN = re.compile(r"_at$|^snapshot$")  # a refresh commits when some seconds have passed: more often on a busy machine


@pytest.fixture(scope="module")
def server():
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="module")
def team(server, tmp_path_factory):
    """A team's store without rows, for tests that add what is their own."""
    folder = tmp_path_factory.mktemp("team")
    team_store.init(folder / "here", server.address(server.database()), str(folder / "shared"))
    return folder / "here"


def write(store, name, value, wait=True):
    with lake.writer(store, f"write {name}", commit=f"write {name}", wait=wait) as connection:
        lake.remember(connection, name, value)


def write_and(store, happens):
    with lake.writer(store, "restart", commit="restart") as connection:
        lake.remember(connection, "restart", "during")
        happens()


def recall(store, name):
    with contextlib.closing(lake.connect(store)) as connection:
        return lake.recall(connection, name)


def python(text, *arguments, **variables):
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    return subprocess.Popen(
        [sys.executable, "-c", text, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ran(*arguments, **variables):
    """Run a command; return its status and all that it said."""
    words = repr(["photonlake", *map(str, arguments)])
    text = f"import sys; sys.argv = {words}; from analysis.photonlake import main; main()"
    with python(text, **variables) as done:
        said = "".join(done.communicate(timeout=240))
    return done.returncode, said


HOLD = """
import sys, time
from pathlib import Path
from catalog.store import lake
with lake.writer(Path(sys.argv[1]), "an example of work") as connection:
    print("held", flush=True)
    time.sleep(600)
"""


def rows(store):
    """Count and hash the rows of each table, whatever their order, but for what says when they were written."""
    found = {}
    with contextlib.closing(lake.connect(store)) as connection:
        for name, table in TABLES.items():
            columns = ", ".join(quote(c.name) for c in table.columns if not _WHEN.search(c.name))
            query = f"SELECT count(*), sum(hash({columns})::HUGEINT) FROM lake.{name}" if columns else "SELECT 1"
            found[name] = connection.execute(query).fetchall()
    return found


def test_the_same_files_give_the_same_rows_and_neighbours_as_with_sqlite_on_disk(server, small_survey, tmp_path):
    ours, theirs = tmp_path / "team", tmp_path / "own"
    team_store.init(ours, server.address(server.database()), str(tmp_path / "shared"))
    for store in (ours, theirs):
        refresh(store, [Source("files", str(small_survey / "survey"))])
        train(Training(store, "spectrum", SMALL["models"]["spectrum"], "", Settings()))
        run(Job(store, ["spectrum"]), [])
    one, other = rows(ours), rows(theirs)
    assert {n: (one[n], other[n]) for n in one if one[n] != other[n]} == {}
    assert sum(n for ((n, *_),) in one.values()) > 1000
    asked = "SELECT id, distance FROM nearest('spectrum', $name, k := 5)"
    with Catalog(ours) as cat, Catalog(theirs) as twin:
        names = cat.sql("SELECT name FROM csc.master_source ORDER BY name LIMIT 3").arrow()["name"].to_pylist()
        for name in names:
            assert cat.sql(asked, name=name).arrow().equals(twin.sql(asked, name=name).arrow())
        views = "SELECT * FROM csc.source_summary ORDER BY ALL"
        assert cat.sql(views).arrow().num_rows == twin.sql(views).arrow().num_rows > 0
        assert cat.sql("SELECT count(*) AS n FROM csc.master_source", timeout_s=60).arrow()["n"][0].as_py() == 30
    assert sorted(p.name for p in ours.iterdir()) == [FILE]
    assert not list((tmp_path / "shared" / "incoming").glob("**/*.parquet"))


def test_a_snapshot_is_reopened_and_a_second_machine_joins(team, tmp_path):
    write(team, "word", "first")
    with contextlib.closing(lake.connect(team)) as connection:
        number = lake.snapshots(connection)[-1].number
    write(team, "word", "second, with é and \\ and a ' in it")
    with contextlib.closing(lake.connect(team, snapshot=number)) as connection:
        assert lake.recall(connection, "word") == "first"
    place, there = place_of(team), tmp_path / "there"
    assert team_store.init(there, place.catalog, str(place.data.parent)) is False
    assert recall(there, "word") == "second, with é and \\ and a ' in it"
    with Catalog(there) as cat:
        held = cat.sql("SELECT value FROM meta.state WHERE name = 'word'").arrow()["value"].to_pylist()
        assert held == ["second, with é and \\ and a ' in it"]
        write(team, "word", "third")  # an open catalog sees what another machine commits
        assert cat.sql("SELECT value FROM meta.state WHERE name = 'word'").arrow()["value"].to_pylist() == ["third"]


def test_a_database_and_a_folder_that_do_not_belong_together_are_refused(team, server, tmp_path):
    place, root = place_of(team), place_of(team).data.parent
    with pytest.raises(PlaceWrong, match=f"holds a store whose files are in {root}"):
        team_store.init(tmp_path / "a", place.catalog, str(tmp_path / "elsewhere"))
    with pytest.raises(PlaceWrong, match="holds no store; take an empty folder"):
        team_store.init(tmp_path / "b", server.address(server.database()), str(root))
    with pytest.raises(PlaceWrong, match="names another place"):
        team_store.init(team, server.address("other"), str(root))
    shutil.copytree(team, tmp_path / "c")
    file = tmp_path / "c" / FILE
    file.write_text(file.read_text().replace(str(place.data), str(tmp_path / "elsewhere")))
    with pytest.raises(PlaceWrong, match="the disk is mounted"):
        unreferenced.repair_tables(tmp_path / "c")
    place_of(tmp_path / "c").claim.write_text("of another store")
    with pytest.raises(PlaceWrong, match="as the database says"):
        unreferenced.repair_tables(tmp_path / "c")


def test_repair_removes_what_no_snapshot_names_and_a_backup_is_refused(team, tmp_path):
    place = place_of(team)
    stray = place.data / "meta" / "state" / "stray.parquet"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"PAR1")
    place.incoming.mkdir(exist_ok=True)
    (place.incoming / "half.parquet").write_bytes(b"PAR1")
    said = unreferenced.repair_tables(team)
    assert [line.split(" ")[:2] for line in said] == [["removed", "1"], ["removed", "1"]]
    assert not stray.exists()
    assert unreferenced.repair_tables(team) == []
    with pytest.raises(PlaceWrong, match="pg_dump"):
        backup.backup(team, tmp_path / "copy")
    with pytest.raises(PlaceWrong, match="sha256sum -c"):
        verification.verify(team)


def test_who_waits_is_told_for_whom_and_a_killed_writer_frees_the_lock(team):
    with python(HOLD, team) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreLocked, match=rf"process {holder.pid} on \S+ \(an example of work, since 2\d{{3}}-"):
            write(team, "killed", "no", wait=False)
        assert ran("catalog", "init", "--store", team)[0] == 0  # nothing to do, so nobody waits
        said: list[str] = []
        waiting = threading.Thread(target=lambda: lake_write(team, said))
        waiting.start()
        while not said:
            time.sleep(0.05)
        assert f"process {holder.pid}" in said[0]
        assert said[0].endswith("; waiting")
        assert waiting.is_alive()
        holder.kill()
        waiting.join(60)
        assert recall(team, "killed") == "yes"


def lake_write(store, said):
    with lake.writer(store, "wait", commit="wait", on_wait=said.append) as connection:
        lake.remember(connection, "killed", "yes")


WRITE = """
import sys
from pathlib import Path
from catalog.store import lake
for i in range(5):
    with lake.writer(Path(sys.argv[1]), "one of four", commit="one of four") as connection:
        lake.remember(connection, f"writer {sys.argv[2]}.{i}", "written")
"""


def test_four_writers_at_once_lose_nothing_while_others_read(team):
    writers = [python(WRITE, team, number) for number in range(4)]
    numbers: list[int] = []
    with Catalog(team) as cat:
        while any(w.poll() is None for w in writers):
            answer = cat.sql("SELECT count(*) AS n FROM meta.state WHERE name LIKE 'writer %'").arrow()
            numbers.append(answer["n"][0].as_py())
    assert [(w.wait(), w.communicate()[1]) for w in writers] == [(0, "")] * 4
    assert numbers == sorted(numbers)
    with contextlib.closing(lake.connect(team)) as connection:
        query = "SELECT count(*) FROM lake.meta.state WHERE name LIKE 'writer %'"
        assert connection.execute(query).fetchone() == (20,)


def test_a_server_that_restarts_costs_what_was_not_committed(team, server):
    write(team, "restart", "before")
    with Catalog(team) as cat:
        asked = "SELECT value FROM meta.state WHERE name = 'restart'"
        assert cat.sql(asked).arrow()["value"].to_pylist() == ["before"]
        with pytest.raises(PhotonlakeError):
            write_and(team, lambda: server.control("restart", "-m", "immediate"))
        assert cat.sql(asked).arrow()["value"].to_pylist() == ["before"]
        write(team, "restart", "after")
        assert cat.sql(asked).arrow()["value"].to_pylist() == ["after"]
    server.control("stop", "-m", "immediate")
    try:
        with pytest.raises(StoreUnreachable, match="see that the server runs"):
            write(team, "restart", "never")
        with pytest.raises(StoreUnreachable, match="see that the server runs"):
            Catalog(team)
    finally:
        server.control("start")
    assert recall(team, "restart") == "after"


def test_a_password_comes_from_outside_and_is_never_shown(server, tmp_path):
    address = server.address(server.database(), postgres.GUARDED)
    given = ("catalog", "init", "--store", tmp_path / "t", "--catalog", address, "--data", tmp_path / "d", "--verbose")
    for password in ("", "wrong-2001"):
        status, said = ran(*given, PGPASSWORD=password, PGPASSFILE="/dev/null")
        assert status == 1, said
        assert "give the password in $PGPASSWORD, or in ~/.pgpass" in said
        assert "wrong-2001" not in said
        assert not (tmp_path / "t" / FILE).exists()
    passwords = tmp_path / "passwords"
    passwords.write_text(f"127.0.0.1:{server.port}:*:{postgres.GUARDED}:{postgres.PASSWORD}\n")
    passwords.chmod(0o600)
    said = ""
    for words in (given, ("catalog", "sql", "--store", tmp_path / "t", "SELECT name FROM meta.state", "--verbose")):
        status, text = ran(*words, PGPASSFILE=str(passwords))
        said += text
        assert status == 0, said
    assert postgres.PASSWORD not in said + (tmp_path / "t" / FILE).read_text()


def test_a_store_of_ones_own_becomes_a_teams_with_its_snapshots_vectors_and_names(server, small_survey, tmp_path):
    mine, ours = shutil.copytree(small_survey / "s", tmp_path / "mine"), tmp_path / "team"
    before = tail(mine)
    expiry.name_snapshot(mine, "paper", before[0])
    write(mine, "word", "é, 'quoted' and \\")
    team_store.init(ours, server.address(server.database()), str(tmp_path / "shared"))
    status, said = ran("catalog", "copy", "--store", mine, "--to", ours)
    assert status == 0, said
    assert rows(ours) == rows(mine)
    assert history(ours) == history(mine)
    assert recall(ours, "word") == "é, 'quoted' and \\"
    asked = "SELECT id, distance FROM nearest('spectrum', $name, k := 5)"
    with Catalog(ours) as cat, Catalog(mine) as twin:
        name = cat.sql("SELECT name FROM csc.master_source ORDER BY name LIMIT 1").arrow()["name"][0].as_py()
        for snapshot in (None, "paper"):
            assert (
                cat.sql(asked, snapshot=snapshot, name=name)
                .arrow()
                .equals(twin.sql(asked, snapshot=snapshot, name=name).arrow())
            )
    assert tail(mine, snapshot=before[0]) == tail(ours, snapshot=before[0])
    write(ours, "word", "it can be written")
    assert recall(ours, "word") == "it can be written"
    assert unreferenced.repair_tables(ours) == unreferenced.repair_vectors(ours) == []
    root = place_of(ours).root
    assert checksums.recorded(root) == {name: checksums.sum_of(root / name) for name in checksums.listed(root)}
    with pytest.raises(PlaceWrong, match="without rows"):
        copying.copy(mine, ours)
    with pytest.raises(PlaceWrong, match="expected a team's store"):
        copying.copy(ours, mine)


def history(store):
    """Return the store's UUID and its snapshots."""
    with contextlib.closing(lake.connect(store)) as connection:
        return lake.identity(connection), lake.snapshots(connection)


def tail(store, snapshot=None):
    """Return the newest snapshot's number, and the numbers of rows that one sees."""
    with contextlib.closing(lake.connect(store, snapshot=snapshot)) as connection:
        number = connection.execute("SELECT id FROM lake.current_snapshot()").fetchone()[0]
        names = ("meta.file", "csc.master_source", "product.event_stored", "meta.space", "meta.state")
        return number, [connection.execute(f"SELECT count(*) FROM lake.{n}").fetchone() for n in names]
