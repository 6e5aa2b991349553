"""The frame of a page, and its pieces."""

from __future__ import annotations

from pacha.ui import html


def test_text_is_escaped_twice_over() -> None:
    assert html.text('<a href="x">\x1b\u202e&') == "&lt;a href=&quot;x&quot;&gt;\\x1b\\u202e&amp;"
    assert html.element("p", "<b>", "dim") == '<p class="dim">&lt;b&gt;</p>'
    assert html.link("x<", 'a"b c.html') == '<a href="a%22b%20c.html">x&lt;</a>'


def test_a_page() -> None:
    page = html.page("T<", ["<p>x</p>"]).decode()
    assert page.startswith("<!DOCTYPE html>") and "<title>T&lt;</title>" in page and "<p>x</p>" in page
    assert "<script" not in page and "http://" not in page and "https://" not in page and "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page and "@media print" in page


def test_a_table_and_a_diff() -> None:
    made = html.table(["Host", "Files#"], [[("<i>x</i>", ""), ("7", "bad")]])
    assert '<th class="number">Files</th>' in made and '<td class="number bad" data-label="Files">7</td>' in made
    assert html.diff(["+a<", "-b", "@@", " c"], 2).count("<span") == 5 and html.diff([]) == ""


def test_on_paper() -> None:
    """Nothing dark, what is folded is open, a title is not the last line of a page."""
    style = html.page("T", []).decode().partition("<style>")[2].partition("</style>")[0]
    assert "@media screen and (prefers-color-scheme: dark)" in style
    paper = style.partition("@media print {")[2]
    assert "color-scheme: light" in paper and "details::details-content { content-visibility: visible" in paper
    assert "h3 + p, p:has(+ pre), p:has(+ ul) { break-after: avoid" in paper
