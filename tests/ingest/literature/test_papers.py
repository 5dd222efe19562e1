"""Papers from ADS answers, JSON lines, JSON lists and BibTeX."""

from __future__ import annotations

import io
import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UnreadableFile
from catalog.schema import TABLES
from ingest import json_records
from ingest.detect_text import detect_text
from ingest.json_records import read_json_records
from ingest.literature import markup
from ingest.literature.bibtex import Broken, parse_bibtex, plain
from ingest.literature.papers import read_papers
from ingest.readers import FileName, Flag

RECORD = {
    "bibcode": "2023arXiv230500019B",
    "title": ["Recent Progress", "in Jets"],
    "abstract": "Radio jets ...",
    "author": ["Bourne, Martin A.", "Yang, Hsiang-Yi Karen"],
    "year": "2023",
    "pubdate": "2023-05-00",
    "identifier": ["arXiv:2305.00019"],
    "doi": ["10.1/x"],
    "doctype": "eprint",
    "bibstem": ["arXiv", "arXiv2305"],
    "citation_count": 3,
}
BIBTEX = r"""
Exported from ADS.
@ARTICLE{2006ApJS..163..401M,
       author = {{M{\"u}ller}, K.~M. and {Garc{\'\i}a}, J. and {Colbert}, Edward J.~M.},
        title = "{A $\sim$5 keV line in M82 {X-1} \& others}",
      journal = {\apjs},
     keywords = {X-rays: Binaries, Galaxies: Individual: M82},
         year = 2006,
        month = apr,
       volume = {163},
          doi = {10.1086/500963},
archivePrefix = {arXiv},
       eprint = {astro-ph/0512480},
     abstract = "{We report 50\% variability, see {\tt code}.}",
       adsurl = {https://ui.adsabs.harvard.edu/abs/2006ApJS..163..401M},
      adsnote = {Provided by the SAO/NASA Astrophysics Data System}
}
@string{x = "y"}
@misc{mine, title = "Own " # "notes", year = "2020",
  adsurl = {https://ui.adsabs.harvard.edu/abs/2020A%26A...633A...1X/abstract} }
@comment{ @article{2020nothing }
"""


def read(data: bytes):
    papers, flags = [], []
    for item in read_papers(io.BytesIO(data), FileName.of("papers.json")):
        if isinstance(item, Flag):
            flags.append(item.text)
        else:
            assert item.table == "lit.paper"
            assert item.batch.schema.equals(TABLES["lit.paper"].schema)
            papers += item.batch.to_pylist()
    return papers, flags


def lines(*records: dict) -> bytes:
    return "\n".join(json.dumps(r) for r in records).encode()


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"responseHeader": {"status": 0}, "response": {"numFound": 1, "docs": [RECORD]}}, indent=1).encode(),
        json.dumps([RECORD]).encode(),
        lines(RECORD) + b"\n\n",
        b"\xef\xbb\xbf" + lines(RECORD),
    ],
    ids=["envelope", "list", "lines", "byte order mark"],
)
def test_a_record_reads_the_same_from_every_wrapping(data):
    (paper,), flags = read(data)
    assert paper == {
        "bibcode": "2023arXiv230500019B",
        "title": "Recent Progress in Jets",
        "abstract": "Radio jets ...",
        "author": ["Bourne, Martin A.", "Yang, Hsiang-Yi Karen"],
        "year": 2023,
        "pubdate": "2023-05-00",
        "bibstem": "arXiv",
        "doctype": "eprint",
        "doi": "10.1/x",
        "identifier": ["arXiv:2305.00019"],
        "keyword": None,
        "citation_count": 3,
        "file_ids": [FileName.of("papers.json").file_id],
    }
    assert flags == []


def test_absent_fields_are_null():
    (paper,), _ = read(lines({"bibcode": "2023arXiv230500019B"}))
    assert {k for k, v in paper.items() if v is not None} == {"bibcode", "file_ids"}


def test_repeated_and_missing_bibcodes_are_flagged_and_the_last_holds():
    papers, flags = read(lines(RECORD, {"title": ["x"]}, RECORD | {"title": ["Last"]}))
    assert [p["title"] for p in papers] == ["Last"]
    assert flags == [
        "repeated bibcodes, the last record was kept: 1",
        "records left out, without a bibcode: 1",
    ]


