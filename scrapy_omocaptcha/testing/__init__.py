"""Test a spider against captchas without an account, a network or a real captcha.

:class:`OmoCaptchaService` is a complete OMOcaptcha on loopback, and :class:`WalledSite` a shop behind a wall that only
accepts the service's tokens::

    from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite

    with OmoCaptchaService() as service, WalledSite(service, "session") as site:
        crawl(MySpider, start=f"{site.url}/catalogue/", settings=service.settings)
        assert (site.challenges, site.accepted, len(service.jobs)) == (1, 1, 1)

For pytest, see ``scrapy_omocaptcha.testing.pytest_plugin``. To try it by hand::

    scrapy omocaptcha simulate --wall redirect
"""

from scrapy_omocaptcha.testing.account import Job, Outcome
from scrapy_omocaptcha.testing.browser import OfflineGoogle, browser_settings
from scrapy_omocaptcha.testing.crawling import Crawl
from scrapy_omocaptcha.testing.faults import Kind
from scrapy_omocaptcha.testing.service import Call, OmoCaptchaService
from scrapy_omocaptcha.testing.site import WalledSite
from scrapy_omocaptcha.testing.visit import Visit
from scrapy_omocaptcha.testing.walls import WALLS, Wall

__all__ = [
    "WALLS",
    "Call",
    "Crawl",
    "Job",
    "Kind",
    "OfflineGoogle",
    "OmoCaptchaService",
    "Outcome",
    "Visit",
    "Wall",
    "WalledSite",
    "browser_settings",
]
