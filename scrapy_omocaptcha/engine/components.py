"""Ask Scrapy's own components for cookies, redirects, cached pages, downloads and permissions."""

import logging
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from copy import copy
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from weakref import WeakKeyDictionary, WeakSet

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.downloadermiddlewares.httpcache import HttpCacheMiddleware
from scrapy.downloadermiddlewares.offsite import OffsiteMiddleware
from scrapy.downloadermiddlewares.redirect import MetaRefreshMiddleware, RedirectMiddleware
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse, Response
from scrapy.http.cookies import CookieJar, potential_domain_matches
from scrapy.settings import Settings
from scrapy.utils import httpobj
from scrapy.utils.defer import ensure_awaitable
from scrapy.utils.deprecate import argument_is_required
from scrapy.utils.httpobj import urlparse_cached
from scrapy.utils.job import job_dir
from scrapy.utils.response import get_meta_refresh

from scrapy_omocaptcha.engine.private_names import SCHEME_PROXY
from scrapy_omocaptcha.errors import TokenUnused
from scrapy_omocaptcha.forms.submission import Submission, holds_token, masked, without_token
from scrapy_omocaptcha.urls import public_address

logger = logging.getLogger(__name__)

_FOR_MIDDLEWARES = ("dont_retry", "dont_redirect")
"""Keys of the meta that keep the outer middlewares from retrying a request, or following its redirect."""
_REDIRECTS_FOR_THE_SPIDER = ("dont_redirect", "handle_httpstatus_list", "handle_httpstatus_all")


