"""Whole crawls with hooks of the spider: when they decide, and what becomes of their mistakes."""

import logging
import re
from functools import partial, partialmethod, wraps

import pytest
import scrapy

from scrapy_omocaptcha import errors
from tests.helpers import sites
from tests.helpers.sites import pages_of, spider


@pytest.mark.parametrize(
    ("says", "setting", "jobs"), [(True, False, 1), (False, True, 0), (None, None, 1), (None, False, 0)]
)
def test_the_spiders_trigger_has_the_last_word_and_the_settings_that_before(
    crawl, service, walled, says, setting, jobs
):
    site = walled("session", status=200)
    judges = spider(f"{site.url}/page/1", omocaptcha_trigger=lambda self, response, challenge: says)
    settings = {"OMOCAPTCHA_TRIGGER": lambda response, challenge: setting}
    crawled = crawl(judges, {**service.settings, **settings})
    assert len(crawled.pages) + len(crawled.failures) == 1
    # Said of every page, True is right for the challenge alone; the shop's pages carry no widget.
    assert len(service.jobs) == jobs


def test_a_trigger_that_raises_is_an_error_of_each_page_and_holds_nobody_up(crawl, service, walled):
    site = walled("session", catalogue_pages=30)

    def slip(self, response, challenge):
        raise KeyError("a slip")

    crawled = crawl(pages_of(site, 30, omocaptcha_trigger=slip), service.settings)
    assert [type(error) for error in crawled.failures] == [KeyError] * 30


@pytest.mark.parametrize("says", ["yes", 1])
def test_a_trigger_that_answers_neither_yes_nor_no_costs_nothing(crawl, service, walled, says):
    site = walled("session", status=200)

    def vague(self, response, challenge):
        return says

    crawled = crawl(spider(f"{site.url}/contact", omocaptcha_trigger=vague), service.settings)
    assert [type(error) for error in crawled.failures] == [TypeError]
    assert service.calls == ()


def wrapped(method):
    @wraps(method)
    def call(self, *arguments):
        return method(self, arguments[0])

    return call


class Callable:
    """An object that is a hook; it takes the response and the challenge."""

    def __call__(self, response, challenge):
        return None


@pytest.mark.parametrize(
    "hooks",
    [
        {"omocaptcha_trigger": lambda self, response, challenge, more=None: None},
        {"omocaptcha_trigger": lambda *arguments: None, "omocaptcha_submit": lambda self, *arguments, **options: None},
        {"omocaptcha_trigger": staticmethod(lambda response, challenge: None)},
        {"omocaptcha_trigger": classmethod(lambda cls, response, challenge: None)},
        {"omocaptcha_trigger": partial(lambda names, response, challenge: None, ["a"])},
        {"omocaptcha_trigger": partialmethod(lambda self, names, response, challenge: None, ["a"])},
        {"omocaptcha_trigger": wrapped(lambda self, response: None)},
        {"omocaptcha_trigger": Callable(), "omocaptcha_submit": None},
        # Python tells no signature of these.
        {"omocaptcha_trigger": max, "omocaptcha_submit": type},
    ],
)
def test_a_hook_that_takes_its_arguments_in_whatever_way_starts_a_crawl(crawl, service, hooks):
    crawled = crawl(spider(**hooks), service.settings)
    assert (crawled.stats["finish_reason"], crawled.said()) == ("finished", [])


@pytest.mark.parametrize(
    ("hooks", "settings", "said"),
    [
        ({"omocaptcha_trigger": lambda self, response: None}, {}, "omocaptcha_trigger … (self, response, challenge)"),
        (
            {"omocaptcha_trigger": lambda response, challenge: None},
            {},
            "omocaptcha_trigger … (self, response, challenge)",
        ),
        (
            {"omocaptcha_trigger": staticmethod(lambda a, b, c: None)},
            {},
            "omocaptcha_trigger … (self, response, challenge)",
        ),
        ({"omocaptcha_trigger": True}, {}, "omocaptcha_trigger … (self, response, challenge)"),
        (
            {"omocaptcha_submit": lambda self, response, challenge, *, token: None},
            {},
            "omocaptcha_submit … (self, response, challenge, token)",
        ),
        (
            {},
            {"OMOCAPTCHA_TRIGGER": lambda response: None},
            "the function of OMOCAPTCHA_TRIGGER … (response, challenge)",
        ),
    ],
)
def test_a_hook_that_does_not_take_its_arguments_is_an_error_of_the_start(
    crawl, service, caplog, hooks, settings, said
):
    name, _, arguments = said.partition(" … ")
    told = f"{name} does not take the arguments that it is called with: define it with {arguments}"
    with pytest.raises(ValueError, match=re.escape(told)):
        crawl(spider(**hooks), {**service.settings, **settings})
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert line.getMessage() == f"OMOcaptcha: {told}"


async def slow(*arguments):
    """Stand for a hook that waits."""


@pytest.mark.parametrize(
    ("hooks", "settings", "name"),
    [
        ({"omocaptcha_trigger": slow}, {}, "omocaptcha_trigger"),
        ({"omocaptcha_submit": slow}, {}, "omocaptcha_submit"),
        ({}, {"OMOCAPTCHA_TRIGGER": slow}, "the function of OMOCAPTCHA_TRIGGER"),
    ],
)
def test_a_hook_that_is_an_async_def_is_an_error_of_the_start(crawl, service, caplog, hooks, settings, name):
    told = f"{name} is an async def, which has to be a plain def"
    with pytest.raises(ValueError, match=told):
        crawl(spider(**hooks), {**service.settings, **settings})
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert line.getMessage() == f"OMOcaptcha: {told}"


@pytest.mark.parametrize("kind", ["raises", "nothing", "foreign"])
def test_a_submit_hook_that_fails_stops_the_buying_it_fails_on(crawl, service, walled, kind):
    site = walled("session", catalogue_pages=30)

    class Slips(pages_of(site, 30)):
        def omocaptcha_submit(self, response, challenge, token):
            if kind == "raises":
                raise KeyError(token.value)
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

    def only_403(response, challenge):
        return None if response.status == 403 else False

    with sites.Site(site) as started:
        crawled = crawl(spider(f"{started.origin}/page"), {**service.settings, "OMOCAPTCHA_TRIGGER": only_403})
    assert (crawled.pages, crawled.reasons) == ([], ["attempts"])
    assert crawled.count("tokens/rejected") == len(tokens) == len(service.jobs) == 3
