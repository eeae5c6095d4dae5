"""Secrets: ``masked`` replaces a secret and its parts, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapy_omocaptcha.settings.secret import PIECE, masked

SECRET = "omo-Secret-4711"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *((text, text) for text in ("", "nothing of it", "omo-Sec")),
        *((f"Bad key {SECRET}.", "Bad key ***."), (f"{SECRET}{SECRET}", "******")),
        *(("omo-Secr…", "***…"), ("…ret-4711", "…***"), (f"a omo-Secr b {SECRET[3:]}", "a *** b ***")),
    ],
)
def test_a_secret_and_its_parts_are_masked(text, shown):
    assert masked(text, SECRET) == shown


def test_a_short_secret_is_masked_as_a_whole_and_an_empty_one_is_ignored():
    assert masked("an abc of abcd", "abc") == "an *** of ***d"
    assert masked("as it is", "") == "as it is"


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.one_of(st.text("ab*", max_size=5), st.sampled_from([SECRET, SECRET[:9], SECRET[4:], "ab"]))))
def test_no_part_is_left(parts):
    shown = masked("".join(parts), SECRET)
    assert not any(SECRET[at : at + PIECE] in shown for at in range(len(SECRET) - PIECE + 1))
