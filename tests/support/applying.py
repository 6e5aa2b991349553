"""An old tree, a new one, and the plan that makes the one of the other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.files.content import observe_and_hash
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Accounts
from pacha.restore.apply import apply
from pacha.restore.journal import Journal
from pacha.restore.outcome import Outcome
from pacha.restore.ownership import Identity
from pacha.restore.plan import Plan, build
from pacha.restore.write import Extent

ALICE, BOB, STAFF = 54001, 54002, 54050
STOPPED, CONCERNS = 4, 3
ACCOUNTS = Accounts({0: b"root"}, {0: b"root"}, {b"root": 0}, {b"root": 0})


ROOT = Identity(0, 0, frozenset({0}))


class Contents:
    """A source of content: bytes by path."""

    def __init__(self, contents: dict[bytes, bytes]) -> None:
        self.contents = contents

    def content(self, entry: Entry) -> Iterator[bytes]:
        data = self.contents[entry.path]
        for start in range(0, len(data), 1 << 20):
            yield data[start : start + (1 << 20)]

    def place(self, entry: Entry) -> Extent | None:
        return None


class Spooled(Contents):
    """Content that another process can read too."""

    def __init__(self, contents: dict[bytes, bytes], file: Path) -> None:
        super().__init__(contents)
        self.file, self.starts = file, dict[bytes, int]()
        with open(file, "wb") as stream:
            for path, data in contents.items():
                self.starts[path] = stream.tell()
                stream.write(data)

    def place(self, entry: Entry) -> Extent | None:
        return Extent(os.fsencode(self.file), self.starts[entry.path], entry.size)


def look(root: Path) -> dict[bytes, Entry]:
    """Return everything at and below ``root`` (Pacha's own names left out) by path."""
    top = os.fsencode(root)
    entries: dict[bytes, Entry] = {}

    def visit(path: bytes) -> None:
        parent, _, name = path.rpartition(b"/")
        dir_fd = os.open(parent, os.O_RDONLY)
        try:
            entry = observe_and_hash(name, dir_fd, path, ACCOUNTS)
        finally:
            os.close(dir_fd)
        entries[path] = entry
        if entry.kind is Kind.DIRECTORY:
            for below in sorted(os.listdir(path)):
                if not below.startswith(b".pacha-"):
                    visit(path + b"/" + below)

    if os.path.lexists(top):
        visit(top)
    return entries


def contents(entries: dict[bytes, Entry]) -> Contents:
    """Return the content of all files among ``entries``, as it is now."""
    return Contents({p: Path(os.fsdecode(p)).read_bytes() for p, e in entries.items() if e.kind is Kind.FILE})


def make(path: Path, data: bytes = b"", mode: int = 0o644, uid: int = 0, gid: int = 0) -> Path:
    path.write_bytes(data)
    os.chown(path, uid, gid)
    path.chmod(mode)
    return path


def old_tree(root: Path) -> None:
    """What is on the machine before: partly right, partly wrong, with extras and clashing types."""
    root.mkdir(mode=0o755)
    make(root / "same", b"same")
    make(root / "changed", b"old content", 0o600)
    make(root / "mode-only", b"m", 0o644, ALICE, STAFF)
    (root / "was-directory").mkdir(mode=0o750)
    make(root / "was-directory" / "inside", b"precious")
    make(root / "was-file", b"a file")
    (root / "link").symlink_to("elsewhere")
    (root / "sub").mkdir(mode=0o700)
    make(root / "sub" / "one", b"1")
    os.link(root / "sub" / "one", root / "sub" / "two")
    (root / "extra").mkdir(mode=0o711)
    make(root / "extra" / "file", b"extra")
    (root / "closing").mkdir(mode=0o755)
    make(root / "closing" / "stays", b"stays")
    _age(root, 1_500_000_000)


def new_tree(root: Path) -> None:
    """What is wanted: all kinds of entries."""
    root.mkdir(mode=0o2755)
    os.chown(root, 0, STAFF)
    root.chmod(0o2755)
    make(root / "same", b"same")
    make(root / "changed", b"new content, longer", 0o4755, ALICE, STAFF)
    make(root / "mode-only", b"m", 0o640, BOB, STAFF)
    make(root / "was-directory", b"now a file", 0o400)
    (root / "was-file").mkdir(mode=0o1777)
    (root / "was-file" / "deep").mkdir(mode=0o555)
    make(root / "was-file" / "deep" / "leaf", b"leaf", 0)
    os.chown(root / "was-file" / "deep", ALICE, STAFF)
    (root / "link").symlink_to("nowhere/at/all")
    os.chown(root / "link", ALICE, STAFF, follow_symlinks=False)
    (root / "sub").mkdir(mode=0o750)
    make(root / "sub" / "one", b"1", 0o644)
    make(root / "sub" / "two", b"2", 0o644)
    os.link(root / "sub" / "one", root / "three")
    os.mkfifo(root / "pipe", 0o620)
    (root / "empty").mkdir(mode=0o2770)
    (root / "empty").chmod(0o2770)
    make(Path(os.fsdecode(os.fsencode(root) + b"/odd \xff\n\x1b[m")), b"odd")
    os.mknod(root / "null", 0o20666, os.makedev(1, 3))
    (root / "closing").mkdir(mode=0o700)
    make(root / "closing" / "stays", b"stays")
    make(root / "closing" / "comes", b"comes", 0o4755, ALICE)
    _age(root, 1_600_000_000)


def _age(root: Path, second: int) -> None:
    for number, (folder, _, names) in enumerate(os.walk(root, topdown=False)):
        for name in [*names, "."]:
            path = os.path.join(folder, name)
            os.utime(path, ns=(0, second * 10**9 + number * 1001 + 7), follow_symlinks=False)
    for entry in os.scandir(root):
        if entry.is_symlink():
            os.utime(entry.path, ns=(0, second * 10**9 + 77), follow_symlinks=False)
    os.utime(root, ns=(0, second * 10**9 + 3))


def plan_for(root: Path, wanted: dict[bytes, Entry], *, delete: bool = False, **more: object) -> Plan:
    return build(
        list(wanted.values()), look(root), ACCOUNTS, roots=[os.fsencode(root)], delete=delete,
        me=more.pop("me", ROOT), **more,  # type: ignore[arg-type]
    )  # fmt: skip


def rebuild(root: Path, wanted: dict[bytes, Entry], source: Contents, state: Path, **more: bool) -> Outcome:
    journal = Journal.begin(os.fsencode(state))
    try:
        return apply(plan_for(root, wanted, **more), source, journal)
    finally:
        journal.close()


def alike(entries: dict[bytes, Entry]) -> dict[bytes, Entry]:
    """Return ``entries`` with hard-link groups numbered by their first name, and without their projects.

    Not every file system has those; ``test_projects`` has its own view of them.
    """
    first: dict[int, int] = {}
    for number, path in enumerate(sorted(entries)):
        group = entries[path].link_group
        if group is not None:
            first.setdefault(group, number)
    return {
        path: entry._replace(link_group=first[entry.link_group] if entry.link_group else None, project=None)
        for path, entry in entries.items()
    }


def left_behind(folder: Path) -> list[str]:
    """Return temporary names anywhere below ``folder``."""
    return [
        name
        for _, folders, names in os.walk(folder)
        for name in folders + names
        if name.startswith(".pacha-") and not name.startswith(".pacha-kept-")
    ]


Story = tuple[Path, dict[bytes, Entry], Contents, dict[bytes, Entry], Path]


@pytest.fixture(name="story")
def story_fixture(tmp_path: Path) -> Story:
    """A root with the old tree on it; the entries and contents of the new one; the old entries; a state."""
    root, state = tmp_path / "watched", tmp_path / "state"
    state.mkdir(mode=0o700)
    new_tree(root)
    wanted = look(root)
    source = contents(wanted)
    shutil.rmtree(root)
    old_tree(root)
    return root, wanted, source, look(root), state


CHANGING = (
    "rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,mknodat,symlinkat,chown,fchown,"
    "lchown,chmod,fchmod,setxattr,fsetxattr,removexattr,fremovexattr,utimensat,ftruncate,syncfs,fsync,write"
)
