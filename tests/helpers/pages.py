"""Read the saved pages in ``../shared/pages`` beside the project and their labels; a clone may lack them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scrapy.http import HtmlResponse

FOLDER = Path(__file__).parents[3] / "shared" / "pages"

needs_pages = pytest.mark.skipif(
    not (FOLDER / "labels.jsonl").exists(), reason="the saved pages (../shared/pages) are not part of a clone"
)


@cache
def labels() -> list[dict[str, Any]]:
    """Return a dict for each page: ``file``, ``is_v2``, ``sitekey``, ``form``, ``blocking`` and so on."""
    path = FOLDER / "labels.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def saved(label: dict[str, Any], status: int = 200) -> HtmlResponse:
    """Return the page of a label as a response of a site."""
    body = (FOLDER / label["file"]).read_bytes()
    return HtmlResponse("https://site.example/some/page", body=body, status=status)
