"""Find settings and spider attributes that would keep the add-on from solving challenges."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import dropwhile
from urllib.parse import urlsplit

from scrapy import Spider
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.downloadermiddlewares.redirect import MetaRefreshMiddleware, RedirectMiddleware
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.settings import BaseSettings
from scrapy.utils.conf import build_component_list
from scrapy.utils.misc import load_object
from scrapy.utils.python import global_object_name

from scrapy_omocaptcha.scrapy_versions import middleware_priorities
from scrapy_omocaptcha.settings import Settings, uses_scrapy_redis
from scrapy_omocaptcha.settings.names import meant_by
from scrapy_omocaptcha.urls import host_of

_CLOSER_TO_SITE = (CookiesMiddleware, RedirectMiddleware, HttpCompressionMiddleware)
"""Middlewares of Scrapy that must process a response before ours does."""
_CLOSER_TO_ENGINE = (MetaRefreshMiddleware, RetryMiddleware)
"""Middlewares of Scrapy that must process a response after ours, since they would act on a challenge."""
_REDIRECTS = "scrapy_omocaptcha.middleware.RedirectMiddleware"
"""Our second middleware, by its path as in settings, since its module stands above this one."""
_SETTINGS = {f"OMOCAPTCHA_{name.upper()}" for name in ("enabled", *(field.name for field in fields(Settings)))}
_FROM_ENVIRONMENT = ("OMOCAPTCHA_API_TOKEN", "OMOCAPTCHA_REDIS_URL")
_HOOKS = ("omocaptcha_submit", "omocaptcha_trigger")


def check_settings(settings: Settings, project: BaseSettings, spider: Spider, ours: type) -> Iterator[str]:
    """Yield a warning, with its cure, for each mistake in the settings; ``ours`` is the class of our middleware."""
    if not settings.dry_run:
        yield from _check_limits(settings, project)
    yield from _check_middlewares(project, ours)
    if not project.getbool("COOKIES_ENABLED"):
        yield (
            "COOKIES_ENABLED is False: walls that set a cookie, as most do, are not solved (reason: cookies); "
            "set it to True"
        )
    yield from _check_names(project, spider)
    if uses_scrapy_redis(project) and not project.getbool("SCHEDULER_PERSIST"):
        yield (
            "SCHEDULER_PERSIST is False, so the first worker to finish clears the queue of all workers, including "
            "requests that were put back: set it to True"
        )


def find_mistakes(settings: Settings, project: BaseSettings, ours: type) -> Iterator[str]:
    """Yield, with its cure, each mistake with which no crawl should start, since it is not what the user meant."""
    if settings.needs_price and settings.api_version == 2:
        yield (
            f"{host_of(settings.api_url)} has no list of prices, so no limit in USD would hold: set OMOCAPTCHA_PRICE "
            "to the price of a task in USD"
        )
    if settings.api_version != 2 and not urlsplit(settings.api_url).path:
        yield (
            f"OMOCAPTCHA_API_URL is {settings.api_url!r}, which lacks the path of version 1: set it to "
            f"'{settings.api_url}/api', or set OMOCAPTCHA_API_VERSION = 2 for another service"
        )
    for name in sorted(set(project) - _SETTINGS):
        if name.startswith("OMOCAPTCHA_"):
            similar = meant_by(name, _SETTINGS)
            hint = f"did you mean {similar}? If not, remove it" if similar else "remove it"
            yield f"{name} is not a setting: {hint}, or rename it if it is the project's own"
    yield from _check_positions(_middlewares(project), ours)


def _check_limits(settings: Settings, project: BaseSettings) -> Iterator[str]:
    if not (settings.max_cost or settings.max_cost_per_day or settings.max_jobs):
        yield (
            "OMOCAPTCHA_MAX_COST is 0, so there is no cost limit: set it to what this crawl may cost at most, in USD"
        )
    if settings.price == 0 and settings.has_usd_limit:
        yield (
            "OMOCAPTCHA_PRICE is 0, so no limit in USD can hold, whatever jobs cost: set the real price, or remove the "
            "setting to have it fetched"
        )
    if settings.redis_url is None and uses_scrapy_redis(project):
        yield (
            "scrapy-redis shares the request queue, but each worker has limits of its own, so ten workers may spend "
            "ten times as much: set OMOCAPTCHA_REDIS_URL to the same Redis"
        )


def _check_names(project: BaseSettings, spider: Spider) -> Iterator[str]:
    """Yield what is named almost as something that is read, and is read nowhere."""
    is_set = {*project, *(os.environ.keys() & _FROM_ENVIRONMENT)}
    for name, meant in _misspelt(os.environ.keys() - _FROM_ENVIRONMENT, _SETTINGS):
        if meant not in is_set:
            in_settings = f"set {meant} in settings.py, or with -s {meant}=…"
            cure = f"rename it to {meant}" if meant in _FROM_ENVIRONMENT else in_settings
            yield f"{name} is set in the environment, which is read for {' and '.join(_FROM_ENVIRONMENT)} only: {cure}"
    for name, meant in _misspelt((name for name in project if not name.startswith("OMOCAPTCHA_")), _SETTINGS):
        yield f"the setting {name} is not read: rename it to {meant}"
    for name, meant in _misspelt(set(dir(type(spider))).difference(_HOOKS), _HOOKS):
        yield f"{type(spider).__name__}.{name} is never called: rename it to {meant}"


def _misspelt(names: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the names that are almost known, each with the known name."""
    for name in sorted(names):
        if meant := meant_by(name, known):
            yield name, meant


