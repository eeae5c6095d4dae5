"""Selectors of scripts are looked up in linear time, with the same result as by cssselect."""

import pytest
from lxml.html import document_fromstring

from scrapy_omocaptcha.detection.selectors import MAX_PASSES, MAX_SELECTED, Selectors

ROOT = document_fromstring(
    """<body class="page"><div id=a class="box first"><form name=f><i class="box"></i><p><i data-x="1"></i></p></form>
    </div><div class="box"><i class="box other"></i><b></b><b></b></div><i class=last></i><i></i></body>"""
)


@pytest.mark.parametrize(
    "css",
    [
        *("*", "i", "I", ".box", "#a", "[data-x]", "[data-x='1']", "i.box", "div.box.first", "i[class^=o]", "i, b"),
        *("div i", "div > i", "form i", "#a i", "div form > i", "div div", "body div > form p i", "body > *"),
        "b, div i",
        *("i:not(.box)", "div:not(#a) i", "i:not([data-x])", ".none i", "i .none", "html body i"),
    ],
)
def test_a_selector_finds_what_cssselect_finds(css):
    found = Selectors(ROOT).select(css)
    assert set(found) == set(ROOT.cssselect(css))
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    "css", ["i ~ i", "div + div", "i:first-child", "i:nth-child(2n)", "b:not(:last-child)", "i + i"]
)
def test_a_selector_that_takes_more_than_linear_time_finds_nothing(css):
    assert ROOT.cssselect(css)
    assert Selectors(ROOT).select(css) == []


@pytest.mark.parametrize("css", ["", "i:visible", "i:eq(0)", "<div>", "[", "a|i", "i::before", "i\0", "[a='\x01']"])
def test_what_is_no_selector_of_css_finds_nothing(css):
    assert Selectors(ROOT).select(css) == []


def test_the_elements_of_a_selector_and_the_passes_over_a_page_are_limited():
    root = document_fromstring("<div>" + "<i></i>" * 100)
    selectors = Selectors(root)
    assert len(selectors.select("i")) == MAX_SELECTED
    assert len(selectors.select(" ".join(["*"] * MAX_PASSES))) == 0
    assert selectors.select("div") == []
    assert len(selectors.select("i")) == MAX_SELECTED
