"""``scrapy shell`` and ``scrapy fetch`` on a walled page, as a user types them."""

from __future__ import annotations

import json
import re

import pytest

from tests.commands import python


@pytest.mark.parametrize("command", [["shell", "-c", "response.css('title::text').get()"], ["fetch"]])
def test_a_walled_page_comes_through_by_hand_too(service, walled, tmp_path, command):
    site = walled("session")
    settings = {
        **service.settings,
        "ADDONS": json.dumps({"scrapy_omocaptcha.Addon": 500}),
        "OMOCAPTCHA_PRICE": "0.00055",
    }
    given = [word for name, value in settings.items() for word in ("-s", f"{name}={value}")]
    result = python("-m", "scrapy", *command, *given, f"{site.url}/page/1", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert len(service.jobs) == 1, result.stdout
    assert re.search("page 1", result.stdout, re.IGNORECASE), result.stdout
    assert len(site.requests) < 10
