"""What a page shows before it is parsed: its bytes, its status and its address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.detection.marks import contains
from tests.helpers.widgetpages import CHECKBOXES, KEY, in_form

WORD = b"recaptcha"
LENGTHS = st.sampled_from([0, 1, 8, 9, 9_990, 9_991, 9_992, 10_000, 30_000])


@given(st.lists(st.sampled_from([b"rec", b"recaptch", b"a", b"\0", WORD, b"Recaptcha"])), LENGTHS, LENGTHS)
def test_a_word_is_found_wherever_it_is_and_however_long_the_text(pieces, before, after):
    text = b"x" * before + b"".join(pieces) + b"." * after
    assert contains(text, WORD) is (text.find(WORD) >= 0)


@pytest.mark.parametrize("length", [9_991, 100_000])
def test_what_is_beyond_the_end_of_a_text_is_not_searched(length):
    # Python ends each bytes object with a zero that does not belong to it.
    text = b"x" * length + WORD
    assert contains(text, WORD)
    assert not contains(text, WORD + b"\0")


@pytest.mark.parametrize(
    ("before", "inside"),
    [("我" * 6_000, ""), ("", "<p>Text" * 20_000)],
    ids=["a long text without markup", "a long page"],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_a_widget_is_found_after_much_else_however_wide_its_characters_are(before, inside, encoding):
    markup = f"{before}<html><body>{inside}{in_form(CHECKBOXES['a container'])}"
    response = HtmlResponse("https://site.example/", body=markup.encode(encoding), encoding=encoding)
    assert find_challenge(response).sitekey == KEY
