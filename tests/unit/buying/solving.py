"""A solver with everything around it, for tests that turn its clock themselves."""

from functools import partial
from types import SimpleNamespace

from scrapy.settings import Settings as ScrapySettings
from scrapy.statscollectors import MemoryStatsCollector
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock, deferLater

from scrapy_omocaptcha.buying.account import Account
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.buying.solver import Solver
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.errors import ApiUnreachable, CrawlClosing
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.urls import public_address
from tests.helpers.ledgers import new_ledger

HOST = "shop.example"
CHALLENGE = Challenge(f"https://user:pass@{HOST}/gate?session=secret#top", "6LcSiteKey", invisible=True)
OTHER = Challenge(f"https://{HOST}/other", CHALLENGE.sitekey)
NEVER_ARRIVED = ApiUnreachable("refused", taken=False)
LOST = ApiUnreachable("reset")


class FakeLifetime:
    """Waits as a crawl does, by the clock of a test."""

    def __init__(self, clock):
        self._clock = clock
        self._waiting = set()
        self.closing = False
        self.slept = []

    async def wait(self, awaitable, *, grace_checks=1):
        inner, outer = ensureDeferred(awaitable), Deferred()
        if self.closing:
            inner.addErrback(lambda _: None)
            inner.cancel()
            raise CrawlClosing("the crawl is closing")
        inner.addCallbacks(
            lambda value: None if outer.called else outer.callback(value),
            lambda failure: None if outer.called else outer.errback(failure),
        )
        self._waiting.add(outer)
        try:
            return await outer
        finally:
            self._waiting.discard(outer)
            inner.addErrback(lambda _: None)
            inner.cancel()

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await self.wait(deferLater(self._clock, seconds))

    async def until(self, condition):
        while not condition():
            await self.sleep(0.1)

    def close(self):
        self.closing = True
        for outer in list(self._waiting):
            if not outer.called:
                outer.errback(CrawlClosing("the crawl is closing"))


class ScriptedApi:
    """Answers each call with the next entry of its script: a value, an error or a Deferred. The last one repeats."""

    def __init__(self, clock, **scripts):
        self._clock = clock
        self._last = 0
        self._refused = None
        self.scripts = {
            "create_job": [f"job{number}" for number in range(100)],
            "job_result": ["token"],
            "balance": [Balance(10.0)],
            "price": [0.001],
            **{name: list(script) for name, script in scripts.items()},
        }
        self.calls = []

    def times(self, name):
        return [at for called, at, _ in self.calls if called == name]

    def arguments(self, name):
        return [argument for called, _, argument in self.calls if called == name]

    def refuse(self, challenge, error, after=0.0):
        """Answer all further calls to create a job for the page of ``challenge`` with an error."""
        self._refused, self._refusal, self._refuses_after = public_address(challenge.url), error, after

    async def _answer(self, name, *arguments):
        self.calls.append((name, self._clock.seconds(), *(arguments or (None,))))
        script = self.scripts[name]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Deferred):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def create_job(self, job):
        is_last = len(self.scripts["create_job"]) == 1
        job_id = await self._answer("create_job", job)
        if job.page == self._refused:
            if self._refuses_after:
                await deferLater(self._clock, self._refuses_after)
            raise self._refusal
        # Each job has an id of its own, also where the last one repeats.
        self._last += is_last
        return f"{job_id}/{self._last}" if is_last and self._last > 1 else job_id

    def __getattr__(self, name):
        """The other calls."""
        return partial(self._answer, name)


class EveryTwoSeconds:
    def __init__(self):
        self.seen = []

    def next_poll(self, last_poll, polls):
        return last_poll + 2.0

    def record(self, not_ready, ready):
        self.seen.append((not_ready, ready))


class Bench:
    """A solver with everything around it."""

    def __init__(self, *, settings=(), **scripts):
        self.clock = Clock()
        self.clock.advance(1000)
        self.api = ScriptedApi(self.clock, **scripts)
        values = {"API_TOKEN": "x", "PRICE": 0.001, "JOB_TIMEOUT": 60, **dict(settings)}
        self.settings = Settings.from_settings(
            ScrapySettings({f"OMOCAPTCHA_{name}": value for name, value in values.items()})
        )
        self.lifetime = FakeLifetime(self.clock)
        self.polling = EveryTwoSeconds()
        self._stats = MemoryStatsCollector(SimpleNamespace(settings=ScrapySettings()))
        self.ledger = new_ledger(stats=Stats(self._stats))
        self.limits = Limits(self.settings, self.ledger, self.clock.seconds)
        self.account = Account(
            lambda: {1: self.api}, self.limits, lifetime=self.lifetime, settings=self.settings, stats=Stats(self._stats)
        )
        parts = (self.limits, self.account, self.polling)
        self.solver = Solver(*parts, lifetime=self.lifetime, settings=self.settings, clock=self.clock.seconds)

    @property
    def bought(self):
        return [record.cost_usd for record in self.ledger.records]

    def start(self, challenge=CHALLENGE, host=HOST):
        """Start a solve, and return a list that gets the token or the failure."""
        ended = []
        solving = ensureDeferred(self.solver.solve(challenge, host=host))
        solving.addBoth(lambda end: ended.append(getattr(end, "token", end)))
        return ended

    def run(self, seconds=300.0, step=0.5):
        for _ in range(int(seconds / step)):
            self.clock.advance(step)

    def solve(self, seconds=300.0):
        """Solve once, and return the token."""
        ended = self.start()
        self.run(seconds)
        (end,) = ended
        assert isinstance(end, Token), end
        return end

    def fails(self, error, seconds=300.0):
        ended = self.start()
        self.run(seconds)
        (end,) = ended
        assert end.check(error), end
        return end.value

    @property
    def counted(self):
        """The jobs and the USD that count toward the limits."""
        sums = self.ledger.sums(HOST)
        return sums.jobs, sums.spent

    def stat(self, name):
        return self._stats.get_value(f"omocaptcha/{name}", 0)
