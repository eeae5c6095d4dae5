"""What ``scrapy startproject`` writes, and one line of ours.

The API token is not here: it comes from the environment variable OMOCAPTCHA_API_TOKEN.
"""

BOT_NAME = "shop"

SPIDER_MODULES = ["shop.spiders"]
NEWSPIDER_MODULE = "shop.spiders"

ADDONS = {"scrapy_omocaptcha.Addon": 500}

ROBOTSTXT_OBEY = True
CONCURRENT_REQUESTS_PER_DOMAIN = 1
DOWNLOAD_DELAY = 1

FEED_EXPORT_ENCODING = "utf-8"
