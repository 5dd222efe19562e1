"""Figures with units, read from abstracts as people and archives write them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.inputs.papers import STATED, beside, blocks, paper_text, per_source
from embed.inputs.quantities import (
    LONGEST,
    N_QUANTITIES,
    QUANTITIES,
    flat,
    quantity_vectors,
    read_quantities,
    without_exposures,
)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a plasma with kT = 2.1 keV", "temperature_kev", 2.1),
        (r"a black body of $kT \sim 0.18\pm0.02$\,keV", "temperature_kev", 0.18),
        ("a photon index of 1.73 +/- 0.10", "photon_index", 1.73),
        (r"$\Gamma=1.9\pm0.1$", "photon_index", 1.9),
        ("\u0393 \u223c 2.4", "photon_index", 2.4),
        ("N_H = 0.5 x 10^22 cm^-2", "column_cm2", 5e21),
        ("N<SUB>H</SUB> = 5x10<SUP>21</SUP> cm<SUP>-2</SUP>", "column_cm2", 5e21),
        (r"$N_{\rm H}\sim5\times10^{21}$ cm$^{-2}$", "column_cm2", 5e21),
        ("column density of 10^23 cm^-2", "column_cm2", 1e23),
        ("a flux of 3.2 x 10^-14 erg/cm^2/s", "flux_erg_cm2_s", 3.2e-14),
        (r"$4\times10^{-13}$ erg cm$^{-2}$ s$^{-1}$", "flux_erg_cm2_s", 4e-13),
        ("6 x 10^-15 erg s^-1 cm^-2", "flux_erg_cm2_s", 6e-15),
        ("a luminosity of 8 x 10^37 erg/s", "luminosity_erg_s", 8e37),
        ("10<SUP>34</SUP> ergs s<SUP>-1</SUP>", "luminosity_erg_s", 1e34),
        ("pulsations at 8.5 s", "period_s", 8.5),
        ("a period of 12 seconds", "period_s", 12.0),
        ("a period of about 35 minutes", "period_s", 2100.0),
        ("an orbital period of 5.2 hours", "period_s", 18720.0),
        ("a 57 ks Chandra observation", "exposure_ks", 57.0),
        ("the 4 Ms exposure", "exposure_ks", 4000.0),
        ("a 20-ksec pointing", "exposure_ks", 20.0),
        ("for 35 kiloseconds", "exposure_ks", 35.0),
        ("1.5 megaseconds of data", "exposure_ks", 1500.0),
        ("at 4.6kpc", "distance_pc", 4600.0),
        ("a quasar at z = 1.3", "redshift", 1.3),
    ],
)
def test_a_figure_is_read_in_the_unit_that_its_name_tells(text, name, value):
    assert read_quantities(text)[name] == pytest.approx(value)


def test_what_anybody_types_is_read_in_bounded_work():
    """Nothing is timed: with work that grows as the square of the length, this test would not end."""
    for piece in ("1,", "1-", "1 x ", r"1\a ", "1------", "1{", "period", "kT", "10^"):
        text = piece * (1_000_000 // len(piece))
        assert len(without_exposures(text)) == LONGEST
        assert read_quantities(text) == {}


EXPOSED = ("a 57 ks observation", "57-ks", "10 and 57 ks exposures", "0.3 Ms", "20 ksec", "for 35 kiloseconds")


@pytest.mark.parametrize("text", EXPOSED)
def test_what_stands_for_a_paper_does_not_know_the_exposure(text):
    abstract = f"We observed it ({text}) and found a flux of 3 x 10^-14 erg/cm^2/s and flares of 2 ks^-1."
    assert not re.search(r"57|0\.3 Ms|20 ksec|35|10 and", paper_text("A title", abstract))
    assert "3 x 10^-14 erg/cm^2/s" in paper_text("A title", abstract)
    assert "exposure_ks" in read_quantities(abstract)
    stated = {q.name for q, n in zip(QUANTITIES, quantity_vectors([abstract])[0, N_QUANTITIES:], strict=True) if n}
    assert stated == {"flux_erg_cm2_s"}


@pytest.mark.parametrize(
    "stated",
    [
        *("57~ks", r"57\,ks", "$57$ ks", r"$\sim 57$ ks", r"$57\,{\rm ks}$", r"57\;\mathrm{ks}", r"57 \rm\,ks"),
        *(r"\SI{57}{\kilo\second}", "57\u2009ks", "57\u202fks", "57 <i>ks</i>", "57 Ks", "57 kilo-second"),
        *("57-57 ks", "57\u201357 ks", "57--57 ks", "57, 57 and 57 ks", "57 +/- 57 ks", r"$57\pm57$ ks", "57 (57) ks"),
        *(r"$5.7\times 57^{57}$ ks", "3 x 57 ks", "57 or 57\nks", "57ks", "57&nbsp;ks", "57 Msec"),
    ],
)
def test_an_exposure_is_masked_however_it_is_set(stated):
    masked = paper_text(None, f"In 2017 a {stated} exposure shows 3 ms pulses of 30 Msun at 2 Mpc.")
    assert "57" not in masked
    assert masked.startswith("In 2017 a ")
    assert masked.endswith("exposure shows 3 ms pulses of 30 Msun at 2 Mpc.")


@pytest.mark.parametrize(
    "text",
    [
        "the 0.5-7 keV band",
        "photons above 2 keV",
        "an X-ray survey of 12 sources",
        "a flux of 3 x 10^4 erg/cm^2/s",  # no X-ray source: misread
        "gamma = 4 x 10^-13",
        "kT = 3 x 10^99999 keV",
        "ObsID 12345 of 2003",
        "",
    ],
)
def test_what_is_no_such_quantity_is_left_alone(text):
    assert read_quantities(text) == {}


def test_a_flux_is_no_luminosity_nor_the_reverse():
    assert set(read_quantities("3 x 10^-14 erg s^-1 cm^-2")) == {"flux_erg_cm2_s"}
    assert set(read_quantities("3 x 10^37 erg s^-1")) == {"luminosity_erg_s"}


@given(st.text(max_size=300))
def test_any_text_gives_finite_numbers(text):
    vectors = quantity_vectors([text])
    assert vectors.shape == (1, 2 * N_QUANTITIES)
    assert np.isfinite(vectors).all()
    assert flat(flat(text)) == flat(flat(flat(text)))


@given(st.floats(-16.0, -10.6), st.floats(-1.9, 1.9))
def test_what_is_written_is_read(flux_dex, temperature_dex):
    flux, kt = float(f"{10**flux_dex:.3g}"), float(f"{10**temperature_dex:.3g}")
    figures, _, power = f"{flux:e}".partition("e")
    found = read_quantities(f"We find {figures} x 10^{int(power)} erg/cm^2/s and a temperature of {kt:.6f} keV.")
    assert found["flux_erg_cm2_s"] == pytest.approx(flux, rel=1e-5)
    assert found["temperature_kev"] == pytest.approx(kt, rel=1e-3)


def test_a_source_has_the_mean_of_the_papers_that_state_a_quantity():
    texts = ["z = 0.1", "z = 0.3", "nothing"]
    vectors = beside(np.zeros((3, 4), np.float32), texts)
    links = np.array([0, 1, 2]), np.array([0, 0, 0])
    year = np.array([2000.0, 2000, 2000])
    pooled = per_source(vectors, *links, 1, "mean", year=year, citation_count=np.zeros(3))
    at = [q.name for q in QUANTITIES].index("redshift")
    sentences, stated = blocks(pooled)
    assert sentences.shape == (1, 4)
    assert stated.shape == (1, STATED)
    assert stated[0, at] == pytest.approx(vectors[:2, 4 + at].mean())
    assert stated[0, N_QUANTITIES + at] == pytest.approx(2 / 3)


@pytest.mark.real
def test_the_study_counts_the_figures_of_real_abstracts_as_this_code_does(real):
    lines = (real / "papers" / "arxiv_high_energy.jsonl").read_text("utf-8").splitlines()
    told = Counter()
    for record in map(json.loads, lines):
        title = record["title"][0] if isinstance(record["title"], list) else record["title"]
        told.update(list(read_quantities(f"{title}. {record['abstract']}")))
    page = (Path(__file__).resolve().parents[2] / "docs" / "studies" / "papers.md").read_text("utf-8")
    counts = (told[k] for k in ("distance_pc", "luminosity_erg_s", "exposure_ks", "flux_erg_cm2_s"))
    words = "of {:,} real abstracts {} give a distance, {} a luminosity, {} an exposure, {} an X-ray flux"
    assert words.format(len(lines), *counts) in " ".join(page.split())