def test_bibtex_as_ads_exports_it():
    (first, second), flags = read(BIBTEX.encode())
    assert first == {
        "bibcode": "2006ApJS..163..401M",
        "title": "A $\\sim$5 keV line in M82 X-1 & others",
        "abstract": "We report 50% variability, see code.",
        "author": ["Müller, K. M.", "García, J.", "Colbert, Edward J. M."],
        "year": 2006,
        "pubdate": "2006-04-00",
        "bibstem": "ApJS",
        "doctype": "article",
        "doi": "10.1086/500963",
        "identifier": ["astro-ph/0512480"],
        "keyword": ["X-rays: Binaries", "Galaxies: Individual: M82"],
        "citation_count": None,
        "file_ids": [FileName.of("papers.json").file_id],
    }
    assert (second["bibcode"], second["title"]) == ("2020A&A...633A...1X", "Own notes")
    assert flags == []


@pytest.mark.parametrize(
    ("latex", "letters"),
    [
        (
            r"{\'E}t{\'e}, \v{S}koda, \c{c}, {\aa}, \L{}odz, Erd\H{o}s, \~n, \"{\i}",
            "Été, Škoda, ç, å, Łodz, Erdős, ñ, ï",
        ),
        (r"$\sigma_{\rm x}$ of 5~keV--10 keV", r"$\sigma_{\rm x}$ of 5 keV-10 keV"),
        (r"{H{\ensuremath{\alpha}} at {\ensuremath{\sim}}5 keV}", "H\u03b1 at \u223c5 keV"),
        (r"{\textless}0.5 {\textgreater}1 {\textemdash} d{\textquoteright}apr{\`e}s", "<0.5 >1 - d\u2019apr\u00e8s"),
        (r"{\dh}{\DH} {\th}{\TH} {\dj}{\DJ} {\ng}", "\u00f0\u00d0 \u00fe\u00de \u0111\u0110 \u014b"),
        (r"{\ensuremath{\pm}}0.1 {\ensuremath{\mu}}Jy 10$^{-3}$", "\u00b10.1 \u03bcJy 10$^{-3}$"),
        (
            r"{\textasciitilde}5 \textit{Chandra X-ray} {\em XMM} \mbox{M 82} {\small{XV}}",
            "~5 Chandra X-ray XMM M 82 XV",
        ),
        (r"\unknown and {\lya}, \c c \' e", "unknown and lya, \u00e7 \u00e9"),
        (r"\$5 \& \$7, 50\%, a\_b", "$5 & $7, 50%, a_b"),
        (r"\sqrt 2 \frac{1}{2} \begin{x} \ {\ ", "sqrt 2 1/2"),
    ],
)
def test_latex_is_read_as_letters(latex, letters):
    assert plain(latex) == letters


def test_latex_made_to_harm_is_text():
    for harm in (r"{\'" * 5000, "\\a" * 100_000, "$" * 100_001, "x" * 1_000_000 + "\\", "{" * 10_000):
        assert isinstance(plain(harm), str)


MARKED = [
    ("Above &gt;10&nbsp;keV in M&amp;M", "Above >10 keV in M&M"),
    ("M&uuml;ller &#945;&#x3b1; &unknown; AT&T", "M\u00fcller \u03b1\u03b1 &unknown; AT&T"),
    ("N<sub>H</sub> = 10<SUP>22</SUP><BR />x<P />y", "N<SUB>H</SUB> = 10<SUP>22</SUP> x y"),
    ('<A href="http://x">A</A> <i>Chandra</i> <astrobj>M 82</astrobj>', "A Chandra M 82"),
    ("0.5<z<1, a <b and c> d, x < y > z", "0.5<z<1, a <b and c> d, x < y > z"),
    ("not a tag: &lt;p&gt;", "not a tag: <p>"),
    ("a\u2028b\u0085c\u00a0d\te\nf", "a b c d e f"),
    ("<mml:math><mml:msub><mml:mi>M</mml:mi><mml:mo>&odot;</mml:mo></mml:msub></mml:math>", "M<SUB>\u2299</SUB>"),
    ("<math><msup><mn>10</mn><mrow><mo>\u2212</mo><mn>13</mn></mrow></msup></math> erg", "10<SUP>-13</SUP> erg"),
    ("<math xmlns='x'><mo>&lt;</mo><mfrac><mn>1</mn><mn>2</mn></mfrac></math>", "<1/2"),
    ("<inline-formula><tex-math>$x$</tex-math><math><mi>x</mi></math></inline-formula>", "x"),
    ("<inline-formula><tex-math><!-- c -->$a<b$</tex-math></inline-formula>", "$a<b$"),
    ("<mml:math><mml:mi>never closed</mml:math>", "never closed"),
    ("<![CDATA[a & b]]>", "a & b"),
]


