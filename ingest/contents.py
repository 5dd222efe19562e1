"""Which file holds a content, and which files repeat it: each content is in the store once."""

from __future__ import annotations

import os
from collections.abc import Mapping

from catalog.store.manifest import DUPLICATE, LOADED, FileEntry, Known
from ingest.detect import ARCHIVE
from ingest.planning import archive_of

REGION = "region"
"""Kind of region files."""

Content = tuple[str | None, str]


def content_of(path: str, file: FileEntry | Known) -> Content:
    """Return what makes two files one: their content; a region's text means another source in another folder.

    Examples
    --------
    >>> content_of("/a/source.reg", Known(1, 1, LOADED, "ab", 1, REGION))
    ('ab', '/a')
    """
    return file.sha256, os.path.dirname(path) if file.kind == REGION else ""  # noqa: PTH120 - a hundred thousand times


def members_of(ledger: Mapping[str, Known]) -> dict[str, list[str]]:
    """Return the files in each archive that a ledger knows."""
    members: dict[str, list[str]] = {path: [] for path, known in ledger.items() if known.kind == ARCHIVE}
    for path in ledger if members else ():
        if archive := archive_of(path, members):
            members[archive].append(path)
    return members


class Contents:
    """The contents of a store during a refresh.

    Parameters
    ----------
    ledger : mapping of str to Known
        meta.file by path.

    Examples
    --------
    >>> held = Known(1, 1, LOADED, "ab", 1)
    >>> contents = Contents({"/a": held, "/copy": held._replace(status=DUPLICATE)})
    >>> contents.holder(("ab", ""))
    '/a'
    >>> contents.give_up("/a", held)
    >>> contents.left_alone()
    ['/copy']
    """

    def __init__(self, ledger: Mapping[str, Known]) -> None:
        self._holders: dict[Content, str] = {}
        self._copies: dict[Content, list[str]] = {}
        self._given_up: set[Content] = set()
        for path, known in ledger.items():
            if known.status == LOADED and known.sha256:
                self._holders[content_of(path, known)] = path
            elif known.status == DUPLICATE:
                self._copies.setdefault(content_of(path, known), []).append(path)

    def holder(self, content: Content) -> str | None:
        """Return the file that holds a content; None for none."""
        return self._holders.get(content)

    def hold(self, content: Content, path: str) -> str:
        """Let a file hold a content that no other holds; return the one that does."""
        return self._holders.setdefault(content, path)

    def give_up(self, path: str, known: Known | None) -> None:
        """Note that a file no longer holds the content it had."""
        if known is not None and known.sha256 and self._holders.get(content := content_of(path, known)) == path:
            del self._holders[content]
            self._given_up.add(content)

    def left_alone(self) -> list[str]:
        """Return the known copies of contents that were given up since the last call and that no file holds now."""
        alone = [path for c in self._given_up if c not in self._holders for path in self._copies.get(c, ())]
        self._given_up.clear()
        return alone
