"""docs/recipes/other-services: each block of settings in a whole crawl."""

from __future__ import annotations

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, TaskShape
from tests.helpers.docs import code, module, page, tables
from tests.helpers.sites import spider

PAGE = page("recipes/other-services")
NUMBERS = TaskShape(task_id="number", failed="code")
SHAPES = {
    "service-2captcha": TaskShape(task_id="number", failed="code", solution="both"),
    "service-anti-captcha": NUMBERS,
    "service-capmonster": NUMBERS,
    "service-capsolver": TaskShape(running="idle", failed="code"),
    "service-yescaptcha": TaskShape(failed="code"),
}
"""How the services of the blocks answer, as their documents say."""


@pytest.fixture
def told(tmp_path):
    """``told(block)`` → the settings of a block."""

    def read(block):
        return {name: value for name, value in module(code(PAGE, block), tmp_path).items() if name.isupper()}

    return read


@pytest.fixture
def service(crawl):
    with OmoCaptchaService(api_version=2) as service:
        yield service


@pytest.fixture
def of_block(told, service):
    """``of_block(block)`` → the settings of a block for the offline service, which answers as that service does."""

    def adapt(block, **settings):
        service.task_shape = SHAPES[block]
        values = told(block)
        ours = {"OMOCAPTCHA_API_URL": service.origin, "OMOCAPTCHA_API_TOKEN": "offline-token"}
        return {**values, **ours, "OMOCAPTCHA_PRICE": 0.003, **settings}

    return adapt


@pytest.mark.parametrize("block", SHAPES)
def test_the_settings_of_a_service_open_a_wall(crawl, service, walled, told, of_block, block):
    service.next_job("fail", seconds=3)
    service.next_job(seconds=12)
    crawled = crawl(spider(f"{walled('session').url}/page/1"), of_block(block))
    assert [page.status for page in crawled.pages] == [200]
    kind = told(block)["OMOCAPTCHA_TASK_TYPE"]
    assert [(job.kind, job.state) for job in service.jobs] == [(kind, "failed"), (kind, "solved")]
    assert {call.path for call in service.calls} == {"/createTask", "/getTaskResult"}
    assert crawled.count("cost_usd") == pytest.approx(0.006)
    assert (crawled.failures, crawled.said(), crawled.bugs) == ([], [], [])


@pytest.mark.parametrize("block", SHAPES)
def test_no_crawl_starts_before_the_price_is_filled_in(crawl, service, of_block, told, block):
    unfinished = of_block(block, OMOCAPTCHA_PRICE=told(block)["OMOCAPTCHA_PRICE"])
    with pytest.raises(ValueError, match=r"OMOCAPTCHA_PRICE is Ellipsis; it must be .* the price of a job in USD"):
        crawl(spider(), unfinished)


def test_the_table_names_what_the_blocks_have(told):
    (services,) = tables(PAGE, "service")
    rows = [[cell.astext() for cell in row[1:3]] for row in services]
    blocks = [told(block) for block in SHAPES]
    assert rows == [[block["OMOCAPTCHA_API_URL"], block["OMOCAPTCHA_TASK_TYPE"]] for block in blocks]
