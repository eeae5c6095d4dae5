"""Addresses: what of them may be shown, which hosts are allowed, and which site they belong to."""

import pytest

from scrapy_omocaptcha.urls import address_of, domain_of, is_allowed, public_address, route_of, same_address, same_site


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example:8443/x;y?q=1#f", "https://a.example:8443/x;y"),
        ("http://u@a.example", "http://a.example/"),
        ("http://u:p@x@a.example/", "http://a.example/"),
        ("http://[::1]:80/p?q", "http://[::1]/p"),
        ("https://a.example/a@b", "https://a.example/a@b"),
    ],
)
def test_public_address_has_scheme_host_and_path(url, shown):
    assert public_address(url) == shown


@pytest.mark.parametrize(
    ("url", "route"),
    [
        ("http://a.example?n=7&from=/page/1&token=x7", "http://a.example/"),
        ("http://a.example/go?to=https://a.example/page", "http://a.example/go"),
        ("http://a.example/index.php?act=check&id=7#top", "http://a.example/index.php?act=check"),
        (
            "http://a.example/?route=account/login&view=Special:Log_in",
            "http://a.example/?route=account%2Flogin&view=Special%3ALog_in",
        ),
        ("http://a.example/?check", "http://a.example/?check="),
    ],
)
def test_a_route_has_of_a_query_what_chooses_a_part_of_the_site(url, route):
    assert route_of(url) == route


@pytest.mark.parametrize(
    "other", ["http://a.example/?q=1", "http://a.example:80?q=1", "http://a.example:?q=1", "HTTP://u:p@A.Example?q=1#f"]
)
def test_an_address_is_the_same_however_it_is_spelled(other):
    assert same_address("http://a.example?q=1", other)
    assert address_of(address_of(other)) == "http://a.example/?q=1"


@pytest.mark.parametrize("other", ["http://a.example/", "https://a.example:80/?q=1", "http://a.example/?Q=1"])
def test_an_address_is_another_if_the_site_may_tell_it_apart(other):
    assert not same_address("http://a.example?q=1", other)


DOMAINS = ("example.org", "example.com")
ALLOWED = [
    # host, domains, allowed
    *((host, DOMAINS, True) for host in ("example.com", "www.example.com", "a.b.example.com", "EXAMPLE.com")),
    *(("example.com.", DOMAINS, True), ("example.com", (), True), ("127.0.0.1", ("127.0.0.1",), True)),
    *((host, DOMAINS, False) for host in ("badexample.com", "example.com.evil.org", "com", "")),
    ("example.com", ("www.example.com",), False),
]


@pytest.mark.parametrize(("host", "domains", "allowed"), ALLOWED)
def test_is_allowed_accepts_the_domains_and_their_subdomains(host, domains, allowed):
    assert is_allowed(host, domains) is allowed
    assert is_allowed(host, iter(domains)) is allowed


SAME = {
    "https://example.com/a": ["https://example.com/b?c#d"],
    "https://example.com": ["https://www.example.com"],
    "https://a.example.com": ["https://b.c.example.com"],
    "https://a.example.co.uk": ["https://b.example.co.uk"],
    "https://user.github.io/a": ["https://user.github.io/b"],
    "https://a.user.github.io/": ["https://user.github.io/"],
    "http://example.com": ["https://example.com", "http://example.com:80"],
    "http://example.com:8080": ["http://example.com:8080", "http://example.com", "https://example.com"],
    "https://example.com:8443": ["https://example.com"],
    "HTTPS://EXAMPLE.COM/": ["https://Example.Com/"],
    "https://example.com./": ["https://example.com/"],
    "https://user:pass@example.com/": ["https://example.com/"],
    "https://evil.org@example.com/": ["https://example.com/"],
    "http://127.0.0.1:8000/": ["http://127.0.0.1:8000/x"],
    "http://[::1]/": ["http://[0:0:0:0:0:0:0:1]/"],
    "http://localhost:8000/": ["http://localhost:8000/"],
    "http://intranet/": ["http://INTRANET/"],
    "https://bücher.de/": ["https://xn--bcher-kva.de/"],
    "https://www.BÜCHER.de/": ["https://xn--bcher-kva.de/"],
}
"""Addresses, and others of the same site."""
FOREIGN = {
    "https://example.com": [
        *("https://example.org", "https://notexample.com", "https://example.com.evil.org", "http://example.com"),
        *("http://example.com:443", "ftp://example.com", "javascript://example.com/%0aalert(1)", "//example.com/"),
        *("/verify", "", "https:///verify", "https://example.com:99999/", "https://example.com:x/", "https://[::1/"),
    ],
    "https://a.co.uk": ["https://b.co.uk"],
    "https://one.github.io": ["https://two.github.io"],
    "https://user.github.io": ["https://github.io"],
    "https://github.io": ["https://github.com"],
    "https://example.com:443": ["https://example.com:8443"],
    "http://example.com:8080": ["http://example.com:8081"],
    "http://example.com": ["http://example.com:22", "https://example.com:8443"],
    "http://127.0.0.1": ["http://127.0.0.2", "http://localhost"],
    "http://10.0.0.1": ["http://20.0.0.1"],
    "http://1.2.3.4": ["http://1.2.3.4.evil.org"],
    "http://[::1]": ["http://[::2]"],
    "http://localhost": ["http://localhost.evil.org"],
    "http://a.localhost": ["http://b.localhost"],
    "http://one": ["http://two"],
    "https://bücher.de": ["https://bucher.de"],
    "https://a.example.com": [
        *("https://a.example.com@b.example.org/", "https://a.example.com:443@b.example.org/"),
        *("https://a.example.com%2f@b.example.org/", "https://b.example.org\\@a.example.com/"),
        *("https://a.example.com\\@b.example.org/", "https://a.example.com\\.b.example.org/"),
        "https://b.example.org\\.a.example.com/",
    ],
}
"""Addresses, and others of another site: some only look like it, and of some programs disagree about the host."""


def pairs(table):
    return [(page, target) for page, targets in table.items() for target in targets]


@pytest.mark.parametrize(("page", "target"), pairs(SAME))
def test_same_site_accepts_the_site_of_the_page(page, target):
    assert same_site(page, target)


@pytest.mark.parametrize(("page", "target"), pairs(FOREIGN))
def test_same_site_rejects_any_other_site(page, target):
    assert not same_site(page, target)


def test_same_site_rejects_pages_without_a_host():
    for page in ("", "about:blank", "data:text/html,x", "file:///example.com", "https://[::1/"):
        assert not same_site(page, "https://example.com/")


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("shop.com", "*.shop.com"),
        ("a.b.shop.co.uk", "*.shop.co.uk"),
        ("user.github.io", "*.user.github.io"),
        # in no list of top-level domains
        ("a.b.office.lan", "*.office.lan"),
        ("localhost", "*.localhost"),
        ("127.0.0.1", "*.127.0.0.1"),
        ("::1", "*.::1"),
    ],
)
def test_a_domain_has_all_subdomains_that_one_owner_can_make_up(host, domain):
    assert domain_of(host) == domain
