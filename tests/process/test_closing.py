"""The end of all waiting when a crawl closes on a reactor without asyncio, of which a process has one."""

from tests.helpers.commands import ROOT, python

WITHOUT_ASYNCIO = """
from types import SimpleNamespace
from scrapy.utils.reactor import install_reactor
install_reactor("twisted.internet.selectreactor.SelectReactor")
from twisted.internet.defer import Deferred, ensureDeferred
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import CrawlClosing

engine = SimpleNamespace(start_time=1.0, _starting=True, _slot=SimpleNamespace(closing=None))
lifetime = Lifetime(SimpleNamespace(engine=engine))
turns = [Deferred() for _ in range(3)]

async def wait(number):
    try:
        await lifetime.wait(turns[number])
    except CrawlClosing:
        print(number, "is told that the crawl closes")
        if number == 0:
            turns[1].callback(None)
    else:
        print(number, "goes on")

for number in range(3):
    ensureDeferred(wait(number))
engine._slot.closing = Deferred()
lifetime._end_waits_if_closing()
"""


def test_without_asyncio_the_end_of_one_wait_may_end_another_and_all_others_end_as_well():
    done = python("-c", WITHOUT_ASYNCIO, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    told = "is told that the crawl closes"
    assert done.stdout.splitlines() == [f"0 {told}", "1 goes on", f"2 {told}"]
