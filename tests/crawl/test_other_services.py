"""docs/recipes/other-services: the settings of each service in a whole crawl."""

import pytest

from tests.helpers.dialects import Dialect, OtherService
from tests.helpers.docs import code, module, page, tables
from tests.helpers.sites import spider

PAGE = page("recipes/other-services")
NUMBERS = Dialect(numbers=True, failed="code")
DIALECTS = {
    "2Captcha": Dialect(numbers=True, failed="code", solution=("gRecaptchaResponse", "token")),
    "Anti-Captcha": NUMBERS,
    "CapMonster Cloud": NUMBERS,
    "CapSolver": Dialect(running="idle", failed="code"),
    "YesCaptcha": Dialect(failed="code"),
}
"""How the services of the page answer, as their documents say."""
(ROWS,) = tables(PAGE, "service")
"""The services of the page: name, URL and type of the task."""


@pytest.fixture
def told(tmp_path):
    """``told(name)`` → the settings of the page, with what its table has for that service."""

    def read(name):
        settings = module(code(PAGE, "other-service"), tmp_path)
        (_, url, kind) = next(row for row in texts() if row[0] == name)
        settings = {name: value for name, value in settings.items() if name.isupper()}
        return {**settings, "OMOCAPTCHA_API_URL": url, "OMOCAPTCHA_TASK_TYPE": kind}

    return read


def texts():
    return [[cell.astext() for cell in row] for row in ROWS]


@pytest.fixture
def service(crawl):
    with OtherService() as service:
        yield service


@pytest.fixture
def of_service(told, service):
    """``of_service(name)`` → those settings for the offline service, which answers as that service does."""

    def adapt(name, **settings):
        service.dialect = DIALECTS[name]
        ours = {"OMOCAPTCHA_API_URL": service.origin, "OMOCAPTCHA_API_TOKEN": "offline-token"}
        return {**told(name), **ours, "OMOCAPTCHA_PRICE": 0.003, **settings}

    return adapt


@pytest.mark.parametrize("name", DIALECTS)
def test_the_settings_of_a_service_open_a_wall(crawl, service, walled, told, of_service, name):
    service.next_job("fail", seconds=3)
    service.next_job(seconds=12)
    crawled = crawl(spider(f"{walled('session').url}/page/1"), of_service(name))
    assert [page.status for page in crawled.pages] == [200]
    kind = told(name)["OMOCAPTCHA_TASK_TYPE"]
    assert [(job.kind, job.state) for job in service.jobs] == [(kind, "failed"), (kind, "solved")]
    assert {call.path for call in service.calls} == {"/createTask", "/getTaskResult"}
    assert crawled.count("cost_usd") == pytest.approx(0.006)
    assert (crawled.failures, crawled.said(), crawled.bugs) == ([], [], [])


def test_no_crawl_starts_before_the_price_is_filled_in(crawl, of_service, told):
    unfinished = of_service("2Captcha", OMOCAPTCHA_PRICE=told("2Captcha")["OMOCAPTCHA_PRICE"])
    with pytest.raises(ValueError, match=r"OMOCAPTCHA_PRICE is Ellipsis; it must be .* the price of a job in USD"):
        crawl(spider(), unfinished)


ELSEWHERE = {"OMOCAPTCHA_API_VERSION": "auto", "OMOCAPTCHA_PRICE": "auto"}
NO_LIMIT_IN_USD = {"OMOCAPTCHA_MAX_COST": 0, "OMOCAPTCHA_MAX_JOBS": 5}


@pytest.mark.parametrize("limits", [{}, NO_LIMIT_IN_USD], ids=["in USD", "by jobs"])
def test_where_the_service_turns_out_to_name_no_price_no_limit_in_usd_is_put_at_risk(
    crawl, service, walled, of_service, limits
):
    settings = of_service("2Captcha", **ELSEWHERE, **limits, OMOCAPTCHA_API_URL=service.url)
    crawled = crawl(spider(f"{walled('session').url}/page/1"), settings)
    (told,) = [line for line in crawled.said() if "OMOCAPTCHA_PRICE" in line]
    assert "127.0.0.1 names no price" in told
    assert (len(service.jobs), crawled.count("account/closed")) == ((1, 0) if limits else (0, 1))


def test_the_table_names_what_the_block_has(tmp_path):
    names, urls, kinds = zip(*texts(), strict=True)
    settings = module(code(PAGE, "other-service"), tmp_path)
    assert (settings["OMOCAPTCHA_API_URL"], settings["OMOCAPTCHA_TASK_TYPE"]) == (urls[0], kinds[0])
    assert list(names) == list(DIALECTS)
