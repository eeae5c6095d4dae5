"""What is done about a redirect, by what is known of its target."""

from itertools import product

import pytest

from scrapy_omocaptcha.walls.decisions import Action, Seen, decide
from scrapy_omocaptcha.walls.targets import PAGES, Kind

UNDECIDED = [Kind.UNKNOWN, Kind.FOLLOWED, Kind.WALL, Kind.GATE]
CASES = [
    # What is known, and what is done for a GET, and for a POST.
    *[(Seen(kind), Action.ASK, Action.KEEP) for kind in UNDECIDED],
    *[(Seen(kind), Action.ASK, Action.FOLLOW) for kind in PAGES],
    *[(Seen(kind, may_be_lost=True), Action.LOOK, Action.LOOK) for kind in Kind],
    *[(Seen(kind, is_of_another=True), Action.KEEP, Action.FOLLOW) for kind in Kind],
    (Seen(Kind.UNKNOWN, is_unseen=True), Action.LOOK, Action.LOOK),
    (Seen(Kind.PAGE, has_been_wall=True), Action.LOOK, Action.LOOK),
    (Seen(Kind.PAGE, has_been_wall=True, is_through=True), Action.ASK, Action.KEEP),
]


@pytest.mark.parametrize(("seen", "for_get", "for_post"), CASES, ids=str)
def test_what_is_done_follows_from_what_is_known_and_from_the_method(seen, for_get, for_post):
    assert decide(seen, is_safe=True) is for_get
    assert decide(seen, is_safe=False) is for_post


def test_a_get_is_never_left_to_its_redirect():
    for kind, values in product(Kind, product((False, True), repeat=len(Seen._fields) - 1)):
        assert decide(Seen(kind, *values), is_safe=True) is not Action.FOLLOW
