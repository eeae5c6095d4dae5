"""This project, switched on with its one line; its waiting runs as fast as everybody's."""

from __future__ import annotations

SETTINGS = {"ADDONS": {"scrapy_omocaptcha.Addon": 500}}
