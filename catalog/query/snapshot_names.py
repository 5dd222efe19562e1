"""Which snapshot of a store a user means: by its number, by its name, or by a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time

from catalog.errors import UnknownName, command
from catalog.schema.identifiers import whole_number


def parse_snapshot(
    snapshot: int | str | date | None, store: object = "STORE", names: Callable[[], Mapping[str, int]] = dict
) -> int | datetime | None:
    """Understand a snapshot's number, name or time; a date means the end of that day.

    Parameters
    ----------
    snapshot : int, str, date or datetime, optional
    store : Path
        For the message.
    names : callable, optional
        Gives the names of snapshots and their numbers; asked where a text is no number.

    Raises
    ------
    UnknownName
        If a text is neither.

    Examples
    --------
    >>> parse_snapshot("12"), parse_snapshot("2026-01-31T12:00")
    (12, datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.timezone.utc))
    >>> str(parse_snapshot("2026-01-31"))
    '2026-01-31 23:59:59.999999+00:00'
    """
    if isinstance(snapshot, str):
        text = snapshot.strip()
        if (number := whole_number(text)) is not None:
            return number
        if (named := names().get(text)) is not None:
            return named
        try:
            snapshot = datetime.fromisoformat(text)
        except ValueError as error:
            advice = (
                "give a number, a name, or a time like 2026-01-31T12:00; list them with: "
                f"{command('catalog snapshots', store)}"
            )
            raise UnknownName(f"{text!r} is no snapshot; {advice}") from error
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}|\d{4}-W\d{2}-\d", text, re.ASCII):
            snapshot = snapshot.date()
    if isinstance(snapshot, date) and not isinstance(snapshot, datetime):
        snapshot = datetime.combine(snapshot, time.max)
    if isinstance(snapshot, datetime) and snapshot.tzinfo is None:
        return snapshot.replace(tzinfo=UTC)
    return snapshot
