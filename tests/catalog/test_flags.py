"""Flags: each word is explained once, in sentences."""

from __future__ import annotations

import re

import pytest

from catalog.schema.flags import FLAGS, QUIET, meaning, word_of
from ingest.readers import Flag


def test_every_word_is_explained_in_sentences():
    for word, text in FLAGS.items():
        assert re.fullmatch(r"[a-z0-9_]+\*?", word), word
        assert text[0].isupper(), word
        assert text.endswith("."), word
    assert set(FLAGS) >= QUIET


@pytest.mark.parametrize(
    ("flag", "word"),
    [
        ("no_events", "no_events"),
        ("columns_not_kept: grade, status", "columns_not_kept"),
        ("events_capped: 800 of 20,194", "events_capped"),
        ("timesys_utc", "timesys_*"),
        ("rounded_x", "rounded_*"),
        ("bad_pi", "bad_*"),
        ("bad_good_times", "bad_good_times"),
    ],
)
def test_a_flag_with_details_or_of_a_family_has_its_meaning(flag, word):
    assert meaning(flag) == FLAGS[word]
    assert word_of(flag) == flag.partition(":")[0]


def test_a_sentence_explains_itself_and_a_word_must_be_explained():
    assert meaning("rows left out, without a bibcode: 3") == ""
    assert meaning("colour_unknown") is None
    with pytest.warns(UserWarning, match="no explanation in catalog/schema/flags.py"):
        Flag("colour_unknown")
