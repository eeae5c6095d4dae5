"""Compare addresses, and tell which part of one may be shown, and which host and site it belongs to."""

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import SplitResult, parse_qsl, urlencode, urljoin, urlsplit

from tldextract import TLDExtract
from w3lib.url import safe_url_string

_PORTS = {"http": 80, "https": 443}
_WORDS = re.compile("(?:[a-z][a-z_.-]*(?:[:/][a-z][a-z_.-]*)*)?", re.IGNORECASE)
"""Matches what chooses a part of a site in a query, as ``account/login`` does, but no number, token or address."""
_MAY_SEND = {("http", "http"), ("http", "https"), ("https", "https")}
"""Schemes of a page and of the address that its token may be sent to."""

# Use the list that ships with the library instead of downloading one, and count github.io as a suffix.
_registrable = TLDExtract(suffix_list_urls=(), include_psl_private_domains=True, cache_dir=None)


def public_address(url: str) -> str:
    """Return scheme, host and path of ``url``, the parts that may be shown, as :func:`address_of` spells them."""
    return address_of(url).partition("?")[0]


def route_of(url: str) -> str:
    """Return what ``url`` has in common with the other addresses of one part of a site, such as those of its gate.

    Of the query, these are the values that are words: some sites have one script, which goes by them.
    """
    path, _, query = address_of(url).partition("?")
    words = [pair for pair in parse_qsl(query, keep_blank_values=True) if _WORDS.fullmatch(pair[1])]
    return f"{path}?{urlencode(sorted(words))}" if words else path


def address_of(url: str) -> str:
    """Return the one spelling of what ``url`` requests: without user, default port and fragment, and with a path.

    :raises ValueError: when the host is invalid.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower().removesuffix(":").removesuffix(f":{_PORTS.get(parts.scheme)}")
    return parts._replace(netloc=host, path=parts.path or "/", fragment="").geturl()


def same_address(url: str, other: str) -> bool:
    """Tell whether two URLs request the same, however they are spelled."""
    return address_of(url) == address_of(other)


def redirect_target(url: str, location: bytes | None) -> str | None:
    """Return the address that a redirect from ``url`` leads to, as Scrapy requests it; None if it leads nowhere."""
    try:
        return None if location is None else address_of(urljoin(url, safe_url_string(location)))
    except ValueError:
        return None


def host_of(url: str) -> str:
    """Return the host of ``url`` in lower case without the port, or ``""`` if there is none."""
    return urlsplit(url).hostname or ""


def is_allowed(host: str, domains: Iterable[str]) -> bool:
    """Tell whether ``host`` is one of ``domains`` or a subdomain of one; without domains, every host is allowed."""
    endings = tuple(f".{domain}" for domain in domains)
    return not endings or f".{host.lower().rstrip('.')}".endswith(endings)


def same_site(page: str, target: str) -> bool:
    """Tell whether a token of ``page`` may be sent to ``target``.

    Both must have the same registrable domain (private suffixes count), or be the same IP address or bare name. The
    port must be the page's or the scheme's default.
    """
    try:
        here, there = urlsplit(page), urlsplit(target)
        is_port = _port_of(there) in (_port_of(here), _PORTS.get(there.scheme))
    except ValueError:
        return False
    # Programs disagree about the host of an address with a backslash.
    if (here.scheme, there.scheme) not in _MAY_SEND or not is_port or "\\" in there.netloc:
        return False
    sites = _site_of(host_of(page)), _site_of(host_of(target))
    return sites[0] == sites[1] != ""


def _port_of(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)


def domain_of(host: str) -> str:
    """Return what names a host's registrable domain with all subdomains, such as ``*.shop.com``."""
    site = _site_of(host)
    last = site.rpartition(".")[2]
    # Top-level domains that are in no list, as those of companies' networks, have domains of two labels.
    is_listed = last.isdigit() or ":" in site or _registrable(site).suffix
    return f"*.{site if is_listed else '.'.join(site.split('.')[-2:])}"


def _site_of(host: str) -> str:
    """Return the registrable domain of a host, where private suffixes count, or the host itself if it has none."""
    host = host.rstrip(".").lower()
    with suppress(UnicodeError):
        # Scrapy encodes the host like this when it sends the request.
        host = host.encode("idna").decode()
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        return _registrable(host).top_domain_under_public_suffix or host
