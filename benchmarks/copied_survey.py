"""A survey as large as one likes: a simulated one, copied to other places on the sky under other ObsIDs and names.

To simulate a detection takes a tenth of a second, to copy one a few milliseconds. In each copy every file is a new
product: its ObsID, its names and its right ascension are others, in headers, tables and papers alike. Photons, spectra
and areas are those of the original; matrices too, as detections of one chip share them in the real archive.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from isal import igzip

from catalog.parallel import map_ordered
from ingest.simulate import simulate

TENTHS = 864_000
"""Tenths of a second of right ascension in a turn: names tell the place to one of these."""
SOURCES = 60
FIRST_OBSID, SIMULATED_OBSID = 10_000, 70_001
N_OBSIDS = 40
"""ObsIDs from the first to the last of a simulated survey of so many sources."""
COPIES = (70_000 - FIRST_OBSID) // N_OBSIDS
"""More would not have room in ObsIDs of five digits, beside the original's."""
PAPERS_KEPT = 14
"""A copy has one paper of so many: the literature has one for some twenty detections."""
_NAME = re.compile(rb"J(\d\d)(\d\d)(\d\d)(\.?)(\d)(?=[+\-pm]\d{6})")
_OBSID = re.compile(rb"(?<!\d)(700\d\d)(?!\d)")
_OBJECT = re.compile(rb"\b(NGC|Sim[A-Z]\w*) (\d+)\b")
_CARD = re.compile(rb"(OBJECT  |RA_PNT  |RA_NOM  |RA_TARG |TCRVL11 )= (.{70})")
_TEXTS = frozenset({".tsv", ".csv", ".json"})
_DEGREES = frozenset({"ra", "ra_cat", "ra.1"})


