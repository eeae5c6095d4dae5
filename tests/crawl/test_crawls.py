"""The crawls of tests over sockets."""

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers.crawling import Crawls
from tests.helpers.sites import pages_of


def test_a_crawl_that_takes_too_long_is_over_with_its_calls_before_the_next_test(reactor):
    crawls, ended = Crawls(reactor, timeout=1), []
    with OmoCaptchaService(api_token="offline-token") as service, WalledSite(service, "session") as site:
        service.fault("getJobResult", "hang", times=9)
        spider = pages_of(site, 2, closed=lambda spider, reason: ended.append(reason))
        with pytest.raises(TimeoutError, match="has not ended within 1 s"):
            crawls(spider, service.settings)
    crawls.close()
    assert ended == ["shutdown"]
