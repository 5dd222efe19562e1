"""Papers about simulated sources: ADS-style records whose abstracts tell the truth in part.

Some papers are about one source, some catalogue a field, some collect a sample over the survey; some sources have
none. An abstract may leave the class out, call it uncertain or claim the wrong one; other objects are mentioned. It
states figures as seldom as published ones do (`ingest.simulate.stated_figures`), and those that it states are those of
the model, measured to a fifth. Every record says that it is simulated: in its keywords, its bibcode ('SimA.') and its
DOI (10.5555 is the prefix for tests).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ingest.simulate import phrases
from ingest.simulate.fields import Field, Observation, Source, on_chip, stream
from ingest.simulate.models import Component, observed_flux, photon_flux
from ingest.simulate.photons import livetime_s
from ingest.simulate.population import CLASSES
from ingest.simulate.response import DETECTORS, EDGES_KEV, MIDDLE_KEV, effective_area_cm2
from ingest.simulate.stated_figures import drawn, figures_of

Json = str | int | list[str] | None

_PAPERS, _FIGURES = 4, 8
MAX_PAPERS = 6
WORDS = (80, 250)
FEW_KS = 10.0  # an exposure below it is given to a tenth
JOURNALS = ("SimA.", "SimX.", "SimJ.", "SimMN")
CLAIMS = {"right": 0.75, "wrong": 0.07, "none": 0.18}  # what an abstract about one source says of its class
LIKENED = 0.6  # how often a source is compared with famous ones of the class claimed; else with any
COLOURS = ("very soft", "soft", "of intermediate hardness", "hard", "very hard")
HARD_SHARES = (0.12, 0.3, 0.5, 0.75)  # of photons above 2 keV, between the colours
FLUXES = (1.5e-14, 5e-14, 1.5e-13, 6e-13)  # erg/s/cm**2, between what is called very faint, ... and very bright
COLUMNS_1E22 = (0.15, 1.0)  # between what is called unabsorbed, moderate and obscured
SPHERE_CM2_PC2 = 4.0 * np.pi * 3.0856775814913673e18**2


@dataclass(frozen=True)
class Paper:
    """A paper and what it is about.

    Attributes
    ----------
    record : dict
        As the ADS API gives it.
    sources : tuple of int
        Indices of the sources it studies.
    claimed : dict of int to str
        The class it gives to a source.
    """

    record: dict[str, Json]
    sources: tuple[int, ...]
    claimed: dict[int, str]


def hard_share(source: Source) -> float:
    """Return the fraction of 0.5-7 keV photons above 2 keV that a nominal detector would see.

    Parameters
    ----------
    source : Source
        Its base spectrum counts.
    """
    return _hard_share(source.nature.base)


@lru_cache(maxsize=1024)  # of a source many papers tell
def _hard_share(base: tuple[Component, ...]) -> float:
    counts = photon_flux(base, EDGES_KEV, 1e-13) * effective_area_cm2(DETECTORS["S3"], 2008.0, 2.0)
    low, hard, high = 0.5, 2.0, 7.0
    band = (low < MIDDLE_KEV) & (high > MIDDLE_KEV)
    return float(counts[band & (hard < MIDDLE_KEV)].sum() / counts[band].sum())


def dominant(source: Source) -> Component:
    """Return the component that a paper would call the spectrum: the continuum with the greatest share of the flux."""
    return max((c for c in source.nature.base if c.kind != "line"), key=lambda c: c.fraction)


def _seen_flux(source: Source) -> float:
    return source.nature.flux * _passed(source.nature.base)


@lru_cache(maxsize=1024)
def _passed(base: tuple[Component, ...]) -> float:
    """Return the share of the energy flux that is not absorbed."""
    return observed_flux(base, 1.0, EDGES_KEV)


def _bin(value: float, borders: Sequence[float]) -> int:
    return int(np.searchsorted(borders, value))


def _number(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa} x 10^{int(exponent)}"


def _time(seconds: float) -> str:
    minute, hour = 60.0, 3600.0
    if seconds < 5 * minute:
        return f"{seconds:.1f} s"
    return f"{seconds / minute:.0f} minutes" if seconds < 3 * hour else f"{seconds / hour:.1f} hours"


def _ks(seconds: float) -> str:
    return f"{seconds / 1e3:.1f}" if seconds < FEW_KS * 1e3 else f"{seconds / 1e3:.0f}"


_ARTICLE = re.compile(r"\b([Aa]) (?=[aeioAEIO]|ultra|X-ray|HMXB|LMXB|M dwarf)")


def _plural(word: str) -> str:
    head, joint, rest = word.partition(" with ")
    for ending, plural in (("nucleus", "nuclei"), ("binary", "binaries"), ("", "s")):
        if head.endswith(ending):
            return head.removesuffix(ending) + plural + joint + rest
    return word


class _Writer:
    """Fills blanks and picks sentences for one paper."""

    def __init__(
        self, field: Field | None, sources: Sequence[Source], stated: frozenset[str], rng: np.random.Generator
    ) -> None:
        self.rng = rng
        self.stated = stated
        self.missing = set(stated)  # what is to be stated, and no sentence has said yet
        self.likened = self.pick(CLASSES)
        self.blanks: dict[str, object] = {
            "field": field.name if field else "several fields",
            "n": len(sources),
            "share": int(rng.integers(15, 85)),
            "k_mag": f"{rng.uniform(9, 19):.1f}",
            "place": self.pick(phrases.PLACES[field.kind]) if field else "the fields of",
            "flare": self.pick(("an impulsive", "a gradual", "a")),
        }
        if field is not None:
            only = sources[0] if len(sources) == 1 else None
            seen = [o for o in field.observations if only is None or on_chip(o, only) is not None]
            self._observed(seen, field.seed)

    def _observed(self, seen: Sequence[Observation], seed: int) -> None:
        """Set the blanks that speak of the observations."""
        one = seen[int(self.rng.integers(len(seen)))]
        self.blanks |= {
            "n_obs": len(seen),
            "ks": _ks(sum(livetime_s(o, seed) for o in seen)),
            "one_ks": _ks(livetime_s(one, seed)),
            "one_year": int(one.year),
        }

    def pick(self, options: Sequence[str]) -> str:
        """Pick one of several texts."""
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability: float) -> bool:
        """Toss a coin."""
        return bool(self.rng.random() < probability)

    def wants(self, options: Sequence[str]) -> bool:
        """Tell whether one of several sentences states a figure that is to be stated and has not been."""
        return any(figures_of(o) <= self.stated and figures_of(o) & self.missing for o in options)

    def may_say(self, options: Sequence[str]) -> list[str]:
        """Return those of several sentences that state no other figures than this paper does."""
        return [o for o in options if figures_of(o) <= self.stated]

    def say(self, options: Sequence[str]) -> str:
        """Pick a sentence and fill its blanks; one with figures that are still to be stated where there is one."""
        self.blanks["other"] = self.pick(phrases.FAMOUS[self.likened])
        self.blanks["tool"] = self.pick(phrases.TOOLS)
        quantity, method, theory = (self.pick(p) for p in (phrases.QUANTITIES, phrases.METHODS, phrases.THEORIES))
        self.blanks |= {"quantity": quantity.capitalize(), "quantity_low": quantity, "method": method, "theory": theory}
        self.blanks |= {"method_up": method[:1].upper() + method[1:], "theory_up": theory[:1].upper() + theory[1:]}
        allowed = self.may_say(options)
        new = [len(figures_of(o) & self.missing) for o in allowed]
        template = self.pick([o for o, n in zip(allowed, new, strict=True) if n == max(new)])
        self.missing -= figures_of(template)
        text = template.format(**self.blanks).format(**self.blanks)  # an argument can hold blanks of its own
        return _ARTICLE.sub(r"\1n ", text)

    def about(self, source: Source, claimed: str | None) -> None:
        """Set the blanks that speak of one source, as this paper's authors measured it."""
        nature, main, flux = source.nature, dominant(source), _seen_flux(source)
        noise = 1.0 + 0.1 * np.clip(self.rng.normal(size=4), -2.0, 2.0)
        wrong = self.pick(phrases.CONFUSIONS[claimed or nature.class_])
        class_ = claimed or self.pick(CLASSES)
        word = self.pick(phrases.CLASS_WORDS[class_])
        self.blanks |= {
            "target": self._designation(source),
            "kind": nature.subclass,
            "nh": _number(main.nh * noise[0]),
            "gamma": f"{main.value * noise[1]:.1f}" if main.kind == "powerlaw" else None,
            "kt": _number(main.value * noise[1]) if main.kind != "powerlaw" else None,
            "flux": _number(flux * noise[2]),
            "lum": _number(flux * noise[2] * SPHERE_CM2_PC2 * source.distance_pc**2),
            "word": word,
            "words": _plural(word),
            "wrong": self.pick(phrases.CLASS_WORDS[wrong]),
            "argument": self.pick(self.may_say(phrases.ARGUMENTS[class_])),
            "colour": self.colour(source),
        }
        told = nature.variability.parameters
        times = {name: _time(told[key]) for name, key in (("period", "period_s"), ("decay", "decay_s")) if key in told}
        share = {"cycle_share": round(100 * told["width"])} if "width" in told else {}
        self.blanks = {k: v for k, v in self.blanks.items() if k not in _OF_LIGHT_CURVES} | times | share
        if self.chance(LIKENED):
            self.likened = class_

    def colour(self, source: Source) -> str:
        """Name a source's hardness in words."""
        return COLOURS[_bin(hard_share(source), HARD_SHARES)]

    def _designation(self, source: Source) -> str:
        number = source.region_id
        names = (source.name, f"{self.blanks['field']} X-{number}", f"source {number}", f"CXO {source.name[5:]}")
        return self.pick(names)


