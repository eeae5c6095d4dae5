"""What Scrapy's own middlewares are asked, in the middle of a crawl."""

import scrapy
from scrapy.http import HtmlResponse, Response, TextResponse

from tests.helpers.probing import chain, components, in_a_crawl


def redirect_to(location, status=302):
    return Response("http://127.0.0.1/", status=status, headers={"Location": location})


@in_a_crawl()
async def test_where_a_response_leads_to(spider):
    def refresh(seconds, kind=HtmlResponse, before="", encoding="utf-8"):
        text = f'{before}<meta http-equiv="refresh" content="{seconds}; url=/gate">'
        return kind("http://127.0.0.1/", body=text, encoding=encoding)

    redirects = [redirect_to("/gate", status) for status in (299, 300, 399, 400)]
    responses = [*redirects, refresh(99), refresh(100), refresh(0, TextResponse)]
    # For browsers without scripts, which settings tell Scrapy to follow or not.
    responses.append(responses[4].replace(body=b"<noscript>" + responses[4].body + b"</noscript>"))
    leads_to = [components(spider).location(response) for response in responses]
    assert leads_to == [None, b"/gate", b"/gate", None, b"http://127.0.0.1/gate", None, None, None]
    # Scrapy looks at the first 4,096 characters, not bytes.
    responses = [refresh(0, before="ж" * 4000), refresh(0, encoding="utf-16-le"), refresh(0, before="ж" * 4096)]
    assert [components(spider).location(response) for response in responses] == [*[b"http://127.0.0.1/gate"] * 2, None]


REDIRECTED = [{}, {"handle_httpstatus_list": [301]}, {"redirect_times": 19}, {"redirect_ttl": 1}]
NOT_REDIRECTED = [
    *({"dont_redirect": True}, {"handle_httpstatus_list": [302]}, {"handle_httpstatus_all": True}),
    *({"redirect_times": 20}, {"redirect_ttl": 0}),
]
RETRIED = [({}, OSError), ({}, 503), ({"retry_times": 1}, OSError), ({"max_retry_times": 3, "retry_times": 2}, 503)]
NOT_RETRIED = [
    *(({}, KeyError), ({}, 404), ({"dont_retry": True}, OSError), ({"retry_times": 2}, 503)),
    *(({"max_retry_times": 0}, OSError), ({"max_retry_times": 1, "retry_times": 1}, OSError)),
]


@in_a_crawl()
async def test_what_scrapy_will_redirect_or_retry(spider):
    def will_redirect(meta):
        return components(spider).will_redirect(scrapy.Request("http://127.0.0.1/", meta=meta), redirect_to("/gate"))

    def will_retry(meta, failure):
        failure = Response("http://127.0.0.1/", status=failure) if isinstance(failure, int) else failure
        return components(spider).will_retry(scrapy.Request("http://127.0.0.1/", meta=meta), failure)

    assert [meta for meta in (*REDIRECTED, *NOT_REDIRECTED) if will_redirect(meta)] == REDIRECTED
    assert [case for case in (*RETRIED, *NOT_RETRIED) if will_retry(*case)] == RETRIED
    spider.handle_httpstatus_list = [302]
    assert not will_redirect({})


@in_a_crawl()
async def test_what_was_downloaded_or_answers_for_such_a_request_is_told_from_all_else(spider, walled):
    site = walled()
    sent, page, made, other = (scrapy.Request(f"{site.url}/free/{number}") for number in range(4))
    await chain(spider).send_again(sent, page=page)
    components(spider).downloaded_for(other, made)
    assert [components(spider).is_downloaded(each) for each in (sent, page, made, other)] == [True, True, False, False]
