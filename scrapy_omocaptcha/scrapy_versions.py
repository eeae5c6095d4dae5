"""Say which Scrapy this package needs, and what to do where it has another one."""

from scrapy import __version__

TESTED_WITH = "2.18 to 2.19"
"""The versions of Scrapy that have all that this package uses."""


def cure(lack: str) -> str:
    """Say what to do about something that this Scrapy lacks."""
    return (
        f"Scrapy {__version__} lacks {lack}: install Scrapy {TESTED_WITH}, with which this version was tested, or a "
        "newer version of scrapy-omocaptcha"
    )
