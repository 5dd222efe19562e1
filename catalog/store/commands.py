"""The commands that keep a store: expire, back up, restore, repair."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from catalog.console import EXIT_FAILED, OUT, StoreOption, WaitOption, hint
from catalog.errors import QueryError, command
from catalog.store import backup as backups
from catalog.store import copying, expiry, location, unreferenced, verification
from catalog.store.place import place_of


def expire(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="End what is older: 36h, 90d, 12w.", show_default=False)
    ],
    keep_last: Annotated[int, typer.Option("--keep-last", min=1, help="So many stay, whatever their age.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    store: StoreOption = None,
    wait: WaitOption = True,
) -> None:
    """End old snapshots, and remove the files and vectors that only they held. Those with a name stay.

    Example: python -m catalog expire --older-than 90d --dry-run --store s
    """
    path = location.store_path(store)
    done = expiry.expire(
        path, expiry.parse_age(older_than), keep_last=keep_last, dry_run=dry_run, wait=wait, on_wait=hint
    )
    n, would = len(done.snapshots), "would end" if dry_run else "ended"
    size = f"they hold {decimal(done.n_bytes)}" if dry_run else f"{decimal(done.n_bytes)} came back"
    OUT.print(f"{n} snapshot{'' if n == 1 else 's'} {would}, {done.n_kept} stay; {size}", soft_wrap=True)


def backup(
    target: Annotated[Path, typer.Argument(help="Folder of the copy; a second time only what is new is copied.")],
    store: StoreOption = None,
) -> None:
    """Copy the store into a folder, while others read and write it.

    Example: python -m catalog backup /mnt/backup/s --store s
    """
    done = backups.backup(location.store_path(store), target)
    OUT.print(
        f"{done.n_files} files, {decimal(done.n_bytes)}, of snapshot {done.snapshot} are in {target}; "
        f"{done.n_new} were new ({decimal(done.n_new_bytes)})",
        soft_wrap=True,
        highlight=False,
    )
    hint(f"Next: {command(f'catalog restore {shlex.quote(str(target))}', 'NEW_STORE')}")


def copy(
    to: Annotated[Path, typer.Option("--to", metavar="TEAM", help="A team's store without rows.", show_default=False)],
    store: StoreOption = None,
    wait: WaitOption = True,
) -> None:
    """Copy a store of your own into a team's store, with all snapshots, vectors and models.

    Example: python -m catalog copy --store mine --to team
    """
    target = location.store_path(to)
    done = copying.copy(location.store_path(store), target, wait=wait, on_wait=hint)
    OUT.print(
        f"{done.n_snapshots} snapshots up to {done.snapshot} are in {target}, with {done.n_files} files, "
        f"{decimal(done.n_bytes)}",
        soft_wrap=True,
        highlight=False,
    )
    hint(f"Next: {command('catalog snapshots', target)}")


def restore(
    source: Annotated[Path, typer.Argument(help="Folder that `backup` wrote.")], store: StoreOption = None
) -> None:
    """Make a store of a backup; every file is compared with what was written.

    Example: python -m catalog restore /mnt/backup/s --store s2
    """
    path = location.store_path(store)
    done = backups.restore(source.expanduser().resolve(), path)
    OUT.print(
        f"{done.n_files} files, {decimal(done.n_bytes)}, all as they were written, are in {path}",
        soft_wrap=True,
        highlight=False,
    )


def check(store: StoreOption = None) -> None:
    """Compare every file of the store with the checksum of the day it was written, and what refers to it.

    Example: python -m catalog check --store s
    """
    path = location.store_path(store)
    found = verification.verify(path)
    OUT.print(str(found), soft_wrap=True, highlight=False, markup=False)
    for line in verification.advice(path, found):
        hint(line)
    if found.faults:
        raise typer.Exit(EXIT_FAILED)


def repair(
    source: Annotated[
        Path | None, typer.Option("--from", metavar="BACKUP", help="Take damaged files from this backup.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Take the catalog as it is, after another program wrote to it.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Remove what no snapshot references, mend the paths of a store that was moved, and say what is damaged.

    Example: python -m catalog repair --store s
    """
    path = location.store_path(store)
    is_team = place_of(path).is_team
    if is_team and (source or accept):
        raise QueryError("--from and --accept are for a store of one person; for a team's see its how-to page")
    found = verification.Verified() if is_team else verification.verify(path)
    done = verification.mend(path, found, source.expanduser().resolve() if source else None)
    if location.CATALOG in found.damaged and accept:
        verification.accept_catalog(path)
        del found.damaged[location.CATALOG]
        done.append(f"{location.CATALOG} is taken as it is")
    if not found.damaged:
        done += unreferenced.repair_tables(path) + unreferenced.repair_vectors(path)
    for line in [*done, *found.faults] or ["Nothing to repair."]:
        OUT.print(line, soft_wrap=True, highlight=False, markup=False)
    for line in verification.advice(path, found):
        hint(line)
    if found.faults:
        raise typer.Exit(EXIT_FAILED)
