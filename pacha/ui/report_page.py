"""A report as static pages: all hosts, a page for each, and what drifts. Names of paths, and no contents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from pacha.fleet.changes import HostSnapshot
from pacha.fleet.drift import HostGroup
from pacha.fleet.report import DAYS, MOST_PATHS, DriftReport, HostReport
from pacha.server.hosts import State
from pacha.text import enumerated, escape, local_minute
from pacha.ui import html
from pacha.ui.changes import counts
from pacha.ui.fleet import number_of_hosts, state_text
from pacha.ui.hosts import problem, remark
from pacha.ui.pictures import COLOURS, days_picture, lateness_picture
from pacha.ui.times import moment

INDEX = "index.html"
DRIFT = "drift.html"
_MOST_SNAPSHOTS = 500  #: of a host
_MOST_OF_SNAPSHOTS = 2_000_000  #: characters of them
_OPEN = 12  #: paths of a snapshot that are listed in the open
_MOST_DRIFTS = 300  #: paths below one that was asked for
_LONGEST_NAME = 200  #: of a host in the name of its page
_MOST_HOSTS = 60  #: of a group that are named


def host_page_name(host: str) -> str:
    """The name of a host's page; it stays short enough for a file, and for the temporary one beside it."""
    which = host if len(host) <= _LONGEST_NAME else f"{host[:_LONGEST_NAME]}-{sha256(host.encode()).hexdigest()[:16]}"
    return f"host-{which}.html"


def is_host_page(name: str) -> bool:
    """Whether a file of this name was written as a host's page."""
    return name.startswith("host-") and name.endswith(".html")


class HostsPage:
    """The first page, made of all hosts one after the other, so that no more than one is in memory."""

    def __init__(self, now: float) -> None:
        self.digests = ""  #: the page beside this one that lists what changed, if there is one
        self._now = now
        self._rows: list[list[tuple[str, str]]] = []
        self._states: Counter[State] = Counter()

    def add(self, host: HostReport) -> None:
        """Add a host."""
        status, beat = host.status, host.status.heartbeat
        self._states[status.state] += 1
        odd = "; ".join(filter(None, [remark(status), host.fault]))
        self._rows.append([
            (html.link(status.host, host_page_name(status.host)), "first"),
            (_state(host, self._now), "bare"),
            (html.text(moment(beat.at) if beat else "never"), ""),
            (days_picture(host.days), "bare"),
            (str(sum(day.snapshots for day in host.days)), ""),
            (html.text(odd), "dim"),
        ])  # fmt: skip

    def page(self, master: str, drifts: Sequence[DriftReport], faults: Sequence[str]) -> bytes:
        """The page."""
        order = [state for state in State if self._states[state]]
        words = ", ".join(f"{self._states[state]} {state.value}" for state in order)
        title = f"Hosts of {master}"
        body = [html.element("h1", title)]
        body.append(html.element("p", f"{number_of_hosts(len(self._rows))}: {words}" if words else "no host yet"))
        body.append(html.element("p", f"as of {local_minute(self._now)}", "dim"))
        body += [html.wrapped("p", html.link("What changed", self.digests))] if self.digests else []
        if faults:
            items = "".join(html.element("li", fault) for fault in faults)
            body += [html.element("h2", "Not to be read"), html.wrapped("ul", items, "bad")]
        heads = ["Host", "State", "Last push", f"Last {DAYS} days", "Snapshots#", ""]
        body += [html.element("h2", "Hosts"), html.table(heads, self._rows)] if self._rows else []
        body += list(_drift_summary(drifts))
        return html.page(title, body)


def _state(host: HostReport, now: float) -> str:
    status, beat = host.status, host.status.heartbeat
    word = html.element("span", status.state.value, COLOURS[status.state])
    return word + (lateness_picture(status.state, now - beat.at, beat.frequency * 3600) if beat else "")


def _drift_summary(drifts: Sequence[DriftReport]) -> Iterator[str]:
    if drifts:
        yield html.element("h2", "Drift")
        rows = [
            [
                (html.link(escape(one.path), f"{DRIFT}#{number}"), "path bare"),
                (html.text(_differing(one)), "bare " + ("warn" if one.differing else "good" if one.drifts else "dim")),
            ]
            for number, one in enumerate(drifts)
        ]
        yield html.table(["Path", "Differs"], rows)


