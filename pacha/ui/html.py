"""Static pages: the frame that all share, and the pieces of one. No script, nothing from elsewhere, light and dark.

Whatever comes from a host goes through ``text``. A browser is told to run nothing and to fetch nothing, as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from pacha.text import printable

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2024; --dim: #5f6771; --line: #d9dde2; --soft: #f4f6f8;
  --link: #0b5cad; --good: #2c7a4b; --warn: #a05a00; --bad: #b3261e; --add: #e4f4e8; --cut: #fbe7e6; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #15181c; --ink: #e3e6ea; --dim: #98a1ac;
  --line: #343a42; --soft: #1f242a; --link: #7ab7f5; --good: #6cc28c; --warn: #e3a04f; --bad: #f08a80; --add: #17301f;
  --cut: #3a1d1b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 70rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .25rem 0 .5rem; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 2rem 0 .5rem; }
a { color: var(--link); }
p { margin: .5rem 0; }
.dim { color: var(--dim); }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
code, pre, .path { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .875rem; }
pre { margin: .25rem 0 .75rem; padding: .5rem 0; background: var(--soft); border: 1px solid var(--line);
  border-radius: .375rem; overflow-x: auto; overflow-wrap: normal; tab-size: 4; }
pre span { display: block; padding: 0 .75rem; min-width: max-content; }
pre .add { background: var(--add); } pre .cut { background: var(--cut); } pre .at { color: var(--dim); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; font-size: .875rem; white-space: nowrap; }
.number { text-align: right; }
td.path { min-width: 14rem; } td.dim { min-width: 8rem; }
ul { margin: .25rem 0; padding-left: 1.25rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 0; } h3 + p { margin-top: 0; }
ul.bare { list-style: none; padding-left: 0; } ul.bare li { padding-left: 2ch; text-indent: -2ch; }
.wide svg { width: 100%; max-width: 40rem; }
.bar { fill: var(--link); } .none { fill: var(--line); } .mark { fill: var(--paper); }
.fill.good { fill: var(--good); } .fill.warn { fill: var(--warn); } .fill.bad { fill: var(--bad); }
svg { display: block; max-width: 100%; height: auto; }
details { margin: .25rem 0; } summary { cursor: pointer; }
@media (max-width: 40rem) {
  table, tbody, tr, td { display: block; width: auto; } thead { display: none; }
  tr { padding: .6rem 0; border-bottom: 1px solid var(--line); } td { border: 0; padding: .1rem 0; }
  td.number { text-align: left; } td.path, td.dim { min-width: 0; }
  td.first { font-weight: 600; font-size: 1.1rem; } td.bare { padding: .25rem 0; }
  td[data-label]:not(.first, .bare, :empty)::before { content: attr(data-label) ": "; color: var(--dim); }
}
@media print {
  :root { color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 10pt; } td, th { font-size: 9pt; }
  pre, .path, td.path { font-size: 8.5pt; } a { color: inherit; text-decoration: none; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 0; } pre span { min-width: 0; }
  tr, h2, h3 { break-inside: avoid; }
  h1, h2, h3, h2 + p, h3 + p, p:has(+ pre), p:has(+ ul) { break-after: avoid; }
  details::details-content { content-visibility: visible; } summary { list-style: none; }
}
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(title: str, body: Iterable[str]) -> bytes:
    """A whole page in UTF-8. ``title`` is text, ``body`` pieces of HTML."""
    whole = _PAGE.format(title=text(title), style=_STYLE, body="\n".join(body))
    return whole.encode("utf-8", "replace")


def text(words: str) -> str:
    """Words of whatever origin as HTML, with no control character in them."""
    return escape(printable(words, keep="\n\t"))


def element(name: str, words: str, kind: str = "") -> str:
    """An element with text in it; ``kind`` is its class."""
    return wrapped(name, text(words), kind)


def wrapped(name: str, html: str, kind: str = "") -> str:
    """An element with HTML in it."""
    return f"<{name}{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{html}</{name}>"


def link(words: str, target: str) -> str:
    """A link to a file beside this page."""
    return f'<a href="{escape(quote(target, safe="#"))}">{text(words)}</a>'


def table(heads: Iterable[str], rows: Iterable[Iterable[tuple[str, str]]]) -> str:
    """A table; each cell is HTML and a class. On a phone each cell has its head in front."""
    names = list(heads)
    head = "".join(
        f'<th class="{"number" if name.endswith("#") else ""}">{text(name.rstrip("#"))}</th>' for name in names
    )
    body = "".join(f"<tr>{''.join(_cells(names, row))}</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def _cells(names: list[str], row: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, (html, kind) in zip(names, row, strict=True):
        label = f' data-label="{text(name.rstrip("#"))}"' if name else ""
        number = "number " if name.endswith("#") else ""
        yield f'<td class="{number}{kind}"{label}>{html}</td>'


def diff(lines: Iterable[str], more: int = 0) -> str:
    """The lines of a unified diff."""
    kinds = {"+": "add", "-": "cut", "@": "at"}
    spans = [f'<span class="{kinds.get(line[:1], "")}">{text(line) or " "}</span>' for line in lines]
    spans += [f'<span class="at">and {more} more lines</span>'] if more else []
    return f"<pre>{''.join(spans)}</pre>" if spans else ""
