"""Archives: what is in them comes in as if it lay in a folder; a harmful or broken one costs itself only."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from factories import archive, fits

from catalog.errors import UnreadableFile
from catalog.store import lake
from catalog.store.manifest import Source
from ingest import archives, streams
from ingest.archives import members
from ingest.forgetting import forget
from ingest.ledger import status, verify
from ingest.one_file import read_file
from ingest.planning import FolderNotFound
from ingest.refresh import refresh

FORMS = ("a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz", "a.zip", "without an ending")


def info(name, size=0, **attributes):
    made = tarfile.TarInfo(name)
    made.size = size
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


def tar(path, files, mode="w"):
    """Write a tar of (name or TarInfo, bytes)."""
    with tarfile.open(path, mode) as out:
        for name, data in files:
            out.addfile(name if isinstance(name, tarfile.TarInfo) else info(name, len(data)), io.BytesIO(data))
    return path


def pack(path, files):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            for name, data in files:
                out.writestr(name, data)
        return path
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    return tar(path, files, mode)


def found(path):
    """What is in an archive: name -> content, or why there is none."""
    return {m.path.removeprefix(f"{path}/"): m.problem or m.open().read() for m in members(str(path))}


def query(store, sql):
    with contextlib.closing(lake.connect(store)) as connection:
        return connection.execute(sql).fetchall()


def load(store, folder):
    return refresh(store, [Source("files", str(folder))], workers=1)


@pytest.mark.parametrize("name", FORMS)
def test_members_are_read_and_unpacked_however_the_archive_is_packed(tmp_path, name):
    files = [("obs/a.fits.gz", gzip.compress(b"photons")), ("./b.pi", b"counts"), ("obs/.hidden", b""), ("c.part", b"")]
    path = pack(tmp_path / name, files)
    assert found(path) == {"obs/a.fits.gz": b"photons", "b.pi": b"counts"}


@pytest.mark.slow
def test_an_archive_is_as_good_as_a_folder(store, tmp_path):
    folder = archive.write_archive(tmp_path / "folder", 2)
    (tmp_path / "one").mkdir()
    packed = tmp_path / "one" / "package.tar"
    with tarfile.open(packed, "w") as out:
        out.add(folder, "2CXO")
    report = load(store, packed.parent)
    linked = "SELECT count(*), count(arf_id), count(rmf_id), count(background_counts) FROM product.spectrum"
    assert query(store, linked) == [(2, 2, 2, 2)]
    assert query(store, "SELECT obsid, count(*) FROM product.event GROUP BY 1 ORDER BY 1") == [(1, 210), (2, 220)]
    assert {Path(e.path).name for e in report.problems} == {"truncated_evt2.fits.gz", "text_pha3.fits"}
    assert "archive" not in report.kinds
    assert verify(store) == []
    assert archive.keys_repeat(store) == []

    # Unchanged: not opened.
    seen = packed.stat()
    packed.write_bytes(b"\0" * seen.st_size)
    os.utime(packed, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    again = refresh(store)
    assert not again.changed
    assert again.gone == 0

    # Changed: one member replaced, one renamed, one taken out, the rest as it was.
    first, second = (next((folder / f"0000{n}_000").glob("*regevt3*")) for n in (1, 2))
    first.write_bytes(fits.events_file(n=50, seed=9, obs_id="1", compress=True))
    second.rename(second.with_name("renamed_evt2.fits.gz"))
    (folder / "copy_of_1.fits").unlink()
    (folder / "detections.csv").unlink()
    with tarfile.open(packed, "w") as out:
        out.add(folder, "2CXO")
    refresh(store)
    assert query(store, "SELECT obsid, count(*) FROM product.event GROUP BY 1 ORDER BY 1") == [(1, 50), (2, 220)]
    assert query(store, "SELECT count(*) FROM csc.observation_source") == [(0,)]
    assert query(store, "SELECT count(*) FROM meta.file WHERE path LIKE '%detections.csv'") == [(0,)]
    assert archive.keys_repeat(store) == []

    # Cut: what was in it stays, and the cut is said.
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    (cut,) = [e.error for e in refresh(store).problems if e.path == str(packed)]
    assert "cut or damaged" in cut
    assert query(store, "SELECT obsid, count(*) FROM product.event GROUP BY 1 ORDER BY 1") == [(1, 50), (2, 220)]

    # Another file under its name: what the archive had goes.
    packed.write_bytes(fits.events_file(n=7, seed=3, obs_id="99"))
    refresh(store)
    assert query(store, "SELECT obsid, count(*) FROM product.event GROUP BY 1") == [(99, 7)]
    assert query(store, "SELECT count(*) FROM meta.file") == [(1,)]


@pytest.mark.slow
def test_a_table_in_an_archive_that_shares_rows_is_read_again_when_the_other_changes(store, tmp_path):
    table = b"name,obsid,obi,region_id,theta\n2CXO J000001.0+000000,1,0,1,1.5\n"
    tar(tmp_path / "t.tar", [("b.csv", table)])
    other = tmp_path / "a.csv"
    for value in ("0.25", "0.75"):
        other.write_text(f"name,obsid,obi,region_id,hard_hs\n2CXO J000001.0+000000,1,0,1,{value}\n", "utf-8")
        load(store, tmp_path)
        rows = query(store, "SELECT theta, hard_hs, len(file_ids) FROM csc.observation_source")
        assert rows == [(1.5, float(value), 2)]
    assert not load(store, tmp_path).changed


def test_names_in_an_archive_lead_nowhere(tmp_path):
    files = [
        ("../../etc/passwd", b"1"),
        ("/etc/shadow", b"2"),
        ("a/../../b", b"3"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), b"4"),
    ]
    path = tar(tmp_path / "t.tar", files)
    assert found(path) == {"etc/passwd": b"1", "etc/shadow": b"2", "a/b": b"3", r"caf\xe9": b"4"}


def test_of_members_with_one_name_the_last_counts(tmp_path):
    path = tar(tmp_path / "t.tar", [("a", b"old"), ("b", b"b"), ("./a", b"new")])
    assert found(path) == {"b": b"b", "a": b"new"}


def test_what_is_no_file_in_an_archive_is_named(tmp_path):
    files = [
        (info("soft", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
        (info("hard", type=tarfile.LNKTYPE, linkname="a"), b""),
        (info("pipe", type=tarfile.FIFOTYPE), b""),
        (info("disk", type=tarfile.BLKTYPE), b""),
        (info("folder", type=tarfile.DIRTYPE), b""),
        ("a", b"a"),
    ]
    said = found(tar(tmp_path / "t.tar", files))
    assert said.pop("a") == b"a"
    assert set(said) == {"soft", "hard", "pipe", "disk"}
    assert "a link to /etc/passwd" in said["soft"]
    assert "no file to read" in said["pipe"]


def test_what_would_have_to_be_unpacked_is_refused_by_name(store, tmp_path):
    inner = tar(tmp_path / "inner", [("a.fits", fits.events_file(n=5, obs_id="5"))]).read_bytes()
    tar(tmp_path / "outer.tar", [("inner.tar", inner), ("b.fits", fits.events_file(n=6, seed=6, obs_id="6"))])
    (tmp_path / "inner").unlink()
    (tmp_path / "x.tar.zst").write_bytes(pa.compress(inner, codec="zstd", asbytes=True))
    (tmp_path / "x.Z").write_bytes(b"\x1f\x9d\x90" + b"x" * 600)
    (tmp_path / "x.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + b"x" * 600)
    with zipfile.ZipFile(tmp_path / "sheet.xlsx", "w") as out:
        out.writestr("[Content_Types].xml", "<x/>")
    load(store, tmp_path)
    said = {Path(e.path).name: e.error for e in status(store).problems}
    assert set(said) == {"inner.tar", "x.tar.zst", "x.Z", "x.7z", "sheet.xlsx"}
    assert "save what you need of it as CSV" in said.pop("sheet.xlsx")
    assert all("unpack" in why for why in said.values())
    assert query(store, "SELECT count(*) FROM product.event") == [(6,)]
    with pytest.raises(UnreadableFile, match="an archive; unpack it"):
        read_file(tmp_path / "outer.tar")


@pytest.mark.parametrize(
    ("ending", "packed"),
    [(".bz2", bz2.compress), (".xz", lzma.compress), (".zst", lambda d: pa.compress(d, codec="zstd", asbytes=True))],
)
def test_single_files_are_unpacked_too(tmp_path, ending, packed):
    data = fits.events_file(n=5, obs_id="5")
    path = tmp_path / f"acisf00005N001_evt2.fits{ending}"
    path.write_bytes(packed(data))
    tables = read_file(path)
    assert tables["product.event_stored"].num_rows == 5
    path.write_bytes(packed(data)[:-20])
    with pytest.raises(UnreadableFile, match="expected"):
        read_file(path)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_a_cut_archive_gives_what_stands_before_the_cut(tmp_path, name):
    rng = np.random.default_rng(1).bytes(50_000)
    path = pack(tmp_path / name, [("a", rng), ("b", rng[::-1]), ("c", rng[1:])])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    whole = []

    def read_all():
        for member in members(str(path)):
            with contextlib.suppress(*streams.DAMAGED):
                whole.append(member.open().read())

    with pytest.raises(UnreadableFile, match="cut or damaged"):
        read_all()
    assert whole[:1] == ([] if name == "a.zip" else [rng])


HARMFUL = {
    "a header that is larger than any": lambda: (
        info("PaxHeader", 70 << 20, type=tarfile.XHDTYPE).tobuf() + b"1" * (71 << 20)
    ),
    "long names upon long names": lambda: (
        info("././@LongLink", 1, type=tarfile.GNUTYPE_LONGNAME).tobuf().ljust(1024, b"\0") * 5_000
    ),
    "a size below zero": lambda: negative(info("a").tobuf()) * 3,
    "noise": lambda: info("a", 3).tobuf() + os.urandom(4096),
}


def negative(header):
    """Set the size of a tar header to -512 in base 256, and mend its checksum."""
    size = (256**12 - 512).to_bytes(12, "big")
    header = header[:124] + b"\xff" + size[1:] + header[136:]
    blank = header[:148] + b" " * 8 + header[156:512]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


@pytest.mark.parametrize("kind", HARMFUL)
def test_an_archive_made_to_harm_is_refused_in_one_line(tmp_path, kind):
    path = tmp_path / "t.tar"
    path.write_bytes(HARMFUL[kind]())
    with pytest.raises(UnreadableFile) as error:
        found(path)
    assert "\n" not in str(error.value)


def test_what_unpacks_without_end_costs_itself_only(store, tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MAX_UNPACKED", 1 << 20)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 5)
    zeros = bytes(8 << 20)
    (tmp_path / "bomb.fits.gz").write_bytes(gzip.compress(zeros))
    (tmp_path / "bomb.csv.bz2").write_bytes(bz2.compress(zeros * 8))
    (tmp_path / "bomb.json.xz").write_bytes(lzma.compress(zeros * 8))
    (tmp_path / "bomb.zst").write_bytes(pa.compress(zeros, codec="zstd", asbytes=True))
    pack(tmp_path / "bomb.tar.gz", [("a", zeros)])
    pack(tmp_path / "bomb.zip", [("a", zeros), ("b.fits", fits.events_file(n=5, seed=5, obs_id="5"))])
    tar(tmp_path / "many.tar", [(f"{n}", b"") for n in range(6)])
    tar(tmp_path / "inner.tar", [("a.fits.gz", gzip.compress(zeros)), ("b.fits", fits.events_file(n=6, obs_id="6"))])
    load(store, tmp_path)
    said = {str(Path(e.path).relative_to(tmp_path)): e.error for e in status(store).problems}
    bombs = {
        "bomb.fits.gz",
        "bomb.csv.bz2",
        "bomb.json.xz",
        "bomb.zst",
        "bomb.tar.gz",
        "bomb.zip/a",
        "inner.tar/a.fits.gz",
    }
    assert set(said) == bombs | {"many.tar"}
    assert {name for name in bombs if "unpacks to at most" not in said[name]} == set(), said
    assert "at most 5 files" in said["many.tar"]
    assert query(store, "SELECT obsid, count(*) FROM product.event GROUP BY 1 ORDER BY 1") == [(5, 5), (6, 6)]


def test_a_member_that_needs_a_password_is_named(tmp_path):
    path = pack(tmp_path / "a.zip", [("a.fits", b"secret"), ("b.fits", b"open")])
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= 1
    path.write_bytes(bytes(data))
    said = found(path)
    assert "password" in said["a.fits"]
    assert said["b.fits"] == b"open"


@pytest.mark.slow
def test_a_file_in_an_archive_can_be_named_forgotten_and_told_its_release(store, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    sources = b"name,ra,dec\n2CXO J000001.0+000001,0.004,0.0003\n"
    path = pack(folder / "a.zip", [("x/one.csv", sources), ("y/two.csv", sources.replace(b"01.0", b"02.0"))])
    load(store, folder)
    releases = "SELECT right(name, 10), release FROM csc.master_source ORDER BY 1"
    one = f"{path}/x/one.csv"
    for named, release in ((one, "2.0"), (f"{path}/x", "2.1")):  # the nearest that is told counts
        refresh(store, [Source("files", named, release)], workers=1)
        assert dict(query(store, releases)) == {"1.0+000001": "2.0", "2.0+000001": None}
    assert not refresh(store).changed
    forget(store, [one])
    assert [n for n, _ in query(store, releases)] == ["2.0+000001"]
    assert not load(store, folder).changed
    assert load(store, one).changed
    assert dict(query(store, releases))["1.0+000001"] == "2.1"
    for absent in (f"{path}/z.csv", f"{folder}/b.zip/one.csv"):
        with pytest.raises(FolderNotFound, match="does not exist"):
            load(store, absent)


def test_a_region_file_is_a_copy_of_one_in_its_own_folder_only(store, tmp_path):
    for name in ("one/src.reg", "one/copy.reg", "two/src.reg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('fk5; circle(148.96, 69.68, 5")\n', "utf-8")
    report = load(store, tmp_path)
    assert [Path(e.path).parent.name for e in report.duplicates] == ["one"]
    assert query(store, "SELECT count(*) FROM product.region") == [(2,)]
    assert len(status(store).unlinked_regions) == 2
    assert not refresh(store).changed
