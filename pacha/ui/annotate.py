"""Show the lines of a file with the snapshots that brought them in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pacha.history.annotate import AnnotatedLine
from pacha.store import change_list
from pacha.text import local_second, printable
from pacha.ui.console import at_terminal, content_line, styled
from pacha.ui.history import utc


def lines(annotated: Sequence[AnnotatedLine]) -> Iterator[bytes]:
    """Each line behind its snapshot: id, local time, who pushed it. Content is escaped at a terminal alone."""
    width = max((len(line.revision.note.user) for line in annotated), default=0)
    raw = not at_terminal()
    for line in annotated:
        revision, text = line.revision, line.text.removesuffix(b"\n")
        if not raw:
            text = content_line(text).encode("utf-8")
        start = f"{local_second(revision.note.at)}  {printable(revision.note.user):<{width}}  "
        yield f"{styled(revision.node[:12], 'yellow')}  {start}".encode() + text + b"\n"


def as_json(annotated: Sequence[AnnotatedLine], host: str) -> list[dict[str, Any]]:
    """Each line as JSON values; a byte of ``text`` that is not UTF-8 is a surrogate, as in Python."""
    return [
        {
            "line": number,
            "id": line.revision.node,
            "at": utc(line.revision.note.at),
            "host": host,
            "user": line.revision.note.user,
            "message": change_list.split_message(line.revision.note.message)[0],
            "text": line.text.removesuffix(b"\n").decode("utf-8", "surrogateescape"),
        }
        for number, line in enumerate(annotated, 1)
    ]
