"""Define fixtures for the tests of projects that use this package.

Enable them in the project's ``conftest.py``::

    pytest_plugins = ["scrapy_omocaptcha.testing.pytest_plugin"]

There is no pytest entry point, since it would import Scrapy in every test run of every project in the environment.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from scrapy_omocaptcha.testing.browser import browser_settings
from scrapy_omocaptcha.testing.crawling import Crawl, run_crawl
from scrapy_omocaptcha.testing.service import OmoCaptchaService
from scrapy_omocaptcha.testing.site import WalledSite
from scrapy_omocaptcha.testing.walls import Wall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scrapy import Spider

_LOOPBACK = re.compile(r"127(\.\d+){3}|::1|localhost")


@pytest.fixture
def omocaptcha_service() -> Iterator[OmoCaptchaService]:
    """Run an offline OMOcaptcha that solves at once until the test ends."""
    with OmoCaptchaService() as service:
        yield service


@pytest.fixture
def omocaptcha_site(omocaptcha_service: OmoCaptchaService) -> Iterator[Callable[..., WalledSite]]:
    """Return a function that starts a :class:`WalledSite` of ``omocaptcha_service`` until the test ends."""
    with ExitStack() as running:

        def start(wall: Wall | str = "session", **options: Any) -> WalledSite:
            return running.enter_context(WalledSite(omocaptcha_service, wall, **options))

        yield start


@pytest.fixture
def omocaptcha_browser() -> dict[str, Any]:
    """Return the settings for a crawl with scrapy-playwright that reaches loopback only."""
    return browser_settings()


@pytest.fixture
def omocaptcha_crawl(
    omocaptcha_service: OmoCaptchaService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Crawl]:
    """Return a function that runs a spider in the process of the test, and returns a :class:`Crawl` once it has ended.

    ::

        def test_my_spider(omocaptcha_crawl, omocaptcha_site):
            crawl = omocaptcha_crawl(MySpider, site=omocaptcha_site("redirect").url, DOWNLOAD_DELAY=0)
            assert len(crawl.items) == 50
    """

    def crawl(spider: type[Spider] | str, /, *, timeout: float = 60.0, **keywords: Any) -> Crawl:
        """Run a spider: its class, or its name in the project.

        The add-on is enabled unless ``ADDONS`` or ``OMOCAPTCHA_ENABLED`` say otherwise. It buys from
        ``omocaptcha_service``, with a ledger of the test, whatever the settings of the project and the spider say.

        :param timeout: seconds within which the crawl must end.
        :param keywords: settings, if their names are in capitals, as with ``scrapy crawl -s``; all others are arguments
            of the spider, as with ``-a``.
        :raises ValueError: when ``OMOCAPTCHA_API_URL`` is no address on loopback.
        :raises TimeoutError: when the crawl has not ended in time.
        :raises Exception: what the spider, an item pipeline or a component has raised.
        """
        settings = {name: value for name, value in keywords.items() if name.isupper()}
        arguments = {name: value for name, value in keywords.items() if name not in settings}
        # The crawl would use the URL of the environment where the settings have none.
        monkeypatch.delenv("OMOCAPTCHA_REDIS_URL", raising=False)
        ours: dict[str, Any] = {
            "OMOCAPTCHA_API_VERSION": omocaptcha_service.api_version,
            **omocaptcha_service.settings,
            # The jobs and items of a test belong neither to the ledger, the fleet nor the feeds of a project.
            "OMOCAPTCHA_LEDGER": str(tmp_path / "omocaptcha.sqlite"),
            "OMOCAPTCHA_REDIS_URL": None,
            "FEEDS": {},
            "JOBDIR": None,
        }
        settings = {**ours, **settings}
        if not _LOOPBACK.fullmatch(urlsplit(settings["OMOCAPTCHA_API_URL"] or "").hostname or ""):
            raise ValueError("OMOCAPTCHA_API_URL must be an address on loopback: a test buys nothing elsewhere")
        return run_crawl(spider, settings, arguments, timeout=timeout)

    return crawl
