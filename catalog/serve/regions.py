"""Where the photons of each detection are, read once for all of a snapshot: to look one up takes most of a click."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from catalog.catalog import Catalog
from catalog.errors import PhotonlakeError

_LOG = logging.getLogger(__name__)
_REGIONS = (
    "SELECT r.*, h.tstop_s - h.tstart_s AS span_s FROM product.detection_region AS r "
    "LEFT JOIN product.header AS h ON h.file_id = r.file_id"
)


@dataclass
class Regions:
    """The rows of product.detection_region, each with the length of its file; safe for several threads.

    Parameters
    ----------
    catalog : Catalog
    """

    catalog: Catalog
    _held: tuple[int, pa.Table] | None = None
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> None:
        """Read them, unless they are there or another thread is at it."""
        if not self._reading.acquire(blocking=False):
            return
        try:
            number = self.catalog.snapshot
            if self._held is None or self._held[0] != number:
                self._held = number, self.catalog.sql(_REGIONS).arrow().combine_chunks()
        except PhotonlakeError as error:
            _LOG.info("regions not read: %s", error)  # a click then looks its own up, and tells what is wrong
        finally:
            self._reading.release()

    def of(self, id_: str) -> list[dict[str, object]] | None:
        """Return the rows of a detection, none for one without photons; None where they have yet to be read.

        Where the store has a new snapshot since they were read, they are read again in the background.
        """
        held = self._held
        if held is None:
            return None
        if held[0] != self.catalog.snapshot:
            threading.Thread(target=self.read, daemon=True).start()
            return None
        found: list[dict[str, object]] = held[1].filter(pc.equal(held[1]["detection_id"], id_)).to_pylist()
        return found
