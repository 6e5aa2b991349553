"""Names of repositories, and the names of files in them. Pure functions.

Mercurial refuses a file name with a newline or a carriage return, or with a component that is ``.hg`` or that a
case-folding or HFS+ file system treats as such (``hg help internals``, mercurial/pathutil.py). It obeys ``.hgsub``,
``.hgsubstate`` and ``.hgtags`` at the root. Those names, and a component ``.pacha``, are stored escaped; every other
name is stored as it is, so that a plain ``hg clone`` looks natural.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from pacha.text import escape

DATABASE = "db"  #: the repository that holds pacha.db; never that of a watched path
NODE = re.compile(r"[0-9a-f]{40}", re.ASCII)  #: a revision of a repository
PACHA_DB = b"pacha.db"  #: the file in it that holds a snapshot
#: In lower case: never the name of a watched path's repository.
TAKEN_ON_THE_MASTER = frozenset([DATABASE, "last-push", "last-push.new"])
PARTS = b".pacha/parts/"
#: Bytes of a stored name. Mercurial encodes at most 16384 / 3 (mercurial/cext/pathencode.c), a part's with it.
LONGEST_STORED = 5400

_ESCAPED = b".pacha%"
_OBEYED_AT_ROOT = frozenset([b".hgsub", b".hgsubstate", b".hgtags"])
_SHORT_NAME_OF_HG = re.compile(rb"(?i)(hg|hg8b6c)~[0-9]+\Z")
# The code points that HFS+ ignores in a name, as UTF-8 (Apple Technical Note TN1150).
_HFS_IGNORED = re.compile(rb"\xe2\x80[\x8c-\x8f\xaa-\xae]|\xe2\x81[\xaa-\xaf]|\xef\xbb\xbf")
_OWN = re.compile(rb"\.pacha-(kept-.+|[0-9a-f]{16})\Z", re.DOTALL)
#: Names that are stored as they are, like nearly all: recognised without a look at each component.
_PLAIN = re.compile(rb"[^./~\n\r\xe2\xef][^/~\n\r]*(?:/[^./~\n\r\xe2\xef][^/~\n\r]*)*")
_NOT_IN_A_PATH = frozenset([b"", b".", b".."])
_LONGEST = 64
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)  # what repository_name gives


def repository_name(path: bytes, taken: Collection[str]) -> str:
    """Return a repository name for the watched ``path``: its last component reduced to ``[A-Za-z0-9._-]``, 64 bytes.

    ``taken`` holds every name ever used on this host; a name in it gets ``-2``, ``-3`` and so on. ``db`` and
    ``last-push`` (the heartbeat and its temporary file lie beside the repositories) are never returned.
    """
    last = path.rstrip(b"/").rpartition(b"/")[2]
    base = re.sub(rb"[^A-Za-z0-9._-]", b"", last).lstrip(b".-").decode("ascii")[:_LONGEST] or "root"
    used = {name.lower() for name in taken} | TAKEN_ON_THE_MASTER
    name, number = base, 1
    while name.lower() in used:
        number += 1
        suffix = f"-{number}"
        name = base[: _LONGEST - len(suffix)] + suffix
    return name


def may_hold_content(repository: str) -> bool:
    """Whether the repository of a watched path may have this name."""
    return _REPOSITORY.fullmatch(repository) is not None and repository.lower() not in TAKEN_ON_THE_MASTER


def stored(relative: bytes) -> bytes:
    """The name under which the repository holds ``relative`` (bytes, '/' between components)."""
    if _PLAIN.fullmatch(relative):
        return relative
    first, *others = relative.split(b"/")
    encoded = [_store_component(first, at_root=True)]
    encoded += [_store_component(other) for other in others]
    return b"/".join(encoded)


def original(name: bytes) -> bytes:
    """The inverse of :func:`stored`. Raises ValueError for a name that ``stored`` never returns."""
    if _PLAIN.fullmatch(name):
        return name
    relative = b"/".join(
        unquote_to_bytes(component[len(_ESCAPED) :]) if component.startswith(_ESCAPED) else component
        for component in name.split(b"/")
    )
    if stored(relative) != name or not _NOT_IN_A_PATH.isdisjoint(relative.split(b"/")):
        raise ValueError(f"not a stored name: {escape(name)}")
    return relative


def part(name: bytes, number: int) -> bytes:
    """The stored name of part ``number`` (from 0) of the file stored as ``name``."""
    return b"%s%s/%06d" % (PARTS, name, number)


def whole(name: bytes) -> bytes:
    """The stored name of the file that ``name`` is a part of; ``name`` itself if it is not a part."""
    return name[len(PARTS) :].rpartition(b"/")[0] if name.startswith(PARTS) else name


def part_number(name: bytes) -> int:
    """The number of the part that is stored as ``name``; -1 if it is not a part."""
    return int(name.rpartition(b"/")[2]) if name.startswith(PARTS) else -1


def is_pachas_own(name: bytes) -> bool:
    """Whether ``name`` is a directory entry that Pacha itself creates beside what it restores."""
    return name.startswith(b".pacha-") and _OWN.match(name) is not None


def _store_component(component: bytes, at_root: bool = False) -> bytes:
    if not _needs_escape(component) and not (at_root and component in _OBEYED_AT_ROOT):
        return component
    escaped = component.replace(b"%", b"%25").replace(b"\n", b"%0A").replace(b"\r", b"%0D")
    return _ESCAPED + escaped


def _needs_escape(component: bytes) -> bool:
    if b"\n" in component or b"\r" in component:
        return True
    lowered = component.lower()
    if b"~" in lowered and _SHORT_NAME_OF_HG.match(lowered):
        return True
    if lowered[:1] not in (b".", b"\xe2", b"\xef"):
        return False
    return lowered.startswith(_ESCAPED) or _looks_like_own_folder(lowered)


def _looks_like_own_folder(lowered: bytes) -> bool:
    plain, ignored = _HFS_IGNORED.subn(b"", lowered)
    while ignored:  # the rest may form another such code point
        plain, ignored = _HFS_IGNORED.subn(b"", plain)
    return not plain or plain.rstrip(b". ") in (b".hg", b".pacha")
