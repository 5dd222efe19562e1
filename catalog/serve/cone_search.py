"""Simple Cone Search on the sources of the catalog: the oldest way to ask a service, which every client still speaks.

Source: Simple Cone Search 1.03 (IVOA Recommendation 2008).
"""

from __future__ import annotations

import io
import math

import pyarrow as pa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from catalog.errors import PhotonlakeError, QueryError
from catalog.formats.votable import write_votable
from catalog.serve.tap_service import TapService

_MIME = "text/xml;content=x-votable"
_WHOLE_SKY_DEG = 180.0
_POLE_DEG = 90.0
# The standard wants these words of UCD1, exactly once each.
_MAIN = {"name": "ID_MAIN", "ra": "POS_EQ_RA_MAIN", "dec": "POS_EQ_DEC_MAIN"}
_VERBOSITY = {
    "1": "name, ra, dec, separation_arcsec",
    "2": "name, ra, dec, separation_arcsec, err_ellipse_r0, err_ellipse_r1, err_ellipse_ang, significance, "
    "flux_aper_b, flux_aper_lolim_b, flux_aper_hilim_b, hard_hs, hard_hm, hard_ms, extent_flag, var_flag",
    "3": "*",
}


class ConeSearch:
    """Answers `?RA=..&DEC=..&SR=..`, all in degrees.

    Parameters
    ----------
    service : TapService
    """

    def __init__(self, service: TapService) -> None:
        self._service = service

    async def __call__(self, request: Request) -> Response:
        """Answer one search; what is wrong with it is a VOTable too."""
        given = {name.upper(): value for name, value in request.query_params.items()}
        try:
            return Response(await run_in_threadpool(self._answer, given), media_type=_MIME)
        except PhotonlakeError as error:
            stream = io.BytesIO()
            write_votable(pa.table({}).to_reader(), stream, {"Error": str(error)}, "TABLEDATA")
            return Response(stream.getvalue(), media_type=_MIME)

    def _answer(self, given: dict[str, str]) -> bytes:
        ra, dec, radius = (_number(given, name) for name in ("RA", "DEC", "SR"))
        if not (abs(dec) <= _POLE_DEG and 0 <= radius <= _WHOLE_SKY_DEG):
            raise QueryError("expected DEC between -90 and 90, and SR between 0 and 180")
        columns = _VERBOSITY.get(given.get("VERB", "2"), _VERBOSITY["2"])
        query = f"SELECT {columns} FROM cone({ra!r}, {dec!r}, {radius * 3600!r}) AS c"
        answer = self._service.ask(query)
        fields = [
            f.with_metadata({**(f.metadata or {}), b"ucd": _MAIN[f.name].encode()}) if f.name in _MAIN else f
            for f in answer.table.schema
        ]
        table = answer.table.cast(pa.schema(fields, answer.table.schema.metadata))
        stream = io.BytesIO()
        write_votable(table.to_reader(), stream, {}, "TABLEDATA", more=answer.more)
        return stream.getvalue()


def _number(given: dict[str, str], name: str) -> float:
    try:
        value = float(given[name])
    except (KeyError, ValueError) as error:
        raise QueryError(f"expected {name} in degrees, as in ?RA=148.96&DEC=69.68&SR=0.02") from error
    if not math.isfinite(value):
        raise QueryError(f"{name}={given[name]}: expected a number")
    return value
