"""Tokens in what a browser's libraries log."""

import logging
from urllib.parse import quote

import pytest

from scrapy_omocaptcha.browser.traffic import masking

TOKEN = "03AFcWeA-a_token/with+all=kinds"
URL = f"https://shop.example/verify?g-recaptcha-response={quote(TOKEN, safe='')}&next=%2F"
BROWSERS = logging.getLogger("scrapy-playwright")
OTHERS = logging.getLogger("tests.masking")


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize("name", ["scrapy-playwright", "asyncio", "scrapy.core.scraper"])
@pytest.mark.parametrize(
    "spelling", [TOKEN, quote(TOKEN), quote(TOKEN, safe=""), quote(quote(TOKEN, safe=""), safe="")]
)
def test_a_token_in_a_message_is_masked_however_it_is_spelled(log, name, spelling):
    with masking(TOKEN):
        logging.getLogger(name).debug("Request: <GET %s> (%i)", f"/verify?token={spelling}", 7)
        logging.getLogger(name).debug(f"Request: <GET /verify?token={spelling}>")
    for record in log.records:
        assert spelling not in record.getMessage()
        assert "***" in record.getMessage()
    assert len(log.records) == 2


def test_the_rest_of_a_message_is_as_it_was(log):
    with masking(TOKEN):
        BROWSERS.debug("[Context=%s] Request: <GET %s> %i", "default", URL, 7)
        BROWSERS.debug("%s of %i", [1, 2], 3)
        BROWSERS.debug("%(count)i pages", {"count": 3})
    address = "https://shop.example/verify?g-recaptcha-response=***&next=%2F"
    assert log.messages == [f"[Context=default] Request: <GET {address}> 7", "[1, 2] of 3", "3 pages"]


def test_a_token_in_extra_fields_is_masked(log):
    error = ValueError(URL)
    with masking(TOKEN):
        BROWSERS.debug("Request", extra={"playwright_request_url": URL, "exception": error, "number": 7})
    (record,) = log.records
    assert record.playwright_request_url == "https://shop.example/verify?g-recaptcha-response=***&next=%2F"
    assert record.number == 7
    assert quote(TOKEN, safe="") not in str(record.exception)


def test_an_error_that_names_the_token_loses_its_traceback_and_any_other_keeps_it(log):
    names, other = RuntimeError(f"Navigation to {URL} was interrupted"), RuntimeError("the page has crashed")
    follows = RuntimeError("no results")
    follows.__context__ = names
    with masking(TOKEN):
        for error in (names, follows, other):
            BROWSERS.warning("Closing page", exc_info=error)
    *named, other = log.records
    assert [record.exc_info for record in named] == [None, None]
    assert str(other.exc_info[1]) == "the page has crashed"
    assert quote(TOKEN, safe="") not in log.text


def test_nothing_is_masked_afterwards_elsewhere_or_without_a_token(log):
    with masking(TOKEN):
        OTHERS.debug(URL)
    BROWSERS.debug(URL)
    with masking(""):
        BROWSERS.debug(URL)
    assert log.messages == [URL] * 3
    assert BROWSERS.filters == []


def test_the_mask_is_taken_off_when_the_block_fails():
    with pytest.raises(RuntimeError), masking(TOKEN):
        raise RuntimeError
    assert BROWSERS.filters == []
