"""Warnings, with the cure, about mistakes in the settings when the spider opens."""

import logging
import re

import pytest
from scrapy.core.downloader import Downloader
from scrapy.exceptions import IgnoreRequest

from scrapy_omocaptcha import OmoCaptchaMiddleware
from scrapy_omocaptcha.scrapy_versions import CURE
from tests.helpers.sites import spider

SCRAPYS = "scrapy.downloadermiddlewares"
RETRY = f"{SCRAPYS}.retry.RetryMiddleware"
OURS = "scrapy_omocaptcha.OmoCaptchaMiddleware"
REDIRECTS = "scrapy_omocaptcha.middleware.RedirectMiddleware"


class OwnDownloader(Downloader):
    """A project's own subclass."""


def own(*arguments):
    """Stand for a method of a spider."""


def opened(crawl, service, settings=None, **attributes):
    """Return the warnings of a crawl without requests."""
    crawled = crawl(spider(**attributes), {**service.settings, **(settings or {})})
    assert crawled.bugs == []
    return [line for line in crawled.said() if line.startswith(("OMOcaptcha", "Disabled "))]


def placed(place, **others):
    return {"DOWNLOADER_MIDDLEWARES": {OURS: place, **others}}


@pytest.mark.parametrize(
    ("settings", "attributes"),
    [
        *(({}, {}), (placed(581), {}), (placed(589), {})),
        (placed(585, **{RETRY: None}) | {"COOKIES_ENABLED": True}, {}),
        ({"DOWNLOADER_MIDDLEWARES": {OmoCaptchaMiddleware: 585}}, {}),
        *(({"DOWNLOADER_MIDDLEWARES": {REDIRECTS: 601}}, {}), ({"DOWNLOADER_MIDDLEWARES": {REDIRECTS: 699}}, {})),
        ({"DOWNLOADER": OwnDownloader}, {}),
        ({"OMOCAPTCHA_MAX_COST": 0, "OMOCAPTCHA_MAX_JOBS": 5}, {}),
        ({"OMOCAPTCHA_MAX_COST": 0, "OMOCAPTCHA_DRY_RUN": True}, {}),
        ({}, {"allowed_domains": ["shop.example"]}),
        # The project's own names, and those of other captchas.
        ({"NOCAPTCHA_API_KEY": 1, "TWOCAPTCHA_API_KEY": 1, "MY_OMOCAPTCHA_MAX_COST": 1}, {}),
        ({"OMOX_CAPTCHA": 1}, {"omocaptcha_submit": own, "omocaptcha_notes": own, "omocap": own, "_omocaptcha_x": own}),
    ],
)
def test_working_settings_cause_no_warning(crawl, service, settings, attributes):
    assert opened(crawl, service, settings, **attributes) == []


def test_a_variable_that_is_not_read_is_told_unless_the_setting_is_there(crawl, service, monkeypatch):
    monkeypatch.setenv("OMOCAPTCHA_MAX_COST_PER_DAY", "5")
    assert opened(crawl, service) == [
        "OMOcaptcha: OMOCAPTCHA_MAX_COST_PER_DAY is set in the environment, which is read for OMOCAPTCHA_API_TOKEN and "
        "OMOCAPTCHA_REDIS_URL only: set OMOCAPTCHA_MAX_COST_PER_DAY in settings.py, or with -s "
        "OMOCAPTCHA_MAX_COST_PER_DAY=…"
    ]
    assert opened(crawl, service, {"OMOCAPTCHA_MAX_COST_PER_DAY": 0}) == []


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("OMOCATPCHA_MAX_COTS", "set OMOCAPTCHA_MAX_COST in settings.py, or with -s OMOCAPTCHA_MAX_COST=…"),
        ("omocaptcha_redis_url", "rename it to OMOCAPTCHA_REDIS_URL"),
    ],
)
def test_a_misspelt_variable_is_told_with_what_it_may_mean(crawl, service, monkeypatch, name, cure):
    monkeypatch.setenv(name, "5")
    (said,) = opened(crawl, service)
    assert said.startswith(f"OMOcaptcha: {name} is set in the environment, which is read for ")
    assert said.endswith(f" only: {cure}")
    meant = re.search("OMOCAPTCHA_[A-Z_]+", cure)[0]
    assert opened(crawl, service, {meant: service.settings.get(meant)}) == []


@pytest.mark.parametrize(
    "name", ["OMOCAPTCHA_TOKEN", "OMOCAPTCHA_API_TOKN", "OMOCAPTCHA_API_KEY", "OMO_CAPTCHA_API_TOKEN", "OMOCATPCHA_KEY"]
)
@pytest.mark.parametrize("is_setting", [False, True])
def test_where_the_api_token_is_missing_a_name_that_is_almost_its_own_is_named(
    crawl, service, monkeypatch, name, is_setting
):
    monkeypatch.delenv("OMOCAPTCHA_API_TOKEN", raising=False)
    if not is_setting:
        monkeypatch.setenv(name, "offline-token")
    _, said = opened(crawl, service, {"OMOCAPTCHA_API_TOKEN": None, **({name: "offline-token"} if is_setting else {})})
    assert said.endswith(f"set OMOCAPTCHA_API_TOKEN in the settings or the environment ({name} is not read)")


