"""Record what a spider sees of its pages, in a form that can be compared between crawls."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from itertools import zip_longest

import scrapy
from scrapy import signals
from scrapy.utils.python import global_object_name

from tests.helpers.components import hears
from tests.helpers.walled_pages import WALL_COOKIES

STATS = re.compile(
    "response_received_count|item_(scraped|dropped)_count|request_depth|retry/|scheduler/|dupefilter/|finish_reason"
    "|httperror/|offsite/|spider_exceptions/|file_count|file_status_count|httpcache/hit|feedexport/|urllength/"
    r"|robotstxt/(forbidden|response_count)|log_count/ERROR|start_requests"
)
"""Scrapy's stats about the pages of a spider."""
_TIMES = ("download_latency",)


@hears(scraped=signals.item_scraped)
class ViewingSpider(scrapy.Spider):
    """Spider whose items are what its callbacks and errbacks see."""

    name = "viewing"
    origin = ""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.views = []

    def scraped(self, item):
        # As text, since what is in meta may change afterwards. The port is another in each crawl.
        port = ":" + self.origin.rpartition(":")[2]
        text = json.dumps(dict(item), sort_keys=True).replace(port, "")
        # The name of a file is a hash of its address.
        self.views.append(re.sub("/[0-9a-f]{40}", "/name", text))

    async def start(self):
        for request in self.requests():
            yield request

    def requests(self):
        for path in self.paths:
            yield self.request(path)

    def request(self, path, callback=None, **options):
        return scrapy.Request(self.origin + path, callback or self.page, errback=self.failed, **options)

    def page(self, response, **kwargs):
        yield view(response)

    def failed(self, failure):
        response = getattr(failure.value, "response", None)
        seen = {} if response is None else view(response)
        yield {**seen, "failure": failure.type.__name__, "failed": _view_of_request(failure.request)}


def view(response, **more):
    """Return what a callback sees of a response, as JSON."""
    headers = response.headers.copy()
    cookies = {
        name: morsel.value
        for header in headers.getlist("Set-Cookie")
        for name, morsel in SimpleCookie(header.decode()).items()
        if name not in WALL_COOKIES
    }
    for name in ("Date", "Set-Cookie"):
        headers.pop(name, None)
    return {
        "url": response.url,
        "status": response.status,
        "class": type(response).__name__,
        "encoding": getattr(response, "encoding", None),
        "protocol": response.protocol,
        "ip": str(response.ip_address),
        "body": hashlib.sha256(response.body).hexdigest()[:16],
        "title": response.css("title::text").get() if isinstance(response, scrapy.http.HtmlResponse) else None,
        "headers": _texts(headers),
        "cookies": cookies,
        "flags": [flag for flag in response.flags if flag != "omocaptcha"],
        "request": _view_of_request(response.request),
        **more,
    }


def _view_of_request(request):
    headers = request.headers.copy()
    sent = SimpleCookie((headers.pop("Cookie", None) or [b""])[0].decode())
    return {
        "url": request.url,
        "class": global_object_name(type(request)),
        "method": request.method,
        "body": request.body.decode(),
        "headers": _texts(headers),
        "cookies": request.cookies,
        "sent cookies": {name: morsel.value for name, morsel in sent.items() if name not in WALL_COOKIES},
        # Times differ, but have to be there.
        "meta": _without_times(json.loads(json.dumps(request.meta))),
        "cb_kwargs": request.cb_kwargs,
        "priority": request.priority,
        "dont_filter": request.dont_filter,
        "flags": request.flags,
        "callback": getattr(request.callback, "__name__", None),
        "errback": getattr(request.errback, "__name__", None),
    }


def _without_times(meta):
    # HttpCache's time is there or not as it is for a redirect that was followed before.
    return {key: key if key in _TIMES else value for key, value in meta.items() if key != "cache_timestamp"}


def _texts(headers):
    return {name.decode(): [value.decode("latin-1") for value in values] for name, values in sorted(headers.items())}


@dataclass
class Seen:
    """What is seen of a crawl at both of its ends, without what a wall changes by its nature."""

    views: list[str]
    """What callbacks and errbacks saw, as JSON, in no order."""
    stats: dict[str, object]
    served: list[tuple]
    """The pages that the site has served."""
    errors: list[str]
    """The lines of the log at ERROR and above."""
    exported: list[str] = field(default_factory=list)
    """The lines of the crawl's feeds."""

    @classmethod
    def of(cls, crawls, site, *, skipped_stats=None, strict=True):
        """Return what is seen of one or more crawls of the same site.

        :param skipped_stats: regular expression of stats that may differ.
        :param strict: whether it counts how often the site has served each page, its redirects, and GETs of what is
            also posted to: a GET looks where the redirect of a POST leads.
        """
        stats = {}
        for crawled in crawls:
            for name, value in crawled.stats.items():
                if STATS.match(name) and not (skipped_stats and re.match(skipped_stats, name)):
                    stats[name] = stats.get(name, 0) + value if isinstance(value, int) else value
        views = sorted(text for crawled in crawls for text in crawled.spider.views)
        served = [
            (visit.host, visit.method, visit.target, visit.form)
            for visit, status in site.served
            if strict or status is None or not 300 <= status < 400
        ]
        posted = {(host, target) for host, method, target, _ in served if method == "POST"}
        looks = [] if strict else [one for one in served if one[1] == "GET" and (one[0], one[2]) in posted]
        served = sorted(served if strict else set(served) - set(looks))
        # Crawls at the same time have one log.
        records = {
            id(record): record for crawled in crawls for record in crawled.log if record.levelno >= logging.ERROR
        }
        lines = [record.getMessage().replace(f":{site.port}", "") for record in records.values()]
        errors = sorted(line.partition("\n")[0] for line in lines)
        return cls(views, stats, served, errors)

    def differences(self, other):
        """Return a line for each thing that another crawl has seen differently."""
        lines = [f"{name}: {value!r}, not {other.stats.get(name)!r}" for name, value in self.stats.items()]
        lines += [f"{name}: None, not {value!r}" for name, value in other.stats.items() if name not in self.stats]
        lines = [line for line in lines if not re.fullmatch(r"[^:]+: (.+), not \1", line)]
        for name in ("served", "errors", "exported"):
            mine, others = Counter(getattr(self, name)), Counter(getattr(other, name))
            lines += [f"{name}: {what}" for what in (mine - others).elements()]
            lines += [f"not {name}: {what}" for what in (others - mine).elements()]
        mine, others = Counter(self.views), Counter(other.views)
        ours, theirs = sorted((mine - others).elements()), sorted((others - mine).elements())
        for one, another in zip_longest(ours, theirs, fillvalue="{}"):
            lines += _differences(json.loads(one), json.loads(another))
        return lines


def _differences(one, another):
    if not (one and another):
        return [f"{'not seen' if another else 'seen'}: {one or another}"]
    one, another = dict(_flat(one)), dict(_flat(another))
    return [
        f"{one.get('url', one.get('failed.url'))} {key}: {one.get(key)!r}, not {another.get(key)!r}"
        for key in {**one, **another}
        if one.get(key) != another.get(key)
    ]


def _flat(view, prefix=""):
    for key, value in view.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
