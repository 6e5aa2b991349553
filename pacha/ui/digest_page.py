"""What changed on all hosts as a static page, and the page that lists all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from hashlib import sha256

from pacha.fleet.digest import Digest
from pacha.fleet.digest_reply import HostDigest
from pacha.text import local_minute
from pacha.ui import html
from pacha.ui.digest import fitting, heading, notes, summary
from pacha.ui.fleet import number_of_hosts

DIGESTS = "digests.html"  #: the page that lists them: index.html is a report's, in a folder with both
MOST_OF_PAGE = 10_000_000  #: characters of HTML, for the hosts
_NAME = re.compile(r"digest-(\d{8}T\d{6})(?:\.\d{6})?Z(?:-[0-9a-f]{8})?\.html")


def page_name(digest: Digest) -> str:
    """The name of the page's file, from the time at which the digest begins: a repeated digest replaces its page.

    The time has microseconds, so that two digests within a second get two pages.
    """
    which = f"-{sha256(repr(digest.globs).encode()).hexdigest()[:8]}" if digest.globs else ""
    return f"digest-{datetime.fromtimestamp(digest.since, timezone.utc):%Y%m%dT%H%M%S.%f}Z{which}.html"


def digest_page(digest: Digest, master: str) -> bytes:
    """The page of a digest."""
    body = [html.wrapped("p", html.link("All digests", DIGESTS))]
    body += [html.element("h1", f"What changed on {master}"), html.element("p", heading(digest), "dim")]
    if digest.faults:
        items = (html.element("li", f"{host}: {fault}") for host, fault in sorted(digest.faults.items()))
        body += [html.element("h2", "Not to be read"), html.wrapped("ul", "".join(items), "bad")]
    if len(digest.hosts) > 1:
        items = (
            html.wrapped("li", f"{html.link(host.host, f'#{host.host}')} {html.text(summary(host))}")
            for host in digest.hosts
        )
        body += [html.element("h2", number_of_hosts(len(digest.hosts))), html.wrapped("ul", "".join(items))]
    pieces = {host.host: "\n".join(_host(host)) for host in digest.hosts}
    told = fitting({host: len(piece) for host, piece in pieces.items()}, MOST_OF_PAGE)
    body += [pieces[host.host] if host.host in told else _without_room(host) for host in digest.hosts]
    return html.page(f"What changed on {master}", body)


def index_page(names: Iterable[str], master: str) -> bytes:
    """The page that lists the digests in a folder with files of these ``names``, the newest first."""
    found = sorted((name for name in names if _NAME.fullmatch(name)), reverse=True)
    items = (html.wrapped("li", html.link(f"from {_begin(name)} on", name)) for name in found)
    title = f"Digests of {master}"
    return html.page(title, [html.element("h1", title), html.wrapped("ul", "\n".join(items))])


def _begin(name: str) -> str:
    match = _NAME.fullmatch(name)
    assert match
    try:
        return local_minute(datetime.strptime(match[1] + "+0000", "%Y%m%dT%H%M%S%z").timestamp())
    except ValueError:  # somebody else's file
        return match[1]


def _without_room(host: HostDigest) -> str:
    return "".join(_head(host)) + html.element("p", f"no room here: pacha changes --hosts {host.host} -v", "warn")


def _head(host: HostDigest) -> Iterator[str]:
    yield f'<h2 id="{html.text(host.host)}">{html.text(host.host)}</h2>'
    yield html.element("p", summary(host))


def _host(host: HostDigest) -> Iterator[str]:
    yield from _head(host)
    items = [
        f"{local_minute(note.at)}, by {note.user}" + (f": {note.message.splitlines()[0]}" if note.message else "")
        for note in reversed(host.notes)
    ]
    items += [f"and {host.snapshots - len(items)} earlier snapshots"] if len(items) < host.snapshots else []
    yield html.wrapped("ul", "".join(html.element("li", item) for item in items), "dim")
    for path in host.paths:
        name = html.element("span", f"{path.letter} {path.path}", "path")
        yield html.wrapped("p", name + html.element("span", notes(path), "dim"))
        yield html.diff(path.lines, path.cut)
    if host.left_out:
        yield html.element("p", f"and {host.left_out} more paths", "warn")
    for title, words in (("Packages", host.packages), ("Changed and changed back", host.back)):
        if words:
            listed = "".join(html.element("li", word, "path") for word in words)
            yield html.element("p", title) + html.wrapped("ul", listed)
