"""Lay this package's classes over the downloader and the scheduler of a project."""

from __future__ import annotations

from scrapy.core.downloader import Downloader
from scrapy.core.scheduler import BaseScheduler
from scrapy.crawler import Crawler
from scrapy.utils.misc import load_object

from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.mixins import DownloaderMixin, SchedulerMixin
from scrapy_omocaptcha.engine.request_state import RequestStates

PRIORITY = 1_000_000
"""The extension's key in ``EXTENSIONS``: the last to be made sees what all others have set."""


class DerivedClasses:
    """Derives the classes in ``DOWNLOADER`` and ``SCHEDULER``, and has what they tell.

    An add-on would be too early: others that come later may still set them, and a module of the project may import the
    reactor, which Scrapy has not installed yet. Extensions are made right before the settings are frozen, and the
    downloader and the scheduler after that.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.states = RequestStates()
        self.components = Components(crawler)
        self._settings = crawler.settings
        self._refusals: dict[str, str] = {}
        """Reasons why no class could be derived, by setting."""
        self._derive("DOWNLOADER", DownloaderMixin, Downloader)
        self._derive("SCHEDULER", SchedulerMixin, BaseScheduler)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> DerivedClasses:
        return cls(crawler)

    def why_unfit(self, name: str) -> str:
        """Say, with its cure, why what was made of a setting tells this package nothing."""
        value = self._settings[name]
        if name in self._refusals:
            why = f"no class can be derived from {name} = {value} ({self._refusals[name]})"
            return f"{why}: set it to one derived from Scrapy's"
        return f"{name} = {value} makes an object of another class: have its from_crawler make one of the class it gets"

    def _derive(self, name: str, mixin: type, needed: type) -> None:
        try:
            base = load_object(self._settings[name])
            if not issubclass(base, needed):
                raise TypeError(f"it is not derived from {needed.__name__}")
            names = {
                # Scrapy logs and warns of a class by both, the name last.
                "__module__": f"OMOcaptcha over {base.__module__}",
                "__qualname__": base.__qualname__,
                "_omocaptcha_states": self.states,
                "_omocaptcha_components": self.components,
            }
            derived = type(base.__name__, (mixin, base), names)
            self._settings.set(name, derived, self._settings.getpriority(name) or 0)
        except Exception as error:
            # The setting stays: Scrapy reports a class that cannot be loaded or used, and the middleware the rest.
            self._refusals[name] = str(error)
