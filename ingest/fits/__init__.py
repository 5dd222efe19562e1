"""FITS binary tables as a stream: headers, then rows in chunks, native byte order, no astropy object.

Why not astropy.io.fits here: a 50-million-event file must pass through a few MB of memory, gzipped or not, in one
forward pass that also hashes it, and headers of ten thousand small files must parse in seconds. The test suite holds
every number against astropy's.
"""

from ingest.fits.columns import Array, Field, null_mask, resolve, resolve_number
from ingest.fits.header import Value, integer, parse_header
from ingest.fits.stream import HDU, read_hdus

__all__ = [
    "HDU",
    "Array",
    "Field",
    "Value",
    "integer",
    "null_mask",
    "parse_header",
    "read_hdus",
    "resolve",
    "resolve_number",
]
