"""Make a failing plan smaller: leave out requests, settings, faults and whatever else the failure does not need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.plan import Plan

_FAULTS = ("site_faults", "api_faults", "job_faults")


def kind_of(sentence: str) -> str:
    """Return what two sentences about the same kind of failure have in common: their first words, without numbers."""
    return " ".join([word for word in sentence.split() if not any(map(str.isdigit, word))][:5])


def shrink(planned: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Return the smallest plan found that still fails; the plan itself if it does not fail."""
    while True:
        smaller = next((other for other in _smaller(planned) if fails(other)), None)
        if smaller is None:
            return planned
        planned = smaller


def _smaller(planned: Plan) -> Iterator[Plan]:
    """Yield plans that lack something, the largest parts first."""
    half = len(planned.wanted) // 2
    if half > 1:
        yield replace(planned, wanted=planned.wanted[:half])
        yield replace(planned, wanted=planned.wanted[half:])
    for index in range(len(planned.wanted)):
        yield replace(planned, wanted=planned.wanted[:index] + planned.wanted[index + 1 :])
    for index, wanted in enumerate(planned.wanted):
        plain = replace(wanted, children=0, again=False)
        if plain != wanted:
            yield replace(planned, wanted=(*planned.wanted[:index], plain, *planned.wanted[index + 1 :]))
    needed = ("CONCURRENT_REQUESTS", "DOWNLOAD_TIMEOUT", "RETRY_TIMES", "OMOCAPTCHA_MAX_ATTEMPTS")
    for name in planned.settings:
        if name not in needed:
            yield replace(planned, settings={key: value for key, value in planned.settings.items() if key != name})
    rarities = ("shuffle", "passes_meta", "wants_redirects", "has_cookie", "dont_merge_cookies")
    for name in (*_FAULTS, "stalls", "outage", "stumbles", *rarities):
        if getattr(planned, name):
            # The defaults of a plan are attributes of its class.
            yield replace(planned, **{name: getattr(type(planned), name)})
    for name in _FAULTS:
        kinds = getattr(planned, name)
        if len(kinds) > 1:
            for kind in kinds:
                yield replace(planned, **{name: tuple(other for other in kinds if other != kind)})
    if len(planned.stops) > 1:
        yield replace(planned, stops=planned.stops[:1])
