"""DataLink: what belongs to a data product, and the product itself; and the addresses at which files are handed out.

Source: DataLink 1.1 (IVOA Recommendation 2023), sections 2 and 3; its core vocabulary, http://www.ivoa.net/rdf/datalink/core.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from catalog.errors import PhotonlakeError, QueryError
from catalog.formats.votable import write_votable
from catalog.serve.callers import refused
from catalog.serve.obscore import LINKS
from catalog.serve.products import LARGEST_ID, ProductFile, Products
from catalog.serve.tap_documents import error_votable
from catalog.serve.tap_formats import VOTABLE
from catalog.serve.tap_uploads import at_most

MIME = f"{VOTABLE};content=datalink"
_DID = re.compile(r"ivo://x-unregistered/photonlake\?(?:file-([0-9]{1,19})|([0-9a-f]{64}))", re.ASCII)
_MOST_IDS = 20
_MOST_BYTES, _LONGEST_ID = 1 << 16, 200
_PIECE = 1 << 20
_COLUMNS = (
    ("ID", "meta.id;meta.main", "Name of the data set that was asked for"),
    ("access_url", "meta.ref.url", "Address of the file"),
    ("service_def", "meta.ref", "Service that gives it; there is none here"),
    ("error_message", "meta.code.error", "Why there is no address"),
    ("semantics", "meta.code", "What the file is to the data set"),
    ("description", "meta.note", "What the file is"),
    ("content_type", "meta.code.mime", "Media type of the file"),
    ("content_length", "phys.size;meta.file", "Size of the file"),
)
# Of one detection: what is made of what. Photons come first, and all else is made of them.
_RELATED = """
WITH asked AS (SELECT file_id, kind, obsid, obi, detection_id, region_id FROM product.header WHERE file_id = $id),
same AS (
  SELECT h.file_id, h.kind FROM product.header AS h JOIN asked AS a ON h.detection_id = a.detection_id
  WHERE h.file_id != a.file_id
),
field AS (
  SELECT h.file_id, 'field' AS kind FROM product.header AS h JOIN asked AS a ON h.obsid = a.obsid
  WHERE a.region_id IS NOT NULL AND h.kind = 'events' AND h.region_id IS NULL AND (h.obi = a.obi OR h.obi IS NULL)
),
spectrum AS (SELECT s.arf_id, s.rmf_id, s.background_id FROM product.spectrum AS s WHERE s.file_id = $id),
response AS (
  SELECT r.file_id, r.kind
  FROM product.response_file AS r
  JOIN (SELECT arf_id AS id FROM spectrum UNION SELECT rmf_id FROM spectrum) AS s ON s.id = r.response_id
  CROSS JOIN asked AS a
  QUALIFY row_number() OVER (
    PARTITION BY r.kind, r.response_id ORDER BY r.detection_id IS DISTINCT FROM a.detection_id, r.file_id) = 1
),
background AS (
  SELECT b.file_id, 'background' AS kind
  FROM product.spectrum AS b JOIN spectrum AS s ON b.spectrum_id = s.background_id
  WHERE b.file_id != $id
)
SELECT (SELECT kind FROM asked), file_id, kind
FROM (FROM same UNION FROM field UNION FROM response UNION FROM background)
ORDER BY kind, file_id
"""
_WHAT = {
    "events": "Photons of the detection",
    "field": "Photons of the whole field",
    "spectrum": "Spectrum of the detection",
    "light_curve": "Light curve of the detection",
    "region": "Source and background regions of the detection",
    "arf": "Effective area (ARF) of the spectrum",
    "rmf": "Response matrix (RMF) of the spectrum",
    "background": "Background of the spectrum",
}


@dataclass
class DataLink:
    """Answers `?ID=...`, and hands files out.

    Parameters
    ----------
    products : Products
    """

    products: Products

    async def links(self, request: Request) -> Response:
        """Answer with the links of some data sets, named by their `obs_publisher_did`."""
        items: list[tuple[str, str | UploadFile]] = list(request.query_params.multi_items())
        if request.method == "POST":
            try:
                sent = Request(request.scope, at_most(_MOST_BYTES, request.receive))
                items += (await sent.form(max_fields=2 * _MOST_IDS, max_files=0)).multi_items()
            except QueryError as error:
                return Response(error_votable(f"UsageFault: {error}"), 400, media_type=VOTABLE)
        ids = [v for n, v in items if n.upper() == "ID" and isinstance(v, str)]
        asked = {n.upper(): v for n, v in items}
        form = "".join(str(asked.get("RESPONSEFORMAT") or VOTABLE).lower().split())
        if not form.startswith((VOTABLE, "votable", "text/xml")):
            said = "UsageFault: links are a VOTable; leave RESPONSEFORMAT out"
            return Response(error_votable(said), 400, media_type=VOTABLE)
        try:
            content = await run_in_threadpool(self._document, list(dict.fromkeys(ids)))
        except PhotonlakeError as error:
            return Response(error_votable(f"FatalFault: {error}"), 500, media_type=VOTABLE)
        return Response(content, media_type=MIME)

    def _document(self, ids: list[str]) -> bytes:
        rows = [row for did in ids[:_MOST_IDS] for row in self._of(did)]
        names = [name for name, _, _ in _COLUMNS]
        fields = [
            pa.field(name, pa.int64() if name == "content_length" else pa.string(), metadata=_about(name, ucd, what))
            for name, ucd, what in _COLUMNS
        ]
        schema = pa.schema(fields)
        table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=schema)
        stream = io.BytesIO()
        more = len(ids) > _MOST_IDS
        write_votable(table.to_reader(), stream, {"standardID": LINKS}, "TABLEDATA", more=more)
        return stream.getvalue()

    def _of(self, did: str) -> Iterator[tuple[object, ...]]:
        """Yield the links of one data set; an error is a link too."""
        if (known := _DID.fullmatch(did)) is None:
            yield _error(
                did[:_LONGEST_ID], f"UsageFault: {did[:100]} is none of the names that obs_publisher_did has here"
            )
            return
        if known[1] and int(known[1]) > LARGEST_ID:
            yield _error(did, f"NotFoundFault: {did} cannot be found")
            return
        which = "file_id = $id" if known[1] else "sha256 = $id"
        query = (
            f"SELECT file_id FROM meta.file WHERE {which} AND status = 'loaded' "
            "AND kind IN ('events', 'spectrum', 'light_curve')"
        )
        found = self._rows(query, id=int(known[1]) if known[1] else known[2])
        files = self.products.files([int(str(row[0])) for row in found])
        if not files:
            said = "is not on disk any more" if found else "cannot be found"
            yield _error(did, f"NotFoundFault: {did} {said}")
            return
        for file in files:
            yield self._link(did, file, "#this", "The file itself")
            related = self._rows(_RELATED, id=file.file_id)
            there = {f.file_id: f for f in self.products.files([int(str(row[1])) for row in related])}
            for own, file_id, kind in related:
                if other := there.get(int(str(file_id))):
                    yield self._link(did, other, _semantics(str(own), str(kind)), _WHAT[str(kind)])

    def _rows(self, query: str, **values: object) -> list[tuple[object, ...]]:
        products = self.products
        return products.catalog.sql(query, snapshot=products.snapshot, parameters=values).fetchall()

    def _link(self, did: str, file: ProductFile, semantics: str, what: str) -> tuple[object, ...]:
        return did, self.products.address(file.file_id), None, None, semantics, what, file.mime, file.n_bytes

    async def file(self, request: Request) -> Response:
        """Hand out one file, by its number in the ledger."""

        def opened() -> tuple[ProductFile, BinaryIO]:
            found = self.products.file(request.path_params["id"])
            return found, self.products.opened(found)

        try:
            file, stream = await run_in_threadpool(opened)
        except PhotonlakeError as error:
            return refused(404, str(error))
        headers = {
            "Content-Length": str(file.n_bytes),
            "Content-Disposition": f'attachment; filename="{file.name}"',
            "ETag": f'"{file.sha256}"',
        }
        return StreamingResponse(_pieces(stream), 200, headers, file.mime)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(_PIECE):
            yield piece


def _about(name: str, ucd: str, what: str) -> dict[str, str]:
    return {"ucd": ucd, "description": what} | ({"unit": "byte"} if name == "content_length" else {})


def _error(did: str, said: str) -> tuple[object, ...]:
    return did, None, None, said, "#this", None, None, None


def _semantics(own: str, other: str) -> str:
    """Return what a file is to another of the same detection, in the words of the vocabulary."""
    if other in {"arf", "rmf"}:
        return "#calibration"
    if other in {"field", "events"}:
        return "#progenitor"
    return "#derivation" if own == "events" and other != "region" else "#auxiliary"
