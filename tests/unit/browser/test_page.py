"""What a page is waited for."""

import asyncio

import pytest
from playwright.async_api import Error

from scrapy_omocaptcha.browser.page import is_loaded, until


def test_a_look_that_is_given_up_and_then_fails_is_no_error_that_asyncio_tells_of():
    told = []

    async def looks():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise RuntimeError("the page has been closed") from None

    async def give_up():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        assert await until(looks, 0.01, lambda: False) is False
        await asyncio.sleep(0)

    asyncio.run(give_up())
    assert told == []


def test_a_page_on_its_way_elsewhere_is_not_loaded():
    class Leaving:
        async def evaluate(self, script, argument):
            raise Error("the context was destroyed")

    assert asyncio.run(is_loaded(Leaving())) is False


def test_a_look_that_fails_is_not_taken_for_what_is_waited_for():
    async def looks():
        raise RuntimeError("the page has been closed")

    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(until(looks, 60, lambda: False))
