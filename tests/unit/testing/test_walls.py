"""The walls that ship with the package."""

from __future__ import annotations

import pytest

from scrapy_omocaptcha.testing import WALLS, OmoCaptchaService, WalledSite


def test_an_unknown_wall_is_an_error_that_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="'paper' is not a wall: choose from session, session_marked"):
        WalledSite(OmoCaptchaService(), "paper")


def test_every_wall_has_a_description() -> None:
    assert all(wall.about.endswith(".") for wall in WALLS.values())
    assert len(set(WALLS.values())) == len(WALLS)
