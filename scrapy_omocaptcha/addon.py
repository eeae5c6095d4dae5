"""The add-on: one line in ``ADDONS`` puts the middleware in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

PLACE = 585
"""After HttpCompression (590) has decoded and Redirect (600) and Cookies (700) have had the response; before
MetaRefresh (580) and Retry (550) would act on a challenge."""


class Addon:
    """``ADDONS = {"scrapy_omocaptcha.Addon": 500}``"""

    def update_settings(self, settings: BaseSettings) -> None:
        """Put the middleware at its place, unless the user has put it somewhere or switched it off with None."""
        settings.setdefault_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", OmoCaptchaMiddleware, PLACE)
