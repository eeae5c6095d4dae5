"""Settings of ``scrapy startproject``, plus the line that enables the add-on.

The API token is in the environment variable OMOCAPTCHA_API_TOKEN.
"""

BOT_NAME = "shop"

SPIDER_MODULES = ["shop.spiders"]
NEWSPIDER_MODULE = "shop.spiders"

ADDONS = {"scrapy_omocaptcha.Addon": 500}

ROBOTSTXT_OBEY = True
CONCURRENT_REQUESTS_PER_DOMAIN = 1
DOWNLOAD_DELAY = 1

FEED_EXPORT_ENCODING = "utf-8"
