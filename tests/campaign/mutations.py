"""Files of every kind that we read, damaged on purpose; a refresh must tell of each, load it wholly or not at all.

`python -m campaign.mutations --files 10000` goes on where it was; file n is the same whenever it is made. A batch of
files is refreshed in a process of its own, with limits of memory and time. `build/campaign/mutations.json` has the
report.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import io
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from factories import archive, fits, ogip, regions
from factories.sky_database import as_tsv, as_votable

import embed.weights
from catalog.errors import PhotonlakeError
from catalog.schema import TABLES
from catalog.store import lake
from catalog.store.manifest import Source
from embed.registry import load
from ingest.refresh import refresh

BATCH = 500
PATIENCE_S = 600
MEMORY_BYTES = 12 << 30  # of addresses: engines reserve far more than they use
COLUMNS = ["name", "ra", "dec", "flux_aper_b", "extent_flag"]
ROWS = [(f"2CXO J00000{i}.0+000000", 10.0 + i, -1.5, 1e-14 * i, i % 2 == 0) for i in range(6)]
TYPES = ["VARCHAR", "DOUBLE", "DOUBLE", "DOUBLE", "BOOLEAN"]
BIBTEX = """@ARTICLE{{2020Test.{n:04d}....1A, author = {{{{Doe}}, J. and {{Roe}}, R.}}, title = "{{A {{hot}} star}}",
 journal = {{\\apj}}, year = 2020, month = jan, abstract = {{About \\alpha Cen and 10\\% of {{X}}-rays.}} }}\n"""
VALUES = ["0", "-1", "1e999", "nan", "9" * 60, "T", "''", "'open", "2147483648", "'PE(3)'", "'QD'", "'5000000000D'",
          "'(2,2)'", "'BINTABLE'", "'2020-13-45T99:00:00'", "\xb2"]  # fmt: skip
WORDS = [b"", b"NaN", b"-", b"null", b'"', b"'", b"{", b"}", b"[[[[[[[[", b"<TD>", b"</TABLE>", b"<!ENTITY a '&a;'>",
         b"&a;", b"\0", b"\xff\xfe", b"\xf0\x9f\x98\x80", b"1e400", b"9" * 400, b"\t\t", b"\r", b"\\u0000",
         b"x" * 70000]  # fmt: skip


def _parquet(_):
    stream = io.BytesIO()
    pq.write_table(pa.table(dict(zip(COLUMNS, zip(*ROWS, strict=True), strict=True))), stream)
    return stream.getvalue()


KINDS = {
    "events": (".fits", lambda n: fits.events_file(n=20, seed=n, obs_id=str(n))),
    "events, packed": (".fits.gz", lambda n: fits.events_file(n=20, seed=n, obs_id=str(n), compress=True)),
    "light curve": (".fits", lambda _: fits.light_curve_file()),
    "spectrum": ("_pha3.fits", lambda n: ogip.pha([n % 5 + k for k in range(ogip.N_CHANNELS)])),
    "matrix": ("_rmf3.fits", lambda _: ogip.rmf()),
    "area": ("_arf3.fits", lambda _: ogip.arf()),
    "region": ("_reg3.fits", lambda _: regions.region_file({"SRCREG": [("Circle", [1.0], [2.0], [3.0], 0.0, 1)]})),
    "votable": (".vot", lambda _: as_votable(COLUMNS, ROWS, TYPES)),
    "tsv": (".tsv", lambda _: as_tsv(COLUMNS, ROWS)),
    "json": (".jsonl", lambda n: "".join(archive.paper(10 * n + k) for k in range(3)).encode()),
    "bibtex": (".bib", lambda n: BIBTEX.format(n=n).encode()),
    "parquet": (".parquet", _parquet),
}


def damaged(n: int) -> tuple[str, str, bytes]:
    """Make file n: its kind, its name, its bytes."""
    rng = random.Random(n)  # noqa: S311 - damage, not secrets
    kind = rng.choice(sorted(KINDS))
    ending, make = KINDS[kind]
    data = make(n)
    packed = ending.endswith(".gz")
    if packed and rng.random() < 0.7:  # the damage is inside
        data, packed = gzip.decompress(data), False
    for _ in range(rng.choice([1, 1, 2, 4])):
        data = _edited(rng, data, cards=ending.endswith(".fits") or (ending.endswith(".gz") and not packed))
    if ending.endswith(".gz") and not packed:
        data = gzip.compress(data, mtime=0)
        data += rng.choice([b"", b"", b"", gzip.compress(b"more", mtime=0), b"junk"])
    return kind, f"f{n:06d}{ending}", data


def _edited(rng: random.Random, data: bytes, *, cards: bool) -> bytes:
    """Change a card, a number of the geometry, a word of a text, the end (where a footer is), or any bytes."""
    if not data:
        return data
    at = rng.randrange(len(data)) if rng.random() < 0.8 else max(0, len(data) - rng.randrange(1, 600))
    how = rng.choice(["card"] * 4 if cards else ["word", "word", "swap"]) if rng.random() < 0.6 else "bytes"
    if how == "card":
        places = [i for i in range(0, len(data) - 79, 80) if data[i + 8 : i + 10] == b"= "]
        if places:
            place = rng.choice(places)
            key = data[place : place + 8] if rng.random() < 0.8 else data[rng.choice(places) :][:8]
            value = str(rng.randrange(-3, 4000)) if rng.random() < 0.4 else rng.choice(VALUES)
            return data[:place] + (key + f"= {value:>20}".encode("latin-1"))[:80].ljust(80) + data[place + 80 :]
    if how == "word":
        return data[:at] + rng.choice(WORDS) + data[at + rng.randrange(12) :]
    if how == "swap":
        lines = data.splitlines(keepends=True)
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[i] = lines[j] if rng.random() < 0.5 else lines[i] * 2
        return b"".join(lines)
    length = rng.choice([1, 1, 8, 80, 2880])
    new = rng.choice([b"", bytes(length), rng.randbytes(length), bytes([data[at] ^ 1 << rng.randrange(8)])])
    return data[:at] + new + data[at + rng.choice([0, len(new), length]) :]


def try_batch(numbers: range) -> dict:
    """Refresh a new store with a batch, in a process of its own; say what was found."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        root = Path(folder)
        (root / "files").mkdir()
        made = [damaged(n) for n in numbers]
        for _, name, data in made:
            (root / "files" / name).write_bytes(data)
        here, there = _PROCESSES.Pipe(duplex=False)
        process = _PROCESSES.Process(target=_in_process, args=(there, root))
        process.start()
        there.close()
        try:
            told = here.recv() if here.poll(PATIENCE_S) else {"found": ["it does not end"]}
        except EOFError:
            told = {"found": ["the process died"]}
        process.kill()
        process.join()
    told["kinds"] = Counter(kind for kind, _, _ in made)
    return told


