"""The simulated survey as a whole: the same bytes always, nothing twice, and neither too easy nor a riddle."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from embed.inputs.quantities import read_quantities
from ingest.readers import FileName
from ingest.simulate import OutputInUse, models, phrases, simulate, stated_figures
from ingest.simulate.fields import on_chip, plan, stream
from ingest.simulate.measure import hardness, measure, posterior
from ingest.simulate.object_type_tables import literature_table, simbad_table
from ingest.simulate.papers import write_papers
from ingest.simulate.photons import expose, observe
from ingest.simulate.population import CLASSES
from ingest.simulate.property_table import ENTRIES, formatted, property_table
from ingest.simulate.response import MIDDLE_KEV
from ingest.simulate.truth import read_truth

SOURCES, SEED = 14, 5


def digests(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "one"
    return folder, simulate(folder, sources=SOURCES, seed=SEED, workers=1)


@pytest.fixture(scope="module")
def papers(any_seed):
    fields = plan(any_seed, 300)
    return fields, write_papers(any_seed, fields)


@pytest.fixture(scope="module")
def rich_papers(papers, any_seed):
    return papers[0], write_papers(any_seed, papers[0], rich=True)


# --- the same always ----------------------------------------------------------------------------------------------


def test_two_workers_write_the_same_bytes_as_one(undisturbed, tmp_path):
    folder, summary = undisturbed
    other = simulate(tmp_path / "two", sources=SOURCES, seed=SEED, workers=2)
    assert other.detections == summary.detections >= SOURCES
    assert digests(tmp_path / "two") == digests(folder)


def test_a_finished_survey_is_not_written_again(undisturbed):
    folder, summary = undisturbed
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    again = simulate(folder, sources=SOURCES, seed=SEED)
    assert not again.written
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    same = ("sources", "detections", "observations", "photons", "papers", "files", "bytes")
    assert all(getattr(again, name) == getattr(summary, name) for name in same)
    assert "nothing written" in str(again)


def test_an_interrupted_survey_goes_on_and_ends_the_same(undisturbed, tmp_path):
    folder, _ = undisturbed

    def interrupt(done, _):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "s", sources=SOURCES, seed=SEED, workers=1, progress=interrupt)
    assert not json.loads((tmp_path / "s" / "manifest.json").read_text())["complete"]
    done = {p: p.stat().st_mtime_ns for p in (tmp_path / "s").glob("2CXO*/*/*")}
    assert done
    steps = []
    assert simulate(tmp_path / "s", SOURCES, SEED, workers=1, progress=lambda *step: steps.append(step)).written
    assert {p: p.stat().st_mtime_ns for p in done} == done  # the first field was not done again
    assert steps[-1][0] == steps[-1][1] == len(steps)
    assert digests(tmp_path / "s") == digests(folder)


def test_a_folder_with_other_things_is_left_alone(undisturbed, tmp_path):
    (tmp_path / "thesis.tex").write_text("important")
    with pytest.raises(OutputInUse, match="name another folder"):
        simulate(tmp_path, sources=1)
    with pytest.raises(OutputInUse, match="name another folder, or delete this one"):
        simulate(undisturbed[0], sources=SOURCES, seed=SEED + 1)
    assert (tmp_path / "thesis.tex").read_text() == "important"


@pytest.mark.parametrize(("sources", "seed"), [(0, 1), (5, -1)])
def test_senseless_parameters_are_refused(tmp_path, sources, seed):
    with pytest.raises(ValueError, match="expected at least one source"):
        simulate(tmp_path / "s", sources=sources, seed=seed)


def test_readme_and_manifest_say_what_this_is(undisturbed):
    folder, summary = undisturbed
    assert (folder / "README.txt").read_text().startswith("SIMULATED DATA")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["parameters"]["seed"] == SEED
    assert manifest["contents"]["detections"] == summary.detections


# --- the tables ---------------------------------------------------------------------------------------------------


def test_property_table_agrees_with_the_spectra(undisturbed):
    from astropy.io import fits  # noqa: PLC0415 - only here

    folder, summary = undisturbed
    lines = (folder / "tables" / "search_csc_simulated.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
    columns = {name: [row[i].strip() for row in rows[1:]] for i, name in enumerate(rows[0])}
    assert len(columns["obsid"]) == summary.detections
    for obsid, obi, region, counts in zip(
        *(map(int, columns[c]) for c in ("obsid", "obi", "region_id", "cnts_aper_b")), strict=True
    ):
        (path,) = folder.glob(f"2CXO*/{obsid:05d}_{obi:03d}/*_r{region:04d}_pha3.fits*")
        with fits.open(path) as hdus:
            energy = (np.arange(1024) + 0.5) * 0.0146
            in_band = hdus[1].data["COUNTS"][(energy > 0.52) & (energy < 6.98)].sum()
            assert in_band <= counts <= in_band + 0.2 * counts + 5


@pytest.mark.real
def test_property_table_has_the_shape_of_a_real_answer(real):
    lines = (real / "tables" / "search_csc_source.tsv").read_text().splitlines()
    said = {line.split("\t")[1]: line.split("\t") for line in lines if line.startswith("#Column")}
    header, first = lines[len(said)].split("\t"), lines[len(said) + 1].split("\t")
    ours = {e.label: e for e in ENTRIES}
    shared = [n for n in header if n in ours]
    assert len(shared) > 40
    for name in shared:
        entry = ours[name]
        assert said[name][4] == f"({entry.table}.{name})"
        assert said[name][5] == f'["{entry.unit}"]'
        if name not in {"ra", "dec"}:  # written with more digits
            assert said[name][2] == f"({entry.form})"
            text = first[header.index(name)]
            value = None if text.strip() == "NaN" else text.strip()
            assert len(formatted(float(value) if value and entry.form[0] in "EFI" else value, entry.form)) == len(text)
    text = property_table([({"name": "2CXO J000000.0+000000"}, {"obsid": 1})])
    assert [line.partition("\t")[0] for line in text.splitlines()[:2]] == ["#Column", "#Column"]
    assert len(said["name"]) == len(text.splitlines()[1].split("\t"))


def test_object_types_are_neither_complete_nor_always_right(papers, any_seed):
    fields, written = papers
    detections = [(s, f.observations[0].obsid) for f in fields for s in f.sources]
    table = simbad_table(detections, np.random.default_rng(any_seed)).splitlines()
    assert 0.65 < (len(table) - 1) / len(detections) < 0.8
    assert any(",X," in line for line in table)
    rows = [line.split(",") for line in literature_table(fields, written, np.random.default_rng(any_seed)).splitlines()]
    truth = {s.name: s.nature.class_ for f in fields for s in f.sources}
    said = [(r[8], {"LM-STAR": "low-mass star", "HM-STAR": "high-mass star"}.get(r[4], r[4])) for r in rows[1:]]
    right = np.mean([truth[name] == class_ for name, class_ in said])
    assert 0.85 < right < 0.98
    assert {r[6] for r in rows[1:]} == {p.record["bibcode"] for p in written}


# --- papers -------------------------------------------------------------------------------------------------------


def test_papers_are_clearly_simulated_and_of_the_right_length(papers):
    _, written = papers
    assert len({p.record["bibcode"] for p in written}) == len(written)
    for paper in written:
        assert re.fullmatch(r"\d{4}Sim[\w.]{11}[A-Z]", paper.record["bibcode"])
        assert "simulated" in paper.record["keyword"]
        assert 80 <= len(paper.record["abstract"].split()) <= 250
        assert not re.search(r"[{}]|\bNone\b", paper.record["abstract"] + paper.record["title"][0])
    assert len({p.record["abstract"] for p in written}) == len(written)


def test_sources_have_none_to_six_papers_and_surveys_share_them(papers):
    fields, written = papers
    per_source = Counter(i for p in written for i in p.sources)
    n = sum(len(f.sources) for f in fields)
    assert 0.04 < 1 - len(per_source) / n < 0.25
    assert max(per_source.values()) <= 6
    assert sum(len(p.sources) > 1 for p in written) > 20


SPHERE_CM2 = 4 * np.pi * 3.0857e18**2
SECONDS = {"s": 1.0, "minutes": 60.0, "hours": 3600.0}
NUMBER = r"(\d+(?:\.\d+)?(?: x 10\^-?\d+)?)"
STATED = {
    "temperature": rf"(?<!above )(?<!below )(?<!-){NUMBER} keV\b(?! band)",
    "photon index": rf"(?:photon index(?: of)?|Gamma =) {NUMBER}",
    "column": rf"{NUMBER} x 10\^22 cm",
    "flux": rf"{NUMBER} erg/cm",
    "luminosity": rf"{NUMBER} erg/s",
    "period": rf"(?:period is about|recur every|period of|Pulsations at) {NUMBER} (s|minutes|hours)",
    "decay": rf"time scale of {NUMBER} (s|minutes|hours)",
    "eclipse": rf"{NUMBER} per cent of the cycle",
    "exposure": rf"{NUMBER} ks",
    "observations": r"(\d+) Chandra(?: ACIS)? observation",
    "year": r"(?:in|of) (20\d\d)\b",
    "sources": r"(\d+) (?:X-ray point|point|X-ray) sources|(?:sample of|analysis of|of) (\d+) (?:objects|sources)",
    "variable": rf"About {NUMBER} per cent of the sources vary",
}


def stated(text):
    """All figures of an abstract by kind."""
    for kind, pattern in STATED.items():
        for found in re.finditer(pattern, text):
            value, *unit = (g for g in found.groups() if g)
            figures, _, power = value.partition(" x 10^")
            yield kind, float(f"{figures}e{power or 0}") * (SECONDS[unit[0]] if unit else 1.0)


def right(kind, sources, field):
    """What the model has of each kind of figure."""
    natures = [s.nature for s in sources]
    parts = [c for n in natures for c in n.base if c.kind != "line"]
    energy = np.geomspace(0.3, 11.0, 4001)
    middle = np.sqrt(energy[1:] * energy[:-1])
    band = (middle > 0.5) & (middle < 7.0)

    def flux(nature):
        bins = models.photon_flux(nature.base, energy, nature.flux)
        return (bins * middle)[band].sum() * 1.602176634e-9

    told = [n.variability.parameters for n in natures]
    seen = [o for o in field.observations if len(sources) > 1 or on_chip(o, sources[0])] if field else []
    live = [expose(o, stream(1, 10, o.obsid)).livetime_s / 1e3 for o in seen]
    return {
        "temperature": lambda: [c.value for c in parts if c.kind in {"thermal", "blackbody", "disc"}],
        "photon index": lambda: [c.value for c in parts if c.kind == "powerlaw"],
        "column": lambda: [c.nh for c in parts],
        "flux": lambda: [flux(n) for n in natures],
        "luminosity": lambda: [flux(s.nature) * SPHERE_CM2 * s.distance_pc**2 for s in sources],
        "period": lambda: [t["period_s"] for t in told if "period_s" in t],
        "decay": lambda: [t["decay_s"] for t in told if "decay_s" in t],
        "eclipse": lambda: [100 * t["width"] for t in told if "width" in t],
        "exposure": lambda: [*live, sum(live)],
        "observations": lambda: [len(seen)],
        "year": lambda: [int(o.year) for o in seen],
        "sources": lambda: [len(sources)],
        "variable": lambda: [100 * np.mean([n.variability.kind != "constant" for n in natures])],
    }[kind]()


def test_every_figure_that_an_abstract_states_is_one_of_the_model(papers, rich_papers):
    fields, written = rich_papers
    written = [*written, *papers[1]]
    by_index = {s.index: s for f in fields for s in f.sources}
    field_of = {s.index: f for f in fields for s in f.sources}
    n, wrong = Counter(), []
    for paper in written:
        sources = [by_index[i] for i in paper.sources]
        field = None if "several fields" in paper.record["abstract"] or len(
            {field_of[i].number for i in paper.sources}
        ) > 1 else field_of[paper.sources[0]]  # fmt: skip
        for kind, value in stated(paper.record["abstract"]):
            n[kind] += 1
            known = right(kind, sources, field)
            if kind in {"observations", "year", "sources"}:
                ok = value in known
            else:  # measured to a fifth, and rounded to two digits, a photon index and an exposure to one
                ok = any(abs(value - v) < 0.26 * v + (0.06 if kind == "photon index" else 0.0) for v in known)
            wrong += [] if ok else [(paper.record["bibcode"], kind, value, known)]
    assert not wrong
    assert set(n) == set(STATED)
    assert min(n[k] for k in ("temperature", "photon index", "column", "flux", "period", "exposure")) > 20
    assert min(n.values()) > 0


READ_AS = {
    "flux": "flux_erg_cm2_s",
    "luminosity": "luminosity_erg_s",
    "exposure": "exposure_ks",
    "column": "column_cm2",
    "photon index": "photon_index",
    "temperature": "temperature_kev",
    "period": "period_s",
}


def states(written):
    """How many of papers state each figure, as the encoders of papers read them."""
    read = Counter(q for p in written for q in read_quantities(f"{p.record['title'][0]}. {p.record['abstract']}"))
    return {figure: read[name] for figure, name in READ_AS.items()}


def test_abstracts_state_figures_as_seldom_as_published_ones(papers):
    _, written = papers
    n = len(written)
    for figure, found in states(written).items():
        expected = n * stated_figures.rate(figure)
        assert abs(found - expected) < 4 * np.sqrt(expected) + 2, figure


def test_rich_abstracts_state_most_figures(papers, rich_papers):
    plain, rich = (states(p[1]) for p in (papers, rich_papers))
    n = len(rich_papers[1])
    assert rich["flux"] > 0.7 * n
    assert rich["exposure"] > 0.7 * n
    assert all(rich[figure] > plain[figure] for figure in READ_AS)


def test_every_list_of_sentences_has_one_without_figures():
    lists = [v for k, v in vars(phrases).items() if k.isupper()]
    while nested := [x for x in lists if not (isinstance(x, tuple) and all(isinstance(s, str) for s in x))]:
        lists = [x for x in lists if x not in nested]
        lists += [y for x in nested for y in (x.values() if isinstance(x, dict) else x) if not isinstance(y, str)]
    with_figures = {s for x in lists for s in x if stated_figures.figures_of(s)}
    assert len(with_figures) > 30
    beside = {s for options in phrases.SPECTRUM_BESIDE.values() for s in options}  # never alone
    assert not [x for x in lists if x and not set(x) <= beside and set(x) <= with_figures]


@pytest.mark.real
def test_the_rates_are_those_of_published_abstracts(real):
    lines = (real / "papers/arxiv_high_energy.jsonl").read_text(encoding="utf-8").strip().split("\n")
    docs = [json.loads(line) for line in lines]
    texts = [f"{d['title'][0] if isinstance(d['title'], list) else d['title']}. {d['abstract']}" for d in docs]
    of = [[t for t in texts if re.search(w, t)] for w in (r"\bChandra\b", r"(?i)\bX-? ?rays?\b", "")]
    assert tuple(map(len, of)) == stated_figures.ABSTRACTS
    read = [Counter(q for t in some for q in read_quantities(t)) for some in of]
    for figure, name in READ_AS.items():
        assert tuple(r[name] for r in read) == stated_figures.STATED[figure], figure


def test_a_second_paper_on_a_source_states_the_same_luminosity(rich_papers):
    _, written = rich_papers
    of = {}
    for paper in written:
        if len(paper.sources) == 1:
            of.setdefault(paper.sources[0], []).extend(
                v for k, v in stated(paper.record["abstract"]) if k == "luminosity"
            )
    twice = [max(v) / min(v) for v in of.values() if len(v) > 1]
    assert len(twice) > 5
    assert max(twice) < 1.6


def _nearest_centroid(vectors, labels, folds, n_folds=5):
    hits = np.zeros(len(labels), bool)
    for k in range(n_folds):
        train, test = folds != k, folds == k
        classes = np.unique(labels[train])
        mean = vectors[train].mean(axis=0)
        centroids = np.array([vectors[train & (labels == c)].mean(axis=0) for c in classes]) - mean
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
        hits[test] = classes[((vectors[test] - mean) @ centroids.T).argmax(axis=1)] == labels[test]
    return hits.mean()


def test_abstracts_tell_the_class_in_part_only(papers):
    fields, written = papers
    source = {s.index: (s, f.number) for f in fields for s in f.sources}
    text = {}
    for paper in written:
        for index in paper.sources:
            text[index] = text.get(index, "") + " " + paper.record["abstract"].lower()
    words = [Counter(re.findall("[a-z]+", text[i])) for i in text]
    vocabulary = {w: k for k, w in enumerate(sorted({w for c in words for w in c}))}
    vectors = np.zeros((len(words), len(vocabulary)))
    for row, counter in enumerate(words):
        vectors[row, [vocabulary[w] for w in counter]] = list(counter.values())
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.array([source[i][0].nature.class_ for i in text])
    folds = np.array([source[i][1] % 5 for i in text])
    accuracy = _nearest_centroid(vectors, labels, folds)
    assert 0.4 < accuracy < 0.75
    assert accuracy > 1.5 * max(Counter(labels).values()) / len(labels)


# --- how hard it is -----------------------------------------------------------------------------------------------


def test_hardness_ratios_alone_do_not_give_the_class_away(any_seed):
    rng = np.random.default_rng(any_seed)
    colours, labels, groups = [], [], []
    for field in plan(any_seed, 300):
        observation = field.observations[0]
        exposure = expose(observation, stream(any_seed, 1, observation.obsid))
        for source in field.sources:
            seen = observe(
                source, observation, exposure, on_chip(observation, source), stream(any_seed, 2, source.index)
            )
            energy = seen.photons.energy_ev[seen.region.radius(seen.photons.x, seen.photons.y) < 1.0] / 1e3
            if ((energy > 0.5) & (energy < 7)).sum() < 40:
                continue
            flux = {}
            for band, (low, high) in {"s": (0.5, 1.2), "m": (1.2, 2.0), "h": (2.0, 7.0)}.items():
                mean_area = seen.area_cm2[(low < MIDDLE_KEV) & (high > MIDDLE_KEV)].mean()
                flux[band] = posterior(((energy > low) & (energy < high)).sum(), 0.0, 0.1, rng) / mean_area
            colours.append([hardness(flux[a], flux[b])[0] for a, b in (("h", "m"), ("h", "s"), ("m", "s"))])
            labels.append(source.nature.class_)
            groups.append(field.number)
    colours, labels, groups = np.array(colours), np.array(labels), np.array(groups)
    colours /= colours.std(axis=0)
    distance = ((colours[:, None] - colours[None]) ** 2).sum(axis=2)
    distance[groups[:, None] == groups[None]] = np.inf
    nearest = labels[np.argsort(distance, axis=1)[:, :9]]
    guess = np.array([Counter(row).most_common(1)[0][0] for row in nearest])
    accuracy = (guess == labels).mean()
    assert set(labels) == set(CLASSES)
    assert 0.28 < accuracy < 0.55


def test_variable_sources_are_found_and_constant_ones_are_not(any_seed):
    found = {"constant": [], "flares": []}
    for field in plan(any_seed, 120):
        observation = field.observations[0]
        for source in field.sources:
            kind = source.nature.variability.kind
            if kind in found:
                rng = stream(any_seed + 1, source.index)
                seen = observe(source, observation, expose(observation, rng), on_chip(observation, source), rng)
                found[kind].append(measure(seen, crowded=False, rng=rng).row["var_prob_b"] or 0.0)
    variable = {kind: np.mean(np.array(v) > 0.9) for kind, v in found.items()}
    assert variable["constant"] < 0.06
    assert 0.1 < variable["flares"] < 0.9


# --- the truth ----------------------------------------------------------------------------------------------------


def test_truth_is_read_into_its_table(undisturbed):
    folder, _ = undisturbed
    content = (folder / "truth.jsonl").read_bytes()
    (rows,) = read_truth(io.BytesIO(content), FileName.of("truth.jsonl"))
    assert rows.table == "simulated.truth"
    assert rows.batch.schema.equals(TABLES["simulated.truth"].schema)
    assert rows.batch.num_rows == SOURCES
    sources = [s for f in plan(SEED, SOURCES) for s in f.sources]
    assert rows.batch["class"].to_pylist() == [s.nature.class_ for s in sources]
    assert json.loads(rows.batch["spectral_model"][0].as_py())["base"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not json",
        b'{"bibcode": "2020SimA..100....1F"}',
        b'{"simulated": "truth", "name": "M 82", "class": "ULX"}',
        b'{"simulated": "truth", "name": "2CXO J031948.1+413046", "class": "AGN", "flux": NaN}',
        b'{"simulated": "truth", "name": "2CXO J031948.1+413046", "class": "AGN", "seed": 1e3}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_truth_is_refused(line):
    with pytest.raises(UnreadableFile):
        list(read_truth(io.BytesIO(line), FileName.of("truth.jsonl")))


@given(st.data())
def test_a_damaged_truth_is_refused_or_read(data):
    line = b'{"simulated": "truth", "name": "2CXO J031948.1+413046", "class": "AGN", "flux": 1e-13, "seed": 1}\n' * 2
    damaged = bytearray(line)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    try:
        for rows in read_truth(io.BytesIO(bytes(damaged)), FileName.of("truth.jsonl")):
            rows.batch.validate(full=True)
    except UnreadableFile:
        pass
