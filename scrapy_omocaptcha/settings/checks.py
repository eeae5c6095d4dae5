"""Find settings and spider attributes that would keep the add-on from solving challenges."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import fields
from operator import itemgetter
from urllib.parse import urlsplit

from scrapy import Spider
from scrapy.settings import BaseSettings
from scrapy.utils.misc import load_object
from scrapy.utils.python import global_object_name

from scrapy_omocaptcha.scrapy_versions import middleware_priorities
from scrapy_omocaptcha.settings import Settings, uses_scrapy_redis
from scrapy_omocaptcha.settings.names import meant_by

_PLACES = (
    ("", 581, 589),
    ("scrapy_omocaptcha.middleware.RedirectMiddleware", 601, 699),
    ("scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware", 590, 1000),
    ("scrapy.downloadermiddlewares.redirect.RedirectMiddleware", 590, 600),
    ("scrapy.downloadermiddlewares.cookies.CookiesMiddleware", 700, 1000),
)
"""Which keys in DOWNLOADER_MIDDLEWARES work, by path, as modules of middlewares stand above this one; "" is ours."""
_SETTINGS = {f"OMOCAPTCHA_{name.upper()}" for name in ("enabled", *(field.name for field in fields(Settings)))}
_FROM_ENVIRONMENT = ("OMOCAPTCHA_API_TOKEN", "OMOCAPTCHA_REDIS_URL")
_HOOKS = ("omocaptcha_submit", "omocaptcha_trigger")


def check_settings(settings: Settings, project: BaseSettings, spider: Spider) -> Iterator[str]:
    """Yield a warning, with its cure, for each mistake in the settings."""
    has_limit = settings.price != 0 and (settings.max_cost or settings.max_cost_per_day)
    if not (has_limit or settings.max_jobs or settings.dry_run):
        name = "OMOCAPTCHA_PRICE" if settings.price == 0 else "OMOCAPTCHA_MAX_COST"
        yield f"{name} is 0, so there is no cost limit: set it, or OMOCAPTCHA_MAX_JOBS"
    for name in ("OMOCAPTCHA_MAX_JOBS", "OMOCAPTCHA_ALLOWED_DOMAINS"):
        if project.get(name) in (0, "0", [], ()):
            yield f"{name} is {project[name]!r}, which limits nothing: to buy nothing, set OMOCAPTCHA_DRY_RUN = True"
    if settings.redis_url is None and not settings.dry_run and uses_scrapy_redis(project):
        yield (
            "scrapy-redis shares the request queue, but each worker has limits of its own, so ten workers may spend "
            "ten times as much: set OMOCAPTCHA_REDIS_URL to the same Redis"
        )
    yield from _check_names(project, spider)


def find_mistakes(settings: Settings, project: BaseSettings, ours: type) -> Iterator[str]:
    """Yield, with its cure, each mistake with which no crawl should start; ``ours`` is the class of our middleware."""
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
    places = _places(project)
    for path, first, last in _PLACES:
        middleware = load_object(path) if path else ours
        place = places.get(middleware)
        is_scrapys = path.startswith("scrapy.")  # A project may have another in its place.
        if not (is_scrapys if place is None else first <= place <= last):
            yield (
                f"{global_object_name(middleware)} is at {place} in DOWNLOADER_MIDDLEWARES, where walls are missed or "
                f"met repeatedly: name scrapy_omocaptcha.Addon in ADDONS, and it nowhere ({first} to {last} work)"
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
    for name in sorted(name for name in dir(spider) if name.upper() in _SETTINGS):
        yield f"{type(spider).__name__}.{name} is not read: set {name.upper()} in custom_settings, or with -s"
    for name, meant in _misspelt(set(dir(type(spider))).difference(_HOOKS), _HOOKS):
        yield f"{type(spider).__name__}.{name} is never called: rename it to {meant}"


def _misspelt(names: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the names that are almost known, each with the known name."""
    for name in sorted(names):
        if meant := meant_by(name, known):
            yield name, meant


def tell_closer(project: BaseSettings, ours: type) -> Iterator[str]:
    """Yield a sentence about the middlewares, but Scrapy's, that may drop or replace a response before ours gets it."""
    places = _places(project)
    names = (global_object_name(each) for each, place in places.items() if place > places.get(ours, 0))
    if own := [name for name in names if name.partition(".")[0] not in ("scrapy", "scrapy_omocaptcha")]:
        yield (
            f"sees only what is let through by middlewares closer to the site: {', '.join(own)}; place below 581 what "
            "drops or replaces a response, or follows redirects"
        )


def _places(project: BaseSettings) -> dict[type, float]:
    """Return the numbers of the downloader middlewares: responses pass those with the highest first."""
    placed = {path: place for path, place in middleware_priorities(project).items() if place is not None}
    return {load_object(path): place for path, place in sorted(placed.items(), key=itemgetter(1))}
