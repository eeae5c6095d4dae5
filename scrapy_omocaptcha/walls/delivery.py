"""Give the spider a response that Scrapy's other components must leave as it is."""

from typing import Any

from scrapy import Request
from scrapy.http import Response


def deliver(request: Request, answer: Response, **meta: Any) -> Response:
    """Return ``answer`` as the response to ``request``, neither retried nor redirected by the outer middlewares.

    :param meta: meta keys for the callback's ``response.meta``.
    """
    shown = request.replace(meta={**request.meta, **meta})
    # On the request that the middlewares see, not on the one that the spider sees.
    request.meta.update(dont_retry=True, dont_redirect=True)
    return answer.replace(request=shown)