def _differing(one: DriftReport) -> str:
    if not one.drifts:
        return "no host has it"
    if one.differing == 0:
        return "the same everywhere"
    return "one path differs" if one.differing == 1 else f"{one.differing} paths differ"


def host_page(host: HostReport, now: float) -> bytes:
    """The page of a host."""
    status, beat = host.status, host.status.heartbeat
    body = [html.wrapped("p", html.link("All hosts", INDEX)), html.element("h1", status.host)]
    body.append(html.wrapped("p", _state(host, now)))
    body += [html.element("p", text, "bad") for text in ("" if status.fine else problem(status), host.fault) if text]
    if beat:
        words = f"Last push {moment(beat.at)}, every {beat.frequency:g} h, {beat.files} files"
        body.append(html.element("p", words, "dim"))
    if host.watched:
        items = "".join(html.element("li", escape(path), "path") for path in host.watched)
        body += [html.element("h2", "What it keeps"), html.wrapped("ul", items)]
    body += [html.element("h2", f"The last {DAYS} days"), html.wrapped("div", days_picture(host.days), "wide")]
    shown = list(_with_room(map(_snapshot, host.snapshots[:_MOST_SNAPSHOTS])))
    body += shown
    more = len(host.snapshots) - len(shown)
    body += [html.element("p", f"and {more} earlier snapshots", "dim")] if more > 0 else []
    body += [] if host.snapshots else [html.element("p", "no snapshot", "dim")]
    return html.page(status.host, body)


def _with_room(pieces: Iterable[str]) -> Iterator[str]:
    room = _MOST_OF_SNAPSHOTS
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            return
        yield piece


def _snapshot(snapshot: HostSnapshot) -> str:
    first = f": {snapshot.message.splitlines()[0]}" if snapshot.message else ""
    head = html.element("h3", f"{local_minute(snapshot.at)}{first}")
    ahead = "; its clock is ahead of this one" if snapshot.ahead else ""
    head += html.element("p", f"{snapshot.node[:12]}, by {snapshot.user}; {counts(snapshot)}{ahead}", "dim")
    touched = snapshot.touched or ()
    number = sum(snapshot.counts.values())
    items = [html.element("li", f"{letter} {name}", "path") for letter, name in touched[:MOST_PATHS]]
    if number > len(items):
        items.append(html.element("li", f"and {number - len(items)} more", "dim"))
    listed = html.wrapped("ul", "".join(items), "bare") if items else ""
    if number > _OPEN:
        listed = html.wrapped("details", html.element("summary", f"{number} paths") + listed)
    return head + listed


def drift_page(drifts: Sequence[DriftReport]) -> bytes:
    """The page of all paths that were asked for."""
    body = [html.wrapped("p", html.link("All hosts", INDEX)), html.element("h1", "Drift")]
    for number, one in enumerate(drifts):
        body.append(f'<h2 id="{number}" class="path">{html.text(escape(one.path))}</h2>')
        body.append(html.element("p", _differing(one), "dim"))
        for drift in one.drifts[:_MOST_DRIFTS]:
            if drift.subject != one.path:
                body.append(html.element("h3", escape(drift.subject), "path"))
            body.append(html.wrapped("ul", "".join(map(_group, drift.groups)), "bare"))
            if drift.unwatched:
                body.append(html.element("p", f"not watched on {enumerated(drift.unwatched, _MOST_HOSTS)}", "dim"))
        if len(one.drifts) > _MOST_DRIFTS:
            more = f"and {len(one.drifts) - _MOST_DRIFTS} more: pacha drift {escape(one.path)} --names"
            body.append(html.element("p", more, "warn"))
    return html.page("Drift", body)


def _group(group: HostGroup) -> str:
    """What a group has, and its hosts: no table, as a browser does not break one row of many names when it prints."""
    what = html.element("span", state_text(group.state) if group.state else "nothing", "path")
    names = html.text(enumerated(group.hosts, _MOST_HOSTS))
    return html.wrapped("li", f"{number_of_hosts(len(group.hosts))}: {what}<br>{names}")
