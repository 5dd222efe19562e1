"""What two processes say to each other over a pipe: kind, length, content."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


class FrameKind(enum.Enum):
    """What a frame holds."""

    READY = b"r"
    QUESTION = b"q"
    TABLE = b"t"
    ROWS = b"a"
    END = b"d"
    ERROR = b"e"


@dataclass(frozen=True)
class Frame:
    """One thing said."""

    kind: FrameKind
    content: bytes


_HEAD = struct.Struct("=cQ")


def packed(kind: FrameKind, content: bytes = b"") -> bytes:
    """Return a frame as bytes.

    Examples
    --------
    >>> [f.content for f in frames([packed(FrameKind.ROWS, b"abc")[:5], packed(FrameKind.ROWS, b"abc")[5:]])]
    [b'abc']
    """
    return _HEAD.pack(kind.value, len(content)) + content


def frames(pieces: Iterable[bytes]) -> Iterator[Frame]:
    """Yield the frames in a stream of bytes, however it is cut; half a frame at the end is left out."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(held)
            if len(held) < _HEAD.size + length:
                break
            content = bytes(held[_HEAD.size : _HEAD.size + length])
            del held[: _HEAD.size + length]
            yield Frame(FrameKind(kind), content)