@pytest.mark.parametrize(("marked", "text"), MARKED)
def test_mark_up_of_ads_is_read_as_text_and_powers_stay_marked(marked, text):
    assert markup.plain(marked) == text
    (paper,), _ = read(lines({"bibcode": "2023arXiv230500019B", "title": [marked], "abstract": marked}))
    assert (paper["title"], paper["abstract"]) == (text, text)


@given(
    st.text("<>/&;!-[]= \"'abmp", max_size=60), st.sampled_from(["<math>", "<mml:math ", "<tex-math>", "<!--", "<p "])
)
def test_mark_up_of_any_shape_is_text(text, begin):
    assert isinstance(markup.plain(begin + text), str)


@pytest.mark.parametrize(
    "begin", ["<", "<math>", "<math ", "<tex-math>", "<!--", "<![CDATA[", "&", "&a", "<p ", "<i a=b "]
)
def test_mark_up_made_to_harm_is_text(begin):
    assert isinstance(markup.plain(begin * 50_000), str)


@pytest.mark.parametrize(
    "words",
    [
        "Not Available",
        "Not Available <P />",
        "not available.",
        "Abstract not available",
        "No abstract available",
        "N/A",
    ],
)
def test_words_in_place_of_an_abstract_are_null(words):
    (one,), _ = read(lines({"bibcode": "2023arXiv230500019B", "abstract": words}))
    (two,), _ = read(b"@article{2023arXiv230500019B, abstract = {" + words.encode() + b"}}")
    assert one["abstract"] is None
    assert two["abstract"] is None
    (told,), _ = read(lines({"bibcode": "2023arXiv230500019B", "abstract": words + " Really?"}))
    assert told["abstract"]


@pytest.mark.parametrize(
    ("month", "pubdate"),
    [
        ("month = 7", "2020-07-00"),
        ("month = {11}", "2020-11-00"),
        ('month = "07"', "2020-07-00"),
        ("month = nov", "2020-11-00"),
        ("month = {November}", "2020-11-00"),
        ('month = "3~" # dec', "2020-12-00"),
        ("month = {Mar-Apr}", "2020-03-00"),
        ("month = 13", "2020-00-00"),
        ("month = {}", "2020-00-00"),
        ("volume = 3", "2020-00-00"),
    ],
)
def test_months_are_read_by_name_and_by_number(month, pubdate):
    (paper,), _ = read(b"@ARTICLE{2020ApJ...900....1A, title = {T}, year = 2020, %s}" % month.encode())
    assert paper["pubdate"] == pubdate


@pytest.mark.parametrize(
    "url",
    [
        "https://ui.adsabs.harvard.edu/abs/2021A&A...650A...2S",
        "https://ui.adsabs.harvard.edu/#abs/2021A&A...650A...2S",
        r"https://ui.adsabs.harvard.edu/\#abs/2021A\&A...650A...2S/abstract",
        "https://ui.adsabs.harvard.edu/#abs/2021A%26A...650A...2S/abstract",
        "http://adsabs.harvard.edu/abs/2021A%26A...650A...2S?x=1",
        "http://adsabs.harvard.edu/cgi-bin/nph-bib_query?bibcode=2021A%26A...650A...2S&db_key=AST",
        "}, bibcode = {2021A&A...650A...2S",
    ],
)
def test_the_bibcode_is_found_in_addresses_old_and_new(url):
    (paper,), _ = read(f"@article{{Smith21, title = {{T}}, adsurl = {{{url}}}}}".encode())
    assert paper["bibcode"] == "2021A&A...650A...2S"


