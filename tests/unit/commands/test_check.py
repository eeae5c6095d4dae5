"""What ``scrapy omocaptcha check`` says of the settings of a project, without a process or a service."""

from __future__ import annotations

import argparse
import json

import pytest
from scrapy.settings import Settings

from scrapy_omocaptcha import Addon
from scrapy_omocaptcha.commands import check as module
from scrapy_omocaptcha.commands.omocaptcha import OmoCaptchaCommand

ADDON = "scrapy_omocaptcha.Addon"
MIDDLEWARE = "scrapy_omocaptcha.middleware.OmoCaptchaMiddleware"
ADDON_MISPLACED = f"{ADDON} is an add-on, neither a middleware nor an extension: name it in ADDONS only"
MIDDLEWARE_MISPLACED = (
    f"{MIDDLEWARE} is a downloader middleware, neither an add-on nor an extension: name {ADDON} in ADDONS"
)


@pytest.fixture
def wrong_settings(monkeypatch, capsys):
    """``wrong_settings({…})`` → what the command says is wrong with these settings of a project."""

    async def nothing_else(*args):
        return None

    monkeypatch.setattr(module, "look", nothing_else)

    def wrong_settings(settings):
        command = OmoCaptchaCommand()
        command.settings = Settings({"OMOCAPTCHA_API_TOKEN": "offline-token", **settings})
        status = module.check(command, argparse.Namespace(json=True))
        told = [line["message"] for line in json.loads(capsys.readouterr().out)["lines"] if line["is_wrong"]]
        assert status == (2 if told else 0)
        return told

    return wrong_settings


@pytest.mark.parametrize("addons", [{}, {ADDON: 500}])
@pytest.mark.parametrize(
    ("name", "component", "said"),
    [
        ("ADDONS", MIDDLEWARE, MIDDLEWARE_MISPLACED),
        ("EXTENSIONS", MIDDLEWARE, MIDDLEWARE_MISPLACED),
        ("EXTENSIONS", ADDON, ADDON_MISPLACED),
        ("EXTENSIONS", Addon, ADDON_MISPLACED),
        ("DOWNLOADER_MIDDLEWARES", ADDON, ADDON_MISPLACED),
        ("SPIDER_MIDDLEWARES", ADDON, ADDON_MISPLACED),
        ("ITEM_PIPELINES", ADDON, ADDON_MISPLACED),
        ("SPIDER_MIDDLEWARES", MIDDLEWARE, f"{MIDDLEWARE} is in SPIDER_MIDDLEWARES: remove it from there"),
    ],
)
def test_what_is_named_in_a_setting_for_other_components_is_told(wrong_settings, addons, name, component, said):
    settings = {"ADDONS": addons}
    settings[name] = {**settings.get(name, {}), component: 500}
    where = "" if said.endswith("there") else f" (it is in {name})"
    assert wrong_settings(settings) == [said + where]


@pytest.mark.parametrize(
    "settings",
    [
        {"ADDONS": {ADDON: 500}},
        {"ADDONS": {Addon(): 500}, "EXTENSIONS": {ADDON: None}},
        {"DOWNLOADER_MIDDLEWARES": {MIDDLEWARE: 585}},
    ],
)
def test_nothing_is_said_of_what_is_in_its_place(wrong_settings, settings):
    assert wrong_settings(settings) == []
