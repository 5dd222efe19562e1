"""Tables to and from TOPCAT, Aladin and DS9 that run on this machine, by SAMP.

Source: SAMP: Simple Application Messaging Protocol 1.3 (IVOA Recommendation 2012); MTypes table.load.votable and
table.load.fits.
"""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import pyarrow as pa

from catalog.errors import QueryError, suggestion
from catalog.formats import own_tables
from catalog.formats.export import export
from catalog.query.result import BATCH_ROWS

if TYPE_CHECKING:
    from pyvo.samp import SAMPIntegratedClient

_LOADS = {"table.load.votable": ".vot", "table.load.fits": ".fits"}
_ANSWER_S = 60
_LARGEST = 1 << 31


def send(table: pa.Table, to: str = "all", name: str = "photonlake") -> list[str]:
    """Send a table to programs that show tables.

    Parameters
    ----------
    table : pyarrow.Table
        With unit, UCD and description in the fields' metadata.
    to : str
        A program's name, as 'topcat'; or 'all' that take tables.
    name : str
        What the table is called there.

    Returns
    -------
    list of str
        Names of the programs that took it.

    Raises
    ------
    QueryError
        If no hub runs, or no such program, or one that does not take it.

    Examples
    --------
    >>> send(pa.table({"ra": [148.97], "dec": [69.68]}), "topcat")  # doctest: +SKIP
    ['topcat']
    """
    with _client() as client, tempfile.TemporaryDirectory(prefix="photonlake-") as folder:
        there = {key: _name(client, key) for key in client.get_subscribed_clients("table.load.votable")}
        chosen = [key for key, known in there.items() if to.lower() in {"all", known.lower()}]
        if not chosen:
            names = sorted(there.values())
            running = f"there are {', '.join(names)}{suggestion(to, names)}" if names else "none that takes tables runs"
            raise QueryError(f"SAMP: no program {to!r} to send a table to; {running}")
        file = Path(folder) / "result.vot"
        export(table.to_reader(BATCH_ROWS), file, "votable")
        told = {"url": file.as_uri(), "name": name, "table-id": f"photonlake-{uuid.uuid4().hex}"}
        message = {"samp.mtype": "table.load.votable", "samp.params": told}
        for key in chosen:  # each has read the file when it answers; then it can go
            answer = client.call_and_wait(key, message, str(_ANSWER_S))
            if answer.get("samp.status") == "samp.error":
                raise QueryError(f"SAMP: {there[key]} did not take the table: {answer.get('samp.error')}")
        return [there[key] for key in chosen]


def receive(timeout_s: float = 300, on_wait: Callable[[], object] = lambda: None) -> pa.Table:
    """Wait for one table that another program sends, as TOPCAT's "Send table to ... photonlake" does.

    Parameters
    ----------
    timeout_s : float
        So long at most.
    on_wait : callable
        Called when all is ready for the table.

    Returns
    -------
    pyarrow.Table
        With units and UCDs: `cat.register("mine", receive())`.

    Raises
    ------
    QueryError
        If no hub runs, or no table came, or it is not on this machine.
    UnreadableFile
        If it is no table.

    Examples
    --------
    >>> cat.register("mine", receive())  # doctest: +SKIP
    """
    came: queue.Queue[pa.Table | Exception] = queue.Queue()
    with _client() as client:

        def take(_key: str, _sender: str, id_: str, mtype: str, parameters: dict[str, str], _extra: object) -> None:
            try:
                table = _read(parameters["url"], _LOADS[mtype])
            except Exception as error:  # noqa: BLE001 - told to both who wait
                came.put(error)
                client.reply(
                    id_, {"samp.status": "samp.error", "samp.result": {}, "samp.error": {"samp.errortxt": str(error)}}
                )
            else:
                client.reply(id_, {"samp.status": "samp.ok", "samp.result": {}})
                came.put(table)

        def note(_key: str, _sender: str, mtype: str, parameters: dict[str, str], _extra: object) -> None:
            try:
                came.put(_read(parameters["url"], _LOADS[mtype]))
            except Exception as error:  # noqa: BLE001 - told to who waits
                came.put(error)

        for mtype in _LOADS:
            client.bind_receive_call(mtype, take)
            client.bind_receive_notification(mtype, note)
        on_wait()
        try:
            found = came.get(timeout=timeout_s)
        except queue.Empty:
            raise QueryError(f"SAMP: no table came in {timeout_s:g} s; send one from TOPCAT to photonlake") from None
    if isinstance(found, Exception):
        raise found
    return found


@contextlib.contextmanager
def _client() -> Iterator[SAMPIntegratedClient]:
    """Stand in the hub of this machine as photonlake."""
    from pyvo import samp  # noqa: PLC0415 - for those who send and receive alone

    told = {"samp.name": "photonlake", "samp.description.text": "A Chandra archive that answers SQL"}
    with samp.conf.set_temp("use_internet", False), warnings.catch_warnings():
        warnings.simplefilter("ignore", samp.SAMPWarning)
        client = samp.SAMPIntegratedClient(metadata=told, addr="127.0.0.1")
        try:
            client.connect()
        except (samp.SAMPHubError, OSError) as error:
            raise QueryError("SAMP: no hub runs on this machine; start TOPCAT or Aladin, then try again") from error
        try:
            yield client
        finally:
            client.disconnect()


def _name(client: SAMPIntegratedClient, key: str) -> str:
    said: dict[str, Any] = client.get_metadata(key)
    return str(said.get("samp.name", key))


def _read(url: str, suffix: str) -> pa.Table:
    """Read a table that lies on this machine: a file, or what a program here serves."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return own_tables.read_as(Path(unquote(parts.path)), suffix)
    if parts.scheme != "http" or not _is_here(parts.hostname or ""):
        raise QueryError(f"SAMP: expected a file, or an address of this machine; found {url}")
    with tempfile.TemporaryDirectory(prefix="photonlake-") as folder, urlopen(url, timeout=_ANSWER_S) as answer:  # noqa: S310 - http, of this machine
        file = Path(folder) / f"table{suffix}"
        content = answer.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise QueryError(f"SAMP: the table is larger than {_LARGEST >> 30} GiB; save it, and give it by --with")
        file.write_bytes(content)
        return own_tables.read_as(file, suffix)


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine.

    Examples
    --------
    >>> _is_here("127.0.0.1"), _is_here("localhost"), _is_here("example.org")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
