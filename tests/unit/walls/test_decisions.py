"""What is done about a redirect: the whole table, and all that outweighs it."""

from itertools import product

import pytest

from scrapy_omocaptcha.walls.decisions import Action, Seen, decide
from scrapy_omocaptcha.walls.targets import Kind

# What is done for a GET, and for a POST.
TABLE = {
    Kind.UNKNOWN: (Action.ASK, Action.KEEP),
    Kind.FOLLOWED: (Action.ASK, Action.KEEP),
    Kind.PAGE: (Action.ASK, Action.FOLLOW),
    Kind.OPEN: (Action.ASK, Action.FOLLOW),
    Kind.WALL: (Action.LOOK, Action.KEEP),
    Kind.GATE: (Action.LOOK, Action.LOOK),
}


@pytest.mark.parametrize("kind", Kind)
def test_what_is_done_follows_from_what_is_there_and_from_the_method(kind):
    assert (decide(Seen(kind), is_safe=True), decide(Seen(kind), is_safe=False)) == TABLE[kind]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Seen(Kind.UNKNOWN, is_named=True), (Action.LOOK, Action.LOOK)),
        (Seen(Kind.FOLLOWED, is_named=True), (Action.ASK, Action.KEEP)),
        (Seen(Kind.PAGE, has_been_wall=True), (Action.LOOK, Action.LOOK)),
        (Seen(Kind.PAGE, has_been_wall=True, is_through=True), (Action.ASK, Action.KEEP)),
        (Seen(Kind.WALL, is_claimed=True), (Action.LOOK, Action.LOOK)),
        (Seen(Kind.OPEN, may_be_lost=True), (Action.LOOK, Action.FOLLOW)),
        (Seen(Kind.WALL, is_of_another=True), (Action.KEEP, Action.FOLLOW)),
    ],
    ids=str,
)
def test_what_is_known_beside_the_kind_outweighs_it(seen, expected):
    assert (decide(seen, is_safe=True), decide(seen, is_safe=False)) == expected


def test_a_get_is_never_left_to_its_redirect_and_a_page_is_always_the_answer_to_a_post():
    for kind, values in product(Kind, product((False, True), repeat=len(Seen._fields) - 1)):
        seen = Seen(kind, *values)
        assert decide(seen, is_safe=True) is not Action.FOLLOW
        if kind in (Kind.PAGE, Kind.OPEN) and not (seen.has_been_wall or seen.is_of_another):
            assert decide(seen, is_safe=False) is Action.FOLLOW