@dataclass(frozen=True)
class Copy:
    """What a copy changes.

    Attributes
    ----------
    number : int
        From 0.
    tenths : int
        How far it is moved in right ascension, tenths of a second of time.
    """

    number: int
    tenths: int

    def degrees(self, text: bytes) -> bytes:
        """Move a right ascension in degrees.

        Examples
        --------
        >>> Copy(1, 1000).degrees(b"359.9")
        b'0.316666667'
        """
        return b"%.9f" % ((float(text) + self.tenths * 360 / TENTHS) % 360)

    def text(self, content: bytes) -> bytes:
        """Change names of sources, fields and stacks, and ObsIDs, in any text.

        Examples
        --------
        >>> Copy(1, 3).text(b"2CXO J235959.9+101010 in ObsID 70001, SimGC 7")
        b'2CXO J000000.2+101010 in ObsID 10040, SimGC 10007'
        """
        content = _NAME.sub(self._name, content)
        content = _OBJECT.sub(lambda found: b"%b %d" % (found[1], int(found[2]) + 10_000 * self.number), content)
        return _OBSID.sub(lambda found: b"%05d" % self._obsid(int(found[1])), content)

    def fits(self, content: bytes) -> bytes:
        """Change a FITS file's headers; the length stays."""
        content = _NAME.sub(self._name, content)
        content = _CARD.sub(self._card, content)
        return _OBSID.sub(lambda found: b"%05d" % self._obsid(int(found[1])), content)

    def table(self, content: bytes) -> bytes:
        """Change a table: names and ObsIDs, and positions in the columns that have them."""
        lines = self.text(content).split(b"\n")
        head = next(i for i, line in enumerate(lines) if line and not line.startswith(b"#"))
        separator = b"\t" if b"\t" in lines[head] else b","
        places = [i for i, label in enumerate(lines[head].split(separator)) if label.strip().decode() in _DEGREES]
        for i in range(head + 1, len(lines)):
            cells = lines[i].split(separator)
            if len(cells) > max(places):
                for place in places:
                    cells[place] = self.degrees(cells[place])
                lines[i] = separator.join(cells)
        return b"\n".join(lines)

    def papers(self, content: bytes) -> bytes:
        """Keep some papers of an answer, under bibcodes of this copy."""
        import json  # noqa: PLC0415 - worker processes start sooner

        answer = json.loads(self.text(content))
        docs = [d for i, d in enumerate(answer["response"]["docs"]) if (i + self.number) % PAPERS_KEPT == 0]
        for doc in docs:
            doc["bibcode"] = f"{doc['bibcode'][:4]}S{self.number:04d}{doc['bibcode'][9:]}"
            doc["identifier"] = [doc["bibcode"]]
            doc.pop("doi", None)
        answer["response"] |= {"docs": docs, "numFound": len(docs), "start": 0}
        return json.dumps(answer).encode()

    def _obsid(self, obsid: int) -> int:
        return FIRST_OBSID + self.number * N_OBSIDS + obsid - SIMULATED_OBSID

    def _name(self, found: re.Match[bytes]) -> bytes:
        hours, minutes, seconds, tenth = (int(found[i]) for i in (1, 2, 3, 5))
        place = (((hours * 60 + minutes) * 60 + seconds) * 10 + tenth + self.tenths) % TENTHS
        whole, tenth = divmod(place, 10)
        return b"J%02d%02d%02d%b%d" % (whole // 3600, whole // 60 % 60, whole % 60, found[4], tenth)

    def _card(self, found: re.Match[bytes]) -> bytes:
        value = found[2].split(b" / ")[0].strip()
        new = self.text(value) if found[1] == b"OBJECT  " else self.degrees(value).rjust(20)
        return found[1] + b"= " + new.ljust(70)


@dataclass(frozen=True)
class CopiedSurvey:
    """What was written: how many detections and files in the folder, and the files of one detection more."""

    folder: Path
    more: Path
    detections: int
    files: int


def write_survey(work: Path, detections: int, workers: int | None = None) -> CopiedSurvey:
    """Write a survey with at least so many detections; what is there already is not written again.

    Parameters
    ----------
    work : Path
        A folder for this survey, and for the one it is copied from.
    detections : int
        At least so many.
    workers : int, optional
        Processes; by default one per processor.
    """
    original = work / "simulated"
    known = simulate(original, SOURCES, 1, workers)
    n_copies = -(-detections // known.detections)
    if n_copies > COPIES:
        message = f"expected at most {COPIES * known.detections:,} detections, found {detections:,}"
        raise ValueError(message)
    folder, more = work / f"survey_{detections}", work / f"more_{detections}"
    # The last one is not in the survey: of it one detection is added later.
    copies = [Copy(i, i * (TENTHS // (n_copies + 1))) for i in range(n_copies + 1)]
    for _ in map_ordered(partial(_write_copy, original, folder), copies[:-1], workers):
        pass
    if not more.is_dir():
        _write_one(original, more, copies[-1])
    files = sum(1 for path in folder.rglob("*") if path.is_file() and path.name != ".done")
    return CopiedSurvey(folder, more, n_copies * known.detections, files)


def _write_copy(original: Path, folder: Path, copy: Copy) -> None:
    """Write one copy whole, unless it is there."""
    target = folder / f"{copy.number:05d}"
    if (target / ".done").is_file():
        return
    for path in original.rglob("*"):
        if path.is_file() and path.parent != original:
            _write_file(path, path.relative_to(original), target, copy)
    (target / ".done").touch()


def _write_one(original: Path, target: Path, copy: Copy) -> None:
    """Write the products of one detection."""
    some = min(path.parent for path in original.glob("2CXO*/*/*regevt3*"))
    for path in some.iterdir():
        _write_file(path, path.relative_to(original), target, copy)


def _write_file(path: Path, name: Path, target: Path, copy: Copy) -> None:
    new = target / copy.text(str(name).encode()).decode()
    new.parent.mkdir(parents=True, exist_ok=True)
    content = path.read_bytes()
    if path.suffix in _TEXTS:
        change: Callable[[bytes], bytes] = copy.papers if path.suffix == ".json" else copy.table
        new.write_bytes(change(content))
    elif path.suffix == ".gz":
        new.write_bytes(igzip.compress(copy.fits(igzip.decompress(content)), 2))
    else:
        new.write_bytes(copy.fits(content))
