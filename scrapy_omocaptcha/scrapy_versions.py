"""Say which Scrapy this package needs, and what to do where it has another one."""

from collections.abc import Iterator
from contextlib import contextmanager

from scrapy import __version__, version_info

TESTED_WITH = "2.18 to 2.19"
"""The versions of Scrapy that have all that this package uses."""
CURE = (
    f"install Scrapy {TESTED_WITH}, with which this version was tested, or a newer version of scrapy-omocaptcha "
    f"(this is Scrapy {__version__})"
)


@contextmanager
def importing() -> Iterator[None]:
    """Raise what to do, in the place of the bare error, where Scrapy lacks what is imported in the block."""
    try:
        yield
    except ImportError as error:
        if version_info < (2, 18):
            needs = f"scrapy-omocaptcha needs Scrapy 2.18 or later, and this is {__version__}: pip install -U scrapy"
            raise ImportError(needs) from None
        if not f"{error.name}.".startswith("scrapy."):
            raise
        raise ImportError(f"{error}: {CURE}") from None