def _middlewares(project: BaseSettings) -> list[type]:
    """Return the downloader middlewares: requests pass them in this order, responses in the reverse order."""
    priorities = middleware_priorities(project)
    return [load_object(component) for component in build_component_list(priorities)]


def tell_closer(project: BaseSettings, ours: type) -> Iterator[str]:
    """Yield a sentence about the middlewares, but Scrapy's, that may drop or replace a response before ours gets it."""
    names = map(global_object_name, _middlewares(project))
    closer = dropwhile(global_object_name(ours).__ne__, names)
    if own := [name for name in closer if name.partition(".")[0] not in ("scrapy", "scrapy_omocaptcha")]:
        yield (
            f"sees only what is let through by middlewares closer to the site: {', '.join(own)}; place below 581 what "
            "drops or replaces a response, or follows redirects"
        )


def _check_middlewares(project: BaseSettings, ours: type) -> Iterator[str]:
    missing = sorted(map(global_object_name, {ours, load_object(_REDIRECTS)}.difference(_middlewares(project))))
    if missing:
        yield (
            f"DOWNLOADER_MIDDLEWARES lacks {' and '.join(missing)}, so walls are missed: name scrapy_omocaptcha.Addon "
            "in ADDONS, and the middlewares nowhere"
        )
    if any("rotating_proxies." in sentence for sentence in tell_closer(project, ours)):
        yield (
            "scrapy-rotating-proxies is closer to the site than OMOcaptcha and takes each challenge for a ban: place "
            "RotatingProxyMiddleware at 560 and BanDetectionMiddleware at 570 in DOWNLOADER_MIDDLEWARES"
        )


def _check_positions(middlewares: list[type], ours: type) -> Iterator[str]:
    # The resulting order counts, not the numbers, since the project may have moved other middlewares too.
    for middleware, closer_to_engine, closer_to_site, place, others in (
        (ours, _CLOSER_TO_ENGINE, _CLOSER_TO_SITE, 585, "581 to 589"),
        (load_object(_REDIRECTS), (RedirectMiddleware,), (CookiesMiddleware,), 650, "601 to 699"),
    ):
        if middleware not in middlewares:
            continue
        index = middlewares.index(middleware)
        wrong = _named(middlewares[:index], closer_to_site) + _named(middlewares[index + 1 :], closer_to_engine)
        if wrong:
            yield (
                f"{global_object_name(middleware)} is on the wrong side of {' and '.join(wrong)} in "
                "DOWNLOADER_MIDDLEWARES, so challenges are missed or requested repeatedly: remove it from there and "
                f"let ADDONS place it at {place} (with Scrapy's default positions, {others} work)"
            )


def _named(middlewares: list[type], kinds: tuple[type, ...]) -> list[str]:
    # A middleware may be a function that makes one.
    return [each.__name__ for each in middlewares if isinstance(each, type) and issubclass(each, kinds)]