def test_a_broken_entry_costs_itself_only():
    papers, flags = read(b"""@article{2020ApJ...900....1A, title = {A}, note = {never closed
@article{2020ApJ...900....2B,
 title = {B}
 year = 2020}
@article{2020ApJ...900....3C, title = "C" # { and } # "D", year = 2020, title = {again}}
@article{2020ApJ...900....4D, title = {D}} @article(2020ApJ...900....5E, title = {E})
@comment{ @article{2020ApJ...900....6F }
""")
    assert [(p["bibcode"][-2:], p["title"]) for p in papers] == [("3C", "again"), ("4D", "D"), ("5E", "E")]
    (flag,) = flags
    assert flag.startswith("records left out, unreadable: 2, the first with a BibTeX entry in line 1 that does not end")


SHAPES = {
    "a search": lambda r: {"responseHeader": {"status": 0}, "response": {"numFound": 1, "start": 0, "docs": r}},
    "keys in another order": lambda r: {"response": {"docs": r, "numFound": 1}, "nextCursorMark": "*"},
    "documents alone": lambda r: {"docs": r},
    "a list": lambda r: r,
    "one record": lambda r: r[0],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("indent", [None, 2])
def test_ads_json_is_read_in_all_its_shapes(shape, indent):
    (paper,), flags = read(json.dumps(SHAPES[shape]([RECORD]), indent=indent).encode())
    assert (paper["bibcode"], paper["title"], flags) == ("2023arXiv230500019B", "Recent Progress in Jets", [])


def test_two_answers_in_one_file_are_read_and_an_export_too():
    answer = json.dumps(SHAPES["a search"]([RECORD]))
    other = json.dumps(SHAPES["a search"]([RECORD | {"bibcode": "2024arXiv230500019B"}]))
    papers, _ = read(f"{answer}\n{other}".encode())
    assert len(papers) == 2
    for exported in ({"export": BIBTEX, "msg": "Retrieved 2"}, {"msg": "Retrieved 2", "export": BIBTEX}):
        papers, _ = read(json.dumps(exported).encode())
        assert [p["bibcode"] for p in papers] == ["2006ApJS..163..401M", "2020A&A...633A...1X"]
        assert detect_text(json.dumps(exported).encode(), "x") == "papers"
    assert read(json.dumps({"export": "", "msg": "none"}).encode()) == ([], ["no papers"])
    assert read(json.dumps(SHAPES["a search"]([])).encode()) == ([], ["no papers"])


HARM = {
    "deep": ('{"x":' * 300 + "1" + "}" * 300, "200 levels"),
    "deeper": ('{"x":' * 100_000 + "1" + "}" * 100_000, "200 levels"),
    "lists": ("[" * 5000 + "]" * 5000, "200 levels"),
    "digits": ("1" + "0" * 5000, "Exceeds the limit"),
    "large": (json.dumps('a\\"}]b' * 200_000), "1 MB"),
}


@pytest.mark.parametrize("shape", ["a search", "a list", "lines"])
@pytest.mark.parametrize("harm", HARM)
def test_a_record_made_to_harm_costs_itself_only(monkeypatch, shape, harm):
    monkeypatch.setattr(json_records, "MAX_RECORD_CHARACTERS", 1 << 20)
    value, why = HARM[harm]
    records = [
        json.dumps(RECORD),
        f'{{"bibcode": "2000x", "extra": {value}}}',
        json.dumps(RECORD | {"bibcode": "2024arXiv"}),
    ]
    listed = f"[{','.join(records)}]"
    text = {"lines": "\n".join(records), "a list": listed, "a search": f'{{"response": {{"docs": {listed}}}}}'}[shape]
    papers, (flag,) = read(text.encode())
    assert [p["bibcode"] for p in papers] == ["2023arXiv230500019B", "2024arXiv"]
    assert flag.startswith("records left out, unreadable: 1")
    assert why in flag


def test_halves_of_surrogate_pairs_become_a_character_that_can_be_stored():
    (paper,), _ = read(rb'{"bibcode": "2023arXiv230500019B", "title": ["a\ud800b \ud83d\udd2d"], "\udfff": 1}')
    assert paper["title"] == "a\ufffdb \U0001f52d"


@pytest.mark.parametrize("broken", ['{"bibcode": oops}', '{"bibcode": "2020', '{"title": ["a}', '{"a": 1}}'])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_line_that_is_no_record_costs_itself_alone(broken, at):
    written = [json.dumps({"bibcode": f"2020ApJ...900....{n}X", "title": ["a"]}) for n in range(1, 4)]
    written.insert(at, broken)
    papers, flags = read("\n".join(written).encode())
    assert [p["bibcode"][-2] for p in papers] == ["1", "2", "3"]
    assert any("records left out, unreadable: 1" in f and f"in line {at + 1}" in f for f in flags)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b'{"error": {"msg": "org.apache.solr: undefined field hard", "code": 400}}', "undefined field hard"),
        (b'{"error": "Unauthorized"}', "Unauthorized"),
        (b"<!DOCTYPE html><html>Sign in</html>", "an HTML page"),
        (b"just words", "expected papers"),
        (b'[{"bibcode": "2023arXiv230500019B"},', "file's end"),
        (b'{"bibcode": "2023arXiv2305000', "Unterminated string"),
        (b'{"a": 1}\n{"b": 2}', "none in 2"),
        (b"[1, 2]", "a JSON object for each record"),
        (b'[{"bibcode": "\xff"}]', "byte 0xff"),
        (b"[" * 100_000, "levels of JSON"),
        (b'[{"bibcode": 1' + b"0" * 5000 + b"}]", "Exceeds the limit"),
        (b"@article{2006ApJS..163..401M, title = {open", "line 1 that does not end"),
        (b'{"export": "TY  - JOUR", "msg": "Retrieved 1"}', "bibtexabs"),
    ],
)
def test_what_holds_no_papers_is_refused_in_one_line(data, words):
    with pytest.raises(UnreadableFile) as error:
        read(data)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@given(
    records=st.lists(
        st.dictionaries(
            st.text(string.ascii_lowercase, max_size=3),
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text()
            | st.lists(st.text(), max_size=2),
            max_size=4,
        ),
        max_size=6,
    ),
    piece=st.integers(1, 40),
    wrapping=st.sampled_from(["list", "indented list", "lines"]),
)
def test_records_survive_any_cut_of_the_stream(records, piece, wrapping):
    """Whatever the pieces in which the bytes arrive, each record comes back."""
    text = {
        "list": json.dumps(records, allow_nan=False),
        "indented list": json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False),
        "lines": "\n".join(json.dumps(r, ensure_ascii=False) for r in records) or "[]",
    }[wrapping]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "PIECE_BYTES", piece)
        back = list(read_json_records(io.BytesIO(text.encode("utf-8", "surrogatepass"))))
    assert back == records