_OF_LIGHT_CURVES = frozenset({"period", "decay", "cycle_share"})


def _spectra(source: Source) -> tuple[str, ...]:
    """Return the sentences that are true of a source's spectrum."""
    main = dominant(source)
    # A tenth of the flux in another component is seen; the same temperature behind another column is no other.
    others = [c for c in source.nature.base if c.kind != "line" and (c.kind, c.value) != (main.kind, main.value)]
    beside: set[str] = {c.kind for c in others if c.fraction > 0.1 * main.fraction}
    more = [s for kind in sorted(beside or {""}) for s in phrases.SPECTRUM_BESIDE.get((main.kind, kind), ())]
    return (*phrases.SPECTRUM[main.kind], *more)


def _able(kind: str, sources: Sequence[Source]) -> frozenset[str]:
    """Return the figures that a paper can state: of the sentences that it surely says."""
    if kind == "survey":
        return frozenset().union(*map(figures_of, phrases.SURVEY))
    first = sources[0]
    said = [*_spectra(first)]
    if kind == "single":
        said += [*phrases.DATA, *phrases.ABSORPTION[_bin(dominant(first).nh, COLUMNS_1E22)]]
        said += phrases.BRIGHTNESS[_bin(_seen_flux(first), FLUXES)]
        said += phrases.TIMING[first.nature.variability.kind]
    return frozenset().union(*map(figures_of, said))


