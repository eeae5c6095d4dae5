"""Detection in hostile pages: broken, huge, or designed to make one step of the detection slow.

The time to read a page is linear in its size. Here function calls are counted, which are the same at each run. What
happens inside of a function of C (the parser, a regular expression, an XPath) is not; see
``tests/process/test_hostile_pages.py``.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_omocaptcha import Challenge, find_challenge, submit_token
from scrapy_omocaptcha.detection import find_other_captcha
from scrapy_omocaptcha.tokens.reasons import Case, find_refusal
from scrapy_omocaptcha.urls import same_site
from tests.helpers.fuzzing import counted, fuzzed
from tests.helpers.hostile import count_calls, many_forms, pages
from tests.helpers.nightly import nightly
from tests.helpers.pages import labels, needs_pages, saved
from tests.helpers.widgetpages import CHECKBOXES, ENTERPRISE, INVISIBLE, KEY, NONE, RENDERED, in_form


@pytest.mark.parametrize("charset", ["hex", "base64", "rot13", "idna", "punycode", "undefined"])
def test_a_page_in_an_encoding_that_only_python_knows_has_no_challenge(charset):
    response = HtmlResponse(
        "https://site.example/",
        body=in_form(CHECKBOXES["a container"]).encode(),
        headers={"Content-Type": f"text/html; charset={charset}"},
        status=403,
    )
    assert find_challenge(response) is None
    assert find_other_captcha(response) is None


def test_a_rendered_widget_is_found_among_megabytes_of_scripts():
    rendered = RENDERED["quoted names"]
    others = "<script>var shop = 1;</script>" + f"<script>{'shop();' * 150_000}</script>" * 5
    response = HtmlResponse("https://site.example/", body=(others + rendered).encode(), status=403)
    assert find_challenge(response).sitekey == KEY


@pytest.mark.parametrize("size", [3_000, nightly(10_000)])
def test_a_page_of_twice_the_size_takes_at_most_twice_as_many_calls(size):
    once, twice = dict(pages(size)), dict(pages(2 * size))
    counts = {name: (count_calls(once[name]), count_calls(twice[name])) for name in once}
    assert {name: (few, many) for name, (few, many) in counts.items() if many > 2 * few + 200} == {}


def test_twenty_forms_are_read_with_as_many_calls_as_one():
    one, twenty = (count_calls(many_forms(number, 100_000)) for number in (1, 20))
    assert twenty < 1.5 * one


def test_of_the_attributes_of_an_element_only_the_first_are_read_which_would_take_quadratic_time():
    button = "<button {} title='Delete it'>Go</button>"
    for number, judgement in ((50, "acts"), (200, "withholds")):
        attributes = " ".join(f"a{n}" for n in range(number))
        form = in_form(CHECKBOXES["a container"]).replace("<input name=mail>", button.format(attributes))
        response = HtmlResponse("https://site.example/", body=form.encode(), encoding="utf-8", status=403)
        assert find_challenge(response).judgement == judgement


OWN = [in_form(body) for table in (CHECKBOXES, RENDERED, INVISIBLE, ENTERPRISE, NONE) for body in table.values()]
TOKEN = "03AFcWeA-fuzzed_token"
CHUNKS = [
    *("<", ">", '"', "'", "/*", "*/", "</script>", "<script>", "<!--", "-->", "<template>", "<form>", "</form>", "\0"),
    *("{", "}", "(", ")", "`", "\\", "\ud83d\ude00", "grecaptcha.render(", "data-sitekey=", KEY, "&#0;"),
    *("<base href='//['>", "<base href=//evil.example.org>", "<form method=post action='", "https:evil.example.org"),
    *(
        "//site.example@evil.example.org/",
        "\\\\evil.example.org\\x",
        "https://[::1]/",
        "javascript:x()",
        "accept-charset=hex ",
    ),
    *(
        "accept-charset=utf-16 ",
        "enctype=multipart/form-data ",
        "<button formaction='https://",
        "<input type=range name=a>",
    ),
]


@st.composite
def mutated(draw, markups: st.SearchStrategy[str]) -> str:
    """Draw a page of which pieces are cut, doubled, or replaced by others."""
    markup = draw(markups)
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(markup)))
        end = min(len(markup), start + draw(st.sampled_from([0, 1, 5, 40, 400, 4000])))
        chunk = draw(st.sampled_from(["", markup[start:end] * 2, *CHUNKS]))
        markup = markup[:start] + chunk + markup[end:]
    return markup


def check(body: bytes) -> None:
    response = HtmlResponse("https://site.example/a", body=body, status=403)
    challenge = find_challenge(response)
    assert challenge is None or isinstance(challenge, Challenge)
    if challenge is not None:
        assert challenge.evidence
        for widget in (challenge, *challenge.others):
            assert widget.sitekey is None or re.fullmatch(r"6L[\w-]{30,60}", widget.sitekey)
            if find_refusal("form", Case(widget, (), Request(response.url), response)) is None:
                sent = submit_token(response, widget, TOKEN)
                assert same_site(response.url, sent.url)
                assert (sent.body if sent.method == "POST" else sent.url.encode()).count(TOKEN.encode()) == 1
                assert TOKEN not in repr(sent)
    assert find_other_captcha(response) is None or find_other_captcha(response)


@fuzzed(60)
@given(mutated(st.sampled_from(OWN)), st.sampled_from(["utf-8", "latin-1", "shift_jis"]))
@counted
def test_no_mutated_page_of_ours_breaks_detection(markup, encoding):
    check(markup.encode(encoding, "replace"))


@needs_pages
@fuzzed(60)
@given(st.data())
@counted
def test_no_mutated_saved_page_breaks_detection(data):
    label = data.draw(st.sampled_from([label for label in labels() if label["is_v2"]]), label="page")
    markup = saved(label).body.decode("utf-8", "replace")
    check(data.draw(mutated(st.just(markup))).encode("utf-8", "surrogatepass"))
