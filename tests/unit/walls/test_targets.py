"""What is known of the targets of redirects, by all that may happen to one of each kind."""

import pytest

from scrapy_omocaptcha.walls.targets import PAGES, Kind, Targets

SHOP = "https://shop.example"
URL, FROM, MARKS = f"{SHOP}/hold", f"{SHOP}/page/1", ("gate",)
FIRST, SECOND = ({"hops": [f"{SHOP}/order"], "body": body} for body in ("first", "second"))
CHANGES = {
    "is followed": (lambda targets: targets.record_followed(URL, FIRST), {Kind.UNKNOWN: Kind.FOLLOWED}),
    "the redirect is dropped": (lambda targets: targets.record_dropped(URL, FIRST), {Kind.FOLLOWED: Kind.UNKNOWN}),
    "another is dropped": (lambda targets: targets.record_dropped(URL, SECOND), {}),
    "shows a page": (
        lambda targets: targets.record_shown(f"{URL}?id=1", is_wall=False),
        dict.fromkeys((Kind.UNKNOWN, Kind.FOLLOWED), Kind.PAGE),
    ),
    "shows a challenge": (
        lambda targets: targets.record_shown(URL, is_wall=True),
        dict.fromkeys({*Kind} - {Kind.GATE}, Kind.WALL),
    ),
    "is found to be a page": (lambda targets: targets.record_in_place(URL, MARKS), dict.fromkeys(Kind, Kind.PAGE)),
    "is found to be one that is waited for": (
        lambda targets: targets.record_in_place(URL, MARKS, is_open=True),
        dict.fromkeys(Kind, Kind.OPEN),
    ),
    "is opened": (lambda targets: targets.record_open(URL), dict.fromkeys(Kind, Kind.OPEN)),
    "its page is got": (lambda targets: targets.record_page_given(URL), {Kind.OPEN: Kind.PAGE}),
    "the page was another": (lambda targets: targets.record_gate(URL), dict.fromkeys(Kind, Kind.GATE)),
}


@pytest.mark.parametrize(("happens", "changes"), CHANGES.values(), ids=CHANGES)
def test_what_a_target_is_changes_by_what_it_has_shown_and_by_nothing_else(happens, changes):
    for kind in Kind:
        targets = Targets()
        targets.record_followed(URL, FIRST)
        targets._record(URL).kind = kind
        happens(targets)
        assert targets.of(URL).kind is changes.get(kind, kind)
        assert targets.of(URL).has_been_wall is (happens is CHANGES["is opened"][0])


@pytest.mark.parametrize("kind", Kind)
def test_a_page_that_is_named_like_a_wall_may_show_a_challenge_later(kind):
    targets = Targets()
    for url, is_named in {f"{SHOP}/captcha": True, URL: False}.items():
        targets._record(url).kind = kind
        assert targets.has_been_wall(url) is (is_named and kind in PAGES)
        targets._record(url).has_been_wall = True
        assert targets.has_been_wall(url)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("url", "is_claimed"),
    [
        (f"{SHOP}/captcha", True),
        (f"{URL}?next=/page/1", True),
        (f"{URL}?next=https%3A%2F%2Fshop.example%2Fpage%2F1", True),
        (f"{URL}?next=/page/2", False),
        (URL, False),
    ],
)
def test_a_gate_withholds_what_redirects_there_and_another_wall_does_where_more_than_its_challenge_says_so(
    kind, url, is_claimed
):
    targets = Targets()
    targets._record(url).kind = kind
    assert targets.may_withhold(url, FROM) is (kind is Kind.GATE or (kind is Kind.WALL and is_claimed))
    targets._record(url).has_stopped = True
    assert targets.may_withhold(url, FROM) is (kind in (Kind.GATE, Kind.WALL))


def test_challenges_of_a_kind_are_in_the_place_of_pages_once_two_of_them_are_found_behind_it():
    targets = Targets()
    for kind in Kind:
        targets.record_shown(f"{SHOP}/{kind.name}", is_wall=True, marks=MARKS)
        targets._record(f"{SHOP}/{kind.name}").kind = kind
        targets._record(f"{SHOP}/{kind.name}").has_been_wall = True
    for path, marks in {"/1": MARKS, "/2": MARKS, "/other": ("other",), "/asked": MARKS}.items():
        targets.record_shown(SHOP + path, is_wall=True, marks=marks)
    targets.record_requested(f"{SHOP}/asked", is_wall=True)
    for path, is_known in {"/other": False, "/1": False, "/2": True}.items():
        assert targets.of(f"{SHOP}/WALL").kind is Kind.WALL
        targets.record_behind_wall(SHOP + path)
        assert targets.is_in_place(f"{SHOP}/new", MARKS) is targets.is_walled_page(f"{SHOP}/1") is is_known
    kinds = {kind: targets.of(f"{SHOP}/{kind.name}") for kind in Kind}
    # What was redirected to the wall first is sent again, and gets the page.
    assert {kind: target.kind for kind, target in kinds.items()} == {
        **{kind: kind for kind in Kind},
        Kind.WALL: Kind.OPEN,
    }
    assert [kind for kind, target in kinds.items() if target.has_been_wall] == [Kind.GATE]
    assert targets.of(f"{SHOP}/asked").kind is Kind.PAGE
    assert [targets.is_walled_page(f"{SHOP}/{name}") for name in ("PAGE", "GATE", "other")] == [True, False, False]
    assert not targets.is_in_place(f"{SHOP}/new", None)


def test_a_target_is_like_others_that_have_shown_a_challenge_with_its_marks():
    targets = Targets()
    for path, marks in {"/1": MARKS, "/2": ("other",)}.items():
        targets.record_shown(SHOP + path, is_wall=True, marks=marks)
    assert not targets.may_have_others_like(f"{SHOP}/1")
    targets.record_shown(URL, is_wall=True, marks=MARKS)
    targets.record_shown(URL, is_wall=False)
    assert [targets.may_have_others_like(url) for url in (URL, f"{SHOP}/1", f"{SHOP}/2")] == [True, True, False]


def test_how_often_a_wall_was_looked_at_counts_no_more_once_it_is_open():
    targets = Targets()
    targets.record_look(URL)
    targets.record_open(URL)
    assert targets.of(URL).times_looked == 0
