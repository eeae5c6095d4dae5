"""The documentation, as it is built: what its search finds, and what a narrow window shows."""

import json
import re
import subprocess
import sys
from random import Random

import pytest
from parsel import Selector

from tests.helpers.docs import DOCS

# They build the pages, for which ``make nightly`` installs Sphinx.
pytestmark = pytest.mark.nightly

_RESULTS = """
((queries) => queries.map((query) => {
  // docs/search_order.js reads it there.
  history.replaceState(null, '', '?q=' + encodeURIComponent(query));
  const results = Search._performSearch(...Search._parseQuery(query));
  return results.reverse().map(([page, , anchor]) => page + anchor);
}))(%s)
"""
_FIRST_LINK = """
new Promise((done) => setInterval(() => {
  const link = document.querySelector('#search-results li a');
  if (link) done(link.getAttribute('href'));
}, 20))
"""
_TOO_WIDE = """
[document.documentElement, ...document.querySelectorAll('article table, article table *')]
  .filter((element) => element.getBoundingClientRect().right > innerWidth)
  .map((element) => element.textContent.trim().slice(0, 80))
"""
_CODE = """
[...document.querySelectorAll('article pre')].filter((block) => block.scrollWidth > block.clientWidth).map((block) => {
  const text = document.createRange();
  text.selectNodeContents(block);
  block.scrollLeft = block.scrollWidth;
  return {
    scrolls: getComputedStyle(block).overflowX,
    ends: Math.max(...[...text.getClientRects()].map((line) => line.right)) <= innerWidth,
    // One of them moves with the text, and covers the other at its end.
    shades: getComputedStyle(block).backgroundAttachment,
  };
})
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    subprocess.run([sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", DOCS, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def messages(built):
    """Return the words of each log message, by the link to it."""
    page = Selector((built / "troubleshooting.html").read_text(encoding="utf-8"))
    terms = page.css("dt")
    assert [term.attrib["id"] for term in terms] == [
        link[1:] for link in terms.css("a.headerlink::attr(href)").getall()
    ]
    return {f"troubleshooting#{term.attrib['id']}": words_of(term.xpath("string()").get()) for term in terms}


def words_of(text):
    return set(re.findall(r"\w+", text.lower()))


def test_any_three_words_of_a_message_lead_to_it(built, messages, browser):
    random = Random(1)
    queries = [(link, random.sample(sorted(words), 3)) for link, words in messages.items() for _ in range(50)]
    assert len(queries) > 2000
    found = browser.look(
        (built / "search.html").as_uri(), _RESULTS % json.dumps([" ".join(words) for _, words in queries])
    ).value
    for (link, words), results in zip(queries, found, strict=True):
        # Only others that have the three words may be before it.
        before = results[: results.index(link)]
        assert [other for other in before if not messages.get(other, set()) >= set(words)] == [], words


PAGES_OF = {
    **{word: ["challenges", "troubleshooting"] for word in ("403", "429")},
    **{word: ["money"] for word in ("price", "cost")},
    **{word: ["recipes/javascript"] for word in ("playwright", "headless")},
    "clearance": ["glossary"],
    "user agent": ["recipes/sessions"],
}
"""Words, and the pages that come first. Numbers are index entries only, of two pages."""


def test_a_word_leads_to_the_pages_about_it_and_what_people_ask_to_the_page_of_questions(built, browser):
    asked = ["Cloudflare", "limit per day", "hCaptcha"]
    found = browser.look((built / "search.html").as_uri(), _RESULTS % json.dumps([*PAGES_OF, *asked])).value
    first = [[result.partition("#")[0] for result in results] for results in found]
    told = {word: sorted(pages[: len(PAGES_OF[word])]) for word, pages in zip(PAGES_OF, first, strict=False)}
    assert told == PAGES_OF
    assert [pages for pages in first[-len(asked) :] if "questions" not in pages[:3]] == []


def test_the_page_of_the_search_shows_a_message_first(built, browser):
    url = f"{(built / 'search.html').as_uri()}?q=ledger+limits+recorded"
    assert browser.look(url, _FIRST_LINK).value.startswith("troubleshooting.html#ledger-cannot-be-used")


def pages_of(built):
    return [path for path in built.rglob("*.html") if path.relative_to(built).parts[0] not in ("_modules", "_static")]


def test_a_phone_shows_all_columns_of_each_table(built, browser):
    too_wide = {path.name: browser.look(path.as_uri(), _TOO_WIDE, width=390).value for path in pages_of(built)}
    assert len(too_wide) > 40
    assert {name: texts for name, texts in too_wide.items() if texts} == {}


def test_on_a_phone_a_wide_block_of_code_scrolls_to_its_end_and_a_shade_says_so(built, browser):
    blocks = [block for path in pages_of(built) for block in browser.look(path.as_uri(), _CODE, width=390).value]
    assert len(blocks) > 60
    assert [
        block for block in blocks if block != {"scrolls": "auto", "ends": True, "shades": "local, scroll, scroll"}
    ] == []
