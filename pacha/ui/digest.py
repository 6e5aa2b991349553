"""Show what changed on all hosts: as text for a terminal and a mail, and as JSON."""

from __future__ import annotations

from binascii import b2a_qp
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from pacha.fleet.digest import Digest
from pacha.fleet.digest_reply import NEW, REPLACED, HostDigest, PathChange
from pacha.store.change_list import number_of_packages
from pacha.text import local_minute, one_line
from pacha.ui.console import diff_line, styled
from pacha.ui.fleet import number_of_hosts
from pacha.ui.times import utc

MOST_OF_MAIL = 1_000_000  #: bytes of a mail, as it is sent


def subject(digest: Digest, master: str) -> str:
    """One line: how many hosts changed, and how many cannot be read."""
    words = f"{number_of_hosts(len(digest.hosts))} changed" if digest.hosts else "no host changed"
    words += f", {len(digest.news)} cannot be read" if digest.news else ""
    which = f" ({one_line(', '.join(digest.globs))})" if digest.globs else ""
    return f"pacha on {master}{which}: {words}"


def digest_lines(digest: Digest) -> Iterator[str]:
    """All of it, line by line."""
    yield styled(heading(digest), "bold")
    yield from fault_lines(digest)
    for host in digest.hosts:
        yield ""
        yield from host_lines(host)


def mail_text(digest: Digest) -> str:
    """As much of it as a mail has room for; a host that finds no room is only named."""
    blocks = {host.host: click.unstyle("".join(f"{line}\n" for line in host_lines(host))) for host in digest.hosts}
    told = fitting({host: len(b2a_qp(block.encode("utf-8"))) for host, block in blocks.items()}, MOST_OF_MAIL)
    left_out = [host for host in digest.hosts if host.host not in told]
    lines = [heading(digest), *fault_lines(digest)]
    lines += [f"\n{block[:-1]}" for host, block in blocks.items() if host in told]
    if left_out:
        lines += ["", f"This mail has no room for {number_of_hosts(len(left_out))} more (pacha changes --hosts NAME):"]
        lines += [f"  {host.host}: {summary(host)}" for host in left_out]
    return "".join(f"{line}\n" for line in lines)


def fitting(sizes: Mapping[str, int], room: int) -> set[str]:
    """The hosts whose pieces have ``room``, the smallest first: one that changed everything crowds out only itself."""
    chosen = set[str]()
    for host in sorted(sizes, key=lambda host: (sizes[host], host)):
        room -= sizes[host]
        if room < 0:
            break
        chosen.add(host)
    return chosen


def heading(digest: Digest) -> str:
    """How many hosts changed, in which time."""
    number = number_of_hosts(len(digest.hosts)) if digest.hosts else "no host"
    return f"{number} changed from {local_minute(digest.since)} to {local_minute(digest.until)}"


def fault_lines(digest: Digest) -> Iterator[str]:
    """A line for each host that cannot be compared."""
    for host, fault in sorted(digest.faults.items()):
        yield f"{host}: {fault}"


def summary(host: HostDigest) -> str:
    """How much changed on a host, in a line."""
    if host.kind == NEW:
        return f"new, with {host.counts['added']} paths"
    if host.kind == REPLACED:
        return f"its history is another than before, {host.counts['added']} paths now: pacha check {host.host}"
    words = [f"{number} {word}" for word, number in host.counts.items() if number]
    words += [number_of_packages(len(host.packages))] if host.packages else []
    words += [f"{len(host.back)} changed and changed back"] if host.back else []
    return ", ".join(words) or "no path changed"


def host_lines(host: HostDigest) -> Iterator[str]:
    """What changed on a host: its snapshots, its paths with their diffs, its packages."""
    number = f"{host.snapshots} snapshot{'' if host.snapshots == 1 else 's'}"
    yield styled(f"{host.host}: {summary(host)} ({number})", "bold")
    for note in reversed(host.notes):
        first = f": {note.message.splitlines()[0]}" if note.message else ""
        yield f"  {local_minute(note.at)}  {note.node[:12]}  by {note.user}{first}"
    if len(host.notes) < host.snapshots:
        yield f"  and {host.snapshots - len(host.notes)} earlier snapshots"
    for path in host.paths:
        yield f"  {path.letter} {path.path}{notes(path)}"
        yield from (f"      {diff_line(line)}" for line in path.lines)
        if path.cut:
            yield f"      and {path.cut} more lines"
    if host.left_out:
        yield f"  and {host.left_out} more paths (pacha changes --hosts {host.host} -v)"
    yield from (f"  P {package}" for package in host.packages)
    yield from (f"  changed and changed back: {name}" for name in host.back)


def notes(path: PathChange) -> str:
    """What is said of a path behind its name."""
    hidden = [f"not shown: {path.hidden}"] if path.hidden else []
    words = "; ".join([*path.words, *hidden])
    return f"  ({words})" if words else ""


def digest_json(digest: Digest) -> dict[str, Any]:
    """All of it as JSON values."""
    return {
        "since": utc(digest.since),
        "until": utc(digest.until),
        "hosts": [_host_json(host) for host in digest.hosts],
        "faults": dict(sorted(digest.faults.items())),
    }


def _host_json(host: HostDigest) -> dict[str, Any]:
    return {
        "host": host.host,
        "snapshot": host.tip,
        "kind": host.kind or "changed",
        "snapshots": host.snapshots,
        "notes": [
            {"id": note.node, "at": utc(note.at), "user": note.user, "message": note.message} for note in host.notes
        ],
        "counts": dict(host.counts),
        "paths": [_path_json(path) for path in host.paths],
        "paths_left_out": host.left_out,
        "packages": list(host.packages),
        "changed_back": list(host.back),
    }


def _path_json(path: PathChange) -> dict[str, Any]:
    return {
        "change": path.letter,
        "path": path.path,
        "notes": list(path.words),
        "hidden": path.hidden or None,
        "diff": list(path.lines),
        "lines_left_out": path.cut,
    }


def listed(lines: Iterable[str]) -> Iterator[bytes]:
    """Lines as a pager takes them."""
    return (f"{line}\n".encode() for line in lines)
