"""Papers from ADS answers, JSON lines, JSON lists and BibTeX."""

from __future__ import annotations

import io
import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UnreadableFile
from catalog.tables import TABLES
from ingest import json_records
from ingest.content import FileName, Flag
from ingest.json_records import read_json_records
from ingest.literature.bibtex import parse_bibtex, plain
from ingest.literature.papers import read_papers

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
    assert flags == ["records left out, without a bibcode: 1"]


@pytest.mark.parametrize(
    ("latex", "letters"),
    [
        (
            r"{\'E}t{\'e}, \v{S}koda, \c{c}, {\aa}, \L{}odz, Erd\H{o}s, \~n, \"{\i}",
            "Été, Škoda, ç, å, Łodz, Erdős, ñ, ï",
        ),
        (r"$\sigma_{\rm x}$ of 5~keV--10 keV", r"$\sigma_{\rm x}$ of 5 keV-10 keV"),
    ],
)
def test_latex_is_read_as_letters(latex, letters):
    assert plain(latex) == letters


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
        (b"@article{2006ApJS..163..401M, title = {open", "that ends"),
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
    try:
        entries = list(parse_bibtex(text))
    except UnreadableFile:
        return
    assert all(entry.kind for entry in entries)


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
