"""What of an address others may know, and whose it is. Pure."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from tldextract import TLDExtract

if TYPE_CHECKING:
    from collections.abc import Iterable

_PORTS = {"http": 80, "https": 443}

# The list that ships with the library: no download, and github.io counts as a suffix.
_registrable = TLDExtract(suffix_list_urls=(), include_psl_private_domains=True, cache_dir=None)


def public_address(url: str) -> str:
    """Scheme, host and path: what others may know of it, without its query, fragment or user."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def host_of(url: str) -> str:
    """The host, in lower case and without a port; empty where there is none."""
    return urlsplit(url).hostname or ""


def is_allowed(host: str, domains: Iterable[str]) -> bool:
    """Whether a host is one of ``domains`` or below one; no domains means every host."""
    domains = tuple(domains)
    host = host.lower().rstrip(".")
    return not domains or any(host == domain or host.endswith("." + domain) for domain in domains)


def same_site(page: str, target: str) -> bool:
    """Whether a token of ``page`` may go to ``target``.

    The same registrable domain (private suffixes counted), or the same address for IPs and bare names; never from
    https to http; the page's own port or the scheme's default.
    """
    try:
        here, there = urlsplit(page), urlsplit(target)
        ports = _port(here), _port(there)
    except ValueError:
        return False
    if "\\" in there.netloc:
        # Programs do not agree where it leads.
        return False
    if there.scheme not in _PORTS or not here.hostname or not there.hostname:
        return False
    if here.scheme == "https" and there.scheme == "http":
        return False
    if ports[1] not in (ports[0], _PORTS[there.scheme]):
        return False
    return _site(here.hostname) == _site(there.hostname)


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)


def _site(host: str) -> str:
    host = host.rstrip(".").lower()
    with suppress(UnicodeError):
        # As Scrapy spells it when it sends the request.
        host = host.encode("idna").decode()
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        return _registrable(host).top_domain_under_public_suffix or host
