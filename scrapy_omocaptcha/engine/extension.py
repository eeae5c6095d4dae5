"""Lay this package's classes over the downloader and the scheduler of a project."""

from __future__ import annotations

from contextlib import suppress

from scrapy.core.downloader import Downloader
from scrapy.core.scheduler import BaseScheduler
from scrapy.crawler import Crawler
from scrapy.settings import BaseSettings
from scrapy.utils.misc import load_object

from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.mixins import DownloaderMixin, InnerDownloader, SchedulerMixin
from scrapy_omocaptcha.engine.request_state import RequestStates

PRIORITY = 1_000_000
"""The extension's key in ``EXTENSIONS``: the last to be made sees what all others have set."""


class Extension:
    """Derives the classes in ``DOWNLOADER`` and ``SCHEDULER``, and has what they tell.

    An add-on would be too early: others that come later may still set them, and a module of the project may import the
    reactor, which Scrapy has not installed yet. Extensions are made right before the settings are frozen, and the
    downloader and the scheduler after that.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.states = RequestStates()
        self.components = Components(crawler)
        self._derive(crawler.settings, "DOWNLOADER", DownloaderMixin, Downloader)
        self._derive(crawler.settings, "SCHEDULER", SchedulerMixin, BaseScheduler)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Extension:
        return cls(crawler)

    def _derive(self, settings: BaseSettings, name: str, mixin: type, needed: type) -> None:
        # What cannot be loaded, or derived from, stays as it is: Scrapy reports it, or the middleware.
        with suppress(Exception):
            base = load_object(settings[name])
            if issubclass(base, needed):
                names = {
                    "__module__": base.__module__,
                    "__qualname__": f"{base.__qualname__} with OMOcaptcha",
                    "_omocaptcha_states": self.states,
                    "_omocaptcha_components": self.components,
                }
                inner = (InnerDownloader,) if needed is Downloader and base is not Downloader else ()
                settings.set(name, type(base.__name__, (mixin, base, *inner), names), settings.getpriority(name) or 0)
