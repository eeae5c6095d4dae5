"""Take one request through a wall: decide whether it buys a token, waits for others, or asks again.

How a token is handed in and how answers are judged is in ``wall_errand``; how often is tried, in ``attempts``; which of
several requests leads, in ``sessions``.
"""

from dataclasses import dataclass

from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.slots import Slots
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.walls.attempts import Answer, Attempts, GivenUp
from scrapy_omocaptcha.walls.judging import is_good
from scrapy_omocaptcha.walls.session import Role
from scrapy_omocaptcha.walls.wall_errand import WallErrand


@dataclass(eq=False)
class Passage:
    """Takes one challenged request through its wall."""

    _errand: WallErrand
    _attempts: Attempts
    _slots: Slots
    _lifetime: Lifetime
    _events: Events

    async def run(self, response: Response, challenge: Challenge) -> Answer:
        """Go through the wall that ``response`` has shown, and return the page that was asked for.

        :raises GivenUp: when the wall stays closed to this request; ``page`` of the errand is where it ended.
        :raises Exception: what Scrapy raises when the page is asked for again.
        """
        errand, session = self._errand, self._errand.session
        errand.meet(response, challenge)
        if "cached" in response.flags:
            # Whatever HttpCache has stored, the site may be open now, and looking costs no job.
            answer = await errand.ask_again()
            if not errand.is_challenge(answer):
                return answer
        refusal = await errand.refusal(skip_limits=self._others_pay())
        self._events.detected(errand.request, errand.page.challenge, "solve" if refusal is None else refusal.reason)
        if refusal is not None:
            raise GivenUp(refusal)
        await errand.set_aside()
        while True:
            role = session.role(errand.stamp)
            if role is Role.LEAD:
                return await self._lead()
            if role is Role.ALONE:
                errand.is_alone = True
                return await self._attempt()
            if role is Role.FOLLOW:
                await self._lifetime.wait(session.wait_turn(challenged=True))
            try:
                if session.role(errand.stamp) is Role.ASK_AGAIN:
                    passed = await errand.look_again(re_ask=True)
                    if passed is not None:
                        return passed
            finally:
                if role is Role.FOLLOW:
                    session.end_turn()

    def _others_pay(self) -> bool:
        """Tell whether another request has opened the wall since this one was sent, or is about to."""
        session = self._errand.session
        return session.leading is not None or session.is_overtaken(self._errand.stamp)

    async def _lead(self) -> Answer:
        errand, session, slots = self._errand, self._errand.session, self._slots
        slot = slots.slot(errand.request)
        session.lead(errand.stamp)
        try:
            answer = await self._attempt()
            in_doubt = errand.doubt is not None
            # Neither the answer to a submission itself nor one for which the site has set no cookie shows that the wall
            # is open for other pages, too.
            is_cleared = errand.page_answer is None and errand.cookie_values() != errand.page.cookies
            proven = is_cleared and is_good(answer) and not in_doubt
            if errand.has_opened:
                session.won(errand.cookies(), proven=proven, in_doubt=in_doubt)
            return answer
        finally:
            # The session keeps this function, which must not keep the request.
            session.stop_leading(lambda: slots.concurrency(slot))

    async def _attempt(self) -> Answer:
        try:
            answer = await self._attempts.run(self._errand)
        except Exception as error:
            self._errand.settle(error)
            raise
        self._errand.settle(None)
        return answer
