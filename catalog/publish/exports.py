"""What `photonlake export` publishes, and what it says of it: one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog.catalog import open_


def publish(
    store: Path,
    *,
    ogip: tuple[Path, str | None, bool] | None = None,
    hats: tuple[Path, str, Sequence[str]] | None = None,
    moc: tuple[Path, str] | None = None,
    frozen: tuple[Path, str | None] | None = None,
    snapshot: int | str | None = None,
) -> Iterator[str]:
    """Publish what is asked for.

    Parameters
    ----------
    store : Path
    ogip : (folder, condition, zipped), optional
        See `catalog.publish.fitting_folder`.
    hats : (folder, table, spaces), optional
        See `catalog.publish.hats_catalog`.
    moc : (file, table), optional
        See `catalog.publish.coverage`.
    frozen : (folder, url), optional
        See `catalog.publish.frozen_lake`; it is of all snapshots.
    snapshot : int or str, optional
        Of the store as it was.

    Yields
    ------
    str
        What was written.
    """
    # Each brings libraries that the others do not need.
    if frozen:
        from catalog.publish.frozen_lake import write_frozen  # noqa: PLC0415

        made = write_frozen(store, *frozen)
        yield f"{frozen[0]}: {made.n_files:,} files of Parquet, {made.n_bytes:,} bytes; {made.attach}"
    with open_(store) as cat:
        if ogip:
            from catalog.publish.fitting_folder import write_fitting_files  # noqa: PLC0415

            folder, where, zipped = ogip
            files = write_fitting_files(cat, folder, where or "true", zipped=zipped, snapshot=snapshot)
            yield f"{folder}: {files}"
        if hats:
            from catalog.publish.hats_catalog import write_hats  # noqa: PLC0415

            yield f"{hats[0]}: {write_hats(cat, *hats, snapshot=snapshot)}"
        if moc:
            from catalog.publish.coverage import write_moc  # noqa: PLC0415

            yield f"{moc[0]}: {write_moc(cat, *moc, snapshot=snapshot):.3%} of the sky"
