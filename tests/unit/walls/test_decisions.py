"""What is done about a redirect, by what is known of its target."""

from itertools import product

import pytest

from scrapy_omocaptcha.walls.decisions import Action, Known, decide
from scrapy_omocaptcha.walls.targets import PAGES, Kind

UNDECIDED = [Kind.UNKNOWN, Kind.FOLLOWED, Kind.WALL, Kind.GATE]
CASES = [
    # What is known, and what is done for a GET, and for a POST.
    *[(Known(kind), Action.ASK, Action.KEEP) for kind in UNDECIDED],
    *[(Known(kind), Action.ASK, Action.FOLLOW) for kind in PAGES],
    *[(Known(kind, may_have_withheld=True), Action.LOOK, Action.LOOK) for kind in Kind],
    *[(Known(kind, is_of_another=True), Action.KEEP, Action.FOLLOW) for kind in Kind],
    (Known(Kind.UNKNOWN, is_suspect=True), Action.GUESS, Action.GUESS),
    (Known(Kind.PAGE, has_been_wall=True), Action.LOOK, Action.LOOK),
    (Known(Kind.PAGE, has_been_wall=True, is_open=True), Action.ASK, Action.KEEP),
]


@pytest.mark.parametrize(("known", "for_get", "for_post"), CASES, ids=str)
def test_what_is_done_follows_from_what_is_known_and_from_the_method(known, for_get, for_post):
    assert decide(known, is_safe=True) is for_get
    assert decide(known, is_safe=False) is for_post


def test_a_get_is_never_left_to_its_redirect():
    for kind, values in product(Kind, product((False, True), repeat=len(Known._fields) - 1)):
        assert decide(Known(kind, *values), is_safe=True) is not Action.FOLLOW
