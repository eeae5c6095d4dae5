"""Import what most commands and crawls import, once for all forks of the process that does: see ``forked_scrapy``.

That process imports this module by its name from the current folder. If that is not the root of the repository, it
imports nothing, rather than a package that is not the one under test.
"""

import gc
from importlib import import_module

for _name in (
    "scrapy.cmdline",
    "scrapy.commands.check",
    "scrapy.commands.parse",
    "scrapy.commands.shell",
    "scrapy.core.downloader.handlers.http11",
    "scrapy.crawler",
    "scrapy.extensions.telnet",
    "scrapy.squeues",
    "scrapy_omocaptcha.addon",
    "scrapy_omocaptcha.commands.check",
    "scrapy_omocaptcha.commands.detect",
    "scrapy_omocaptcha.commands.report",
    "scrapy_omocaptcha.testing.simulate",
    "tests.helpers.forked_scrapy",
    "treq",
):
    import_module(_name)
gc.freeze()  # No collection of garbage in a fork looks at what is there already.
