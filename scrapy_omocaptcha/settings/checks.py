"""What is misplaced when a spider opens, so that walls would stay closed for no good reason: a sentence for each, with
the cure.

Pure: it reads settings and the spider, and changes and logs nothing. A missing API token or a value that means nothing
is not for here; ``settings`` raises them.
"""

from __future__ import annotations

from dataclasses import fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.downloadermiddlewares.redirect import MetaRefreshMiddleware, RedirectMiddleware
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.utils.conf import build_component_list
from scrapy.utils.misc import load_object

from scrapy_omocaptcha.settings import Settings, queue_is_shared
from scrapy_omocaptcha.urls import host_of, is_allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy import Spider
    from scrapy.settings import BaseSettings

_BEFORE_US = (CookiesMiddleware, RedirectMiddleware, HttpCompressionMiddleware)
"""Of Scrapy's middlewares, those that have to have had a response when ours gets it."""
_AFTER_US = (MetaRefreshMiddleware, RetryMiddleware)
"""Those that must not have had it, since they would act on a challenge."""
_PREFIX = "OMOCAPTCHA_"
_SETTINGS = {"ENABLED", *(field.name.upper() for field in fields(Settings))}


def complaints(settings: Settings, project: BaseSettings, spider: Spider, ours: type) -> Iterator[str]:
    """A sentence for each thing that is misplaced.

    :param project: all settings of the crawl.
    :param ours: the class of our middleware.
    """
    yield from _misspelt(project)
    yield from _out_of_place(project, ours)
    if not project.getbool("COOKIES_ENABLED"):
        yield (
            "COOKIES_ENABLED is False: a wall that opens by a cookie, as most do, is left alone (reason: cookies); "
            "set it to True"
        )
    yield from _no_room(settings, project)
    yield from _nothing_allowed(settings, spider)
    yield from _not_shared(settings, project)


def _misspelt(project: BaseSettings) -> Iterator[str]:
    for name in project:
        stem = name.removeprefix(_PREFIX)
        if stem != name and stem not in _SETTINGS:
            close = get_close_matches(stem, sorted(_SETTINGS), 1)
            meant = f": did you mean {_PREFIX}{close[0]}?" if close else ""
            yield f"{name} is no setting and changes nothing{meant}"


def _out_of_place(project: BaseSettings, ours: type) -> Iterator[str]:
    """By the order that there is, not by numbers: a project may have moved the others as well."""
    places = project.get_component_priority_dict_with_base("DOWNLOADER_MIDDLEWARES")
    # As a request meets them; a response meets them the other way round.
    chain = [load_object(component) for component in build_component_list(places)]
    here = next((index for index, component in enumerate(chain) if component is ours), None)
    if here is None:
        # It was not Scrapy that put it into the chain, so that whoever did knows why.
        return
    wrong = [c.__name__ for c in chain[:here] if isinstance(c, type) and issubclass(c, _BEFORE_US)]
    wrong += [c.__name__ for c in chain[here + 1 :] if isinstance(c, type) and issubclass(c, _AFTER_US)]
    if wrong:
        yield (
            f"{ours.__name__} is on the wrong side of {' and '.join(wrong)} in DOWNLOADER_MIDDLEWARES, so that "
            "challenges are missed or asked for again and again: take it out of there and leave its place to ADDONS, "
            "which is 585 (with Scrapy's own places for the others, 581 to 589 work)"
        )


def _no_room(settings: Settings, project: BaseSettings) -> Iterator[str]:
    most, of_a_host = project.getint("CONCURRENT_REQUESTS"), project.getint("CONCURRENT_REQUESTS_PER_DOMAIN")
    if most and most + settings.max_waiting <= of_a_host:
        yield (
            f"CONCURRENT_REQUESTS ({most}) and OMOCAPTCHA_MAX_WAITING ({settings.max_waiting}) leave so little room "
            "that the crawl stands still while the wall of one host is solved: raise OMOCAPTCHA_MAX_WAITING"
        )


def _nothing_allowed(settings: Settings, spider: Spider) -> Iterator[str]:
    domains = settings.domains(spider)
    source = (
        "the setting OMOCAPTCHA_ALLOWED_DOMAINS"
        if settings.allowed_domains is not None
        else "the spider's allowed_domains"
    )
    hosts = {host_of(url) for url in getattr(spider, "start_urls", None) or ()}
    closed = sorted(host for host in hosts if not is_allowed(host, domains))
    if closed:
        yield (
            f"no job may be bought for {', '.join(closed)}, where the spider starts, since it is not in {source} "
            f"({', '.join(domains)}): name it there"
        )
        return
    theirs = replace(settings, allowed_domains=None).domains(spider)
    if domains and theirs and not any(is_allowed(a, [b]) or is_allowed(b, [a]) for a in domains for b in theirs):
        yield (
            f"{source} ({', '.join(domains)}) and the spider's allowed_domains ({', '.join(theirs)}) have no host in "
            "common, so that no job is ever bought: name the spider's hosts there"
        )


def _not_shared(settings: Settings, project: BaseSettings) -> Iterator[str]:
    if not queue_is_shared(project):
        return
    if settings.redis_url is None and not settings.dry_run:
        yield (
            "scrapy-redis shares the queue, but each worker has limits of its own, so that ten of them may spend ten "
            "times as much: set OMOCAPTCHA_REDIS_URL to the same Redis"
        )
    if not project.getbool("SCHEDULER_PERSIST"):
        yield (
            "SCHEDULER_PERSIST is False, so that the first worker that ends empties the queue of all, with what it has "
            "put back: set it to True"
        )
