"""Random steps on a store, many of them killed or made to fail, beside a model of what the store must hold.

`make campaign N=20` makes runs until there are twenty; what earlier calls did counts. Each run has its own seed, and
is the same when it is made again: `python -m campaign --seed 7`. The report is `build/campaign/report.json`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from datetime import timedelta
from pathlib import Path

from campaign import store_checks
from campaign.model import Content, Model
from factories import archive, fits, tiny_encoder

from catalog.errors import PhotonlakeError, UnknownName
from catalog.store import backup, expiry, fault_points, lake, unreferenced
from catalog.store.manifest import Source
from catalog.store.verification import verify
from embed.store import encoding_job
from ingest.forgetting import forget
from ingest.refresh import refresh

STEPS = ("ingest", "ingest", "ingest", "forget", "embed", "embed", "expire", "repair", "backup")
STEPS_PER_RUN = 20
KILLED = -9
PATIENCE_S = 300


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS_PER_RUN)
    parser.add_argument("--seed", type=int, help="make this run again, and no other")
    parser.add_argument("--report", type=Path, default=Path("build/campaign/report.json"))
    given = parser.parse_args(arguments)
    done = json.loads(given.report.read_text("utf-8")) if given.report.exists() else {}
    seeds = range(given.runs) if given.seed is None else [given.seed]
    for seed in seeds:
        if str(seed) in done and given.seed is None:
            continue
        with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
            run = Run(Path(folder), seed)
            run.go(given.steps)
        done[str(seed)] = run.report
        given.report.parent.mkdir(parents=True, exist_ok=True)
        draft = given.report.with_suffix(".part")
        draft.write_text(json.dumps(done, indent=1), "utf-8")
        draft.replace(given.report)
        print(f"run {seed}: {json.dumps(run.report)}", flush=True)  # noqa: T201 - a script
    return sum(len(report["found"]) for report in done.values())


class Run:
    """One store and its model, from the empty store on."""

    def __init__(self, root, seed):
        self.root, self.store, self.folder, self.copy = root, root / "s", root / "files", root / "backup"
        self.rng, self.model, self.seen = random.Random(seed), Model(), {}  # noqa: S311 - steps, not secrets
        self.embedded, self.happened = set(), False
        self.report = {"steps": Counter(), "asked": Counter(), "happened": Counter(), "found": []}
        self.folder.mkdir()
        (root / "site").mkdir()
        tiny_encoder.publish(root / "site")

    def go(self, n_steps):
        """Make steps until one finds something."""
        _, said = self.aside(begin, self.store, self.root / "site")
        if said:
            raise AssertionError(said)
        for number in range(n_steps):
            step = self.rng.choice(STEPS)
            self.report["steps"][step] += 1
            try:
                getattr(self, step)()
                self.check(step)
            except Exception as error:  # noqa: BLE001 - what a step meets is what the campaign looks for
                where = traceback.format_exception_only(error)[-1].strip()
                self.report["found"].append(f"step {number}, {step}: {where}")
                return

    def faulty(self, work, *arguments):
        """Do some work: often with a fault, then once more without. What it returned, and whether a fault happened."""
        action = self.rng.choice(["", "kill", "kill", "cut", "eio", "enospc", "delay"])
        n = self.rng.randint(1, self.rng.choice([3, 8, 20]))  # a step passes from three points to some twenty
        if action:
            self.report["asked"][action] += 1
            does = "kill" if action == "cut" else action
            status, said = self.aside(work, *arguments, fault=f"any:{n}:{does}")
            self.report["happened"][action] += self.happened
            if action == "cut" and self.happened:  # the power went too: what was not brought to disk is lost
                store_checks.drop_unsynced(self.store)
            if status not in {0, KILLED} or "not one of ours" in said or (said and not self.happened):
                raise AssertionError(f"any:{n}:{action} ended with {status}: {said}")
            for line in self.aside(sound, self.store)[1].splitlines():
                raise AssertionError(f"after any:{n}:{action}: {line}")
        status, said = self.aside(work, *arguments)
        if status or said.startswith("error"):
            raise AssertionError(f"without a fault ({action}:{n} before): {status} {said}")
        return said

    def aside(self, work, *arguments, fault=""):
        """Do work in a process of its own; return its exit status and what it said."""
        here, there = _PROCESSES.Pipe(duplex=False)
        process = _PROCESSES.Process(target=_in_process, args=(there, fault, work, arguments))
        process.start()
        there.close()
        said, self.happened = "", False
        with contextlib.suppress(EOFError):
            if not here.poll(PATIENCE_S):
                process.kill()
                raise AssertionError(f"{work.__name__} with {fault or 'no fault'} does not end")
            said, self.happened = here.recv()
        process.join()
        if fault.endswith("kill") and process.exitcode == KILLED:
            self.happened = True
        return process.exitcode, said

    def ingest(self):
        for _ in range(self.rng.randint(1, 3)):
            what, path, content = self.model.change_disk(self.rng)
            self.report["steps"][f"file {what}"] += 1
            if content is None:
                (self.folder / path).rename(self.folder / next(reversed(self.model.disk)))
            else:
                (self.folder / path).write_bytes(bytes_of(content))
        self.faulty(take, self.store, self.folder)
        self.model.refresh()

    def forget(self):
        if not self.model.ledger:
            return
        path = self.rng.choice(sorted(self.model.ledger))
        self.faulty(take_out, self.store, str(self.folder / path))
        self.model.forget(path)

    def embed(self):
        self.faulty(encode, self.store, self.root / "site")
        self.embedded = self.model.papers

    def expire(self):
        self.faulty(expire, self.store, self.rng.randint(2, 12))

    def repair(self):
        self.faulty(repair, self.store)
        _, said = self.aside(strays, self.store)
        if said:
            raise AssertionError(f"files that nothing names after a repair: {said}")

    def backup(self):
        self.faulty(copy, self.store, self.copy)
        _, said = self.aside(come_back, self.store, self.copy, self.root / "restored")
        if said:
            raise AssertionError(said)

    def check(self, step):
        """Hold that the store is what the model says, and that no snapshot changed."""
        _, said = self.aside(holdings, self.store, self.seen)
        held = json.loads(said)
        self.seen = held["seen"]
        wanted = {str(k): n for k, n in self.model.photons.items()}
        if held["photons"] != wanted:
            raise AssertionError(f"photons: expected {wanted}, found {held['photons']}")
        if set(held["papers"]) != self.model.papers:
            raise AssertionError(f"papers: expected {sorted(self.model.papers)}, found {held['papers']}")
        if step == "embed" and set(held["vectors"]) != self.embedded:
            raise AssertionError(f"vectors: expected {sorted(self.embedded)}, found {held['vectors']}")
        if held["faults"]:
            raise AssertionError("; ".join(held["faults"]))


def bytes_of(content: Content) -> bytes:
    """Make a file; a broken one is the first half of a good one."""
    if content.kind == "papers":
        lines = [archive.paper(0, bibcode=b) for b in sorted(content.papers)]
        return "".join(lines).encode()
    whole = fits.events_file(n=content.n, seed=content.number, obs_id=str(content.number))
    return whole[: len(whole) // 2] if content.kind == "broken" else whole


def begin(store, site):
    """A store whose encoder is trained, before its first file."""
    sys.path.insert(0, str(site))
    lake.create(store)
    tiny_encoder.add_papers(store, 0, 5)
    tiny_encoder.train_tiny(store)
    tiny_encoder.write(store, "DELETE FROM lake.lit.paper")


def take(store, folder):
    refresh(store, [Source("files", str(folder))], workers=1)


def take_out(store, path):
    """Forget a file; the second time, after a fault, it may be gone already, and a copy not yet in its place."""
    try:
        forget(store, [path])
    except UnknownName:  # the model tells whether it should be
        refresh(store, only_stale=True)


def encode(store, site):
    sys.path.insert(0, str(site))
    encoding_job.run(encoding_job.Job(store, commit_rows=4))


def expire(store, keep_last):
    expiry.expire(store, timedelta(0), keep_last=keep_last)


def repair(store):
    unreferenced.repair_tables(store)
    unreferenced.repair_vectors(store)


def copy(store, target):
    backup.backup(store, target)


def come_back(store, copied, restored):
    """Restore a backup and compare it with the store; say what differs."""
    shutil.rmtree(restored, ignore_errors=True)
    done = backup.restore(copied, restored)
    same = store_checks.digest(restored, done.snapshot) == store_checks.digest(store, done.snapshot)
    return "" if same else "a backup that came back differs from its store"


def sound(store):
    return "\n".join(store_checks.faults_of(store))


def strays(store):
    return ", ".join(store_checks.stray_files(store))


def holdings(store, seen):
    """Tell what is in a store; snapshots that were seen before are looked at again, some of them."""
    faults = store_checks.faults_of(store) + verify(store).faults
    there = store_checks.snapshots(store)
    known = {n: seen[n] for n in map(str, there) if n in seen}
    again = random.Random(len(there)).sample(sorted(known), min(2, len(known)))  # noqa: S311 - a choice
    faults += [f"snapshot {n} changed" for n in again if store_checks.digest(store, int(n)) != known[n]]
    known[str(there[-1])] = store_checks.digest(store, there[-1])
    with contextlib.closing(lake.connect(store)) as connection:
        told = {
            "photons": store_checks.photons(connection),
            "papers": sorted(store_checks.papers(connection)),
            "vectors": store_checks.vector_ids(store, connection),
        }
    return json.dumps(told | {"faults": faults, "seen": known})


def _in_process(pipe, fault, work, arguments):
    try:
        fault_points.arm(fault)
        said = work(*arguments) or ""
    except (PhotonlakeError, OSError) as error:
        said = f"error {type(error).__name__}: {error}"
    except BaseException as error:  # noqa: BLE001 - the parent tells
        said = f"error, not one of ours, {type(error).__name__}: {error}\n{traceback.format_exc()}"
    pipe.send((said, fault_points.happened()))
    pipe.close()


_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["campaign.drive", "torch"])
