"""The documentation, as it is built: what its search finds."""

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
