"""Fixtures for the tests of a project that uses us.

One line in the project's ``conftest.py`` turns them on::

    pytest_plugins = ["scrapy_omocaptcha.testing.pytest_plugin"]

They are not registered with pytest by an entry point: that would import Scrapy in every test run of every project that
shares the environment.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from scrapy_omocaptcha.testing.service import OmoCaptchaService
from scrapy_omocaptcha.testing.site import WalledSite
from scrapy_omocaptcha.testing.walls import Wall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def omocaptcha_service() -> Iterator[OmoCaptchaService]:
    """An offline OMOcaptcha that solves at once and is stopped after the test."""
    with OmoCaptchaService() as service:
        yield service


@pytest.fixture
def omocaptcha_site(omocaptcha_service: OmoCaptchaService) -> Iterator[Callable[..., WalledSite]]:
    """Starts a :class:`WalledSite` of ``omocaptcha_service``, with that class's arguments, until the test is over.

    ::

        def test_my_spider(omocaptcha_service, omocaptcha_site):
            site = omocaptcha_site("redirect", status=429)
    """
    with ExitStack() as running:

        def start(wall: Wall | str = "session", **options: Any) -> WalledSite:
            return running.enter_context(WalledSite(omocaptcha_service, wall, **options))

        yield start
