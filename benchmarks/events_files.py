"""Event files of realistic columns and entropy, written in a stream, for the benchmarks.

Columns, widths and value distributions follow a CSC 2.1 regevt3 file: 64 bytes a row, times in frames of
3.14104 s, sky positions and energies dithered as the pipeline does. Simulated, not data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from isal import igzip

BLOCK = 2880
FRAME_S = 3.14104
COLUMNS = (
    ("time", "1D", ">f8"),
    ("ccd_id", "1I", ">i2"),
    ("node_id", "1I", ">i2"),
    ("expno", "1J", ">i4"),
    ("chipx", "1I", ">i2"),
    ("chipy", "1I", ">i2"),
    ("tdetx", "1I", ">i2"),
    ("tdety", "1I", ">i2"),
    ("detx", "1E", ">f4"),
    ("dety", "1E", ">f4"),
    ("x", "1E", ">f4"),
    ("y", "1E", ">f4"),
    ("pha", "1J", ">i4"),
    ("pha_ro", "1J", ">i4"),
    ("energy", "1E", ">f4"),
    ("pi", "1J", ">i4"),
    ("fltgrade", "1I", ">i2"),
    ("grade", "1I", ">i2"),
    ("status", "32X", "(4,)u1"),
)
ROW = np.dtype([(name, format_) for name, _, format_ in COLUMNS])
WCS = {11: (4096.5, 83.8, -1.3666667e-4), 12: (4096.5, -5.39, 1.3666667e-4)}


def _cards(pairs: list[tuple[str, object]]) -> bytes:
    lines = []
    for key, value in pairs:
        text = f"'{value:<8}'" if isinstance(value, str) else "T" if value is True else f"{value!r:>20}"
        lines.append(f"{key:<8}= {text}".ljust(80))
    text = "".join([*lines, "END".ljust(80)])
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode()


def _rows(n: int, first: int, of: int, rng: np.random.Generator) -> np.ndarray:
    rows = np.zeros(n, ROW)
    per_frame = max(1.0, of / 20_000)
    frame = np.floor((first + np.arange(n)) / per_frame)
    rows["time"] = 5.0e8 + frame * FRAME_S
    rows["expno"] = frame
    rows["ccd_id"] = 7
    chipx, chipy = rng.normal(512, 150, n), rng.normal(512, 150, n)
    rows["chipx"], rows["chipy"] = np.clip(chipx, 1, 1024), np.clip(chipy, 1, 1024)
    rows["x"], rows["y"] = 3600 + chipx, 3600 + chipy
    rows["detx"], rows["dety"] = rows["x"], rows["y"]
    energy = rng.gamma(2.0, 900.0, n).astype(np.float32) + 300
    rows["energy"] = energy
    rows["pi"] = np.clip(np.floor(energy.astype(np.float64) / 14.6) + 1, 1, 1024)
    rows["pha"] = rows["pha_ro"] = energy / 4.7
    rows["grade"] = rng.choice([0, 2, 3, 4, 6], n)
    rows["fltgrade"] = rng.integers(0, 255, n)
    return rows


def write_events(path: Path, n: int, obsid: int, seed: int = 0, chunk: int = 1 << 20) -> Path:
    """Write n events in a stream; gzipped where the name ends in '.gz'."""
    rng = np.random.default_rng(seed)
    primary = _cards([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0)])
    header: list[tuple[str, object]] = [("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", ROW.itemsize)]
    header += [("NAXIS2", n), ("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", len(COLUMNS)), ("EXTNAME", "EVENTS")]
    for i, (name, form, _) in enumerate(COLUMNS, 1):
        header += [(f"TTYPE{i}", name), (f"TFORM{i}", form)]
        if i in WCS:
            header += [(f"{key}{i}", value) for key, value in zip(("TCRPX", "TCRVL", "TCDLT"), WCS[i], strict=True)]
    header += [("HDUCLASS", "OGIP"), ("HDUCLAS1", "EVENTS"), ("TELESCOP", "CHANDRA"), ("INSTRUME", "ACIS")]
    header += [("OBS_ID", str(obsid)), ("OBI_NUM", 0), ("EXPOSURE", 62000.0), ("MJDREF", 50814.0)]
    opener = (lambda p: igzip.open(p, "wb", compresslevel=2)) if path.suffix == ".gz" else (lambda p: p.open("wb"))
    with opener(path) as out:
        out.write(primary)
        out.write(_cards(header))
        for first in range(0, n, chunk):
            out.write(_rows(min(chunk, n - first), first, n, rng).tobytes())
        out.write(b"\0" * (-(n * ROW.itemsize) % BLOCK))
    return path
