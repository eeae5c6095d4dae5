"""Define fixtures for the tests of projects that use this package.

Enable them in the project's ``conftest.py``::

    pytest_plugins = ["scrapy_omocaptcha.testing.pytest_plugin"]

There is no pytest entry point, since it would import Scrapy in every test run of every project in the environment.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from scrapy_omocaptcha.testing.browser import browser_settings
from scrapy_omocaptcha.testing.service import OmoCaptchaService
from scrapy_omocaptcha.testing.site import WalledSite
from scrapy_omocaptcha.testing.walls import Wall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def omocaptcha_service() -> Iterator[OmoCaptchaService]:
    """Run an offline OMOcaptcha that solves at once until the test ends."""
    with OmoCaptchaService() as service:
        yield service


@pytest.fixture
def omocaptcha_site(omocaptcha_service: OmoCaptchaService) -> Iterator[Callable[..., WalledSite]]:
    """Return a function that starts a :class:`WalledSite` of ``omocaptcha_service`` until the test ends.

    ::

        def test_my_spider(omocaptcha_service, omocaptcha_site):
            site = omocaptcha_site("redirect", status=429)
    """
    with ExitStack() as running:

        def start(wall: Wall | str = "session", **options: Any) -> WalledSite:
            return running.enter_context(WalledSite(omocaptcha_service, wall, **options))

        yield start


@pytest.fixture
def omocaptcha_browser() -> dict[str, Any]:
    """Return the settings for a crawl with scrapy-playwright that reaches loopback only.

    ::

        def test_my_spider(omocaptcha_service, omocaptcha_site, omocaptcha_browser):
            settings = {**omocaptcha_service.settings, **omocaptcha_browser}
    """
    return browser_settings()
