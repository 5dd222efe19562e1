"""Papers on disk: one file of records per year, each paper once, with the sources that ADS says it is about.

A record that changed replaces the one before; a file is written anew only when something in it changed, so that
a refresh reads what is new and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from catalog.errors import UnreadableFile
from ingest.json_records import Json, Record, read_json_records, sound
from ingest.literature.papers import SOURCES_FIELD

_YEAR = re.compile(r"^[0-9]{4}")
_ASKED = ".asked.jsonl"


class Shelf:
    """The papers that ADS answered.

    Parameters
    ----------
    folder : Path
        `files/papers` of a store.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> shelf = Shelf(folder)
    >>> shelf.put({"bibcode": "2020ApJ...900....1X", "title": ["A source"]})
    >>> shelf.answered("2CXO J000000.1+000000", ["2020ApJ...900....1X"])
    >>> shelf.flush(), sorted(p.name for p in folder.iterdir())
    (1, ['.asked.jsonl', '2020.jsonl'])
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._years: dict[str, dict[str, Record]] = {}
        self._changed: set[str] = set()
        self._asked = _read_asked(folder / _ASKED)
        self._new: list[dict[str, object]] = []

    def put(self, record: Mapping[str, Json]) -> None:
        """Take a record as ADS answered it; links to sources that are known stay."""
        bibcode = record.get("bibcode")
        if not isinstance(bibcode, str) or not bibcode:
            return
        year = self._open(bibcode)
        before = year.get(bibcode)
        links = before.get(SOURCES_FIELD) if before else None
        try:
            fresh = cast(Record, sound({k: v for k, v in record.items() if k != SOURCES_FIELD}))
        except RecursionError:
            return  # nobody could read it again
        if links:
            fresh[SOURCES_FIELD] = links
        if fresh != before:
            year[bibcode] = fresh
            self._changed.add(_year(bibcode))

    def answered(self, name: str, bibcodes: Iterable[str]) -> None:
        """Note which papers ADS has of a source; links that it has no longer go."""
        now = list(dict.fromkeys(bibcodes))
        for bibcode in set(self._asked.get(name, ("", []))[1]) - set(now):
            self._link(bibcode, name, linked=False)
        for bibcode in now:
            self._link(bibcode, name, linked=True)
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        self._asked[name] = (moment, now)
        self._new.append({"name": name, "asked": moment, "bibcodes": now})

    def asked_before(self, name: str) -> datetime | None:
        """Return when ADS was last asked for a source, UTC."""
        moment = self._asked.get(name, ("", []))[0]
        try:
            return datetime.fromisoformat(moment) if moment else None
        except ValueError:
            return None

    def flush(self) -> int:
        """Write what changed; return the number of files written.

        Papers come first and the note of what was asked last: a crash between the two only asks again.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for year in sorted(self._changed):
            part = self._folder / f"{year}.jsonl.part"
            with part.open("w", encoding="utf-8") as out:
                for _, record in sorted(self._years[year].items()):
                    out.write(json.dumps(record, sort_keys=True) + "\n")  # in ASCII: no text in it ends a line
            part.replace(self._folder / f"{year}.jsonl")
        if self._new:
            with (self._folder / _ASKED).open("a", encoding="utf-8") as out:
                out.writelines(json.dumps(entry) + "\n" for entry in self._new)
        written = len(self._changed)
        self._changed.clear()
        self._new.clear()
        return written

    def _open(self, bibcode: str) -> dict[str, Record]:
        year = _year(bibcode)
        if year not in self._years:
            path = self._folder / f"{year}.jsonl"
            self._years[year] = _read_records(path) if path.exists() else {}
        return self._years[year]

    def _link(self, bibcode: str, name: str, *, linked: bool) -> None:
        record = self._open(bibcode).get(bibcode)
        if record is None:
            return
        given = record.get(SOURCES_FIELD)
        before = [n for n in given if isinstance(n, str)] if isinstance(given, list) else []
        after = sorted({*before, name} if linked else set(before) - {name})
        if after != before:
            record.pop(SOURCES_FIELD, None)
            if after:
                record[SOURCES_FIELD] = list(after)
            self._changed.add(_year(bibcode))


def _year(bibcode: str) -> str:
    match = _YEAR.match(bibcode)
    return match[0] if match else "other"


def _read_records(path: Path) -> dict[str, Record]:
    """Read a year's file by bibcode.

    Raises
    ------
    UnreadableFile
        If it is damaged.
    """
    try:
        with path.open("rb") as stream:
            return {str(r["bibcode"]): r for r in read_json_records(stream) if isinstance(r, dict) and r.get("bibcode")}
    except UnreadableFile as error:
        advice = f"remove {path} and {path.with_name(_ASKED)}, and type the same again"
        raise UnreadableFile(error.expected, error.found, advice, path.name) from error


def _read_asked(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Read what was asked when; a line that a crash cut in two is passed over."""
    asked: dict[str, tuple[str, list[str]]] = {}
    if not path.exists():
        return asked
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            entry = json.loads(line)
            asked[str(entry["name"])] = (str(entry["asked"]), [str(b) for b in entry["bibcodes"]])
        except (ValueError, KeyError, TypeError):
            continue
    return asked