def _single(writer: _Writer, source: Source) -> tuple[str, str, str | None]:
    """Write a paper on one source: title, abstract, claimed class."""
    nature = source.nature
    claim = str(writer.rng.choice(list(CLAIMS), p=list(CLAIMS.values())))
    claimed = {"right": nature.class_, "none": None}.get(claim, writer.pick(phrases.CONFUSIONS[nature.class_]))
    writer.about(source, claimed)
    telling = claimed is not None
    parts = [writer.say(phrases.CONTEXT[claimed] if claimed and writer.chance(0.75) else phrases.GENERAL_CONTEXT)]
    parts.append(writer.say(phrases.DATA))
    told = (
        (0.8, phrases.COLOUR[_bin(hard_share(source), HARD_SHARES)]),
        (0.7, phrases.ABSORPTION[_bin(dominant(source).nh, COLUMNS_1E22)]),
        (0.9, phrases.TIMING[nature.variability.kind]),
        (0.9, phrases.BRIGHTNESS[_bin(_seen_flux(source), FLUXES)]),
        (0.4, phrases.COMPARISON),
        (0.9, _spectra(source)),
    )
    body = [writer.say(options) for share, options in told if writer.wants(options) or writer.chance(share)]
    body += [writer.say(phrases.CONTEXT[claimed])] if claimed and writer.chance(0.5) else []
    body += [writer.say(phrases.FILLER) for _ in range(int(writer.rng.integers(0, 3)))]
    parts += [body[i] for i in writer.rng.permutation(len(body))]
    parts.append(writer.say(phrases.VERDICTS if telling and writer.chance(0.85) else phrases.UNDECIDED))
    titles: Sequence[str] = phrases.TITLES if telling else phrases.TITLES[:6]
    if writer.chance(0.3):
        titles = phrases.TIMING_TITLES[nature.variability.kind] or titles
    return writer.say(titles), _fit_length(writer, parts), claimed


