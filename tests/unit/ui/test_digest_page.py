"""A digest as a page: everything escaped, no script; the same name if it is told again; an index of all."""

from __future__ import annotations

from dataclasses import replace

from pacha.fleet.digest_reply import PathChange
from pacha.ui.digest_page import digest_page, index_page, page_name
from tests.support.digests import HOST, made


def test_a_page() -> None:
    evil = PathChange(letter="M", path="/<script>alert(1)</script>", words=('"&',), lines=("+<img src=x onerror=y>",))
    page = digest_page(made(replace(HOST, paths=(*HOST.paths, evil)), db1="<b>"), "m<").decode()
    assert "<script" not in page and "<img" not in page and "<b>" not in page
    assert "&lt;script&gt;" in page and "default-src &#x27;none&#x27;" not in page and "default-src 'none'" in page
    assert '<span class="add">+b</span>' in page and "not shown: others may not read it" in page


def test_a_page_has_an_end() -> None:
    many = tuple(PathChange(letter="A", path="/" + "<" * 1000) for _ in range(2000))
    hosts = (replace(HOST, host=f"big{number}", paths=many) for number in range(3))
    page = digest_page(made(*hosts, HOST), "m").decode()
    assert len(page) < 10_100_000 and page.count("no room here") == 2 and page.count("<h2 id=") == 4
    assert '<span class="add">+b</span>' in page


def test_names() -> None:
    name, older = page_name(made(HOST)), "digest-20010909T014639Z.html"
    assert name == "digest-20010909T014640.000000Z.html"
    page = index_page([older, name, "digest-99999999T999999Z.html", "x<.html", "index.html"], "m").decode()
    assert page.count("<li>") == 3 and "x&lt;" not in page
    assert page.index("digest-9999") < page.index(f'href="{name}"') < page.index(f'href="{older}"')


def test_two_digests_within_a_second_are_two_pages() -> None:
    digest = made(HOST)
    assert page_name(digest) != page_name(replace(digest, since=digest.since + 0.25))
