"""What must hold of a store after every step, whatever was killed when; and what it holds, to compare."""

from __future__ import annotations

import contextlib
import hashlib

from factories import archive

from catalog.store import checksums, lake, lance_files, unreferenced, vectors
from catalog.store.location import DATA, INCOMING
from catalog.store.place import place_of

WHOLE = """
SELECT f.path FROM meta.file f LEFT JOIN (SELECT file_id, count(*) AS n FROM product.event_stored GROUP BY 1) e
  USING (file_id) WHERE f.kind = 'events' AND coalesce(e.n, 0) <> f.n_rows
UNION ALL SELECT 'photons of no file' FROM product.event_stored WHERE file_id NOT IN (SELECT file_id FROM meta.file)
"""
NAMED = """
SELECT s.path || t.path || f.path FROM (
  SELECT table_id, path FROM {m}.ducklake_data_file WHERE path_is_relative
  UNION ALL SELECT table_id, path FROM {m}.ducklake_delete_file WHERE path_is_relative) AS f
JOIN {m}.ducklake_table AS t USING (table_id) JOIN {m}.ducklake_schema AS s USING (schema_id)
UNION ALL SELECT path FROM {m}.ducklake_files_scheduled_for_deletion
""".replace("{m}", "__ducklake_metadata_lake")


def photons(connection):
    return dict(connection.execute("SELECT obsid, count(*) FROM product.event_stored GROUP BY 1").fetchall())


def papers(connection):
    return {b for (b,) in connection.execute("SELECT bibcode FROM lit.paper").fetchall()}


def vector_ids(store, connection):
    """The ids in the space, at the pinned version."""
    pin = vectors.pins(connection).get("tiny")
    if pin is None:
        return []
    return sorted(vectors.open_pinned(store, "tiny", pin.lance_version).to_table(columns=["id"])["id"].to_pylist())


def faults_of(store):
    """Say what does not hold of a store, as lines; none for a sound one."""
    found = [f"keys repeat in {table}" for table in archive.keys_repeat(store)]
    with contextlib.closing(lake.connect(store)) as connection:
        found += [f"not whole: {path}" for (path,) in connection.execute(WHOLE).fetchall()]
        told = "SELECT id FROM meta.embedded WHERE space = 'tiny' AND skipped IS NULL ORDER BY id"
        told = [i for (i,) in connection.execute(told).fetchall()]
        if told != (there := vector_ids(store, connection)):
            found.append(f"vectors without a row, or rows without a vector: {set(told) ^ set(there) or 'twice'}")
        for space, versions in unreferenced.pinned_versions(connection).items():
            for version in versions:
                try:
                    vectors.open_pinned(store, space, version).to_table()
                except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                    found.append(f"version {version} of {space} is pinned and cannot be read: {error}")
    return found


def stray_files(store):
    """Name the files of a repaired store that nothing names."""
    with contextlib.closing(lake.connect(store)) as connection:
        named = {str(path).removeprefix(f"{store / DATA}/") for (path,) in connection.execute(NAMED).fetchall()}
        pinned = unreferenced.pinned_versions(connection)
    stray = {str(f.relative_to(store / DATA)) for f in (store / DATA).rglob("*.parquet")} - named
    stray |= {str(f) for f in (store / INCOMING).rglob("*") if f.is_file()}
    for folder in place_of(store).vectors.glob("*.lance"):
        needed = set().union(*(lance_files.data_files(folder, v) for v in pinned.get(folder.stem, ())))
        stray |= {f.name for f in (folder / "data").glob("*.lance")} - needed
    return sorted(stray)


def drop_unsynced(store):
    """Cut files that were not brought to disk before their commit, as a power cut may: they have no checksum yet."""
    known = checksums.recorded(store)
    for name in checksums.listed(store):
        if name not in known:
            with (store / name).open("r+b") as stream:
                stream.truncate((store / name).stat().st_size // 2)


def snapshots(store):
    with contextlib.closing(lake.connect(store)) as connection:
        return [s.number for s in lake.snapshots(connection)]


def digest(store, snapshot):
    """Hash every row of every table, and every vector, of a snapshot: the same as long as the snapshot is."""
    found = hashlib.sha256()
    with contextlib.closing(lake.connect(store, snapshot=snapshot)) as connection:
        for table in archive._written(connection):
            query = f"SELECT count(*), sum(hash(t)::HUGEINT) FROM lake.{table.full_name} AS t"
            rows = connection.execute(query).fetchone()
            if rows[0]:  # which tables have rows is known of the newest snapshot only
                found.update(f"{table.full_name} {rows}".encode())
        for space, pin in vectors.pins(connection).items():
            rows = vectors.open_pinned(store, space, pin.lance_version).to_table().sort_by("id")
            found.update(f"{space} {rows['id'].to_pylist()} {rows['input_sha256'].to_pylist()}".encode())
            found.update(vectors.matrix(rows["vector"]).tobytes())
    return found.hexdigest()
