"""One timeline of the snapshots of all hosts, with the paths that each touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pacha.files.paths import prefix
from pacha.fleet.update import Fleet
from pacha.store.change_list import HEAD_LINES, LETTERS
from pacha.text import escape, printable

_AHEAD = 300.0  #: seconds that a host's clock may be ahead of ours
_PACKAGE = "P"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSnapshot:
    """A snapshot of ``host``: its time by the host's clock, who pushed it, why (``message``), and what it touched.

    ``touched``: letters (A, M, R, m; P for a package) and names, safe to print; None where they are too many for the
    index. ``left_out``: how many more there are, by letter. ``ahead``: the host's clock is ahead of this machine's.
    """

    host: str
    node: str
    at: float
    user: str
    message: str
    touched: tuple[tuple[str, str], ...] | None
    ahead: bool
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many paths and packages each letter has."""
        counted = Counter(letter for letter, _ in self.touched or ())
        counted.update(self.left_out)
        return counted


def changes(
    fleet: Fleet, since: float, now: float, hosts: Sequence[str] = (), path: bytes = b"/", most: int | None = None
) -> Iterator[HostSnapshot]:
    """Yield the snapshots, since ``since`` by their hosts' clocks, of the hosts that match ``hosts``, oldest first.

    With a ``path``, only those that touched it or something below it. ``most``: how many names of each are needed
    (None: all); a limit makes this much faster for the root. Raises UsageError.
    """
    fleet.choose(hosts)
    return of_chosen(fleet, since, now, path, most)


def of_chosen(
    fleet: Fleet, since: float, now: float, path: bytes = b"/", most: int | None = None
) -> Iterator[HostSnapshot]:
    """Yield the same for the hosts that are already chosen in the index."""
    for host, row in fleet.index.snapshots(since):
        text = None if row.changes is None else row.changes.decode("utf-8", "replace")
        left_out: dict[str, int] = {}
        if text is None:
            touched = None
        elif most is not None and path == b"/":
            touched, left_out = _first(text, most)
        else:
            touched = _touched(text, path)
        if touched is None or touched or path == b"/":
            yield HostSnapshot(
                host=fleet.names[host],
                node=row.node,
                at=row.at,
                user=row.user,
                message=row.message,
                touched=touched,
                ahead=row.at > now + _AHEAD,
                left_out=left_out,
            )


def _first(text: str, most: int) -> tuple[tuple[tuple[str, str], ...], dict[str, int]]:
    """Return the first ``most`` lines of a change list, and how many more each letter has, without splitting those."""
    *head, rest = text.split("\n", HEAD_LINES + most) if text.count("\n") >= HEAD_LINES + most else (text, "")
    left_out = {letter: f"\n{rest}".count(f"\n{letter} /") for letter in LETTERS}
    left_out[_PACKAGE] = f"\n{rest}".count(f"\n{_PACKAGE} ")
    return _touched("\n".join(head), b"/"), {letter: number for letter, number in left_out.items() if number}


def _touched(text: str, path: bytes) -> tuple[tuple[str, str], ...]:
    """Return the lines of a change list that concern ``path`` or what is below it. A month has millions of lines."""
    folder, below = escape(path), escape(prefix(path))
    wanted = {f"{letter} {folder}" for letter in LETTERS}
    starts = (*(f"{letter} {below}" for letter in LETTERS), *([f"{_PACKAGE} "] if path == b"/" else []))
    lines = text.split("\n")[HEAD_LINES:]
    if not "".join(lines).isprintable():  # forged
        lines = list(map(printable, lines))
    return tuple((line[0], line[2:]) for line in lines if line.startswith(starts) or line in wanted)