class Components:
    """Scrapy's downloader middlewares in one crawl."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._downloaded: WeakSet[Request] = WeakSet()
        """Requests that Scrapy's downloader has sent."""
        self._delivered: WeakKeyDictionary[Request, Request] = WeakKeyDictionary()
        """Requests that outer middlewares see, by the requests of the responses to them."""
        crawler.signals.connect(self._received, signals.response_received)

    def download(self, request: Request, download: Callable[[Request], Awaitable[Response]]) -> Awaitable[Response]:
        """Send what all middlewares and the slot have let through, and keep a token out of the answer."""
        self._downloaded.add(request)
        return _submit(download, request) if isinstance(request, Submission) else download(request)

    def is_downloaded(self, request: Request) -> bool:
        """Tell whether Scrapy's downloader has sent a request; otherwise a middleware has made its page."""
        return request in self._downloaded

    def downloaded_for(self, page: Request, request: Request) -> None:
        """Record that what a request of this package's own has shown, if that was downloaded, answers ``page``."""
        if request in self._downloaded:
            self._downloaded.add(page)

    def deliver(self, request: Request, answer: Response, **meta: Any) -> Response:
        """Return an answer as that to a request, neither retried nor redirected by the outer middlewares.

        :param meta: what else the meta of the response has.
        """
        shown = request.replace(meta={**request.meta, **meta})
        request.meta.update(dict.fromkeys(_FOR_MIDDLEWARES, True))
        self._delivered[shown] = request
        return answer.replace(request=shown)

    def _received(self, request: Request) -> None:
        """Take what only the middlewares were to see out of a request, which an errback gets and may send again."""
        asked = self._delivered.pop(request, None)
        if asked is not None:
            for name in _FOR_MIDDLEWARES:
                asked.meta.pop(name, None)
            asked.meta.update({name: request.meta[name] for name in _FOR_MIDDLEWARES if name in request.meta})

    async def call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        """Call a method of a downloader middleware as Scrapy does, whatever its signature."""
        if argument_is_required(method, "spider"):
            arguments["spider"] = self._crawler.spider
        return await ensure_awaitable(method(**arguments))

    def jar(self, request: Request) -> CookieJar | None:
        """Return the cookiejar of a request's session, or None where Scrapy keeps no cookies for it."""
        if request.meta.get("dont_merge_cookies"):
            return None
        middleware = self._crawler.get_downloader_middleware(CookiesMiddleware)
        return None if middleware is None else middleware.jars[request.meta.get("cookiejar")]

    def meta_refresh(self, response: Response) -> str | None:
        """Return the address that Scrapy would follow a page's meta refresh to, or None."""
        if not isinstance(response, HtmlResponse):
            return None
        head = response.body[:4096]
        if not head.isascii() or b"\0" in head:
            # Scrapy looks at so many characters, of up to four bytes each.
            head = response.body[: 4 * 4096].replace(b"\0", b"")
        # Each page comes here, and on a short one ``in`` takes four times as long as ``find``.
        if head.lower().find(b"refresh") < 0:
            return None
        if self._crawler.get_downloader_middleware(MetaRefreshMiddleware) is None:
            return None
        settings = self._crawler.settings
        try:
            seconds, url = get_meta_refresh(response, settings.getlist("METAREFRESH_IGNORE_TAGS"))
        except ValueError:
            # The address is invalid, which Scrapy finds out itself where it follows the refresh.
            return None
        return url if seconds is not None and seconds < settings.getint("METAREFRESH_MAXDELAY") else None

    def location(self, response: Response) -> bytes | None:
        """Return where a redirect, or the meta refresh of a page, leads to."""
        if is_redirect(response):
            return response.headers.get("Location")
        url = self.meta_refresh(response)
        return None if url is None else url.encode()

    async def redirect(self, request: Request, response: Response) -> Request | None:
        """Return the request that Scrapy would make of a redirect or a refresh, or None; ``request`` stays as it is.

        It is made even if spider or settings ask for redirects themselves. ``IgnoreRequest``: there were too many.
        """
        middleware = self._follower(response)
        if self.is_redirect_for_spider(request, response):
            # Scrapy's middleware asks the spider, if there is one; and there is none where redirects are switched off.
            middleware = copy(middleware or RedirectMiddleware(Settings()))
            middleware.crawler = copy(self._crawler)
            middleware.crawler.spider = None
        meta = {key: value for key, value in request.meta.items() if key not in _REDIRECTS_FOR_THE_SPIDER}
        asking = request.replace(meta=meta)
        redirected = await self.call(middleware.process_response, request=asking, response=response)
        return redirected if isinstance(redirected, Request) else None

    async def turn_towards(self, request: Request, url: str) -> None:
        """Turn a GET into the one that a redirect to ``url`` leads to, when its response is already here."""
        redirected = await self.redirect(request, Response(request.url, status=302, headers={"Location": url}))
        if redirected is not None:
            self.turn_into(request, redirected)

    def turn_into(self, request: Request, other: Request) -> None:
        """Turn a request, which the engine waits for, into another one for the same callback."""
        request._set_url(other.url)
        request._set_body(other.body)
        httpobj._urlparse_cache.pop(request, None)
        request.method, request.headers, request.cookies = other.method, other.headers, other.cookies
        request.priority, request.dont_filter = other.priority, other.dont_filter
        for mine, theirs in ((request.meta, dict(other.meta)), (request.cb_kwargs, dict(other.cb_kwargs))):
            mine.clear()
            mine.update(theirs)

    def is_redirect_for_spider(self, request: Request, response: Response) -> bool:
        """Tell whether spider or settings have asked for the redirect itself."""
        meta, status = request.meta, response.status
        if self._follower(response) is None or meta.get("dont_redirect"):
            return True
        # Some of these lists are ranges with exceptions, which only a test for membership knows.
        return is_redirect(response) and (
            meta.get("handle_httpstatus_all", False)
            or status in meta.get("handle_httpstatus_list", ())
            or status in getattr(self._crawler.spider, "handle_httpstatus_list", ())
        )

    def will_redirect(self, request: Request, response: Response) -> bool:
        """Tell whether Scrapy will follow a redirect or a meta refresh."""
        if self.is_redirect_for_spider(request, response):
            return False
        most = self._follower(response).max_redirect_times
        return bool(request.meta.get("redirect_ttl", most) and request.meta.get("redirect_times", 0) < most)

    def will_retry(self, request: Request, failure: Response | type[Exception]) -> bool:
        """Tell whether Scrapy will send a request again after such a response, or an error of that class."""
        middleware = self._crawler.get_downloader_middleware(RetryMiddleware)
        if middleware is None or request.meta.get("dont_retry"):
            return False
        most = request.meta.get("max_retry_times")
        most = middleware.max_retry_times if most is None else most
        if request.meta.get("retry_times", 0) >= most:
            return False
        if isinstance(failure, Response):
            return failure.status in middleware.retry_http_codes
        return issubclass(failure, middleware.exceptions_to_retry)

    def _follower(self, response: Response) -> Any:
        """Return the middleware that follows a redirect, or a meta refresh."""
        kind = RedirectMiddleware if is_redirect(response) else MetaRefreshMiddleware
        return self._crawler.get_downloader_middleware(kind)

    async def ask_rules(self, target: Request, *, page: Request) -> str | None:
        """Have robots.txt fetched if need be, and take back what Scrapy counts of a request that is never sent.

        :returns: ``"robots"`` or ``"offsite"`` if they forbid a request that is sent because of ``page``, or None.
        """
        offsite, spider = self._crawler.get_downloader_middleware(OffsiteMiddleware), self._crawler.spider
        if offsite is not None and spider is not None and not page.meta.get("allow_offsite"):
            is_elsewhere = urlparse_cached(target).hostname != urlparse_cached(page).hostname
            if is_elsewhere and not offsite.should_follow(target, spider):
                return "offsite"
        robots = self._crawler.get_downloader_middleware(RobotsTxtMiddleware)
        if robots is not None:
            try:
                await self.call(robots.process_request, request=target)
            except IgnoreRequest:
                # Scrapy has counted it as a request of the spider.
                self._crawler.stats.inc_value("robotstxt/forbidden", -1)
                return "robots"
        return None

    def is_resumed(self) -> bool:
        """Tell whether an earlier run has used the ``JOBDIR``, from the folder that Scrapy's scheduler makes in it."""
        folder = job_dir(self._crawler.settings)
        return folder is not None and Path(folder, "requests.queue").exists()

    async def cached(self, request: Request) -> Response | None:
        """Return the response that HttpCache would answer ``request`` with, if any; it marks the request if not."""
        cache = self._crawler.get_downloader_middleware(HttpCacheMiddleware)
        answer = None if cache is None else await self.call(cache.process_request, request=request)
        return answer if isinstance(answer, Response) else None

    def store(self, request: Request, response: Response) -> None:
        """Have HttpCache store a page in the place of the challenge that it has seen for ``request``."""
        cache = self._crawler.get_downloader_middleware(HttpCacheMiddleware)
        if cache is None or request.meta.get("dont_cache"):
            return
        policy = cache.policy
        # Fingerprints are cached by object, and this object may have had another address.
        request = request.copy()
        if policy.should_cache_request(request) and policy.should_cache_response(response, request):
            try:
                cache.storage.store_response(self._crawler.spider, request, response)
            except OSError as error:
                logger.warning(
                    "HttpCache cannot store the page %s (%s), so later crawls meet the challenge that it has, and pay",
                    public_address(request.url),
                    error.strerror,
                )


