"""Let the offline service and its sites go wrong at random; the same seed selects the same, in the same order."""

import random

from scrapy_omocaptcha.testing.account import OUTCOMES
from scrapy_omocaptcha.testing.faults import KINDS, Fault

STUMBLES = ("reset", "server_error", "reset_after", "bad_gateway", "truncated", "empty", "html")
"""What a service that stumbles answers: resets, errors of servers, and broken answers. None is slow or asks to wait."""


def random_faults(server, rate, *, seed, kinds=KINDS, seconds=1.0):
    """Break a random share of the requests to a server for which no fault is planned."""
    dice, faults, planned = random.Random(seed), [Fault(kind, seconds) for kind in kinds], server.take_fault
    server.take_fault = lambda target: planned(target) or (dice.choice(faults) if dice.random() < rate else None)


def random_jobs(service, rate, *, seed, outcomes=OUTCOMES[1:], jobs=1000):
    """Give a random share of the next jobs one of ``outcomes``."""
    dice = random.Random(seed)
    for _ in range(jobs):
        service.next_job(dice.choice(outcomes) if dice.random() < rate else "token")
