"""Give the spider a response that did not come as the answer to its own request."""

from typing import Any

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.forms.submission import Submission, is_free_of


class NotSolved(Exception):
    """Nothing is solved for a request, which ``response`` answers: the wall, or what keeps a form from being sent."""

    def __init__(self, response: Response) -> None:
        super().__init__(str(response))
        self.response = response


def deliver(request: Request, answer: Response, **meta: Any) -> Response:
    """Return ``answer`` as the response to ``request``, neither retried nor redirected by the outer middlewares."""
    shown = request.replace(meta={**request.meta, **meta})
    # On the request that the middlewares see, not on the one that the spider sees.
    request.meta.update(dont_retry=True, dont_redirect=True)
    return answer.replace(request=shown)


def take_over(request: Request, sent: Request, submission: Submission) -> None:
    """Write into the spider's request what middlewares wrote into a submission, as sent, whose answer is its page."""
    for mine, written, before in (
        (request.meta, sent.meta, {**submission.meta, "dont_redirect": True}),
        (request.cb_kwargs, sent.cb_kwargs, submission.cb_kwargs),
    ):
        new = {key: value for key, value in written.items() if before.get(key) is not value}
        mine.update({key: value for key, value in new.items() if is_free_of(submission.secret, value)})
