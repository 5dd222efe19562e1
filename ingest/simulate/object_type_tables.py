"""Tables that say what sources are: a cross-match with SIMBAD types, and classes from the literature.

Neither is the truth: the cross-match covers some 70 % of the sources, gives some a generic type and a few a wrong
one; the literature repeats itself and sometimes disagrees. Its `ref` column links papers to sources.
"""

from __future__ import annotations

import csv
import io

import numpy as np

from ingest.simulate.fields import Field, Source
from ingest.simulate.papers import Paper
from ingest.simulate.phrases import CONFUSIONS

MATCHED = 0.72
GENERIC = 0.14
WRONG = 0.05

_TYPES: dict[str, tuple[str, ...]] = {
    "AGN": ("QSO", "QSO", "AGN", "Seyfert_1", "Seyfert_2", "AGN_Candidate", "Galaxy"),
    "YSO": ("YSO", "Orion_V*", "TTau*", "Candidate_YSO", "YSO"),
    "low-mass star": ("Star", "PM*", "BYDra", "EB*", "Star", "RSCVn"),
    "high-mass star": ("Star", "Em*", "WR*", "SB*", "Be*"),
    "CV": ("CataclyV*", "CataclyV*", "Nova", "Candidate_CV*"),
    "HMXB": ("HMXB", "HMXB", "XB", "HMXB_Candidate"),
    "LMXB": ("LMXB", "LMXB", "XB", "Candidate_XB*", "LMXB_Candidate"),
    "NS": ("Pulsar", "Pulsar", "Neutron*", "Candidate_NS"),
    "ULX": ("ULX", "ULX?", "ULX", "X"),
}
_GENERIC = ("X", "X", "X", "Radio", "IR", "Star", "PartofG")
_CLASSES = {"low-mass star": "LM-STAR", "high-mass star": "HM-STAR"}


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def simbad_type(class_: str, rng: np.random.Generator) -> str | None:
    """Return what a cross-match would say of a source of this class; None for no match.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> found = [simbad_type("HMXB", rng) for _ in range(1000)]
    >>> 0.2 < sum(t is None for t in found) / 1000 < 0.35
    True
    """
    if rng.random() > MATCHED:
        return None
    luck = rng.random()
    if luck < GENERIC:
        return _pick(_GENERIC, rng)
    return _pick(_TYPES[_pick(CONFUSIONS[class_], rng) if luck < GENERIC + WRONG else class_], rng)


def _text(header: list[str], rows: list[list[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def simbad_table(detections: list[tuple[Source, int]], rng: np.random.Generator) -> str:
    """Return a CSV of detections with the type of their SIMBAD counterpart, in the shape users pass around.

    Parameters
    ----------
    detections : list of (Source, int)
        Source and ObsID; a source has one type in all its rows.
    rng : numpy Generator
        The table's own.
    """
    types: dict[int, tuple[str | None, float]] = {}
    rows: list[list[object]] = []
    for number, (source, obsid) in enumerate(detections):
        if source.index not in types:
            types[source.index] = simbad_type(source.nature.class_, rng), float(rng.rayleigh(0.5))
        main_type, separation = types[source.index]
        if main_type is not None:
            place = [source.measured_ra_deg, source.measured_dec_deg]
            rows.append([len(rows), round(separation, 6), main_type, number, *place, obsid, source.name])
    return _text(["", "angDist", "main_type", "col1", "ra.1", "dec.1", "obsid", "name"], rows)


def literature_table(fields: list[Field], papers: list[Paper], rng: np.random.Generator) -> str:
    """Return a CSV of literature classes: one row per source and paper, as catalogues of training sets have them.

    Parameters
    ----------
    fields : list of Field
        For the sources.
    papers : list of Paper
        What each claims counts; where it claims nothing, the compiler's own judgement does, now and then wrong.
    rng : numpy Generator
        The table's own.
    """
    sources = {s.index: s for f in fields for s in f.sources}
    judged: dict[int, str] = {}
    rows: list[list[object]] = []
    for paper in papers:
        for index in paper.sources:
            source = sources[index]
            true = source.nature.class_
            if index not in judged:
                judged[index] = _pick(CONFUSIONS[true], rng) if rng.random() < WRONG else true
            class_ = paper.claimed.get(index, judged[index])
            catalogued = f"[SIM{paper.record['year']}] {source.region_id}"
            offset = rng.normal(0.0, 0.4, 2) / 3600.0
            ra = source.measured_ra_deg + offset[0] / max(np.cos(np.deg2rad(source.measured_dec_deg)), 0.05)
            dec = source.measured_dec_deg + offset[1]
            separation = float(np.hypot(*offset)) * 3600.0
            known = class_ == true and rng.random() < 0.5  # noqa: PLR2004 - half of them tell more
            words = source.nature.subclass if known else ""
            said = [catalogued, round(float(ra), 6), round(float(dec), 6), "", _CLASSES.get(class_, class_), words]
            place = [source.measured_ra_deg, source.measured_dec_deg, 0.8, 0.8, "", 0]
            rows.append([*said, paper.record["bibcode"], round(separation, 6), source.name, *place])
    header = ["name_cat", "ra_cat", "dec_cat", "e_Pos", "Class", "SubClass", "ref", "sep", "name", "ra", "dec"]
    return _text([*header, "r0", "PU", "S/N", "remove_code"], rows)
