"""Arrays as the page takes them: one line of JSON that says what follows, then the arrays as they lie in memory.

Arrow's own stream would need a reader of flatbuffers in the page, from elsewhere or of a few hundred lines. The arrays
are the same (little-endian, texts as offsets and UTF-8); the page makes typed arrays of them without copying.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_ALIGNED = 8
MEDIA_TYPE = "application/vnd.photonlake.columns"


def packed(arrays: Mapping[str, npt.NDArray[np.generic] | pa.Array], **notes: object) -> bytes:
    """Return arrays as bytes.

    Parameters
    ----------
    arrays : mapping of str to ndarray or pyarrow.Array of str
        float32, int8 or int32 of any length; texts become two arrays, `name.offsets` (n + 1) and `name.bytes`.
    **notes : object
        What else to say, as JSON can.

    Returns
    -------
    bytes
        Length of the head (uint32), the head as JSON, and each array at a multiple of 8.

    Examples
    --------
    >>> made = packed({"x": np.array([1.0], np.float32)}, space="s")
    >>> n = int.from_bytes(made[:4], "little")
    >>> json.loads(made[4 : 4 + n])["arrays"]
    [{'name': 'x', 'type': 'float32', 'length': 1, 'at': 0}]
    """
    flat: dict[str, npt.NDArray[np.generic]] = {}
    for name, array in arrays.items():
        if isinstance(array, pa.Array):
            text = pa.concat_arrays([array.cast(pa.string()).fill_null("")])
            _, offsets, content = text.buffers()
            flat[f"{name}.offsets"] = np.frombuffer(offsets, np.int32)[: len(text) + 1]
            flat[f"{name}.bytes"] = np.frombuffer(content or b"", np.uint8)
        else:
            flat[name] = np.ascontiguousarray(array)
    listed: list[dict[str, object]] = []
    at = 0
    for name, array in flat.items():
        listed.append({"name": name, "type": str(array.dtype), "length": len(array), "at": at})
        at += -(-array.nbytes // _ALIGNED) * _ALIGNED
    head = json.dumps({**notes, "arrays": listed}, allow_nan=False).encode()
    head += b" " * (-(4 + len(head)) % _ALIGNED)
    parts = [len(head).to_bytes(4, "little"), head]
    for array in flat.values():
        parts += [array.tobytes(), bytes(-array.nbytes % _ALIGNED)]
    return b"".join(parts)