async def _submit(download: Callable[[Request], Awaitable[Response]], request: Submission) -> Response:
    """Send a request with a token, and take the token out of the addresses in the head of the response.

    Otherwise middlewares could log or follow them. A redirect to an address that holds the token in its path or host is
    no redirect any more.
    """
    # The submission may have waited long in the queue of its slot.
    if time.monotonic() > request.usable_until:
        raise TokenUnused("too_old")
    response = await download(request)
    secret = request.secret
    url = masked(without_token(response.url, secret), secret)
    if url != response.url:
        response = response.replace(url=url)
    location = response.headers.get("Location")
    if location is not None:
        target = without_token(location.decode("latin-1"), secret)
        del response.headers["Location"]
        if not holds_token(target, secret):
            response.headers["Location"] = target.encode("latin-1")
    return response


def is_redirect(response: Response) -> bool:
    """Tell whether a response has the status of a redirect."""
    return 300 <= response.status < 400


def cookies_of_host(jar: CookieJar, host: str) -> list[Cookie]:
    """Return the cookies in a jar that are sent to a host, whatever the path."""
    domains = (*potential_domain_matches(host), f"{host}.local")
    # A jar has the cookies of all hosts of a crawl, so it is not gone through as a whole.
    paths = [path for domain in domains for path in jar._cookies.get(domain, {}).values()]
    return [cookie for path in paths for cookie in path.values()]


def proxy_of(request: Request) -> object:
    """Return address and user of a proxy, equal before and after HttpProxyMiddleware moved the user into a header."""
    proxy = request.meta.get("proxy")
    # A proxy from the environment is the same for all requests, and is in meta only once the request was sent.
    if not proxy or SCHEME_PROXY in request.meta:
        return None
    user, _, address = (proxy.partition("//")[2] or proxy).rpartition("@")
    header = request.headers.get("Proxy-Authorization")
    if user:
        name, _, password = user.partition(":")
        header = b"Basic " + b64encode(f"{unquote(name)}:{unquote(password)}".encode("latin-1", "replace"))
    # The header is hashed, because it holds a password.
    return address.rstrip("/"), hash(header)
