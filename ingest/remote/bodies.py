"""Bodies into files: in flat memory, resumed by range where the service can, given up only when nothing more comes."""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from catalog.errors import OutOfSpace, Transient, is_disk_full
from catalog.schema.identifiers import whole_number
from ingest.remote.errors import BodyIncomplete, WrongContent
from ingest.remote.http import Client, refuse_html
from ingest.remote.services import Request

log = logging.getLogger(__name__)

SPARE_BYTES = 256 << 20
"""Left free on the disk whatever is fetched: the lake needs room, too."""

HEAD = 1000
_CHECK_EVERY = 16 << 20
_PARTIAL, _RANGE = 206, 416


@dataclass(frozen=True)
class Received:
    """A body that arrived whole.

    Attributes
    ----------
    bytes : int
        Its size.
    headers : dict of str to str
        Names in lower case.
    """

    bytes: int
    headers: dict[str, str]


class _Broken(BodyIncomplete):
    """A body that broke off, with what tells whether the rest still belongs to it."""

    def __init__(self, message: str, validator: str | None) -> None:
        self.validator = validator
        super().__init__(message)


class _Restart(Transient):
    """What we have is no beginning of what the service has now."""


def download(
    client: Client,
    request: Request,
    part: Path,
    *,
    check_head: Callable[[bytes], None] | None = None,
    resume: bool = True,
    on_bytes: Callable[[int], None] | None = None,
) -> Received:
    """Stream a body into a file; go on by range where it broke off, where the service can.

    Parameters
    ----------
    client : Client
    request : Request
    part : Path
        The unfinished file; what an earlier try left in it is used where `resume` allows.
    check_head : callable, optional
        Called with the first bytes; raises for what is not wanted.
    resume : bool
        Whether what is in `part` already may be the beginning of this body.
    on_bytes : callable, optional
        Called with the number of bytes that came (negative where some had to be thrown away).

    Raises
    ------
    Transient or Terminal
        As `ingest.remote.services` tells them apart; what came stays in `part` for the next try.
    OutOfSpace
        If the disk would run full.
    """
    if not resume:
        part.unlink(missing_ok=True)
    transfer = _Transfer(client, request, part, check_head, on_bytes or (lambda _: None))
    failures, best = 0, 0
    while True:
        have = transfer.have()
        try:
            return transfer.run(have)
        except _Restart:
            transfer.forget(have)
            failures += 1
            last: Transient = BodyIncomplete(f"{request.name} changes while it comes; type the same again later")
        except WrongContent as error:
            transfer.forget(have)
            failures, last = failures + 1, error
        except BodyIncomplete as error:
            # A body that comes further with every try is not given up; one that always breaks early is.
            failures = 1 if transfer.have() > best else failures + 1
            best, last = max(best, transfer.have()), BodyIncomplete(f"{request.name}: {error}")
        if failures >= client.manners.attempts:
            raise last
        log.debug("%s; trying again", last)
        client.session.pause(client.manners.pause_s(failures))


class _Transfer:
    """The tries to bring one body."""

    def __init__(
        self,
        client: Client,
        request: Request,
        part: Path,
        check_head: Callable[[bytes], None] | None,
        report: Callable[[int], None],
    ) -> None:
        self._client, self._request, self._part = client, request, part
        self._check_head, self._report = check_head, report
        self._validator: str | None = None

    def have(self) -> int:
        """Return how many bytes are there."""
        return self._part.stat().st_size if self._part.exists() else 0

    def forget(self, n_bytes: int) -> None:
        """Throw away what is there."""
        self._report(-n_bytes)
        self._part.unlink(missing_ok=True)

    def run(self, have: int) -> Received:
        """Bring one body, or the rest of one, in one go."""
        with self._client.open(self._request, self._range(have)) as response:
            headers = {k.lower(): v for k, v in response.headers.items()}
            told = headers.get("content-range", "")
            if response.status_code == _RANGE:
                if told.endswith(f"*/{have}"):
                    return Received(have, headers)
                raise _Restart
            at = have if response.status_code == _PARTIAL else 0
            if at and not told.startswith(f"bytes {have}-"):
                raise _Restart
            if have and not at:
                self._report(-have)  # it does not go on where we were: from the start
            length = headers.get("content-length", "")
            check_space(self._part.parent, whole_number(length) or 0)
            try:
                return Received(at + self._write(response, at), headers)
            except BodyIncomplete as error:
                etag = headers.get("etag", "")
                self._validator = etag if etag and not etag.startswith("W/") else headers.get("last-modified")
                raise _Broken(str(error), self._validator) from error
            except OutOfSpace:
                if not length:  # a body without an end in sight: what came of it is of no use
                    self.forget(self.have())
                raise
            except OSError as error:
                if is_disk_full(error):
                    message = "the disk is full; free some space and type the same again"
                    raise OutOfSpace(errno.ENOSPC, message) from error
                raise

    def _range(self, have: int) -> dict[str, str]:
        if not have:
            return {}
        condition = {"If-Range": self._validator} if self._validator else {}
        return {"Range": f"bytes={have}-"} | condition

    def _write(self, response: requests.Response, at: int) -> int:
        """Write what comes; the first bytes are looked at before they are believed."""
        written = unchecked = 0
        head: bytes | None = None if at else b""
        with self._part.open("ab" if at else "wb") as out:
            for piece in self._client.pieces(response, at):
                if head is not None:
                    head = self._look_at(head + piece[:HEAD], final=False)
                out.write(piece)
                written += len(piece)
                unchecked += len(piece)
                if unchecked >= _CHECK_EVERY:  # whatever length was told, or none
                    check_space(self._part.parent, 0)
                    unchecked = 0
                self._report(len(piece))
            if head is not None:
                self._look_at(head, final=True)
        return written

    def _look_at(self, head: bytes, *, final: bool) -> bytes | None:
        """Check the first bytes once there are enough of them; None when done."""
        refuse_html(head, self._request)
        if len(head) < HEAD and not final:
            return head
        if self._check_head:
            self._check_head(head)
        return None


def check_space(folder: Path, n_bytes: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises
    ------
    OutOfSpace
        With both numbers.
    """
    free = shutil.disk_usage(folder).free
    if n_bytes + SPARE_BYTES > free:
        said = f"{n_bytes / 1e9:.2f} GB are to come and {free / 1e9:.2f} GB are free"
        raise OutOfSpace(errno.ENOSPC, f"{said}; free some space or ask for less")
