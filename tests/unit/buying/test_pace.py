"""The window: how many calls a service bears at once, and when the next one may be sent."""

from __future__ import annotations

import pytest

from scrapy_omocaptcha.buying.pace import Window
from scrapy_omocaptcha.errors import ApiUnreachable

FAILED = ApiUnreachable("reset")


def failing(window, times, now=0.0):
    """Let calls fail one after the other, each sent when the pause is over; return when they were sent."""
    sent = []
    for _ in range(times):
        sent.append(now)
        window.failed(FAILED, now, now)
        now = max(now, window.paused_until)
    return sent


def test_a_failure_halves_the_window_once_for_all_that_were_under_way():
    window = Window(32)
    window.size = 16
    window.failed(FAILED, 0, 1)
    window.failed(FAILED, 0.5, 2)
    assert (window.size, window.paused_until) == (8, 2), "there is no pause"
    window.succeeded(0.5, 14)
    window.failed(FAILED, 2, 3)
    assert window.size == 4


def test_each_success_widens_the_window_by_one_up_to_the_greatest_number_if_it_is_used_up():
    window = Window(6)
    window.succeeded(0, 3)
    assert window.size == 4
    for _ in range(5):
        window.succeeded(0, window.size)
    assert window.size == 6
    window.failed(FAILED, 1, 2)
    window.succeeded(1, 6)
    assert window.size == 3, "it was under way with the one that failed"


def test_only_failures_in_a_row_make_a_pause_which_doubles_up_to_a_minute():
    window = Window(32)
    for now in range(20):
        window.failed(FAILED, now, now)
        window.failed(FAILED, now, now)
        window.succeeded(now, 1)
    assert window.paused_until == 19
    assert failing(window, 11, 100) == [100, 100, 100, 101, 103, 107, 115, 131, 163, 223, 283]
    for now in range(1000, 3 * 24 * 3600, 60):
        window.failed(FAILED, now, now)
    assert (window.size, window.paused_until) == (1, now + 60)


def test_calls_wait_until_the_patience_ends_and_one_more_is_made_then():
    window = Window(32, patience=60)
    assert failing(window, 9) == [0, 0, 0, 1, 3, 7, 15, 31, 60]
    with pytest.raises(ApiUnreachable, match="reset"):
        window.check(61, deadline=1000)
    window.check(120, deadline=1000)
    # Nobody has wanted a job for a while, so this is another time.
    window.failed(FAILED, 500, 500)
    window.check(501, deadline=1000)


def test_a_call_waits_no_longer_than_its_own_deadline_but_for_a_service_that_has_not_failed():
    window = Window(32, patience=60)
    window.check(100, deadline=99)
    window.failed(FAILED, 100, 100)
    window.check(101, deadline=101)
    with pytest.raises(ApiUnreachable):
        window.check(102, deadline=101)
