"""Whole crawls behind a wall beside the same crawls without one: a spider can't tell them apart.

``make matrix`` runs each feature of Scrapy behind each wall.
"""

import pytest

from tests.crawl.features import FEATURES, HOST, OTHER_HOST
from tests.helpers.many_pages import ManyPages
from tests.helpers.nightly import nightly
from tests.helpers.views import Seen
from tests.helpers.walled_pages import ONE_ADDRESS, WalledPages

WALLS = {
    "session": "session",
    "redirect": "redirect",
    "token a page": "per_page",
    "three free pages": "session",
    "three pages a clearance": "expiring",
    "one address": ONE_ADDRESS,
}
FORMATS = ("jsonlines", "json", "csv")
MET_LATER = ("three free pages", "three pages a clearance")
"""Walls that a redirect may lead to from a page that is open. The redirect is then asked for again."""
REDIRECTING = ("redirect", "one address")
"""Walls whose redirects pass Scrapy's scheduler, and withhold a POST that may be executed, for all that is known."""
MATRIX = [
    (name, wall) if feature.often_behind == wall else nightly(name, wall)
    for name, feature in FEATURES.items()
    for wall in WALLS
    if wall not in feature.not_behind
]


class Comparison:
    """Runs the spiders of a feature behind a wall, or without one and without the add-on."""

    def __init__(self, crawl, service, folder):
        self._crawl = crawl
        self._service = service
        self._folder = folder

    def run(self, feature, wall, *, strict=True):
        """Return what was seen of the crawls, and the site.

        :param strict: whether redirects are compared, and how often the scheduler and the site had each page.
        """
        folder = self._folder / ("with" if wall else "without")
        settings = {
            "JOBDIR": str(folder / "job") if feature.runs > 1 and "HTTPCACHE_ENABLED" not in feature.settings else None,
            "HTTPCACHE_DIR": str(folder / "cache"),
            "FILES_STORE": str(folder / "files"),
            "IMAGES_STORE": str(folder / "images"),
            "FEEDS": {str(folder / f"feed.{name}"): {"format": name} for name in FORMATS if feature.feeds},
            **(self._service.settings if wall else {"ADDONS": {}}),
            # A redirect may lead to a wall again where a clearance is soon used up.
            "OMOCAPTCHA_MAX_ATTEMPTS": 9 if wall == "three pages a clearance" else 2,
            "OMOCAPTCHA_RESEND": wall in REDIRECTING,
            **feature.settings,
        }
        pages = ManyPages(lambda: f"http://{OTHER_HOST}:{site.port}")
        free = 3 if wall == "three free pages" else 0
        with WalledPages(pages, self._service, WALLS.get(wall), hosts=(HOST, OTHER_HOST), free=free) as site:
            arguments = {"origin": site.origin, "other": pages.other()}
            crawls = []
            for _ in range(feature.runs):
                crawls += self._crawl.at_once(feature.crawlers, feature.spider, settings, **arguments)
            skipped = feature.skipped_stats or (None if strict else "scheduler/|dupefilter/|httpcache/")
            seen = Seen.of(crawls, site, skipped_stats=skipped, strict=strict)
            feeds = [path.read_text(encoding="utf-8") for path in folder.glob("feed.*")]
            seen.exported = [
                line.replace(f":{site.port}", "").rstrip(",") for text in feeds for line in text.splitlines()
            ]
        return seen, site


@pytest.fixture
def compare(crawl, service, tmp_path):
    return Comparison(crawl, service, tmp_path)


@pytest.mark.parametrize(("name", "wall"), MATRIX)
def test_a_feature_of_scrapy_is_the_same_behind_a_wall(compare, service, name, wall):
    feature = FEATURES[name]
    strict = wall not in REDIRECTING and not (feature.redirects and wall in MET_LATER)
    without, _ = compare.run(feature, None, strict=strict)
    behind, site = compare.run(feature, wall, strict=strict)
    assert without.views
    assert bool(without.exported) is feature.feeds
    assert site.challenges > 0
    assert len(service.jobs) > 0
    differences = behind.differences(without)
    assert not differences, "\n".join(differences)
