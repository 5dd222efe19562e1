"""What a text says of sources: names that are word-safe, positions within their mission's error, observations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.literature.links import NAME, OBSERVATION, POSITION, Alias, Known, links
from ingest.literature.words import cells, flat, key_of, tokens

ULX, NUCLEUS, PULSAR, STAR = (
    "2CXO J095550.1+694046",
    "2CXO J121032.5+392421",
    "2CXO J101214.2-423530",
    "2CXO J110151.9-344216",
)
KNOWN = Known.of(
    [
        (ULX, 148.95893, 69.67961),
        (NUCLEUS, 182.63574, 39.40585),
        (PULSAR, 153.05925, -42.59184),
        (STAR, 165.46628, -34.70473),
        ("2CXO J121033.0+392430", 182.6375, 39.4085),
    ],
    [
        Alias(ULX, "M 82 X-1"),
        Alias(ULX, "M  82"),
        Alias(NUCLEUS, "NGC  4151", active=True),
        Alias(STAR, "V* TW Hya"),
        Alias(PULSAR, "PSR J1012-4235"),
    ],
    [(10542, ULX), (942, NUCLEUS), (942, PULSAR)],
)


def found(title: str, abstract: str = "") -> dict[str, tuple[str, float, str]]:
    return {link.name: (link.method, link.confidence, link.evidence) for link in links([("b", title, abstract)], KNOWN)}


@pytest.mark.parametrize(
    "text",
    [
        "Spectral type M8 dwarfs",
        "M82b and M820",
        "M82 X-2 is another source",
        "in 4M82",
        "TW Hya-like discs",
        "as per hd",
        "NGC 41512",
        "PSR J1012-4235B",
        "NGC, 4151 objects",
    ],
)
def test_what_only_looks_like_a_name_is_none(text):
    assert not {n: f for n, f in found(text).items() if f[0] == NAME}


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("The ULX M82 X-1 pulsates", ULX, "M82 X-1"),
        ("Messier~82~X-1", ULX, "Messier 82 X-1"),
        ("NGC4151: an outflow", NUCLEUS, "NGC4151"),
        ("The disc of TW Hydrae", STAR, "TW Hydrae"),
        (r"PSR J1012$-$4235 in a wide binary", PULSAR, "PSR J1012-4235"),
        ("PSR J1012\u22124235", PULSAR, "PSR J1012-4235"),
    ],
)
def test_a_name_is_found_however_it_is_spelt(text, name, words):
    method, confidence, evidence = found(text)[name]
    assert (method, evidence) == (NAME, words)
    assert confidence >= 0.5


def test_the_longest_name_counts():
    assert found("M82 X-1 and its nebula")[ULX][1] == 0.9
    assert found("M82 and its superwind")[ULX][1] < 0.5  # the galaxy has many sources


def test_a_name_in_the_abstract_alone_is_less_sure_than_one_in_the_title():
    title, abstract = (found(*words)[STAR][1] for words in (("TW Hya",), ("Discs", "around TW Hya")))
    assert 0.5 <= abstract < title


@pytest.mark.parametrize("words", ["similar to", "Unlike the disc of", "we compare it with", "dippers such as"])
def test_a_name_that_is_only_compared_with_is_not_used(words):
    assert found("A disc", f"It is {words} TW Hya.")[STAR][1] < 0.5


def test_a_name_of_two_sources_is_reported_and_not_used():
    known = Known.of([], [Alias(ULX, "HD 1005"), Alias(STAR, "HD 1005")])
    assert [(x.name, x.confidence) for x in links([("b", "HD 1005", "")], known)] == [(ULX, 0.45), (STAR, 0.45)]


@pytest.mark.parametrize(
    ("text", "method", "least"),
    [
        ("2CXO J095550.1+694046", NAME, 0.95),
        ("CXOU J095550.1+694046", NAME, 0.95),
        ("4XMM J095550.3+694047", POSITION, 0.8),
        ("at RA = 09h55m50.2s, Dec = +69d40m46.5s (J2000)", POSITION, 0.8),
        ("(RA, Dec) = (148.9590, 69.6796) deg", POSITION, 0.8),
    ],
)
def test_a_position_in_the_text_is_matched_within_its_error(text, method, least):
    made, confidence, _ = found(text)[ULX]
    assert made == method
    assert confidence >= least


def test_a_position_elsewhere_is_not_matched():
    assert not found("4XMM J095553.3+694047 and SDSS J095550.1+694146")
    assert not found("CXOU J095550.1-694046")


def test_a_coarse_position_is_no_identification():
    assert found("LHAASO J0955+6940")[ULX][1] < 0.5
    two = found("XMMU J121032.7+392425")  # 5 arcsec of two sources
    assert all(confidence < 0.5 for _, confidence, _ in two.values())


def test_an_observation_is_not_a_source():
    assert found("Chandra ObsID 10542")[ULX] == (OBSERVATION, 0.45, "ObsID 10542")
    assert {n: c for n, (_, c, _) in found("Obs. IDs: 942, 943 and 944").items()} == {NUCLEUS: 0.225, PULSAR: 0.225}
    assert not found("XMM ObsID 0109420101, 942 sources")


def test_designations_truncate():
    (cell,) = cells("CXOU J005440.5-374320")
    assert cell.ra <= 15 * (54 / 60 + 40.55 / 3600) < cell.ra + cell.ra_size
    assert cell.dec <= -(37 + 43 / 60 + 20.9 / 3600) < cell.dec + cell.dec_size
    assert not list(cells("J256040.5-374320 J006140.5-374320 J005440.5-974320"))


@given(st.text(max_size=200))
def test_no_text_breaks_it(text):
    words = flat(text)
    assert all(words[t.start : t.stop].strip() for t in tokens(words))
    list(links([("b", text, text)], KNOWN))


@given(st.text(alphabet="ABCXJ0123456789+-. []*{}$", max_size=30))
def test_a_key_is_what_the_text_gives(name):
    key = key_of(name)
    if key is not None:
        assert any(c.isdigit() for c in key)
        assert len(key.split(" ")) >= 2
