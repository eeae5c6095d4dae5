"""The breaker: which results open it for a host and for a domain, and what ends a pause."""

import pytest

from scrapy_omocaptcha.buying.breaker import Breaker
from tests.helpers.clock import Clock

HOST = "shop.example"
PAUSE = 600.0
A_MOMENT = 30.0


class Circuits:
    """A breaker that three failures open."""

    def __init__(self):
        self._clock = Clock()
        self._breaker = Breaker(3, PAUSE, self._clock)

    def had(self, results, host=HOST):
        """Record results: ``x`` for a job of no use, ``o`` for one whose token was accepted."""
        for result in results:
            (self._breaker.record_failure if result == "x" else self._breaker.record_success)(host)

    def is_open(self, host=HOST):
        return self._breaker.find_open(host) is not None

    def find_open(self, host):
        return self._breaker.find_open(host)

    def buy(self, host=HOST):
        assert not self.is_open(host)
        self._breaker.let_through(host)

    def advance(self, seconds):
        self._clock.now += seconds


@pytest.mark.parametrize(
    ("results", "opens"),
    [
        ("xx", False),
        ("xxx", True),
        ("xoxx", False),
        ("oxxxx", True),
        ("oxxxo", False),
        ("oooxxx", False),
        ("oooxxxx", False),
        ("oooxxxxx", True),
        ("o" * 50 + "xxxxx", True),
    ],
)
def test_a_host_is_left_alone_where_most_of_its_last_jobs_were_of_no_use(results, opens):
    circuits = Circuits()
    # So that no circuit of the domain counts.
    circuits.had("o", "other.shop.example")
    circuits.had(results)
    assert circuits.is_open() == opens
    assert not circuits.is_open("elsewhere.example")


def test_after_its_pause_it_lets_one_job_through_in_each_until_one_is_of_use():
    circuits = Circuits()
    circuits.had("xxx")
    circuits.advance(PAUSE - A_MOMENT)
    assert circuits.is_open()
    circuits.advance(A_MOMENT)
    for _ in range(2):
        circuits.buy()
        assert circuits.is_open(), "the next one waits for the result, or for another pause"
        circuits.advance(PAUSE)
    circuits.buy()
    circuits.advance(PAUSE / 2)
    circuits.had("x")
    circuits.advance(PAUSE - A_MOMENT)
    assert circuits.is_open(), "a failure begins a whole pause"
    circuits.advance(A_MOMENT)
    circuits.had("o")
    for _ in range(5):
        circuits.buy()
    circuits.had("xx")
    assert not circuits.is_open(), "what led to the pause is over"


def test_a_domain_is_left_alone_with_all_subdomains_until_a_token_is_accepted_at_one_of_them():
    circuits = Circuits()
    for name in "abc":
        assert not circuits.is_open(f"{name}.shop.com")
        circuits.had("x", f"{name}.shop.com")
    assert [circuits.find_open(host) for host in ("a.shop.com", "d.shop.com", "shop.com")] == ["*.shop.com"] * 3
    assert not any(map(circuits.is_open, ("a.other.com", "com", "a.shop.com.example")))
    circuits.advance(PAUSE)
    circuits.buy("d.shop.com")
    assert circuits.is_open("e.shop.com")
    circuits.had("o", "d.shop.com")
    for name in "efghij":
        circuits.had("x", f"{name}.shop.com")
    assert not circuits.is_open("k.shop.com")
    circuits.had("xx", "j.shop.com")
    assert circuits.find_open("j.shop.com") == "j.shop.com"
