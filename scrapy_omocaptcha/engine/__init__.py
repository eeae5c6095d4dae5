"""Use Scrapy's internals: all of its private names that this package needs are here."""
