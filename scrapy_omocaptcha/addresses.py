"""What of an address others may know, and whose it is. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit


def public_address(url: str) -> str:
    """Scheme, host and path: what others may know of it, without its query, fragment or user."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def host_of(url: str) -> str:
    """The host, in lower case and without a port; empty where there is none."""
    return urlsplit(url).hostname or ""