def test_a_missing_api_token(crawl, service, monkeypatch):
    monkeypatch.delenv("OMOCAPTCHA_API_TOKEN", raising=False)
    monkeypatch.setenv("OMOCAPTCHA_API_TIMEOUT", "5")
    said, at_the_end = opened(crawl, service, {"OMOCAPTCHA_API_TOKEN": None})
    assert said.startswith("Disabled ")
    why = "no API token, so no captcha can be solved: set OMOCAPTCHA_API_TOKEN in the settings or the environment"
    assert said.endswith(f": {why}")
    assert at_the_end == f"OMOcaptcha was off in this crawl: {why}"


def test_an_add_on_that_is_disabled_on_purpose_says_so_once(crawl, service):
    assert len(opened(crawl, service, {"OMOCAPTCHA_ENABLED": False})) == 1


WITHOUT_ADDON = "EXTENSIONS lacks what scrapy_omocaptcha.Addon puts there: name that in ADDONS"
UNKNOWN = "is not a setting: {}remove it, or rename it if it is the project's own"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (placed(585, **{REDIRECTS: 650}) | {"ADDONS": {}}, WITHOUT_ADDON),
        (
            {"OMOCAPTCHA_API_URL": "https://omocaptcha.com"},
            "OMOCAPTCHA_API_URL is 'https://omocaptcha.com', which lacks the path of version 1: set it to "
            "'https://omocaptcha.com/api', or set OMOCAPTCHA_API_VERSION = 2 for another service",
        ),
        ({"OMOCAPTCHA_MAX_ATTEMPTS": "many"}, "OMOCAPTCHA_MAX_ATTEMPTS is 'many'; it must be a number of at least 1"),
        (
            {"OMOCAPTCHA_DRYRUN": True},
            f"OMOCAPTCHA_DRYRUN {UNKNOWN.format('did you mean OMOCAPTCHA_DRY_RUN? If not, ')}",
        ),
        (
            {"OMOCAPTCHA_KEY": "offline-token"},
            f"OMOCAPTCHA_KEY {UNKNOWN.format('did you mean OMOCAPTCHA_API_TOKEN? If not, ')}",
        ),
        ({"OMOCAPTCHA_XYZ": 1}, f"OMOCAPTCHA_XYZ {UNKNOWN.format('')}"),
    ],
)
def test_a_setting_that_ends_the_crawl_is_told_in_a_line_before_the_traceback(crawl, service, caplog, settings, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        opened(crawl, service, settings)
    (line,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert (line.levelname, line.getMessage(), line.exc_info) == ("ERROR", f"OMOcaptcha: {said}", None)


def mistake(told, settings=None, **attributes):
    return told, settings or {}, attributes


MISTAKES = {
    "a prefix of another spelling": mistake(
        "the setting OMO_CAPTCHA_MAX_COST is not read: rename it to OMOCAPTCHA_MAX_COST", {"OMO_CAPTCHA_MAX_COST": 5}
    ),
    "a prefix with two letters swapped": mistake(
        "the setting OMOCATPCHA_MAX_COST is not read: rename it to OMOCAPTCHA_MAX_COST", {"OMOCATPCHA_MAX_COST": 0.01}
    ),
    "another word after a misspelt prefix": mistake(
        "the setting OMOCPATCHA_BUDGET is not read: rename it to OMOCAPTCHA_MAX_COST", {"OMOCPATCHA_BUDGET": 0.01}
    ),
    "a misspelt hook": mistake(
        "Spider.omocaptcha_triger is never called: rename it to omocaptcha_trigger", omocaptcha_triger=own
    ),
    "a setting that is an attribute": mistake(
        "Spider.omocaptcha_max_cost is not read: set OMOCAPTCHA_MAX_COST in custom_settings, or with -s",
        omocaptcha_max_cost=0.01,
    ),
    "no cost limit": mistake(
        "OMOCAPTCHA_MAX_COST is 0, so there is no cost limit: set it, or OMOCAPTCHA_MAX_JOBS",
        {"OMOCAPTCHA_MAX_COST": 0},
    ),
    "no jobs": mistake(
        "OMOCAPTCHA_MAX_JOBS is '0', which limits nothing: to buy nothing, set OMOCAPTCHA_DRY_RUN = True",
        {"OMOCAPTCHA_MAX_JOBS": "0"},
    ),
    "no domains": mistake(
        "OMOCAPTCHA_ALLOWED_DOMAINS is [], which limits nothing: to buy nothing, set OMOCAPTCHA_DRY_RUN = True",
        {"OMOCAPTCHA_ALLOWED_DOMAINS": []},
    ),
    "no price": mistake(
        "OMOCAPTCHA_PRICE is 0, so there is no cost limit: set it, or OMOCAPTCHA_MAX_JOBS", {"OMOCAPTCHA_PRICE": 0}
    ),
}


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_once_with_its_cure(crawl, service, case, monkeypatch, tmp_path):
    told, settings, attributes = case
    monkeypatch.chdir(tmp_path)
    (said,) = opened(crawl, service, settings, **attributes)
    assert re.fullmatch(".*".join(map(re.escape, f"OMOcaptcha: {told}".split("…"))), said), said


@pytest.mark.parametrize(
    ("name", "place", "work"),
    [
        *((OURS, place, "581 to 589") for place in (560, 595)),
        *((REDIRECTS, place, "601 to 699") for place in (590, None)),
        *((f"{SCRAPYS}.redirect.RedirectMiddleware", place, "590 to 600") for place in (580, 720)),
        (f"{SCRAPYS}.cookies.CookiesMiddleware", 500, "700 to 1000"),
        (f"{SCRAPYS}.httpcompression.HttpCompressionMiddleware", 500, "590 to 1000"),
    ],
)
def test_a_middleware_in_a_wrong_place_ends_the_crawl(crawl, service, name, place, work):
    said = rf"Middleware is at {place} in DOWNLOADER_MIDDLEWARES, where walls are missed or .* \({work}"
    with pytest.raises(ValueError, match=said):
        opened(crawl, service, {"DOWNLOADER_MIDDLEWARES": {name: place}})


@pytest.mark.parametrize("setting", ["DOWNLOADER_MIDDLEWARES", "EXTENSIONS"])
def test_an_addon_that_is_named_elsewhere_ends_the_crawl(crawl, service, setting):
    with pytest.raises(ValueError, match=r"name scrapy_omocaptcha\.Addon in ADDONS, and nowhere else"):
        opened(crawl, service, {"ADDONS": {}, setting: {"scrapy_omocaptcha.Addon": 585}})


@pytest.mark.parametrize("name", ["_enqueue_request", "_get_slot"])
@pytest.mark.parametrize("there", [property(), lambda self: None], ids=["missing", "other arguments"])
def test_where_scrapy_lacks_a_private_name_or_its_arguments_no_crawl_with_a_kept_queue_runs(
    crawl, service, walled, tmp_path, name, there
):
    site = walled("session")
    kept = {"OMOCAPTCHA_LEDGER": tmp_path / "jobs.sqlite", "JOBDIR": str(tmp_path / "job")}
    other = {"DOWNLOADER": type("Changed", (Downloader,), {name: there})}
    crawled = crawl(spider(f"{site.url}/free/1"), {**service.settings, **other, **kept, "OMOCAPTCHA_MIN_BALANCE": 1})
    (said,) = crawled.said(logging.ERROR)
    assert f": Scrapy, or DOWNLOADER if it is set, lacks engine.downloader.{name}, or takes other arguments" in said
    assert said.endswith(CURE)
    assert (crawled.pages, crawled.bugs, site.requests, service.calls) == ([], [], (), ())
    assert crawled.stats["finish_reason"] == "omocaptcha_scrapy"
    assert [line for line in crawled.said(logging.INFO) if line.startswith("OMOcaptcha")] == [said]


def test_scrapy_redis_without_shared_limits(scrapy_redis, crawl, service):
    shared = {**scrapy_redis, "OMOCAPTCHA_REDIS_URL": scrapy_redis["REDIS_URL"]}
    assert opened(crawl, service, shared) == []
    (said,) = opened(crawl, service, {**shared, "OMOCAPTCHA_REDIS_URL": None})
    assert "each worker has limits of its own" in said
    assert opened(crawl, service, {**shared, "OMOCAPTCHA_REDIS_URL": None, "OMOCAPTCHA_DRY_RUN": True}) == []


def test_the_first_line_says_what_the_crawl_may_cost(crawl, service, tmp_path):
    limits = {"OMOCAPTCHA_MAX_COST": 2, "OMOCAPTCHA_MAX_COST_PER_DAY": 5, "OMOCAPTCHA_LEDGER": str(tmp_path / "jobs")}
    crawled = crawl(spider(), {**service.settings, **limits})
    (line,) = [line for line in crawled.said(logging.INFO) if line.startswith("OMOcaptcha is on: ")]
    assert line.endswith(
        ", at most 2 USD for this crawl and 5 USD in 24 hours, at most 3 jobs for a request; "
        f"jobs are recorded in {limits['OMOCAPTCHA_LEDGER']}"
    )


class DropsBans:
    """Drops what a ban may be."""

    def process_response(self, request, response):
        if response.status == 403:
            raise IgnoreRequest("banned")
        return response


@pytest.mark.parametrize(("place", "is_told"), [(610, True), (560, False)])
def test_middlewares_closer_to_the_site_are_named(crawl, service, walled, place, is_told):
    settings = {**service.settings, "DOWNLOADER_MIDDLEWARES": {DropsBans: place}}
    crawled = crawl(spider(f"{walled('session').url}/page/1"), settings)
    said = [line for line in crawled.said(logging.INFO) if "closer to the site" in line]
    told = (
        "OMOcaptcha sees only what is let through by middlewares closer to the site: "
        "tests.crawl.test_checks.DropsBans; place below 581 what drops or replaces a response, or follows redirects"
    )
    assert said == [told] * is_told
    # The wall is there all the same.
    assert crawled.count("challenges") == len(crawled.pages) == (not is_told)
