"""Show log and diff: printable lines, in colour and in a pager at a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from itertools import chain
from typing import Any

import click

from pacha.files.entry import Entry, Kind
from pacha.files.entry_changes import Aspect, Change
from pacha.history.diff import Difference, Side
from pacha.history.log import LogEntry
from pacha.machine.packages.changes import PackageChange
from pacha.store import change_list
from pacha.store.purges import Purge
from pacha.text import escape, local_minute, local_second, printable
from pacha.ui.console import at_terminal, columns, content_line, diff_line, styled, wrapped

_AGES = (("year", 365 * 86400), ("month", 30 * 86400), ("week", 7 * 86400), ("day", 86400), ("hour", 3600))
_KINDS = {
    Kind.FILE: "file", Kind.DIRECTORY: "directory", Kind.SYMLINK: "link", Kind.FIFO: "FIFO",
    Kind.CHARACTER: "character device", Kind.BLOCK: "block device", Kind.SOCKET: "socket",
}  # fmt: skip
_WIDE = 110  #: columns that a line of the log takes, without a message


def show(lines: Iterable[bytes]) -> None:
    """Print ``lines``, with their ends; at a terminal, through a pager."""
    if not at_terminal():
        for line in lines:
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return
    lines = iter(lines)
    first = next(lines, None)
    if first is None:
        return
    if (pager := os.environ.get("PACHA_PAGER")) is not None:
        os.environ["PAGER"] = pager
    os.environ.setdefault("LESS", "FRX")  # exit if it fits on the screen, show colours, do not clear
    texts = (line.decode("utf-8", "replace") for line in chain([first], lines))
    click.echo_via_pager(_without_last_end(texts), color=True)


def _without_last_end(lines: Iterable[str]) -> Iterator[str]:
    """``lines``, the last one without its newline: click adds one."""
    previous = ""
    for line in lines:
        yield previous
        previous = line
    yield previous.removesuffix("\n")


def log_line(entry: LogEntry, host: str, now: float) -> bytes:
    """A snapshot on one line: id, local time, age, what it touched, who pushed where, and why.

    A narrow terminal gets no seconds, age and host; a line that is still too long is wrapped.
    """
    words = [
        change_list.number_of_packages(number) if word == change_list.PACKAGES else f"{number} {word}"
        for word, number in entry.touched.items()
    ]
    counts = ", ".join(words) or "no path"
    if at_terminal() and columns() < _WIDE:
        line = f"{local_minute(entry.at)}  {counts}, by {printable(entry.user)}"
    else:
        line = f"{local_second(entry.at)}  {age(now - entry.at):>14}  {counts:<34}  {host}, by {printable(entry.user)}"
    if entry.message:
        line += f": {printable(entry.message.splitlines()[0])}"
    start = f"{entry.node[:12]}  "
    if at_terminal() and len(start + line) > columns():
        line = wrapped(start, line, len(start)).removeprefix(start)
    return f"{styled(start.strip(), 'yellow')}  {line}\n".encode()


def purge_line(purge: Purge) -> bytes:
    """A purge in the log: when, by whom, why, and what was named."""
    named = " ".join(filter(None, [*map(escape, purge.paths), purge.limits]))
    return _line(f"{'purged':<12}  {purge}: {named}")


def log_json(entry: LogEntry, host: str) -> dict[str, Any]:
    """A snapshot as JSON values."""
    counts = {word: entry.touched.get(word, 0) for word in (*change_list.LETTERS.values(), change_list.PACKAGES)}
    fields = {"id": entry.node, "at": utc(entry.at), "host": host, "user": entry.user, "message": entry.message}
    return {**fields, **counts}


def utc(at: float) -> str:
    """A time as JSON has it, in UTC."""
    return datetime.fromtimestamp(at, timezone.utc).isoformat().replace("+00:00", "Z")


def age(seconds: float) -> str:
    """A duration in words, in the largest unit that is not 0: ``3 days ago``."""
    if seconds < -60:  # one of the clocks was wrong
        return "in the future"
    for word, length in _AGES:
        if (number := int(seconds // length)) > 0:
            return f"{number} {word}{'s' if number > 1 else ''} ago"
    minutes = int(seconds // 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''} ago" if minutes > 0 else "now"


def name_line(difference: Difference) -> bytes:
    """A path that differs: its letter and its name."""
    return f"{difference.letter} {escape(difference.path)}\n".encode()


def difference_lines(difference: Difference, old: Side, new: Side) -> Iterator[bytes]:
    """The differences at one path: kind, metadata, then the content as in diff(1) -u."""
    raw = not at_terminal()
    before, after = difference.old, difference.new
    yield _line(f"diff {escape(difference.path)}", "bold")
    if difference.unwatched:
        yield _line("not watched any more, or excluded (which says nothing of the file)")
        return
    for words in _metadata_words(difference):
        yield _line(words)
    if difference.purged:
        yield _line(difference.purged)
    if difference.sealed:
        yield _line(difference.sealed)
        return
    if difference.hunks is None and not difference.purged and (sizes := _sizes(before, after)):
        yield _line(sizes)
    if difference.hunks:
        name = escape(difference.path)
        yield _line(f"--- a{name}\t{old.label}" if _is_file(before) else "--- /dev/null", "bold")
        yield _line(f"+++ b{name}\t{new.label}" if _is_file(after) else "+++ /dev/null", "bold")
        for line in difference.hunks:
            yield line if raw else f"{diff_line(content_line(line))}\n".encode()


def package_lines(changes: Sequence[PackageChange]) -> Iterator[bytes]:
    """The packages that differ, a line each below a heading."""
    if changes:
        yield _line("packages", "bold")
    for change in changes:
        yield _line(str(change), "green" if not change.old else None if change.new else "red")


def _metadata_words(difference: Difference) -> Iterator[str]:
    if difference.old is None and difference.new is not None:
        yield f"new {_described(difference.new)}"
    elif difference.new is None and difference.old is not None:
        yield f"removed {_described(difference.old)}"
    elif difference.old is not None and difference.new is not None:
        yield from _changed_words(difference.old, difference.new, difference.changes)


def _changed_words(old: Entry, new: Entry, changes: Iterable[Change]) -> Iterator[str]:
    if old.kind is not new.kind:
        yield f"was {_described(old)}"
        yield f"is {_described(new)}"
        return
    before, after = dict(old.xattrs), dict(new.xattrs)
    for change in changes:
        if change.aspect is Aspect.TIME:
            yield f"time {_time(old.mtime_ns)} -> {_time(new.mtime_ns)}"
        elif change.aspect is Aspect.ATTRIBUTE:
            yield f"{change} {_value(before.get(change.name))} -> {_value(after.get(change.name))}"
        elif change.aspect not in (Aspect.CONTENT, Aspect.SIZE):
            yield str(change)


def _value(value: bytes | None) -> str:
    if value is None:
        return "none"
    text = escape(value[:200]) if not value or (value.isascii() and b"\0" not in value) else f"0x{value[:100].hex()}"
    return f"'{text}'" if len(value) <= 200 else f"'{text}'..."


def _described(entry: Entry) -> str:
    owner = escape(entry.owner) if entry.owner is not None else str(entry.uid)
    group = escape(entry.group) if entry.group is not None else str(entry.gid)
    words = f"{_KINDS[entry.kind]}, mode {entry.mode:04o}, owner {owner}, group {group}"
    words += f", to {escape(entry.target)}" if entry.target is not None else ""
    return words + "".join(f", attribute {escape(name)} {_value(value)}" for name, value in entry.xattrs)


def _sizes(old: Entry | None, new: Entry | None) -> str:
    """The sizes of content that is not shown; "" where it is the same."""
    if (old and old.sha256) == (new and new.sha256):
        return ""
    before, after = (f"{entry.size} bytes" if entry and _is_file(entry) else "nothing" for entry in (old, new))
    large = max(entry.size for entry in (old, new) if entry) > 16 << 20
    return f"{'large' if large else 'binary'}: {before} -> {after}"


def _is_file(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is Kind.FILE


def _time(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    try:
        return local_second(seconds) + f".{rest:09d}"
    except (OverflowError, ValueError, OSError):
        return f"{seconds}.{rest:09d}"


def _line(text: str, colour: str | None = None) -> bytes:
    return styled(text, colour).encode("utf-8") + b"\n"
