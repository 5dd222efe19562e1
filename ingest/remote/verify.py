"""Is a downloaded file whole? Gunzip to the end, and the checksums that FITS files carry.

Source: FITS 4.0, section 4.4.2.7 and appendix J (CHECKSUM, DATASUM: ones'-complement sums of 32-bit words).
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from ingest.remote.errors import BodyIncomplete
from ingest.streams import DAMAGED, open_content

BLOCK = 2880
_CARD = 80
_PIECE_BLOCKS = 364  # about 1 MB
_ALL_ONES = 0xFFFFFFFF
_MAX_HEADER_BLOCKS = 10_000
_END = b"END".ljust(8)


def verify_file(path: Path) -> int:
    """Read a file to its end, gunzipping it where it is gzipped, and check what checks itself.

    Parameters
    ----------
    path : Path
        FITS, gzipped or not; of anything else only the gzip checksum is verified.

    Returns
    -------
    int
        Number of checksums that were compared.

    Raises
    ------
    BodyIncomplete
        If it is cut, or a checksum is another one.
    """
    try:
        with open_content(str(path)) as stream:
            return verify_fits(stream)
    except DAMAGED as error:
        raise BodyIncomplete(f"{path.name.removesuffix('.part')} is damaged ({error})") from error


def verify_fits(stream: BinaryIO) -> int:
    """Check CHECKSUM and DATASUM of every HDU, in flat memory.

    Raises
    ------
    BodyIncomplete
        If the file is cut or a sum is another one.

    Examples
    --------
    >>> import io
    >>> from astropy.io import fits
    >>> hdu, out = fits.PrimaryHDU(np.arange(5)), io.BytesIO()
    >>> hdu.writeto(out, checksum=True)
    >>> verify_fits(io.BytesIO(out.getvalue()))
    2
    >>> verify_fits(io.BytesIO(out.getvalue()[:-1] + b"a"))
    Traceback (most recent call last):
    ingest.remote.errors.BodyIncomplete: HDU 0: DATASUM is 10, and the data sum up to 107
    """
    compared = index = 0
    while True:
        first = _read(stream, BLOCK)
        if not first or (index == 0 and not first.startswith(b"SIMPLE  =")):
            while _read(stream, BLOCK * _PIECE_BLOCKS):
                pass  # to the end: that checks the gzip sum
            return compared
        if not first.startswith((b"SIMPLE  =", b"XTENSION")):
            if first.strip(b"\0 "):
                raise BodyIncomplete(f"HDU {index}: expected XTENSION, found {first[:8]!r}")
            index += 1
            continue  # padding at the end of a file
        header = _header(first, stream, index)
        values = _values(header)
        data_sum = _sum_of(stream, _data_bytes(values), index)
        compared += _compare(values, _add(_sum(header), data_sum), data_sum, index)
        index += 1


def _compare(values: dict[bytes, bytes], total: int, data_sum: int, index: int) -> int:
    compared = 0
    said = values.get(b"DATASUM", b"").strip(b"' ")
    if said.isdigit():
        compared += 1
        if int(said) != data_sum:
            raise BodyIncomplete(f"HDU {index}: DATASUM is {said.decode()}, and the data sum up to {data_sum}")
    if values.get(b"CHECKSUM", b"").strip(b"' "):
        compared += 1
        if total not in {0, _ALL_ONES}:
            raise BodyIncomplete(f"HDU {index}: its CHECKSUM does not hold; it was changed on its way")
    return compared


def _read(stream: BinaryIO, n_bytes: int) -> bytes:
    """Read so many bytes, fewer only at the end."""
    pieces = []
    while n_bytes > 0 and (piece := stream.read(n_bytes)):
        pieces.append(piece)
        n_bytes -= len(piece)
    return b"".join(pieces)


def _header(first: bytes, stream: BinaryIO, index: int) -> bytes:
    header = first
    for _ in range(_MAX_HEADER_BLOCKS):
        block = header[-BLOCK:]
        if len(block) < BLOCK or len(header) % BLOCK:
            break
        if any(block[i : i + 8] == _END for i in range(0, BLOCK, _CARD)):
            return header
        header += _read(stream, BLOCK)
    raise BodyIncomplete(f"HDU {index}: the file ends within its header")


def _values(header: bytes) -> dict[bytes, bytes]:
    """Return the cards that count here, as text."""
    values: dict[bytes, bytes] = {}
    for i in range(0, len(header), _CARD):
        card = header[i : i + _CARD]
        if card[8:10] == b"= ":
            value = card[10:]
            quoted = value.lstrip().startswith(b"'")
            text = value.strip().split(b"'")[1] if quoted else value.split(b"/")[0].strip()
            values.setdefault(card[:8].strip(), text)
    return values


def _data_bytes(values: dict[bytes, bytes]) -> int:
    """Return the size of an HDU's data without padding (FITS 4.0, equations 1 and 2)."""

    def number(key: bytes, default: int) -> int:
        text = values.get(key, b"")
        return int(text) if text.lstrip(b"-").isdigit() else default

    axes = [number(b"NAXIS%d" % (i + 1), 0) for i in range(min(number(b"NAXIS", 0), 999))]
    if not axes:
        return 0
    if axes[0] == 0 and values.get(b"GROUPS", b"") == b"T":
        axes = axes[1:]
    n = 1
    for axis in axes:
        n *= max(0, axis)
    return abs(number(b"BITPIX", 8)) // 8 * number(b"GCOUNT", 1) * (number(b"PCOUNT", 0) + n)


def _sum_of(stream: BinaryIO, n_bytes: int, index: int) -> int:
    """Sum up the data of an HDU with its padding, piece by piece."""
    left, total = -(-n_bytes // BLOCK) * BLOCK, 0
    while left:
        piece = _read(stream, min(left, BLOCK * _PIECE_BLOCKS))
        if not piece or len(piece) % 4:
            raise BodyIncomplete(f"HDU {index}: the file ends {left:,} bytes before its data do")
        total = _add(total, _sum(piece))
        left -= len(piece)
    return total


def _sum(piece: bytes) -> int:
    return _fold(int(np.frombuffer(piece, ">u4").sum(dtype=np.uint64)))


def _add(a: int, b: int) -> int:
    return _fold(a + b)


def _fold(total: int) -> int:
    while total >> 32:
        total = (total & _ALL_ONES) + (total >> 32)
    return total
