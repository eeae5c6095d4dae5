"""Whole crawls with hooks of the spider: when they decide, and what becomes of their mistakes."""

import logging
import re

import pytest
import scrapy

from scrapy_omocaptcha import errors
from tests.helpers import sites
from tests.helpers.sites import pages_of, spider


@pytest.mark.parametrize(("says", "jobs"), [(True, 1), (False, 0), (None, 1)])
def test_the_spiders_trigger_has_the_last_word(crawl, service, walled, says, jobs):
    site = walled("session", status=200)
    judges = spider(f"{site.url}/page/1", omocaptcha_trigger=lambda self, response, challenge: says)
    crawled = crawl(judges, service.settings)
    assert len(crawled.pages) + len(crawled.failures) == 1
    # Said of every page, True is right for the challenge alone; the shop's pages carry no widget.
    assert len(service.jobs) == jobs


@pytest.mark.parametrize("says", ["yes", 1])
def test_a_trigger_that_answers_neither_yes_nor_no_costs_nothing(crawl, service, walled, says):
    site = walled("session", status=200)

    def vague(self, response, challenge):
        return says

    crawled = crawl(spider(f"{site.url}/contact", omocaptcha_trigger=vague), service.settings)
    assert [type(error) for error in crawled.failures] == [TypeError]
    assert service.calls == ()


async def slow(*arguments):
    """Stand for a hook that waits."""


def yields(*arguments):
    """Stand for a hook that is written as a callback."""
    yield arguments


FEW = "does not take the arguments that it is called with: define it with "
ASYNC = "is an async def or yields: make it a plain def that returns"


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        ({"omocaptcha_trigger": lambda response, challenge: None}, f"omocaptcha_trigger {FEW}(self, response"),
        ({"omocaptcha_trigger": staticmethod(lambda a, b, c: None)}, f"omocaptcha_trigger {FEW}(self, response"),
        ({"omocaptcha_submit": lambda self, a, b, *, token: None}, f"omocaptcha_submit {FEW}(self, response"),
        ({"omocaptcha_submit": slow}, f"omocaptcha_submit {ASYNC}"),
        ({"omocaptcha_submit": yields}, f"omocaptcha_submit {ASYNC}"),
    ],
)
def test_a_hook_that_cannot_be_called_is_an_error_of_the_start(crawl, service, caplog, hooks, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        crawl(spider(**hooks), service.settings)
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert line.getMessage().startswith(f"OMOcaptcha: {said}")


@pytest.mark.parametrize("kind", ["raises", "nothing", "foreign", "no token"])
def test_a_submit_hook_that_fails_stops_the_buying_it_fails_on(crawl, service, walled, kind):
    site = walled("session", catalogue_pages=30)

    class Slips(pages_of(site, 30)):
        def omocaptcha_submit(self, response, challenge, token):
            if kind == "raises":
                raise KeyError(token.value)
            if kind == "no token":  # Its text is not its value.
                return scrapy.FormRequest(f"{site.url}/verify", formdata={"g-recaptcha-response": str(token)})
            return None if kind == "nothing" else scrapy.Request("https://example.com/")

    crawled = crawl(Slips, service.settings)
    assert crawled.reasons == ["hook"] * 30
    (paid,) = [error for error in crawled.failures if isinstance(error, errors.ChallengeNotSolved)]
    assert "omocaptcha_submit" in str(paid)
    assert len(service.jobs) == 1
    said = [line for line in crawled.said() if "omocaptcha_submit" in line]
    assert said
    assert "03A" not in "".join(said)


@pytest.mark.parametrize("gate", [None, "/hold", "/captcha"])
@pytest.mark.parametrize("answer", ["the challenge", "a redirect"])
def test_a_trigger_is_not_asked_whether_a_token_was_good(crawl, service, gate, answer):
    """As with one that goes by the status, at a wall that shows its challenge with status 200 after a token."""
    tokens = []

    def site(request, form):
        if form:
            tokens.append(form)
            return sites.redirect("/page") if answer == "a redirect" else sites.challenge(status=200)
        if gate is not None and request.path != gate:
            return sites.redirect(gate)
        return sites.challenge(status=200 if tokens else 403)

    def only_403(self, response, challenge):
        return None if response.status == 403 else False

    with sites.Site(site) as started:
        crawled = crawl(spider(f"{started.origin}/page", omocaptcha_trigger=only_403), service.settings)
    assert (crawled.pages, crawled.reasons) == ([], ["attempts"])
    assert crawled.count("tokens/rejected") == len(tokens) == len(service.jobs) == 3