def _in_process(pipe, root):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        told = judge(root)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is what we look for
        ours = "" if isinstance(error, PhotonlakeError) else traceback.format_exc()
        told = {"found": [f"the refresh failed: {type(error).__name__}: {error} {ours}"]}
    pipe.send(told)


def judge(root: Path) -> dict:
    """Refresh from `files`; every file must have its line, and all of its rows or none."""
    store, folder = root / "s", root / "files"
    refresh(store, [Source("files", str(folder))], workers=1)
    found, statuses = [], Counter()
    with contextlib.closing(lake.connect(store)) as connection:
        ledger = {
            Path(path).name: (file_id, kind, status, n, error)
            for path, file_id, kind, status, n, error in connection.execute(
                "SELECT path, file_id, kind, status, n_rows, error FROM lake.meta.file"
            ).fetchall()
        }
        having = {}
        for table in TABLES.values():
            if "file_id" in table.column_names and table.full_name != "meta.file":
                counted = f"SELECT file_id, count(*) FROM lake.{table.full_name} GROUP BY 1"
                for file_id, n in connection.execute(counted).fetchall():
                    having.setdefault(file_id, {})[table.full_name] = n
    for path in folder.iterdir():
        if path.name not in ledger:
            found.append(f"{path.name}: no line in the ledger")
            continue
        file_id, kind, status, n, error = ledger[path.name]
        statuses[status] += 1
        rows = having.get(file_id, {})
        if status != "loaded" and rows:
            found.append(f"{path.name}: {status}, and it has rows: {rows}")
        if status == "failed" and (not error or "\n" in error or "Error:" in error.split(" ")[0]):
            found.append(f"{path.name}: the reason is no line of ours: {error!r}")
        if status == "loaded" and kind == "events" and rows.get("product.event_stored", 0) != n:
            found.append(f"{path.name}: {n} photons told, {rows} stored")
    return {"found": found, "statuses": statuses}


def try_weights(n_files: int) -> list[str]:
    """Load damaged weights under the hash of what they are now: an encoder comes, or one line of ours."""
    found = []
    small = sorted(
        file for file in Path(embed.weights.__path__[0]).glob("*.safetensors") if file.stat().st_size < 10_000
    )
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        for n in range(n_files):
            rng = random.Random(n)  # noqa: S311 - damage, not secrets
            data = rng.choice(small).read_bytes()
            length = 8 + int.from_bytes(data[:8], "little")
            if rng.random() < 0.7:  # the header, whose length is right
                header = _edited(rng, data[8:length], cards=False)
                data = len(header).to_bytes(8, "little") + header + data[length:]
            else:
                data = _edited(rng, data, cards=False)
            path = Path(folder) / f"{hashlib.sha256(data).hexdigest()}.safetensors"
            path.write_bytes(data)
            try:
                load(path)
            except PhotonlakeError as error:
                if "\n" in str(error):
                    found.append(f"weights {n}: more than a line: {error}")
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is what we look for
                found.append(f"weights {n}: {type(error).__name__}: {error}")
            path.unlink()
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=int, default=0, help="load so many damaged files of weights, and no others")
    parser.add_argument("--files", type=int, default=BATCH)
    parser.add_argument("--report", type=Path, default=Path("build/campaign/mutations.json"))
    given = parser.parse_args(arguments)
    if given.weights:
        found = try_weights(given.weights)
        print(f"{given.weights} files of weights: {found or 'nothing found'}")  # noqa: T201 - a script
        return len(found)
    done = json.loads(given.report.read_text("utf-8")) if given.report.exists() else {}
    for first in range(0, given.files, BATCH):
        if str(first) in done:
            continue
        done[str(first)] = told = try_batch(range(first, min(first + BATCH, given.files)))
        given.report.parent.mkdir(parents=True, exist_ok=True)
        draft = given.report.with_suffix(".part")
        draft.write_text(json.dumps(done, indent=1), "utf-8")
        draft.replace(given.report)
        print(f"from {first}: {json.dumps(told)}", flush=True)  # noqa: T201 - a script
    return sum(len(told["found"]) for told in done.values())


_PROCESSES = multiprocessing.get_context("spawn")

if __name__ == "__main__":
    sys.exit(1 if main() else 0)
