"""Scrapy alone, for a crawl that meets no wall."""

from __future__ import annotations

from typing import Any

SETTINGS: dict[str, Any] = {}
