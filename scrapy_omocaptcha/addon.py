"""Enable the two middlewares, and the extension that they need, with one line in ``ADDONS``."""

from contextlib import suppress

from scrapy.crawler import Crawler
from scrapy.settings import BaseSettings
from scrapy.utils.misc import load_object
from scrapy.utils.python import global_object_name

from scrapy_omocaptcha.engine.extension import PRIORITY, DerivedClasses
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware, RedirectMiddleware
from scrapy_omocaptcha.settings import is_enabled

DEFAULT_PRIORITY = 585
"""The middleware's key in ``DOWNLOADER_MIDDLEWARES``. It gets a response after HttpCompression (590) has decoded it and
Redirect (600) and Cookies (700) have seen it, and before MetaRefresh (580) and Retry (550) could act on a challenge."""

REDIRECT_PRIORITY = 650
"""The key of the second middleware, which gets a redirect after Cookies (700) and before Redirect (600) follows it."""


class Addon:
    """Enables the middleware: ``ADDONS = {"scrapy_omocaptcha.Addon": 500}``."""

    def __repr__(self) -> str:
        return global_object_name(type(self))  # Scrapy lists the add-ons of a crawl.

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Addon":
        if cls not in map(load_object, crawler.settings.getdict("ADDONS")):
            raise ValueError("OMOcaptcha is off: name scrapy_omocaptcha.Addon in ADDONS, and nowhere else")
        return cls()

    def update_settings(self, settings: BaseSettings) -> None:
        """Add the middlewares, unless the user has given them other priorities or disabled them with None."""
        for component, priority in ((OmoCaptchaMiddleware, DEFAULT_PRIORITY), (RedirectMiddleware, REDIRECT_PRIORITY)):
            settings.setdefault_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", component, priority)
        with suppress(ValueError):  # The middleware reports it.
            if is_enabled(settings):
                # A method of the settings would load all extensions, also any that is switched off since it is gone.
                extensions = {**settings.getdict("EXTENSIONS"), DerivedClasses: PRIORITY}
                settings.set("EXTENSIONS", extensions, settings.getpriority("EXTENSIONS") or 0)


def is_listed(settings: BaseSettings) -> bool:
    """Tell whether the settings of a project name the add-on, and do not disable its middleware."""
    addons = {load_object(path) for path, order in settings.getdict("ADDONS").items() if order is not None}
    priorities = {load_object(path): order for path, order in settings.getdict("DOWNLOADER_MIDDLEWARES").items()}
    return Addon in addons and priorities.get(OmoCaptchaMiddleware, DEFAULT_PRIORITY) is not None
