"""What is known of the targets of redirects, by all that may happen to one of each kind."""

import pytest

from scrapy_omocaptcha.walls.targets import MAX_LOOKS, PAGES, UNDECIDED, Kind, Targets

SHOP = "https://shop.example"
URL, FROM, MARKS = f"{SHOP}/hold", f"{SHOP}/page/1", ("gate",)
CHANGES = {
    "is followed": (lambda targets: targets.followed(URL, FROM), dict.fromkeys(UNDECIDED, Kind.FOLLOWED)),
    "the redirect is dropped": (lambda targets: targets.dropped(URL, FROM), {Kind.FOLLOWED: Kind.UNKNOWN}),
    "another is dropped": (lambda targets: targets.dropped(URL, SHOP), {}),
    "fails": (lambda targets: targets.failed(URL), {Kind.FOLLOWED: Kind.FAILED}),
    "shows a page": (
        lambda targets: targets.shows(f"{URL}?id=1", is_wall=False),
        dict.fromkeys((*UNDECIDED, Kind.FOLLOWED), Kind.PAGE),
    ),
    "shows a challenge": (
        lambda targets: targets.shows(URL, is_wall=True),
        dict.fromkeys({*Kind} - {Kind.GATE}, Kind.WALL),
    ),
    "is found to be a page": (lambda targets: targets.found_in_place(URL, MARKS), dict.fromkeys(Kind, Kind.PAGE)),
    "is found to be one that is waited for": (
        lambda targets: targets.found_in_place(URL, MARKS, is_open=True),
        dict.fromkeys(Kind, Kind.OPEN),
    ),
    "is opened": (lambda targets: targets.opened(URL), dict.fromkeys(Kind, Kind.OPEN)),
    "its page is got": (lambda targets: targets.got_page(URL), {Kind.OPEN: Kind.PAGE}),
    "the page was another": (lambda targets: targets.passed(URL), dict.fromkeys(Kind, Kind.GATE)),
}


@pytest.mark.parametrize(("happens", "changes"), CHANGES.values(), ids=CHANGES)
def test_what_a_target_is_changes_by_what_it_has_shown_and_by_nothing_else(happens, changes):
    for kind in Kind:
        targets = Targets()
        targets.followed(URL, FROM)
        targets.of(URL).kind = kind
        happens(targets)
        assert targets.of(URL).kind is changes.get(kind, kind)
        assert targets.of(URL).has_been_wall is (happens is CHANGES["is opened"][0])
        assert targets.failed(URL) is (changes.get(kind, kind) in (Kind.FOLLOWED, Kind.FAILED))


@pytest.mark.parametrize("kind", Kind)
def test_an_address_that_says_that_it_is_a_wall_and_is_none_is_looked_at_some_times_until_a_wall_is_met(kind):
    targets, url = Targets(), f"{SHOP}/captcha"
    for looks in range(MAX_LOOKS + 2):
        targets.of(url).kind = kind
        assert targets.looks_like_wall(url) is (kind not in PAGES or looks < MAX_LOOKS)
        targets.of(url).looks += 1
    assert not targets.looks_like_wall(URL)
    targets.shows(URL, is_wall=False)
    assert targets.looks_like_wall(url) is (kind not in PAGES)
    targets.shows(URL, is_wall=True)
    assert targets.looks_like_wall(url)


def test_challenges_of_a_kind_are_in_the_place_of_pages_once_two_of_them_are_found_behind_it():
    targets = Targets()
    for kind in Kind:
        targets.shows(f"{SHOP}/{kind.name}", is_wall=True, marks=MARKS)
        targets.of(f"{SHOP}/{kind.name}").kind = kind
        targets.of(f"{SHOP}/{kind.name}").has_been_wall = True
    for path, marks in {"/1": MARKS, "/2": MARKS, "/other": ("other",), "/asked": MARKS}.items():
        targets.shows(SHOP + path, is_wall=True, marks=marks)
    targets.requested(f"{SHOP}/asked", is_wall=True)
    for path, is_known in {"/other": False, "/1": False, "/2": True}.items():
        assert targets.of(f"{SHOP}/WALL").kind is Kind.WALL
        targets.found_behind_wall(SHOP + path)
        assert targets.is_in_place(MARKS) is targets.is_walled_page(f"{SHOP}/1") is is_known
    kinds = {kind: targets.of(f"{SHOP}/{kind.name}") for kind in Kind}
    # What was redirected to the wall first is sent again, and gets the page.
    assert {kind: target.kind for kind, target in kinds.items()} == {
        **{kind: kind for kind in Kind},
        Kind.WALL: Kind.OPEN,
    }
    assert [kind for kind, target in kinds.items() if target.has_been_wall] == [Kind.GATE]
    assert targets.of(f"{SHOP}/asked").kind is Kind.PAGE
    assert [targets.is_walled_page(f"{SHOP}/{name}") for name in ("PAGE", "GATE", "other")] == [True, False, False]
    assert not targets.is_in_place(None)


def test_a_target_is_like_others_that_have_shown_a_challenge_with_its_marks():
    targets = Targets()
    for path, marks in {"/1": MARKS, "/2": ("other",)}.items():
        targets.shows(SHOP + path, is_wall=True, marks=marks)
    assert not targets.has_others_like(f"{SHOP}/1")
    targets.shows(URL, is_wall=True, marks=MARKS)
    targets.shows(URL, is_wall=False)
    assert [targets.has_others_like(url) for url in (URL, f"{SHOP}/1", f"{SHOP}/2")] == [True, True, False]