@settings(max_examples=200, deadline=None)
@given(
    base=st.sampled_from([BIBTEX.encode(), lines(RECORD, RECORD), json.dumps([RECORD] * 2).encode()]),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=5),
    keep=st.floats(0.2, 1),
)
def test_damaged_papers_are_read_or_refused_and_never_raise_anything_else(base, edits, keep):
    data = bytearray(base)
    for where, new, n_old in edits:
        at = int(where * len(data))
        data[at : at + n_old] = new
    try:
        papers, flags = read(bytes(data[: max(1, int(keep * len(data)))]))
    except UnreadableFile as error:
        assert "expected" in str(error)  # noqa: PT017 - either outcome is right, another exception is not
    else:
        assert all(p["bibcode"] for p in papers)
        assert papers or flags


@given(st.text(alphabet='@{}",=#\\ \nab1', max_size=60))
def test_bibtex_of_any_shape_ends(text):
    assert all(isinstance(entry, Broken) or entry.kind for entry in parse_bibtex(text))


@pytest.mark.real
def test_all_real_abstracts_come_out(real):
    papers, flags = read((real / "papers" / "arxiv_high_energy.jsonl").read_bytes())
    assert len(papers) == len({p["bibcode"] for p in papers}) == 2126
    assert all(p["abstract"] and p["title"] and p["author"] and p["year"] for p in papers)
    assert flags == []


@pytest.mark.real
def test_real_envelope_of_an_ads_answer(real):
    papers, _ = read((real / "papers" / "ads_search_response.json").read_bytes())
    assert len(papers) == 26
    assert papers[0]["author"][0] == "Yang, Xiaolong"