def _survey(writer: _Writer, sources: Sequence[Source]) -> tuple[str, str, dict[int, str]]:
    """Write a catalogue of a field, with a few sources singled out: title, abstract, claimed classes."""
    claimed: dict[int, str] = {}
    writer.about(sources[0], None)
    writer.blanks["flux"] = _number(min(_seen_flux(s) for s in sources))  # the survey's limit
    writer.blanks["vary"] = round(100 * np.mean([s.nature.variability.kind != "constant" for s in sources]))
    parts = [writer.say(phrases.GENERAL_CONTEXT), writer.say(phrases.SURVEY)]
    parts += [writer.say(phrases.SURVEY_MORE) for _ in range(int(writer.rng.integers(2, 5)))]
    for at in writer.rng.permutation(len(sources))[: int(writer.rng.integers(0, 4))]:
        source = sources[int(at)]
        known = source.nature.class_ if writer.chance(0.6) else None
        writer.about(source, known)
        if known:
            claimed[source.index] = known
        parts.append(writer.say(phrases.HIGHLIGHT))
        parts += [writer.say(phrases.TIMING[source.nature.variability.kind])] if writer.chance(0.3) else []
    return writer.say(phrases.SURVEY_TITLES), _fit_length(writer, parts), claimed


def _sample(writer: _Writer, sources: Sequence[Source], class_: str) -> tuple[str, str, dict[int, str]]:
    """Write a study of objects thought to be of one class: title, abstract, claimed classes."""
    writer.about(sources[0], class_)
    writer.blanks["vary"] = round(100 * np.mean([s.nature.variability.kind != "constant" for s in sources]))
    parts = [writer.say(phrases.CONTEXT[class_]), writer.say(phrases.SAMPLE)]
    parts += [writer.say(phrases.SURVEY_MORE), writer.say(_spectra(sources[0])), writer.say(phrases.COMPARISON)]
    title = writer.say(phrases.SAMPLE_TITLES)
    writer.about(sources[-1], class_)
    parts.append(writer.say(phrases.TIMING[sources[-1].nature.variability.kind]))
    return title, _fit_length(writer, parts), dict.fromkeys((s.index for s in sources), class_)


def _fit_length(writer: _Writer, parts: list[str]) -> str:
    """Add filler up to 80 words or some more and drop sentences beyond 250; each sentence stands once."""
    kept = list(dict.fromkeys(parts))
    wanted = int(writer.rng.integers(WORDS[0], 220 if writer.chance(0.25) else 130))
    while len(" ".join(kept).split()) < wanted:
        more = writer.say((*phrases.FILLER, *phrases.GENERAL_CONTEXT))
        if more not in kept:
            kept.insert(int(writer.rng.integers(1, len(kept))), more)
    while len(" ".join(kept).split()) > WORDS[1]:
        kept.pop(-2)
    return " ".join(sentence[:1].upper() + sentence[1:] for sentence in kept)


