"""What spiders, middlewares and extensions of tests need of a crawl: to know it, and to be told of its signals."""


class OfCrawler:
    """A component that has its crawler."""

    def __init__(self, crawler):
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler):
        return cls(crawler)


def hears(**heard):
    """Have methods of a spider called for signals, as in ``@hears(idle=signals.spider_idle)``."""

    def decorate(spider):
        made = spider.from_crawler.__func__

        def from_crawler(cls, crawler, *args, **kwargs):
            one = made(cls, crawler, *args, **kwargs)
            for name, signal in heard.items():
                crawler.signals.connect(getattr(one, name), signal)
            return one

        spider.from_crawler = classmethod(from_crawler)
        return spider

    return decorate
