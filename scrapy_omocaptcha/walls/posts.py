"""Tell whether a POST that was redirected may have been executed, from what is known of where it was redirected to.

POST stands for each method but GET and HEAD. Nothing is sent or scheduled here.
"""

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.engine.request_state import RequestStates
from scrapy_omocaptcha.forms.encoding import SAFE_METHODS
from scrapy_omocaptcha.tokens.judging import Answer
from scrapy_omocaptcha.urls import is_part_of, public_address, same_address
from scrapy_omocaptcha.walls import originals
from scrapy_omocaptcha.walls.targets import WALLS, Kind, Targets


class Posts:
    """What a crawl's redirects have done to its POSTs."""

    def __init__(self, states: RequestStates, targets: Targets) -> None:
        self._states, self._targets = states, targets

    def wall_of(self, request: Request) -> str | None:
        """Return the address at which a redirected POST has met a challenge, or None."""
        return None if request.method in SAFE_METHODS else self._states.peek(request).wall_url

    def has_post(self, request: Request) -> bool:
        """Tell whether a request was made of the redirect of a POST."""
        original = self._states.peek(request).original
        return original is not None and original["method"] not in SAFE_METHODS

    def was_resent_for(self, request: Request, url: str) -> bool:
        """Tell whether a request was sent again since it had been redirected to the route of ``url``."""
        return self._targets.route_of(url) in map(self._targets.route_of, self._states.peek(request).resent_for)

    def counts_as_withheld(self, request: Request, url: str) -> bool:
        """Tell whether the challenge at ``url`` has withheld a POST, be it ``request`` or what that was made of.

        That is proven of a gate. What other addresses claim is believed once for each POST.
        """
        state = self._states.peek(request)
        asked = originals.way_of(request, state.original)[0]
        return self._is_gate(url) or (not state.was_believed and self._targets.may_withhold(url, asked))

    def has_led_on(self, request: Request, url: str) -> bool:
        """Tell whether a GET for what a POST was redirected to is led elsewhere, now that its challenge is gone."""
        if not self.has_post(request):
            return False
        state = self._states.peek(request)
        asked = originals.way_of(request, state.original)[0]
        is_script = public_address(asked) == public_address(request.url)
        conditions = (
            request.method in SAFE_METHODS,
            state.asked_again,
            # Otherwise, the challenge came from behind another redirect.
            state.wall_url is None,
            # A page may have moved, which the path of a site's only script does not tell, and a challenge that others
            # show as well is in the place of pages.
            is_script or not is_part_of(url, request.url),
            not self._targets.may_have_others_like(request.url),
            self._targets.of(url).kind not in WALLS,
        )
        return all(conditions)

    def is_in_doubt(self, request: Request, page: Answer) -> bool:
        """Tell whether a page, which has shown a challenge, may be a gate's own rather than the answer to a POST."""
        is_same = isinstance(page, Response) and same_address(page.url, request.url)
        return is_same and self.has_post(request) and not self._targets.may_have_others_like(request.url)

    def may_be_executed(self, request: Request) -> bool:
        """Tell whether a POST was sent again because of a mere claim, so that its redirect may be its answer."""
        claim = request.url if self.has_post(request) else self.wall_of(request)
        return claim is not None and not self._is_gate(claim) and self.was_resent_for(request, claim)

    def record_sent(self, request: Request) -> None:
        """Record that a request is sent again, so that a claim to have withheld it is not believed once more."""
        claim = self.wall_of(request)
        if claim is not None and not self._is_gate(claim):
            state = self._states.of(request)
            state.resent_for.append(claim)
            state.was_believed = True

    def _is_gate(self, url: str) -> bool:
        return self._targets.of(url).kind is Kind.GATE