def _record(number: int, title: str, abstract: str, year: int, rng: np.random.Generator) -> dict[str, Json]:
    """Return an ADS record around a text."""
    names = [str(n) for n in rng.permutation(phrases.FAMILY_NAMES)[: int(rng.integers(1, 9))]]
    author = [f"{name}, {chr(65 + int(rng.integers(26)))}." for name in names]
    journal = JOURNALS[number % len(JOURNALS)]
    volume, page = 100 + number // 9000, 1 + number % 9000
    bibcode = f"{year}{journal}{str(volume).rjust(4, '.')}.{str(page).rjust(4, '.')}{names[0][0]}"
    keywords = [str(k) for k in rng.permutation(phrases.KEYWORDS)[: int(rng.integers(2, 5))]]
    record: dict[str, Json] = {
        "bibcode": bibcode,
        "title": [title[:1].upper() + title[1:]],
        "abstract": abstract,
        "author": author,
        "year": str(year),
        "pubdate": f"{year}-{int(rng.integers(1, 13)):02d}-00",
        "bibstem": [journal.rstrip("."), f"{journal}{volume:>5}".replace(" ", ".")],
        "doctype": "article",
        "doi": [f"10.5555/photonlake.simulated.{number}"],
        "identifier": [bibcode],
        "keyword": ["simulated", *keywords],
        "citation_count": int(rng.pareto(1.3) * 6),
    }
    if rng.random() < 0.15:  # noqa: PLR2004 - ADS leaves absent fields out
        del record["doi"]
    return record


def _plan(fields: list[Field], rng: np.random.Generator) -> list[tuple[str, Field | None, list[Source]]]:
    """Decide which papers there are: on one source, on a field, on a sample."""
    plan: list[tuple[str, Field | None, list[Source]]] = []
    left: dict[int, int] = {}
    for field in fields:
        for source in field.sources:
            left[source.index] = MAX_PAPERS
        few = 3
        for _ in range(int(rng.integers(0, 3)) if len(field.sources) >= few else 0):
            share = float(rng.uniform(0.4, 0.9))
            covered = [s for s in field.sources if rng.random() < share]
            if covered:
                plan.append(("survey", field, covered))
                left |= {s.index: left[s.index] - 1 for s in covered}
        for source in field.sources:
            n = min(int(rng.choice(5, p=[0.2, 0.25, 0.25, 0.18, 0.12])), left[source.index])
            plan += [("single", field, [source])] * n
            left[source.index] -= n
    everyone = [s for f in fields for s in f.sources]
    for class_ in CLASSES:
        members = [s for s in everyone if s.nature.class_ == class_ and left[s.index] > 0]
        strangers = [s for s in everyone if s.nature.class_ in phrases.CONFUSIONS[class_] and left[s.index] > 0]
        size = int(rng.integers(4, 9))
        if len(members) < size or not strangers:
            continue
        chosen = [members[i] for i in rng.permutation(len(members))[: size - 1]]
        chosen.append(strangers[int(rng.integers(len(strangers)))])  # an interloper: samples are never pure
        plan.append((f"sample {class_}", None, chosen))
        left |= {s.index: left[s.index] - 1 for s in chosen}
    return plan


def write_papers(seed: int, fields: list[Field], *, rich: bool = False) -> list[Paper]:
    """Write all papers about a survey's sources.

    Parameters
    ----------
    seed : int
        Of the survey.
    fields : list of Field
        What there is to write about.
    rich : bool
        State figures much more often than published abstracts do.

    Returns
    -------
    list of Paper
        About two per source on average; bibcodes are unique.

    Examples
    --------
    >>> from ingest.simulate.fields import plan
    >>> papers = write_papers(1, plan(1, 30))
    >>> all("simulated" in p.record["keyword"] for p in papers)
    True
    """
    papers = []
    plan = _plan(fields, stream(seed, _PAPERS))
    stated = drawn([_able(kind, sources) for kind, _, sources in plan], stream(seed, _FIGURES), rich=rich)
    for number, (kind, field, sources) in enumerate(plan):
        rng = stream(seed, _PAPERS, number)
        writer = _Writer(field, sources, stated[number], rng)
        claimed: dict[int, str] = {}
        if kind == "single":
            title, abstract, one = _single(writer, sources[0])
            claimed = {} if one is None else {sources[0].index: one}
        elif kind == "survey":
            title, abstract, claimed = _survey(writer, sources)
        else:
            title, abstract, claimed = _sample(writer, sources, kind.removeprefix("sample "))
        first = int(field.observations[0].year) if field else 2010
        year = int(rng.integers(first + 1, 2026))
        record = _record(number, title, abstract, year, rng)
        papers.append(Paper(record, tuple(s.index for s in sources), claimed))
    return papers
